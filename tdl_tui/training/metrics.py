"""How good outputs are, in the words that people use: accuracy for classes, R² for regression."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan

import torch
from torch import Tensor

from tdl_tui.registry import Task

METRIC: dict[Task, str] = {"classification": "accuracy", "regression": "r2"}


def accuracies(outputs: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """The share of right answers in each of several batches, in few kernels: float32 (batches,), on the device.

    Each batch has outputs (N, classes), the logits, and targets int64 (N,); N may differ from batch to batch. Where
    each step has a target, outputs are (N, classes, steps) and targets (N, steps): the share of right steps.
    """
    right = (torch.cat([*outputs]).argmax(1) == torch.cat([*targets])).flatten()
    sizes = [batch.numel() for batch in targets]
    if all(size == sizes[0] for size in sizes):
        return right.view(len(sizes), -1).float().mean(1)
    ends = torch.tensor(sizes, device=right.device).cumsum(0)
    until = torch.cat([ends.new_zeros(1), right.cumsum(0)[ends - 1]])
    return until.diff().float() / ends.diff(prepend=ends.new_zeros(1))


def moments(outputs: Tensor, targets: Tensor) -> Tensor:
    """What R² is made of, over a batch of predictions (N, outputs) and values of the same shape: the sums of squared
    residuals, of values and of squared values, (3, outputs), float64 where the device has it. Sums of batches add up.
    """
    wide = torch.float32 if targets.device.type == "mps" else torch.float64  # squares of like values cancel in R²
    values = targets.to(wide)
    return torch.stack([(values - outputs).square().sum(0), values.sum(0), values.square().sum(0)])


def r_squared(sums: Tensor, count: int) -> float:
    """The share of the values' variance that the predictions explain, the mean over the outputs; 1 at best.

    `sums` as in `moments`, over `count` examples. NaN where the values do not vary.
    """
    residual, first, second = sums.double()
    total = second - first.square() / max(count, 1)
    if count < 2 or not bool((total > 0).all()):
        return nan
    return float((1 - residual / total).mean())
