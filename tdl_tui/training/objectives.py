"""The losses: factories of functions (outputs, targets) -> scalar, the mean over the batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Objective = Callable[[Tensor, Tensor], Tensor]


def cross_entropy() -> Objective:
    """−log softmax(outputs)[target], the mean over the batch.

    Outputs are logits (N, classes), targets int64 (N,).
    """
    return functional.cross_entropy


def mean_squared_error() -> Objective:
    """(outputs − targets)², the mean over batch and outputs.

    Outputs are (N, outputs). Targets are floating (N, outputs), or class numbers int64 (N,), which stand for their
    one-hot vectors (the Brier score when outputs are probabilities). Raises ValueError where the shapes differ.
    """
    return _mean_squared_error


def _mean_squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    if not targets.is_floating_point():
        targets = torch.zeros_like(outputs).scatter_(1, targets.unsqueeze(1), 1.0)
    elif outputs.shape != targets.shape:  # broadcasting would average over every pair of examples
        raise ValueError(f"outputs are {tuple(outputs.shape)}, targets {tuple(targets.shape)}: must be the same")
    return functional.mse_loss(outputs, targets)
