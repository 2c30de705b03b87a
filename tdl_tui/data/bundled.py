"""The sets that come with scikit-learn.

Their files are read where scikit-learn keeps them, without importing it: the import takes longer than everything
else up to the first training step. Where a release keeps them elsewhere, scikit-learn is asked to load them.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tdl_tui.registry import DATASETS, Options

from .dataset import Dataset, Report, ignore

Table = NDArray[np.float64]


def digits(options: Options, folder: Path, report: Report = ignore) -> Dataset:
    """8×8 grey pictures; the values 0 to 16 become 0 to 255, and pictures are enlarged bilinearly."""
    values, labels = _read("digits")
    shape = DATASETS["digits"].describe(options)
    pictures = torch.from_numpy(values).to(torch.float32).view(-1, 1, 8, 8) * (255 / 16)
    if shape.input != (1, 8, 8):
        pictures = torch.nn.functional.interpolate(pictures, size=shape.input[1:], mode="bilinear")
    return Dataset(pictures.round_().to(torch.uint8), _classes(labels), shape)


def iris(options: Options, folder: Path, report: Report = ignore) -> Dataset:
    return _table("iris", options)


def wine(options: Options, folder: Path, report: Report = ignore) -> Dataset:
    return _table("wine", options)


def breast_cancer(options: Options, folder: Path, report: Report = ignore) -> Dataset:
    return _table("breast_cancer", options)


def diabetes(options: Options, folder: Path, report: Report = ignore) -> Dataset:
    """The features in their own units, not scaled as scikit-learn does by default."""
    return _table("diabetes", options)


def _table(name: str, options: Options) -> Dataset:
    values, targets = _read(name)
    shape = DATASETS[name].describe(options)
    inputs = torch.from_numpy(values).to(torch.float32)
    if shape.task == "classification":
        return Dataset(inputs, _classes(targets), shape)
    return Dataset(inputs, torch.from_numpy(targets).to(torch.float32).view(-1, 1), shape)


def _classes(labels: Table) -> Tensor:
    return torch.from_numpy(labels.astype(np.int64))


def _read(name: str) -> tuple[Table, Table]:
    """Inputs (N, F) and targets (N,) as they stand in scikit-learn's files."""
    try:
        return _read_files(name)
    except FileNotFoundError:
        load = getattr(importlib.import_module("sklearn.datasets"), f"load_{name}")
        raw = {"scaled": False} if name == "diabetes" else {}
        values, targets = load(return_X_y=True, **raw)
        return values, targets.astype(np.float64)


def _read_files(name: str) -> tuple[Table, Table]:
    folder = _folder()
    if name == "diabetes":
        values = np.loadtxt(folder / "diabetes_data_raw.csv.gz")
        return values, np.loadtxt(folder / "diabetes_target.csv.gz")
    if name == "digits":
        table = np.loadtxt(folder / "digits.csv.gz", delimiter=",")
    else:
        file = {"wine": "wine_data.csv"}.get(name, f"{name}.csv")
        table = np.loadtxt(folder / file, delimiter=",", skiprows=1)
    return np.ascontiguousarray(table[:, :-1]), table[:, -1].copy()


def _folder() -> Path:
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        raise FileNotFoundError("scikit-learn")
    return Path(package.origin).parent / "datasets" / "data"
