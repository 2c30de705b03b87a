"""Batches as the training loop takes them: normalised, on the device, from any step of any epoch.

The order of an epoch is a function of (seed, epoch), so that a position is all that a checkpoint has to keep.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import Protocol

import torch
from torch import Tensor

from tdl_tui.sizes import steps_per_epoch

from .dataset import Dataset
from .normalization import Normalization
from .randomness import generator
from .splits import Splits

Batch = tuple[Tensor, Tensor]

CPU_CHUNK = 64 << 10  # bytes: what a core's second-level cache still holds when the last batch of a chunk is used
GPU_CHUNK = 64 << 20  # bytes: so few launches that they do not count


class Batches(Protocol):
    """Inputs (B, *shape), float32 (int64 for text and graphs), and targets, int64 (B,) or (B, steps), or standardised
    float32 (B, outputs), on the device.

    `sizes` holds the number of examples of "train", "validation" and "test".
    """

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
    """All examples held on the device, and batched by index.

    Pictures stay uint8 until they are used. Several batches are gathered and normalised at once where they are small:
    a chunk that fits the cache, of which batches are views. Chunks begin at the same steps wherever an epoch is
    entered, so that a batch is the same to the last bit.
    """

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
        self._indices = {name: indices.to(device) for name, indices in splits}
        self._targets = normalization.targets(dataset.targets).to(device)
        self._inputs = dataset.inputs.to(device)
        self._pictures = dataset.shape.kind == "image"
        self._channels_last = channels_last and self._pictures
        self._normalize = normalization.to(device).filled(dataset.shape.input, channels_last=self._channels_last)
        if self._channels_last:
            self._inputs = self._inputs.permute(0, 2, 3, 1).contiguous()
        if not self._pictures:
            self._inputs = self._normalize.apply(self._inputs)
        batch_bytes = 4 * batch_size * math.prod(dataset.shape.input)
        self._augmentation = dataset.augmentation
        self._examples = len(dataset)
        self._chunk = max(1, (CPU_CHUNK if device.type == "cpu" else GPU_CHUNK) // batch_bytes)

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        train = self._indices["train"]
        order = train.index_select(0, epoch_order(len(train), self.seed, epoch).to(train.device))
        draws = None
        if self._augmentation:
            draws = self._augmentation.draws(self._examples, self.seed, epoch).to(train.device)
        return self._batches(order, batch_lengths(len(train), self.batch_size), start_step, draws)

    def part(self, name: str, batch_size: int = 1024) -> Iterator[Batch]:
        indices = self._indices[name]
        lengths = [min(batch_size, len(indices) - start) for start in range(0, len(indices), batch_size)]
        return self._batches(indices, lengths, 0)

    def close(self) -> None:
        pass

    def _batches(
        self, order: Tensor, lengths: list[int], start_step: int, draws: Tensor | None = None
    ) -> Iterator[Batch]:
        first = start_step - start_step % self._chunk
        order = order[sum(lengths[:first]) :]
        lengths = lengths[first:]
        chunks = [lengths[i : i + self._chunk] for i in range(0, len(lengths), self._chunk)]
        targets = iter(torch.split(self._targets.index_select(0, order), lengths))
        inputs = (
            batch
            for indices, chunk in zip(torch.split(order, [sum(c) for c in chunks]), chunks, strict=True)
            for batch in torch.split(self._gather(indices, draws), chunk)
        )
        yield from islice(zip(inputs, targets, strict=True), start_step - first, None)

    def _gather(self, indices: Tensor, draws: Tensor | None) -> Tensor:
        inputs = self._inputs.index_select(0, indices)
        if self._augmentation and draws is not None:
            pictures = inputs.permute(0, 3, 1, 2) if self._channels_last else inputs
            pictures = self._augmentation(pictures, draws.index_select(0, indices))
            inputs = pictures.permute(0, 2, 3, 1).contiguous() if self._channels_last else pictures
        if self._pictures:
            inputs = self._normalize.apply(inputs)
        return inputs.permute(0, 3, 1, 2) if self._channels_last else inputs
