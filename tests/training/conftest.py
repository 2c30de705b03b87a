"""Data that the trainings of these tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from toy_training import WRITTEN

from tdl_tui.registry import DATASETS, DatasetEntry


@pytest.fixture(scope="module")
def rows_with_steps() -> Iterator[None]:
    """The dataset "written" can be chosen."""
    DATASETS.register(DatasetEntry("written", "rows", "toy_training:written", describe=lambda options: WRITTEN))
    yield
    DATASETS.remove("written")
