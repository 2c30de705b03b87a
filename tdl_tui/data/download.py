"""Fetches a dataset's archives from where torchvision knows them to be, and checks each before it is used."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import os
import shutil
import tarfile
import time
import urllib.request
from collections.abc import Iterable
from pathlib import Path

from tdl_tui.torchvision_import import datasets

from .dataset import DataError, Report
from .files import Files

TIMEOUT_SECONDS = 20.0
PIECE_BYTES = 1 << 18


def download(files: Files, folder: Path, report: Report) -> None:
    """Puts the dataset's files, unpacked, into `folder`. Raises DataError, in one line, where that fails.

    Nothing is unpacked that is not, by its checksum, what was published; a file appears under its name only whole.
    What an earlier download left there is not fetched again.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, urls, md5 in _sources(files):
            if (folder / name.removesuffix(".gz")).is_file() and name.removesuffix(".gz") in files.names:
                continue
            archive = folder / name
            if not archive.is_file() or checksum(archive) != md5:
                _fetch(urls, archive, md5, lambda progress: report(f"{files.dataset}: {progress}"))
            unpack(archive, folder)
            archive.unlink()
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise DataError(
            f"{files.dataset} could not be downloaded ({reason}); {files.wanted({}, folder.parent)}"
        ) from None


def checksum(path: Path) -> str:
    """The file's MD5, which tells a damaged file from a whole one."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _sources(files: Files) -> Iterable[tuple[str, list[str], str]]:
    """File name, addresses to try in turn, and MD5."""
    known = getattr(datasets(), files.torchvision)
    if hasattr(known, "resources"):
        return [(name, [mirror + name for mirror in known.mirrors], md5) for name, md5 in known.resources]
    return [(known.filename, [known.url], known.tgz_md5)]


def _fetch(urls: list[str], target: Path, md5: str, report: Report) -> None:
    """Raises the last address's OSError when none gave the file."""
    part = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        for url in urls:
            try:
                _copy(url, part, report)
                if checksum(part) != md5:
                    raise OSError(f"what {url} gave is not the file that was published")
            except (OSError, http.client.HTTPException):
                if url == urls[-1]:
                    raise
            else:
                part.replace(target)
                return
    finally:
        part.unlink(missing_ok=True)


def _copy(url: str, part: Path, report: Report) -> None:
    """Downloads into `part`, reporting about once a second."""
    name = url.rpartition("/")[2]
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response, part.open("wb") as file:
        total = int(response.headers.get("Content-Length") or 0)
        done, said = 0, 0.0
        while piece := response.read(PIECE_BYTES):
            file.write(piece)
            done += len(piece)
            if time.monotonic() - said >= 1:
                said = time.monotonic()
                report(f"downloading {name}, {done / 1e6:.1f}{f' of {total / 1e6:.1f}' if total else ''} MB")
        if total and done != total:
            raise OSError(f"{url} ended after {done} of {total} bytes")


def unpack(archive: Path, folder: Path) -> None:
    """A .tar.gz into the folder, or a .gz as the file in it. Raises OSError."""
    if archive.name.endswith(".tar.gz"):
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        return
    target = folder / archive.name.removesuffix(".gz")
    part = folder / f".{target.name}.{os.getpid()}"
    try:
        with gzip.open(archive) as packed, part.open("wb") as file:
            shutil.copyfileobj(packed, file, PIECE_BYTES)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
