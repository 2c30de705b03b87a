"""Which class was taken for which, counted while a part of the data is evaluated."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from tdl_tui.runs.records import Matrix
from tdl_tui.runs.tallies import CLASSES, CONFUSION, OF_PART

LARGEST = 100
"""Classes up to which every pair is counted; beyond them right answers and targets of each class are."""


class Confusion:
    """Counts on the device, without a word to the host until `matrix` asks for them."""

    def __init__(self, classes: int, device: torch.device) -> None:
        self._classes = classes
        self._pairs = classes <= LARGEST
        self._counts = torch.zeros(classes * (classes if self._pairs else 2), dtype=torch.int64, device=device)

    def count(self, said: Tensor, targets: Tensor) -> None:
        """Counts answers and right answers, int64 of one shape: each is a class."""
        said, targets = said.flatten(), targets.flatten()
        ones = torch.ones_like(targets)
        if self._pairs:
            self._counts.scatter_add_(0, targets * self._classes + said, ones)
        else:
            self._counts.scatter_add_(0, 2 * targets, (said == targets).to(ones.dtype))
            self._counts.scatter_add_(0, 2 * targets + 1, ones)

    def matrix(self, part: str, step: int) -> Matrix:
        """What was counted of "validation" or "test": "confusion", or of many classes "classes"."""
        rows = self._counts.view(self._classes, -1).double().tolist()
        name = (CONFUSION if self._pairs else CLASSES) + OF_PART[part]
        return Matrix(name, step, time.time(), tuple(map(tuple, rows)))
