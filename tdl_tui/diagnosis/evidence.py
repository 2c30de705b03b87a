"""What the rules look at: a run's series in few numbers, its newest layer samples, and what was chosen. No torch."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, log, nan
from statistics import median
from typing import NamedTuple

from tdl_tui.registry import OPTIMIZERS, DataShape
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import LAYER_COLUMNS, LayerSample, Progress
from tdl_tui.spec import Experiment

SERIES = (
    "train/loss",
    "train/accuracy",
    "train/r2",
    "val/loss",
    "grad/norm",
    "lr",
    "time/data",
    "system/gpu",
)
"""The series that rules look at."""
STRETCHES = 256
"""A course is at least as fine as this many stretches, once it has as many points, and at most twice as fine."""
TAIL = 32
"""The newest points of a course, kept one by one."""
LAYER_SAMPLES = 8
"""The newest layer samples that are kept."""
SHORTEST = 20
"""Steps of the shortest part of a training that is called recent."""


class Stretch(NamedTuple):
    """Consecutive points, of the steps first..last: mean and largest value; NaN where one of them was not finite."""

    first: int
    last: int
    mean: float
    maximum: float


@dataclass(frozen=True)
class Course:
    """A series: all of it in stretches, the newest points as (step, value) beside them."""

    stretches: tuple[Stretch, ...] = ()
    tail: tuple[tuple[int, float], ...] = ()

    def mean(self, first: int, last: int) -> float:
        """The mean over the steps first..last, to the resolution of a stretch; NaN where there is nothing."""
        tail = [value for step, value in self.tail if first <= step <= last]
        if tail and self.tail[0][0] <= first:
            return sum(tail) / len(tail)
        parts = [(s.mean, s.last - s.first + 1) for s in self.stretches if first <= (s.first + s.last) / 2 <= last]
        whole = sum(length for _, length in parts)
        return sum(mean * length for mean, length in parts) / whole if whole else nan

    @property
    def newest(self) -> float:
        return self.tail[-1][1] if self.tail else nan


class Recorded:
    """A course that grows: a fixed amount of memory, however long the run."""

    def __init__(
        self, stretches: Iterable[Stretch] = (), tail: Iterable[tuple[int, float]] = (), points: int = 1
    ) -> None:
        """Goes on from what was recorded before, in stretches of `points` points."""
        self._stretches = list(stretches)
        self._tail = deque(tail, maxlen=TAIL)
        self._points = points
        self._held = 0  # points of the stretch under way, with its steps, sum and largest value:
        self._first = self._last = 0
        self._total = self._largest = 0.0

    def extend(self, first_step: int, stride: int, values: Sequence[float]) -> None:
        """Points at `first_step`, `first_step + stride`, …"""
        count = len(values)
        for place in range(max(0, count - TAIL), count):
            self._tail.append((first_step + place * stride, values[place]))
        at = 0
        while at < count:
            room = self._points - self._held
            part = values[at : at + room]
            self._add(first_step + at * stride, first_step + (at + len(part) - 1) * stride, part)
            at += len(part)

    def _add(self, first: int, last: int, values: Sequence[float]) -> None:
        """Points that the stretch under way has room for."""
        total, largest = sum(values), max(values)
        if self._held:
            first, total, largest = self._first, total + self._total, max(largest, self._largest)
        self._first, self._last, self._total, self._largest = first, last, total, largest
        self._held += len(values)
        if self._held == self._points:
            self._stretches.append(self._under_way())
            self._held = 0
            if len(self._stretches) >= 2 * STRETCHES:
                self._halve()

    def _under_way(self) -> Stretch:
        mean = self._total / self._held
        return Stretch(self._first, self._last, *((mean, self._largest) if isfinite(mean) else (nan, nan)))

    def drop_after(self, step: int) -> None:
        """Forgets what was recorded after a step; of a stretch that reaches beyond it, all."""
        if self._held and self._last > step:
            self._held = 0
        self._stretches = [stretch for stretch in self._stretches if stretch.last <= step]
        self._tail = deque((point for point in self._tail if point[0] <= step), maxlen=TAIL)

    def course(self) -> Course:
        """The course so far."""
        rest = [self._under_way()] if self._held else []
        return Course((*self._stretches, *rest), tuple(self._tail))

    def _halve(self) -> None:
        held = self._stretches
        self._stretches = [_joined(a, b) for a, b in zip(held[::2], held[1::2], strict=True)]
        self._points *= 2


def _joined(a: Stretch, b: Stretch) -> Stretch:
    long, short = a.last - a.first + 1, b.last - b.first + 1
    mean = (a.mean * long + b.mean * short) / (long + short)
    return Stretch(a.first, b.last, mean, max(a.maximum, b.maximum) if isfinite(mean) else nan)


@dataclass(frozen=True)
class Evidence:
    """A run as rules see it. `validation` counts held-out examples, `storage` is "memory" or "stream", `device` a
    torch device's type; `message` says why a run failed, "" where it did not. `first_loss` and `first_gradient` (norm)
    are those of step 1, NaN where they are not known; `layer_samples` are the newest few.
    """

    experiment: Experiment
    shape: DataShape
    class_counts: tuple[int, ...] = ()
    validation: int = 0
    storage: str = "memory"
    device: str = "cpu"
    progress: Progress = field(default_factory=Progress)
    series: Mapping[str, Course] = field(default_factory=dict)
    first_loss: float = nan
    first_gradient: float = nan
    layer_names: tuple[str, ...] = ()
    layer_samples: tuple[LayerSample, ...] = ()
    message: str = ""

    @property
    def step(self) -> int:
        """The newest step whose loss is known."""
        tail = self["train/loss"].tail
        return tail[-1][0] if tail else 0

    @property
    def window(self) -> int:
        """Steps that are called recent: an epoch, or a tenth of a longer one's steps so far; SHORTEST at least."""
        return max(SHORTEST, min(self.progress.steps_per_epoch, self.step // 10))

    @property
    def recent_loss(self) -> float:
        return self["train/loss"].mean(self.step - self.window + 1, self.step)

    @property
    def guess(self) -> float:
        """The loss of who always gives the same best answer: the entropy of the classes, or the variance of targets
        that were normalised; where the loss is another one, the mean of the first ten steps, or twice the first where
        it rises."""
        objective = self.experiment.objective
        plain = objective.options.get("class_weights") == "none" and not objective.options.get("label_smoothing")
        if objective.loss == "cross_entropy" and plain:
            total = sum(self.class_counts)
            if not total:
                return log(self.shape.outputs)
            return -sum(n / total * log(n / total) for n in self.class_counts if n)
        if objective.loss == "mse" and self.shape.task == "regression" and self.experiment.data.normalize:
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
        if len(self.layer_samples) < samples:
            return []
        place = LAYER_COLUMNS.index(column)
        rows = zip(*(sample.rows for sample in self.layer_samples[-samples:]), strict=True)
        return [_median([row[place] for row in layer]) for layer in rows]


_EMPTY = Course()


def _median(values: Sequence[float]) -> float:
    known = [value for value in values if isfinite(value)]
    return median(known) if known else nan


@dataclass(frozen=True)
class Recalled:
    """What a run has on record up to a step."""

    series: dict[str, Recorded]
    first_loss: float
    first_gradient: float
    layer_names: tuple[str, ...]
    layer_samples: tuple[LayerSample, ...]


def recall(reader: RunReader, step: int) -> Recalled:
    """What the rules need of a run's record, up to `step`: a training that goes on knows what was before."""
    series = {}
    for name in SERIES:
        buckets = [b for b in reader.buckets(name, STRETCHES // 2, last=step) if b.last <= step]
        if not buckets:
            continue
        stretches = [
            Stretch(b.first, b.last, nan, nan) if b.nonfinite else Stretch(b.first, b.last, b.mean, b.maximum)
            for b in buckets
        ]
        since, held = len(buckets), 0
        while since and held < TAIL:
            since -= 1
            held += buckets[since].count + buckets[since].nonfinite
        tail = [(p.step, p.value) for p in reader.points(name, buckets[since].first, buckets[-1].last)]
        series[name] = Recorded(stretches, tail, buckets[0].count + buckets[0].nonfinite)
    samples: list[LayerSample] = []
    at = step
    while len(samples) < LAYER_SAMPLES and (sample := reader.layer_sample(at)) is not None:
        samples.insert(0, sample)
        at = sample.step - 1
    firsts = [reader.first(name) for name in ("train/loss", "grad/norm")]
    loss, gradient = (point.value if point is not None and point.step == 1 <= step else nan for point in firsts)
    return Recalled(
        series,
        loss,
        gradient,
        tuple(reader.layer_names()),
        tuple(samples),
    )


def of_reader(reader: RunReader, experiment: Experiment) -> Evidence:
    """A run as its folder has it, with the experiment that it says it is. What was not recorded is left as unknown."""
    summary, facts = reader.readable_summary(), reader.facts()
    known = recall(reader, summary.progress.step)
    sizes = facts.get("splits")
    return Evidence(
        experiment,
        experiment.shape,
        validation=int(sizes.get("validation", 0)) if isinstance(sizes, dict) else 0,
        progress=summary.progress,
        series={name: recorded.course() for name, recorded in known.series.items()},
        first_loss=known.first_loss,
        first_gradient=known.first_gradient,
        layer_names=known.layer_names,
        layer_samples=known.layer_samples,
        message=summary.message,
    )
