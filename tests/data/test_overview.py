"""What a dataset holds, against collections.Counter."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tdl_tui.data.dataset import Dataset
from tdl_tui.data.overview import class_counts
from tdl_tui.registry import DATASETS


@pytest.mark.parametrize("name", ["iris", "digits", "copy_memory"])
def test_classes_are_counted(name: str) -> None:
    entry = DATASETS[name]
    dataset: Dataset = entry.load()(entry.defaults(), Path("nowhere"))
    names = dataset.shape.classes
    counted = Counter(names[target] for target in dataset.targets.flatten().tolist())
    found = class_counts(dataset)
    assert tuple(found) == names
    assert +Counter(found) == counted


def test_regression_has_no_classes() -> None:
    entry = DATASETS["diabetes"]
    assert class_counts(entry.load()(entry.defaults(), Path("nowhere"))) == {}
