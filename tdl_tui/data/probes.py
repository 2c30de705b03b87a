"""A handful of held-out examples that is followed while a model learns."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tdl_tui.runs.records import Probe

from .dataset import DataError, Dataset
from .normalization import Normalization
from .randomness import generator
from .splits import Splits

MOST = 64
"""Probes of a run; `telemetry.probes` goes as far."""


def choose_probes(dataset: Dataset, splits: Splits, count: int, seed: int) -> Tensor:
    """Indices of up to `count` examples of the validation part (of the test part where that is empty).

    In classification one of each class in turn, then a second of each, … (where each step has a target, the last one's
    counts); in regression spread evenly from the lowest target to the highest.
    """
    held_out = splits.validation if len(splits.validation) else splits.test
    count = min(count, len(held_out))
    order = held_out[torch.randperm(len(held_out), generator=generator("probes", seed))]
    targets = dataset.targets[order]
    if dataset.shape.task == "regression":
        ascending = order[targets[:, 0].argsort(stable=True)]
        return ascending[(2 * torch.arange(count) + 1) * len(order) // max(1, 2 * count)]
    if dataset.shape.steps:
        targets = targets[:, -1]
    by_class = targets.argsort(stable=True)
    counts = torch.bincount(targets, minlength=dataset.shape.outputs)
    rounds = torch.empty_like(targets)
    rounds[by_class] = torch.arange(len(targets)) - (counts.cumsum(0) - counts)[targets[by_class]]
    return order[(rounds * dataset.shape.outputs + targets).argsort()][:count]


def probe(dataset: Dataset, index: int) -> Probe:
    """The example as the run records it: before normalisation, pictures from 0 to 1. Where each step has a target, that
    of the last step."""
    values = dataset.inputs[index].to(torch.float64)
    if dataset.shape.kind == "image":
        values = (
            (values / 255).mul(10_000).round().div(10_000)
        )  # fewer digits to store than a picture's 256 levels need
    target = float(dataset.targets[index].reshape(-1)[-1 if dataset.shape.steps else 0])
    return Probe(index, dataset.shape.kind, tuple(values.shape), tuple(values.flatten().tolist()), target)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Any example that was not trained on, by its number. `normalization` is on `device`."""

    dataset: Dataset
    splits: Splits
    normalization: Normalization
    device: torch.device

    def find(self, index: int) -> tuple[Probe, Tensor, str]:
        """The example as the run records it; as the model takes it, (1, *shape) on the device; and its part. Raises
        DataError where there is none, or where it is trained on."""
        if not 0 <= index < len(self.dataset):
            raise DataError(f"there is no example {index}: they are 0 to {len(self.dataset) - 1}")
        part = next(name for name, indices in self.splits if bool((indices == index).any()))
        if part == "train":
            held_out = " or ".join(
                f"of the {name} part, such as {int(indices[0])}" for name, indices in self.splits if len(indices)
            ).partition(" or ")[2]
            raise DataError(f"example {index} is trained on; a probe is one that is held out: {held_out or 'none is'}")
        inputs = self.dataset.inputs[index : index + 1].to(self.device)
        return probe(self.dataset, index), self.normalization.apply(inputs), part
