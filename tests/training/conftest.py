"""Data that the trainings of these tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tdl_tui.data.dataset import Dataset
from tdl_tui.registry import DATASETS, DatasetEntry, DataShape

WRITTEN = DataShape("classification", "table", (6,), 3, ("a", "b", "c"), examples=90, steps=4)


def written(options: object, folder: Path, report: object = None) -> Dataset:
    """Rows with a target at each of four steps, which no data set that comes with tdl has."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(90, 6, generator=generator)
    return Dataset(rows, torch.randint(3, (90, 4), generator=generator), WRITTEN)


@pytest.fixture(scope="module")
def rows_with_steps() -> Iterator[None]:
    """The dataset "written" can be chosen."""
    DATASETS.register(DatasetEntry("written", "rows", f"{__name__}:written", describe=lambda options: WRITTEN))
    yield
    DATASETS.remove("written")
