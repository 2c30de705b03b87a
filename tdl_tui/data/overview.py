"""What a dataset holds, in numbers."""

from __future__ import annotations

import torch

from .dataset import Dataset


def class_counts(dataset: Dataset) -> dict[str, int]:
    """How many targets are of each class, in the order of the classes; where each step has a target, every step counts.
    Empty in regression."""
    if dataset.shape.task == "regression":
        return {}
    counts = torch.bincount(dataset.targets.flatten(), minlength=dataset.shape.outputs).tolist()
    names = dataset.shape.classes or tuple(map(str, range(dataset.shape.outputs)))
    return dict(zip(names, counts, strict=True))
