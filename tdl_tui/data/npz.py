"""Arrays from an .npz archive."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tdl_tui.registry import Options

from .dataset import DataError, Dataset, Report, ignore
from .npz_reading import read_npz
from .own_files import text


def npz(options: Options, folder: Path, report: Report = ignore) -> Dataset:
    """The arrays of all parts, one after the other. Nothing in the archive is unpickled. Raises DataError."""
    reading = read_npz(options)
    path = Path(text(options, "file"))
    try:
        with np.load(path, allow_pickle=False) as arrays:
            parts = [(arrays[inputs], arrays[targets]) for inputs, targets in reading.parts]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    inputs, targets = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return Dataset(
        _inputs(path, inputs, reading.channels, reading.shape.kind == "image"),
        _targets(path, targets, reading.classes),
        reading.shape,
        fixed_test=reading.shape.fixed_test,
    )


def _inputs(path: Path, values: NDArray[Any], channels: int, pictures: bool) -> torch.Tensor:
    if not pictures:
        return torch.from_numpy(_finite(path, values, "inputs"))
    if channels == -1:
        values = np.moveaxis(values, -1, 1)
    return torch.from_numpy(np.ascontiguousarray(values if channels else values[:, None]))


def _targets(path: Path, values: NDArray[Any], classes: tuple[int | float | str, ...]) -> torch.Tensor:
    if not classes:
        return torch.from_numpy(_finite(path, values.reshape(len(values), -1), "targets"))
    numbers = np.searchsorted(np.array(classes), values).astype(np.int64)
    return torch.from_numpy(numbers[:, 0] if numbers.ndim == 2 and numbers.shape[1] == 1 else numbers)


def _finite(path: Path, values: NDArray[Any], what: str) -> NDArray[np.float32]:
    """As float32. Raises DataError where one is no finite number there."""
    with np.errstate(over="ignore"):
        numbers = np.ascontiguousarray(values, dtype=np.float32)
    whole = np.isfinite(numbers.reshape(len(numbers), -1)).all(1)
    if not whole.all():
        raise DataError(f"{path}: the {what} of example {int(np.argmin(whole))} are not all finite numbers")
    return numbers
