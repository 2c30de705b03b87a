"""Time series from files as tensors."""

from __future__ import annotations

from pathlib import Path

import torch

from tdl_tui.registry import Options

from .dataset import Dataset, Report, ignore
from .series_reading import read_series


def ucr(options: Options, folder: Path, report: Report = ignore) -> Dataset:
    """The series of the file, and behind them those of the test file."""
    reading = read_series(options)
    shape = reading.shape
    inputs = torch.tensor(reading.values, dtype=torch.float32).view(shape.examples, *shape.input)
    if shape.task == "classification":
        targets = torch.tensor(reading.targets, dtype=torch.int64)
    else:
        targets = torch.tensor(reading.targets, dtype=torch.float32)[:, None]
    return Dataset(inputs, targets, shape, fixed_test=shape.fixed_test)
