"""A CSV file as tensors."""

from __future__ import annotations

from pathlib import Path

import torch

from tdl_tui.registry import Options

from .dataset import Dataset, Report, ignore
from .table_reading import describe_table, read_table


def csv(options: Options, folder: Path, report: Report = ignore) -> Dataset:
    """Numbers as they stand, a missing one NaN (see `missing.fill`); a category becomes 1 in a column of its own."""
    reading, shape = read_table(options), describe_table(options)
    parts = []
    for column in reading.columns:
        values = torch.tensor(column.values, dtype=torch.int64 if column.categories else torch.float32)
        one_hot = torch.nn.functional.one_hot(values, len(column.categories)) if column.categories else values[:, None]
        parts.append(one_hot.to(torch.float32))
    if shape.task == "classification":
        targets = torch.tensor(reading.target.values, dtype=torch.int64)
    else:
        targets = torch.tensor(reading.target.values, dtype=torch.float32)[:, None]
    return Dataset(torch.cat(parts, 1), targets, shape, notes=reading.notes)
