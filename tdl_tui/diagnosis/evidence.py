"""What the rules look at: a run's series in few numbers, its newest samples, and the values in force. No torch."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import isfinite, log, nan
from statistics import median
from typing import NamedTuple, TypeVar

from tdl_tui.registry import OPTIMIZERS, DataShape
from tdl_tui.runs.bottleneck import WAITED_FOR
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import LAYER_COLUMNS, LayerSample, Matrix, Progress
from tdl_tui.runs.undone import all_events
from tdl_tui.spec import Experiment

from . import in_force
from .in_force import InForce

SERIES = (
    "train/loss",
    "train/accuracy",
    "train/r2",
    "val/loss",
    "val/accuracy",
    "grad/norm",
    "lr",
    "system/gpu",
    *(f"time/{part}" for part in WAITED_FOR),
)
"""The series that rules look at."""
STRETCHES = 256
"""A course is at least as fine as this many stretches, once it has as many points, and at most twice as fine."""
TAIL = 32
"""The newest points of a course, kept one by one."""
SAMPLES = 8
"""The newest layer samples, and matrices of a name, that are kept."""
THROUGH_TIME = "through_time/"
"""What the names of the matrices that rules look at begin with."""
SHORTEST = 20
"""Steps of the shortest part of a training that is called recent."""
WAITING = 2**16
"""Points at most that wait for being summed up."""


class Stretch(NamedTuple):
    """Consecutive points, of the steps first..last: their mean, NaN where one of them was not finite."""

    first: int
    last: int
    mean: float


@dataclass(frozen=True)
class Course:
    """A series: all of it in stretches, the newest points as (step, value) beside them."""

    stretches: tuple[Stretch, ...] = ()
    tail: tuple[tuple[int, float], ...] = ()

    def mean(self, first: float, last: float) -> float:
        """The mean over the steps first..last, to the resolution of a stretch; NaN where there is nothing."""
        tail = [value for step, value in self.tail if first <= step <= last]
        if tail and self.tail[0][0] <= first:
            return sum(tail) / len(tail)
        begin, end = bisect_left(self.stretches, first, key=_middle), bisect_right(self.stretches, last, key=_middle)
        parts = [(stretch.mean, stretch.last - stretch.first + 1) for stretch in self.stretches[begin:end]]
        whole = sum(length for _, length in parts)
        return sum(mean * length for mean, length in parts) / whole if whole else nan

    @property
    def newest(self) -> float:
        return self.tail[-1][1] if self.tail else nan


def _middle(stretch: Stretch) -> float:
    return (stretch.first + stretch.last) / 2


class Recorded:
    """A course that grows: a bounded amount of memory, however long the run. Points are summed up when the course is
    asked for, as coarsely as it may be by then: one by one they would cost a training more than the rules do."""

    def __init__(
        self, stretches: Iterable[Stretch] = (), tail: Iterable[tuple[int, float]] = (), points: int = 1
    ) -> None:
        """Goes on from what was recorded before, in stretches of `points` points."""
        self._stretches = list(stretches)
        self._tail = deque(tail, maxlen=TAIL)
        self._points = points
        self._held = 0  # points of the stretch under way, with its steps and sum:
        self._first = self._last = 0
        self._total = 0.0
        self._waiting: list[tuple[int, int, Sequence[float]]] = []
        self._waits = 0

    def extend(self, first_step: int, stride: int, values: Sequence[float]) -> None:
        """Points at `first_step`, `first_step + stride`, …; the values must not be changed afterwards."""
        self._waiting.append((first_step, stride, values))
        self._waits += len(values)
        if self._waits > WAITING:
            self._sum_up()

    @property
    def newest(self) -> int:
        """The step of the newest point; 0 where there is none."""
        if self._waiting:
            first, stride, values = self._waiting[-1]
            return first + (len(values) - 1) * stride
        return self._tail[-1][0] if self._tail else 0

    def drop_after(self, step: int) -> None:
        """Forgets what was recorded after a step; of a stretch that reaches beyond it, all."""
        self._sum_up()
        if self._held and self._last > step:
            self._held = 0
        self._stretches = [stretch for stretch in self._stretches if stretch.last <= step]
        self._tail = deque((point for point in self._tail if point[0] <= step), maxlen=TAIL)

    def course(self) -> Course:
        """The course so far."""
        self._sum_up()
        rest = [self._under_way()] if self._held else []
        return Course((*self._stretches, *rest), tuple(self._tail))

    def _sum_up(self) -> None:
        while len(self._stretches) + self._waits // self._points >= 2 * STRETCHES:
            self._halve()
        self._keep_newest()
        for first_step, stride, values in self._waiting:
            at, count = 0, len(values)
            while at < count:
                part = values[at : at + self._points - self._held]
                self._add(first_step + at * stride, first_step + (at + len(part) - 1) * stride, part)
                at += len(part)
        self._waiting, self._waits = [], 0

    def _keep_newest(self) -> None:
        newest: list[tuple[int, float]] = []
        for first_step, stride, values in reversed(self._waiting):
            for place in range(len(values) - 1, max(0, len(values) - TAIL + len(newest)) - 1, -1):
                newest.append((first_step + place * stride, values[place]))
            if len(newest) == TAIL:
                break
        self._tail.extend(reversed(newest))

    def _add(self, first: int, last: int, values: Sequence[float]) -> None:
        """Points that the stretch under way has room for."""
        if not self._held:
            self._first, self._total = first, 0.0
        self._last = last
        self._total += sum(values)
        self._held += len(values)
        if self._held == self._points:
            self._stretches.append(self._under_way())
            self._held = 0
            if len(self._stretches) >= 2 * STRETCHES:
                self._halve()

    def _under_way(self) -> Stretch:
        mean = self._total / self._held
        return Stretch(self._first, self._last, mean if isfinite(mean) else nan)

    def _halve(self) -> None:
        """Joins each two stretches; one that is left over begins the one under way."""
        whole = self._stretches
        if len(whole) % 2:
            left = whole.pop()
            self._total = left.mean * self._points + (self._total if self._held else 0.0)
            self._last = self._last if self._held else left.last
            self._first = left.first
            self._held += self._points
        self._stretches = [_joined(a, b) for a, b in zip(whole[::2], whole[1::2], strict=True)]
        self._points *= 2


def _joined(a: Stretch, b: Stretch) -> Stretch:
    long, short = a.last - a.first + 1, b.last - b.first + 1
    return Stretch(a.first, b.last, (a.mean * long + b.mean * short) / (long + short))


@dataclass(frozen=True)
class Evidence:
    """A run as rules see it. `experiment` is as the values in force make it; `changes` says of those that were changed
    meanwhile, by path, after which step the newest value holds. `target_variance` is that of the training part's
    targets as the loss takes them, `input_size` the root mean square of some inputs as the network takes them, NaN
    where they are not known. `validation` counts held-out examples, `storage` is
    "memory" or "stream", `device` a torch device's type; `message` says why a run failed, "" where it did not.
    `first_loss` and `first_gradient` (norm) are those of step 1, NaN where they are not known; `layer_samples` are the
    newest few, and so are the matrices of `through_time`, by layer.

    Of what came up to step `since` rules take nothing but the beginning, and the best, to compare with.
    """

    experiment: Experiment
    shape: DataShape
    class_counts: tuple[int, ...] = ()
    target_variance: float = nan
    input_size: float = nan
    validation: int = 0
    storage: str = "memory"
    device: str = "cpu"
    progress: Progress = field(default_factory=Progress)
    series: Mapping[str, Course] = field(default_factory=dict)
    first_loss: float = nan
    first_gradient: float = nan
    layer_names: tuple[str, ...] = ()
    layer_samples: tuple[LayerSample, ...] = ()
    through_time: Mapping[str, tuple[Matrix, ...]] = field(default_factory=dict)
    message: str = ""
    changes: Mapping[str, int] = field(default_factory=dict)
    since: int = 0

    def afresh(self, causes: Iterable[str]) -> Evidence:
        """What is left to look at for whom the values at some paths matter: what came after their newest change."""
        since = self.changed(causes)
        return replace(self, since=since) if since else self

    def changed(self, causes: Iterable[str]) -> int:
        """The step after which the values at some paths hold; 0: all along."""
        return max((self.changes.get(path, 0) for path in causes), default=0)

    @property
    def step(self) -> int:
        """The newest step whose loss is known."""
        tail = self["train/loss"].tail
        return tail[-1][0] if tail else 0

    @property
    def steps(self) -> int:
        """The steps that there are to look at."""
        return self.step - self.since

    @property
    def window(self) -> int:
        """Steps that are called recent: an epoch, or a tenth of a longer one's steps so far; SHORTEST at least."""
        return max(SHORTEST, min(self.progress.steps_per_epoch, self.steps // 10))

    @property
    def recent_loss(self) -> float:
        """The mean loss of the recent steps; NaN where that would reach back to before a change."""
        if self.since and self.steps < self.window:
            return nan
        return self["train/loss"].mean(self.step - self.window + 1, self.step)

    @property
    def validations(self) -> list[tuple[int, float]]:
        """The newest validation losses, (step, value)."""
        return [point for point in self["val/loss"].tail if point[0] > self.since]

    @property
    def guess(self) -> float:
        """The loss of who always gives the same best answer: the entropy of the classes, the variance of the targets;
        where the loss is another one, the mean of the first ten steps, or twice the first where it rises."""
        objective = self.experiment.objective
        plain = objective.options.get("class_weights") == "none" and not objective.options.get("label_smoothing")
        if objective.loss == "cross_entropy" and plain:
            total = sum(self.class_counts)
            if not total:
                return log(self.shape.outputs)
            return -sum(n / total * log(n / total) for n in self.class_counts if n)
        if objective.loss == "mse" and self.shape.task == "regression":
            if isfinite(self.target_variance):
                return self.target_variance
            if self.experiment.data.normalize:
                return 1.0
        return min(self["train/loss"].mean(1, 10), 2 * self.first_loss)

    @property
    def start(self) -> float:
        """The loss before anything was learned: the first one, or a guess's where that is higher."""
        return max(self.first_loss, self.guess) if isfinite(self.first_loss) else self.guess

    @property
    def by_gradient(self) -> bool:
        """Whether steps go along a gradient, one each: neither searches without one nor line searches."""
        entry = OPTIMIZERS[self.experiment.optimizer.name]
        return entry.gradients and not entry.closure

    def __getitem__(self, name: str) -> Course:
        """A series' course; an empty one where there is none."""
        return self.series.get(name, _EMPTY)

    def layer_medians(self, column: str, samples: int) -> list[float]:
        """A column of LAYER_COLUMNS, a number a layer: the median of the newest `samples` samples. NaN where a layer
        has none; empty where there are fewer samples."""
        known = [sample for sample in self.layer_samples[-samples:] if sample.step > self.since]
        if len(known) < samples:
            return []
        place = LAYER_COLUMNS.index(column)
        rows = zip(*(sample.rows for sample in known), strict=True)
        return [_median([row[place] for row in layer]) for layer in rows]


_EMPTY = Course()
_Sample = TypeVar("_Sample", LayerSample, Matrix)


def _median(values: Sequence[float]) -> float:
    known = [value for value in values if isfinite(value)]
    return median(known) if known else nan


@dataclass(frozen=True)
class Recalled:
    """What a run has on record up to a step: of its series and samples what rules look at, and by which values it
    trained."""

    in_force: InForce
    series: dict[str, Recorded]
    first_loss: float
    first_gradient: float
    layer_names: tuple[str, ...]
    layer_samples: tuple[LayerSample, ...]
    through_time: dict[str, tuple[Matrix, ...]]


def recall(reader: RunReader, launched: Experiment, step: int) -> Recalled:
    """What the rules need of a run's record, up to `step`: a training that goes on knows what was before."""
    series = {}
    for name in SERIES if step else ():  # a launch waits for this
        buckets = [b for b in reader.buckets(name, STRETCHES // 2, last=step) if b.last <= step]
        if not buckets:
            continue
        stretches = [Stretch(b.first, b.last, nan if b.nonfinite else b.mean) for b in buckets]
        since, held = len(buckets), 0
        while since and held < TAIL:
            since -= 1
            held += buckets[since].count + buckets[since].nonfinite
        tail = [(p.step, p.value) for p in reader.points(name, buckets[since].first, buckets[-1].last)]
        series[name] = Recorded(stretches, tail, buckets[0].count + buckets[0].nonfinite)
    firsts = [reader.first(name) if step else None for name in ("train/loss", "grad/norm")]
    loss, gradient = (point.value if point is not None and point.step == 1 else nan for point in firsts)
    return Recalled(
        in_force.of_events(launched, all_events(reader), step),
        series,
        loss,
        gradient,
        tuple(reader.layer_names()),
        _newest(reader.layer_sample, step),
        {
            name: _newest(partial(reader.matrix, name), step)
            for name in reader.matrix_names()
            if name.startswith(THROUGH_TIME)
        },
    )


def _newest(read: Callable[[int], _Sample | None], step: int) -> tuple[_Sample, ...]:
    """The newest samples up to a step; `read` gives the newest one of them."""
    samples: list[_Sample] = []
    while len(samples) < SAMPLES and (sample := read(step)) is not None:
        samples.insert(0, sample)
        step = sample.step - 1
    return tuple(samples)


def of_reader(reader: RunReader, launched: Experiment) -> Evidence:
    """A run as its folder has it, launched with the experiment. What was not recorded is left as unknown."""
    summary, facts = reader.readable_summary(), reader.facts()
    known = recall(reader, launched, summary.progress.step)
    sizes = facts.get("splits")
    return Evidence(
        known.in_force.experiment,
        launched.shape,
        validation=int(sizes.get("validation", 0)) if isinstance(sizes, dict) else 0,
        progress=summary.progress,
        series={name: recorded.course() for name, recorded in known.series.items()},
        first_loss=known.first_loss,
        first_gradient=known.first_gradient,
        layer_names=known.layer_names,
        layer_samples=known.layer_samples,
        through_time=known.through_time,
        message=summary.message,
        changes=known.in_force.changes,
    )
