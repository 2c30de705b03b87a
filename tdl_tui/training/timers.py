"""Where the time of training goes: shares of the wall time, from laps of some steps and of all that lies between steps.

On CUDA the laps are taken on the device's own line of time, by events that are read once they have passed: what the
device waits for, and not what the host queues up meanwhile, is what a part took.
"""

from __future__ import annotations

import random
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from math import ceil, inf
from statistics import median
from typing import Any, Protocol, TypeVar

import torch

from tdl_tui.runs.bottleneck import BETWEEN_STEPS, IN_STEPS, LEAST, MOST

from .floor import Floor
from .recorder import Recorder

SECONDS = 0.5  # at most two records a second
BUDGET = 0.002  # of the time, for the laps of steps
TRIES = 5


class Clock(Protocol):
    """Marks on a line of time. Making one makes nobody wait."""

    def mark(self) -> Any: ...

    def seconds(self, first: Any, last: Any) -> float:
        """From one mark to another that have both passed."""

    def passed(self, mark: Any) -> bool:
        """Whether a mark, and so all before it, can be read without waiting."""

    def wait(self, mark: Any) -> None:
        """Returns when it has passed."""

    def free(self, marks: Iterable[Any]) -> None:
        """Nobody asks about these any more, of which some come more than once; all have passed."""


class HostClock:
    """The host's time, which is that of a CPU's training too."""

    mark = staticmethod(time.perf_counter)

    def seconds(self, first: float, last: float) -> float:
        return last - first

    def passed(self, mark: float) -> bool:
        return True

    def wait(self, mark: float) -> None:
        pass

    def free(self, marks: Iterable[float]) -> None:
        pass


