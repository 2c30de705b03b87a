"""Batches as the training loop takes them: normalised, on the device, from any step of any epoch.

The order of an epoch is a function of (seed, epoch), so that a position is all that a checkpoint has to keep.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from .dataset import Dataset
from .normalization import Normalization
from .randomness import generator
from .sizes import steps_per_epoch
from .splits import Splits

Batch = tuple[Tensor, Tensor]


class Batches(Protocol):
    """Inputs (B, *shape) float32 and targets, int64 (B,) or standardised float32 (B, outputs), on the device."""

    batch_size: int
    sizes: dict[str, int]
    steps_per_epoch: int

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """The batches of the training part in the order of `epoch` (from 0), without the first `start_step`.

        A batch is the caller's to keep, but not to change.
        """
        ...

    def part(self, name: str, batch_size: int = 1024) -> Iterator[Batch]:
        """All of "train", "validation" or "test", in ascending order of index."""
        ...

    def close(self) -> None:
        """Ends what was started to load."""
        ...


def epoch_order(examples: int, seed: int, epoch: int) -> Tensor:
    """A permutation (examples,) int64 on the CPU that depends on the arguments alone."""
    return torch.randperm(examples, generator=generator("order", seed, epoch))


def batch_lengths(examples: int, batch_size: int) -> list[int]:
    """The sizes of an epoch's batches: all `batch_size` but the last; see `sizes.steps_per_epoch`."""
    steps = steps_per_epoch(examples, batch_size)
    return [batch_size] * (steps - 1) + [examples - batch_size * (steps - 1)]


class MemoryBatches:
    """All examples held on the device, and batched by index."""

    def __init__(
        self,
        dataset: Dataset,
        splits: Splits,
        normalization: Normalization,
        *,
        batch_size: int,
        seed: int,
        device: torch.device,
        channels_last: bool = False,
    ) -> None:
        self.batch_size = batch_size
        self.seed = seed
        self.sizes = splits.sizes()
        self.steps_per_epoch = steps_per_epoch(self.sizes["train"], batch_size)
        self._device = device
        self._normalization = normalization.to(device)
        targets = normalization.targets(dataset.targets)
        self._inputs = {name: dataset.inputs[indices].to(device) for name, indices in splits}
        self._targets = {name: targets[indices].to(device) for name, indices in splits}

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        inputs, targets = self._inputs["train"], self._targets["train"]
        order = epoch_order(len(inputs), self.seed, epoch).to(self._device)
        lengths = batch_lengths(len(inputs), self.batch_size)
        for indices in torch.split(order, lengths)[start_step:]:
            yield (
                self._normalization.apply(inputs.index_select(0, indices)),
                targets.index_select(0, indices),
            )

    def part(self, name: str, batch_size: int = 1024) -> Iterator[Batch]:
        inputs, targets = self._inputs[name], self._targets[name]
        for start in range(0, len(inputs), batch_size):
            end = start + batch_size
            yield self._normalization.apply(inputs[start:end]), targets[start:end]

    def close(self) -> None:
        pass
