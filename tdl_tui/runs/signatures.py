"""Whether a checkpoint's file is as it was written. Imports no torch.

Behind what torch wrote stands one line with the SHA-256 of all before. Files of the first format have none; they are
zip archives, whose parts have checksums of their own.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from pathlib import Path
from typing import IO

SIGN = b"\ntdl checkpoint, sha256 of all before: "
SIGNATURE_BYTES = len(SIGN) + 64 + 1
BLOCK_BYTES = 1 << 20


def is_signed(file: IO[bytes]) -> bool:
    """Whether the file ends with its checksum. Raises ValueError, saying in what it is not as it was written."""
    size = file.seek(0, os.SEEK_END) - SIGNATURE_BYTES
    if size < 0:
        raise ValueError("it is cut off")
    file.seek(size)
    signature = file.read()
    if not signature.startswith(SIGN):
        return False
    file.seek(0)
    digest = hashlib.sha256()
    while size and (block := file.read(min(size, BLOCK_BYTES))):
        digest.update(block)
        size -= len(block)
    if signature != SIGN + digest.hexdigest().encode() + b"\n":
        raise ValueError("its checksum is another")
    return True


def fault(path: Path) -> str:
    """In what a checkpoint's file is not as it was written, "" where it is. Raises OSError."""
    with path.open("rb") as file:
        try:
            if is_signed(file):
                return ""
            part = zipfile.ZipFile(file).testzip()
        except ValueError as error:
            return str(error)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
            return "it is cut off, or no checkpoint"
    return f"the checksum of {part} is another" if part else ""
