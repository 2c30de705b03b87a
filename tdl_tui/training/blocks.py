"""Per-step figures, gathered on the device and read a block of steps at a time."""

from __future__ import annotations

import time
from array import array
from collections import deque
from dataclasses import dataclass
from math import isfinite

import torch
from torch import Tensor

from tdl_tui.registry import Task

from . import metrics
from .readback import Readback
from .recorder import Recorder

SECONDS = 0.2
STEPS = 4096
BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False)
class _Block:
    """Steps whose numbers are on their way: losses, gradient norms (where each step has one), accuracies."""

    first: int
    rates: array[float]
    since: float
    until: float
    series: dict[str, Readback]


class Blocks:
    """Takes each step's loss, outputs and targets, and records their series in blocks.

    A block is closed after 0.2 seconds, 4,096 steps or 64 MiB of outputs, whichever comes first (`deadline`, `limit`).
    `nonfinite` is the first step whose loss was NaN or infinite, once such a one was read.
    """

    def __init__(self, recorder: Recorder, task: Task) -> None:
        self.nonfinite: int | None = None
        self.deadline = 0.0
        self._recorder = recorder
        self._task = task
        self._under_way: deque[_Block] = deque()
        self._rate: float | None = None
        self._moments: Tensor | None = None
        self._count = 0
        self._open(1)

    def _open(self, first: int) -> None:
        self._first = first
        self._since = time.time()
        self.deadline = time.perf_counter() + SECONDS
        self.losses: list[Tensor] = []
        self.norms: list[Tensor] = []
        self.outputs: list[Tensor] = []
        self.targets: list[Tensor] = []
        self.rates: array[float] = array("d")

    def start(self, step: int) -> None:
        """The next step is `step`, and nothing of another course is on its way."""
        self.nonfinite = None
        self._rate = None
        self._open(step)

    def limit(self) -> int:
        """How many steps a block may have, by the size of the outputs so far."""
        if not self.outputs:
            return STEPS
        return max(1, min(STEPS, BYTES // max(1, self.outputs[0].nbytes)))

    def close(self) -> int:
        """Sends the block's numbers on their way, records what has arrived. Returns how many examples it held."""
        steps = len(self.losses)
        if not steps:
            return 0
        examples = sum(map(len, self.targets))
        series = {"train/loss": Readback(torch.stack(self.losses).float())}
        if self._task == "classification":
            series["train/accuracy"] = Readback(metrics.accuracies(self.outputs, self.targets))
        else:
            outputs, targets = torch.cat(self.outputs).float(), torch.cat(self.targets)
            moments = metrics.moments(outputs, targets)
            self._moments = moments if self._moments is None else self._moments + moments
            self._count += examples
        if self.norms:
            series["grad/norm"] = Readback(torch.stack(self.norms).float())
        self._under_way.append(_Block(self._first, self.rates, self._since, time.time(), series))
        self._open(self._first + steps)
        self.collect()
        return examples

    def collect(self, wait: bool = False) -> None:
        """Records the blocks that have arrived; with `wait` all."""
        while self._under_way:
            block = self._under_way[0]
            if not wait and not all(numbers.ready for numbers in block.series.values()):
                return
            self._record(self._under_way.popleft())

    def _record(self, block: _Block) -> None:
        for name, numbers in block.series.items():
            values = array("d", numbers.tensor().tolist())
            self._recorder.extend(name, block.first, 1, values, block.since, block.until)
            if name == "train/loss" and self.nonfinite is None and not isfinite(sum(values)):
                wrong = (place for place, value in enumerate(values) if not isfinite(value))
                place = next(wrong, None)
                self.nonfinite = None if place is None else block.first + place
        rates = block.rates
        if rates.count(rates[0]) < len(rates):
            self._recorder.extend("lr", block.first, 1, rates, block.since, block.until)
        elif rates[0] != self._rate:
            self._recorder.point("lr", block.first, rates[0], block.since)
        else:
            self._recorder.point("lr", block.first + len(rates) - 1, rates[-1], block.until)
        self._rate = rates[-1]

    @property
    def moments(self) -> tuple[Tensor | None, int]:
        """What R² of the epoch so far is made of (`metrics.moments`), and over how many examples; regression only."""
        return self._moments, self._count

    @moments.setter
    def moments(self, moments: tuple[Tensor | None, int]) -> None:
        self._moments, self._count = moments
