"""Pictures from a folder, decoded once: into memory, or where they do not fit into a file, to be streamed."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from tdl_tui.registry import Options
from tdl_tui.torchvision_import import transforms

from .augmentation import Augmentation
from .dataset import DataError, Dataset, Report, ignore
from .folder_reading import divided_as, read_folder
from .own_files import text
from .storage import SHARE, free_bytes

MOST_BROKEN = 0.01  # share of the files
NAMED = 10  # broken files that a note names
AT_ONCE = 256  # pictures decoded before the next are looked at


def image_folder(options: Options, folder: Path, report: Report = ignore) -> Dataset:
    """The middle square of each picture, brought to `image_size`; grey, or red, green and blue.

    Files that are no whole picture are left out, and named in the notes. Raises DataError where they are more than one
    in a hundred, naming the first.
    """
    reading = read_folder(options)
    shape = reading.shape
    pictures, on_disk = _room((shape.examples, *shape.input), folder)
    labels: list[int] = []
    broken: list[tuple[str, str]] = []
    sizes = dict.fromkeys(reading.files, 0)
    files = [(part, path, label) for part, listed in reading.files.items() for path, label in listed]
    said = time.monotonic()
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        for start in range(0, len(files), AT_ONCE):
            some = files[start : start + AT_ONCE]
            decoded = threads.map(lambda file: _decoded(file[1], shape.input), some)
            for (part, path, label), found in zip(some, decoded, strict=True):
                if isinstance(found, str):
                    broken.append((path, found))
                    continue
                pictures[len(labels)] = found
                labels.append(label)
                sizes[part] += 1
            if time.monotonic() - said >= 1:
                said = time.monotonic()
                report(f"reading pictures, {start + len(some):,} of {len(files):,}")
    if len(broken) > MOST_BROKEN * len(files):
        path, reason = broken[0]
        count = f"{len(broken)} of the {len(files)} pictures in {text(options, 'folder')} cannot be read"
        raise DataError(f"{count}, at most one in a hundred may be so; the first is {path}: {reason}")
    shape = divided_as(shape, sizes)
    return Dataset(
        pictures[: len(labels)],
        torch.tensor(labels, dtype=torch.int64),
        shape,
        fixed_test=shape.fixed_test,
        notes=tuple(_notes(broken, len(files))),
        augmentation=Augmentation.named(text(options, "augmentation")),
        on_disk=on_disk,
    )


def _notes(broken: list[tuple[str, str]], files: int) -> list[str]:
    if not broken:
        return []
    named = ", ".join(f"{path} ({reason})" for path, reason in broken[:NAMED])
    more = f" and {len(broken) - NAMED} more" if len(broken) > NAMED else ""
    return [f"{len(broken)} of {files} pictures cannot be read and were left out: {named}{more}"]


def _decoded(path: str, shape: tuple[int, ...]) -> Tensor | str:
    """The picture (C, H, W) uint8, or in a few words why there is none."""
    change = transforms()
    try:
        if not Path(path).stat().st_size:
            return "it is empty"
        with Image.open(path) as file:
            picture = ImageOps.exif_transpose(file).convert("RGB" if shape[0] == 3 else "L")
    except UnidentifiedImageError:
        return "it is no picture"
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        return " ".join(str(error).split()) or type(error).__name__
    side = min(picture.size)
    square = change.resize(change.center_crop(picture, [side, side]), list(shape[1:]))
    decoded: Tensor = change.pil_to_tensor(square)
    return decoded


def _room(size: tuple[int, ...], folder: Path) -> tuple[Tensor, bool]:
    """Bytes for all pictures: in memory, or in a file without a name, that ends with the process."""
    needed = math.prod(size)
    if needed <= SHARE * free_bytes(torch.device("cpu")):
        return torch.empty(size, dtype=torch.uint8), False
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if needed > SHARE * free:
        have = f"{free / 1e9:.1f} GB are free in {folder}"
        raise DataError(f"the pictures take {needed / 1e9:.1f} GB, {have}: a smaller data.options.image_size would do")
    with tempfile.TemporaryFile(dir=folder) as file:
        mapped = np.memmap(file, np.uint8, mode="w+", shape=size)
    return torch.from_numpy(mapped), True
