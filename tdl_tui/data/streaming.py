"""Batches of a dataset that the device cannot hold: gathered by other processes, moved while the last one is used."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from multiprocessing import connection

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as Examples

from tdl_tui.sizes import steps_per_epoch

from .batches import Batch, batch_lengths, epoch_order
from .dataset import DataError, Dataset
from .normalization import Normalization
from .splits import Splits

Wanted = tuple[Tensor, Tensor | None]
"""The indices of a batch, and its examples' rows of an augmentation's draws."""


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
        self._gather = _Gather(dataset, normalization.targets(dataset.targets), self._channels_last)
        self._augmentation = dataset.augmentation
        self._workers = workers
        self._loaders: dict[str, tuple[_Order, DataLoader[Batch]]] = {}

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        train = self._splits["train"]
        order = train[epoch_order(len(train), self.seed, epoch)]
        lengths = batch_lengths(len(train), self.batch_size)
        batches = list(torch.split(order, lengths))[start_step:]
        if self._augmentation is None:
            return self._batches("training", [(indices, None) for indices in batches])
        draws = self._augmentation.draws(self._gather.examples, self.seed, epoch)
        return self._batches("training", [(indices, draws[indices]) for indices in batches])

    def part(self, name: str, batch_size: int = 1024) -> Iterator[Batch]:
        return self._batches("evaluation", [(indices, None) for indices in torch.split(self._splits[name], batch_size)])

    def close(self) -> None:
        """Ends the loading processes."""
        for _, loader in self._loaders.values():
            if loader._iterator is not None:
                loader._iterator._shutdown_workers()  # type: ignore[attr-defined]  # only of loaders with workers
        self._loaders.clear()

    def _batches(self, purpose: str, wanted: list[Wanted]) -> Iterator[Batch]:
        order, loader = self._loaders.get(purpose) or self._loaders.setdefault(purpose, self._loader())
        order.batches = [batch for batch in wanted if len(batch[0])]
        for inputs, targets in _watched(loader):
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


ENDING_SECONDS = 2.0


def _watched(loader: DataLoader[Batch]) -> Iterator[Batch]:
    """The loader's batches. Raises DataError within seconds where a process that gathers them has died."""
    try:
        batches = iter(loader)
        if loader.num_workers and threading.current_thread() is threading.main_thread():
            # torch's own handler would raise wherever training is, be it in the midst of a checkpoint
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        yield from batches
    except (RuntimeError, OSError, EOFError) as error:  # torch, and the pipes between them, say it in their own ways
        sentinels = [process.sentinel for process in getattr(loader._iterator, "_workers", ())]
        if not connection.wait(sentinels, ENDING_SECONDS):  # its pipes are closed before it has ended
            raise
        raise DataError(
            "a process that reads data has died (it was killed, or memory ran out: a smaller data.loader_workers "
            "would help); a resume goes on from the last checkpoint"
        ) from error


class _Order(Sampler[Wanted]):
    """The batches to load next."""

    def __init__(self) -> None:
        self.batches: list[Wanted] = []

    def __iter__(self) -> Iterator[Wanted]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class _Gather(Examples[Batch]):
    """Whole batches by their indices; with `channels_last` pictures are (B, H, W, C)."""

    def __init__(self, dataset: Dataset, targets: Tensor, channels_last: bool) -> None:
        self.examples = len(dataset)
        self.inputs = dataset.inputs
        self.targets = targets
        self._augmentation = dataset.augmentation
        self._channels_last = channels_last

    def __getitem__(self, wanted: Wanted) -> Batch:
        indices, draws = wanted
        inputs = self.inputs.index_select(0, indices)
        if self._augmentation and draws is not None:
            inputs = self._augmentation(inputs, draws)
        if self._channels_last:
            inputs = inputs.permute(0, 2, 3, 1).contiguous()
        return inputs, self.targets.index_select(0, indices)


def _begin(worker: int) -> None:
    """In a loading process: what the training does about signals is not for it."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
