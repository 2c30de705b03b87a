"""Batches of a dataset that the device cannot hold: gathered by other processes, moved while the last one is used."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as Examples

from .batches import Batch, batch_lengths, epoch_order
from .dataset import Dataset
from .normalization import Normalization
from .sizes import steps_per_epoch
from .splits import Splits


class StreamBatches:
    """The same batches as `MemoryBatches`, from examples that stay in the host's memory.

    `workers` processes gather them (0: this one does), into pinned memory for a GPU.
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
        workers: int,
        channels_last: bool = False,
    ) -> None:
        self.batch_size = batch_size
        self.seed = seed
        self.sizes = splits.sizes()
        self.steps_per_epoch = steps_per_epoch(self.sizes["train"], batch_size)
        self._splits = dict(splits)
        self._device = device
        self._channels_last = channels_last and dataset.shape.kind == "image"
        self._normalize = normalization.to(device).filled(dataset.shape.input, channels_last=self._channels_last)
        inputs = dataset.inputs.permute(0, 2, 3, 1).contiguous() if self._channels_last else dataset.inputs
        self._gather = _Gather(inputs, normalization.targets(dataset.targets))
        self._workers = workers
        self._loaders: dict[str, tuple[_Order, DataLoader[Batch]]] = {}

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        train = self._splits["train"]
        order = train[epoch_order(len(train), self.seed, epoch)]
        lengths = batch_lengths(len(train), self.batch_size)
        return self._batches("training", list(torch.split(order, lengths))[start_step:])

    def part(self, name: str, batch_size: int = 1024) -> Iterator[Batch]:
        return self._batches("evaluation", list(torch.split(self._splits[name], batch_size)))

    def close(self) -> None:
        """Ends the loading processes."""
        for _, loader in self._loaders.values():
            if loader._iterator is not None:
                loader._iterator._shutdown_workers()  # type: ignore[attr-defined]  # only of loaders with workers
        self._loaders.clear()

    def _batches(self, purpose: str, indices: list[Tensor]) -> Iterator[Batch]:
        order, loader = self._loaders.get(purpose) or self._loaders.setdefault(purpose, self._loader())
        order.batches = [batch for batch in indices if len(batch)]
        for inputs, targets in loader:
            moved = self._normalize.apply(inputs.to(self._device, non_blocking=True))
            yield (
                moved.permute(0, 3, 1, 2) if self._channels_last else moved,
                targets.to(self._device, non_blocking=True),
            )

    def _loader(self) -> tuple[_Order, DataLoader[Batch]]:
        order = _Order()
        forks = sys.platform == "linux"
        loader: DataLoader[Batch] = DataLoader(
            self._gather,
            sampler=order,
            batch_size=None,
            num_workers=self._workers,
            persistent_workers=self._workers > 0,
            pin_memory=self._device.type == "cuda",
            multiprocessing_context="fork" if forks and self._workers else None,
            generator=torch.Generator(),  # the global one is for the training alone
            worker_init_fn=_begin,
        )
        return order, loader


class _Order(Sampler[Tensor]):
    """The batches of indices to load next."""

    def __init__(self) -> None:
        self.batches: list[Tensor] = []

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class _Gather(Examples[Batch]):
    """Whole batches by their indices."""

    def __init__(self, inputs: Tensor, targets: Tensor) -> None:
        self.inputs = inputs
        self.targets = targets

    def __getitem__(self, indices: Tensor) -> Batch:
        return self.inputs.index_select(0, indices), self.targets.index_select(0, indices)


def _begin(worker: int) -> None:
    """In a loading process: what the training does about signals is not for it."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