class CudaClock:
    """The time at which a CUDA device gets to what was queued before a mark. Events are recorded again when their
    figures have been read: to make one takes longer than to record it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._make = partial(torch.cuda.Event, enable_timing=True)
        self._free: list[torch.cuda.Event] = []

    def mark(self) -> torch.cuda.Event:
        event = self._free.pop() if self._free else self._make()
        event.record(torch.cuda.current_stream(self._device))
        return event

    def seconds(self, first: torch.cuda.Event, last: torch.cuda.Event) -> float:
        return float(first.elapsed_time(last)) / 1000

    def passed(self, mark: torch.cuda.Event) -> bool:
        return bool(mark.query())  # type: ignore[no-untyped-call]  # likewise

    def wait(self, mark: torch.cuda.Event) -> None:
        mark.synchronize()

    def free(self, marks: Iterable[torch.cuda.Event]) -> None:
        self._free += {id(mark): mark for mark in marks}.values()


Batch = TypeVar("Batch")
Laps = list[tuple[str, Any, Any]]
"""Parts, with the marks at which each began and ended."""


@dataclass(frozen=True, eq=False)
class _Window:
    """The time from one record to the next, up to a step, whose marks may not all have passed."""

    step: int
    steps: int
    time: float
    first: Any
    last: Any
    laps: Laps
    spans: Laps

    def marks(self) -> Iterator[Any]:
        """Those that no other window has, some more than once: with the last the next one begins."""
        yield self.first
        for _, first, last in chain(self.laps, self.spans):
            yield from (first, last)


class Timers:
    """Records time/<part> for `bottleneck.PARTS`: the share, 0 to 1, that each has of the wall time since the last
    record, pauses left out. They add up to 1 at most; the rest is the loop's own. Where the `floor` of a step is known,
    also what that is of a step's forward and backward, the middle one of the steps that were looked at (few of which
    another process interrupts): time/overhead/least and time/overhead/most.

    Laps are taken of some steps, drawn so that they take at most `BUDGET` of the time; what they show is taken to hold
    for all steps of the window. What lies between steps is always `measured`. Where no device tells its time (mps)
    nothing is recorded.
    """

    def __init__(self, recorder: Recorder, device: torch.device, clock: Clock | None = None) -> None:
        self.floor: Floor | None = None
        self.step_seconds = 0.0
        self._recorder = recorder
        self._clock: Clock = clock or (CudaClock(device) if device.type == "cuda" else HostClock())
        self._mark = self._clock.mark
        self._tells = device.type in ("cpu", "cuda")
        self._draws = random.Random(0)  # its own: the global one is for the training alone
        self._sampling = False
        self._left: float = inf  # steps to go until one whose laps are taken
        self._gap = 1
        self._laps: Laps = []
        self._spans: Laps = []
        self._open: list[str] = []
        self._under_way: deque[_Window] = deque()
        self._cost = self._try_out()

    def start(self, step: int) -> None:
        """Training begins, or goes on, with the step after `step`."""
        self._last = self._since = self._first = self._mark()
        self._due = time.perf_counter()
        self._counted = step
        self._laps, self._spans = [], []
        self._under_way.clear()
        self._sampling = self._tells
        self._left = 0 if self._tells else inf

    # ------------------------------------------------------------------------------------------------- within steps

    def steps(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The batches, one a step; for some steps begins the laps, and notes the first: data."""
        self._last = self._mark()
        for batch in batches:
            if self._sampling:
                self.lap("data")
            yield batch
            if self._sampling:
                self.end()
            self._left -= 1
            if self._left < 0:
                self._left = self._draws.randrange(2 * self._gap - 1)
                self._sampling = True
                self._last = self._mark()

    def lap(self, part: str) -> None:
        """What went by since the last lap was `part`; nothing where no step is sampled."""
        if self._sampling:
            now = self._mark()
            self._laps.append((part, self._last, now))
            self._last = now

    def end(self) -> None:
        """The step has ended."""
        self.lap("other")
        self._sampling = False

    # ------------------------------------------------------------------------------------------------ between steps

    @contextmanager
    def measured(self, part: str) -> Iterator[None]:
        """What is done within is `part`, and belongs to no lap. One within another is not the other's."""
        if not self._tells:
            yield
            return
        now = self._mark()
        if self._open:
            self._spans.append((self._open[-1], self._since, now))
        self._open.append(part)
        self._since = now
        try:
            yield
        finally:
            now = self._mark()
            self._open.pop()
            self._spans.append((part, self._since, now))
            self._since = self._last = now

    # ------------------------------------------------------------------------------------------------------ records

    def plan(self, step: int) -> None:
        """Records, after `step`, if it is time. Call it a few times a second, outside of what is measured."""
        if self._laps and time.perf_counter() >= self._due:
            self.close(step)
        self.collect()

    def close(self, step: int) -> None:
        """What was measured up to `step` is a record; none where no step's laps were taken."""
        if not self._laps or self._open:
            return
        now = self._mark()
        steps = step - self._counted
        self._under_way.append(_Window(step, steps, time.time(), self._first, now, self._laps, self._spans))
        self._first, self._counted = now, step
        self._laps, self._spans = [], []
        self._due = time.perf_counter() + SECONDS

    def collect(self, wait: bool = False) -> None:
        """Records what has passed; with `wait` all."""
        while self._under_way and (wait or self._clock.passed(self._under_way[0].last)):
            window = self._under_way.popleft()
            if wait:
                self._clock.wait(window.last)
            self._record(window)
            self._clock.free(window.marks())

    def _record(self, window: _Window) -> None:
        spans, laps = self._sums(window.spans), self._sums(window.laps)
        whole = self._clock.seconds(window.first, window.last) - spans.pop("pause", 0.0)
        in_steps, lapped = whole - sum(spans.values()), sum(laps.values())
        if min(whole, in_steps, lapped) <= 0:  # a clock that has no such resolution
            return
        shares = {part: laps[part] / lapped * in_steps / whole for part in IN_STEPS}
        shares |= {part: spans[part] / whole for part in BETWEEN_STEPS}
        if self.floor is not None:
            step = self._there_and_back(window.laps)
            shares |= {LEAST: min(1.0, self.floor.least / step), MOST: min(1.0, self.floor.most / step)}
        for part, share in shares.items():
            self._recorder.point(f"time/{part}", window.step, share, window.time)
        self.step_seconds = in_steps / max(1, window.steps)
        self._gap = max(1, ceil(self._cost / (BUDGET * self.step_seconds)))

    def _there_and_back(self, laps: Laps) -> float:
        """What a step spends on forward and backward: the middle one, in seconds."""
        steps: list[float] = []
        for part, first, last in laps:
            if part == "data":
                steps.append(0.0)
            elif part in ("forward", "backward") and steps:
                steps[-1] += self._clock.seconds(first, last)
        return max(median(steps or [0.0]), 1e-9)

    def _sums(self, laps: Laps) -> Counter[str]:
        return _summed((part, self._clock.seconds(first, last)) for part, first, last in laps)

    def _try_out(self) -> float:
        """What the laps of one step cost the host, reading them included: seconds. The first try makes ready what the
        second finds, and what the device had to do before is waited for."""
        for _ in range(2):
            self._last = self._mark()
            self._clock.wait(self._last)
            self._laps, self._left, self._sampling = [], 0, True
            started = time.perf_counter()
            for _ in self.steps(range(TRIES)):
                for part in IN_STEPS[1:]:
                    self.lap(part)
            cost = time.perf_counter() - started
            self._clock.wait(self._last)
            started = time.perf_counter()
            self._sums(self._laps)
            cost += time.perf_counter() - started
            self._clock.free(mark for _, *both in self._laps for mark in both)
        return cost / TRIES


def _summed(found: Iterable[tuple[str, float]]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for part, seconds in found:
        sums[part] += seconds  # type: ignore[assignment]  # a Counter counts any numbers
    return sums
