"""All that the Run screen shows, as one frozen value read from the run's folder. Imports no torch."""

from __future__ import annotations

import contextlib
import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar, get_args

from tdl_tui.registry import DATASETS, DataShape, Kind, Task
from tdl_tui.runs.bottleneck import shares
from tdl_tui.runs.reader import RunReader, unreadable_summary
from tdl_tui.runs.records import (
    LAYER_COLUMNS,
    Bucket,
    Event,
    LayerSample,
    Matrix,
    Point,
    Probe,
    ProbeSample,
    State,
    Summary,
)
from tdl_tui.runs.schema import Damaged, Locked, UnreadableRun
from tdl_tui.runs.series import NO_POINTS, Grown
from tdl_tui.runs.text import printable
from tdl_tui.runs.undone import is_rollback
from tdl_tui.widgets.series_groups import LAYERED

EVENTS = 500
"""How many of the newest events are kept at hand."""
OUTPUTS = 1 << 17
"""Of the probes' history: how many numbers are read."""
EARLIER = 100
"""How many earlier ones are read for a moment before those."""


@dataclass(frozen=True, slots=True)
class Wants:
    """What a snapshot is to hold beside what every one does: charts of so many `columns`; what the run was like at step
    `at` (None: is like now); buckets of these `series`, and of every charted one within the steps of `span`; the
    history of these `matrices`; about `probe_samples` of the probes' outputs over the run."""

    columns: int = 0
    at: int | None = None
    series: frozenset[str] = frozenset()
    span: tuple[int, int] | None = None
    matrices: frozenset[str] = frozenset()
    probe_samples: int = 0

    def __or__(self, other: Wants) -> Wants:
        return Wants(
            max(self.columns, other.columns),
            self.at if other.at is None else other.at,
            self.series | other.series,
            self.span if other.span is None else other.span,
            self.matrices | other.matrices,
            max(self.probe_samples, other.probe_samples),
        )


NOTHING = Wants()


class _Sampled(Protocol):
    @property
    def step(self) -> int: ...


_Sample = TypeVar("_Sample", bound=_Sampled)


def until(samples: Sequence[_Sample], at: int | None) -> Sequence[_Sample]:
    """Those of the samples (ascending) that were taken at or before a step; all for None."""
    return samples if at is None else samples[: bisect_right(samples, at, key=_step)]


def _step(sample: _Sampled) -> int:
    return sample.step


@dataclass(frozen=True)
class Snapshot:
    """A run as it was read at one time. `started` is the time that counts as 0, `reach` the newest step.

    `names` are all series, `close_up` those within the steps of `span`, which were wanted; `values` what the charted
    ones end with, of which a bucket knows the mean alone (layers have but samples). `notice` says why it cannot be read
    now, and that it was read before, "" where it could be.

    Looking back, `at` is the step that is looked at, and `time` when that was (NaN where that is not known): `values`,
    `latest`, `outputs`, `layer_sample`, `matrix` and `happened` are what the screen showed then. All else is the whole
    run's, and held still: `summary` alone goes on.

    `sampled` are the steps at which layers or probes were sampled, `eventful` those at which something happened that
    no roll back has undone, both ascending.
    """

    summary: Summary
    shape: DataShape | None = None
    names: tuple[str, ...] = ()
    series: Mapping[str, tuple[Bucket, ...]] = field(default_factory=dict)
    close_up: Mapping[str, tuple[Bucket, ...]] = field(default_factory=dict)
    span: tuple[int, int] | None = None
    matrix_names: tuple[str, ...] = ()
    matrices: Mapping[str, tuple[Matrix, ...]] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)
    latest: Mapping[str, float] = field(default_factory=dict)
    layer_names: tuple[str, ...] = ()
    parameter_names: tuple[str, ...] = ()
    layer_samples: tuple[LayerSample, ...] = ()
    probes: tuple[Probe, ...] = ()
    outputs: ProbeSample | None = None
    probe_samples: tuple[ProbeSample, ...] = ()
    events: tuple[Event, ...] = ()
    started: float = 0.0
    notice: str = ""
    at: int | None = None
    time: float = math.nan
    sampled: tuple[int, ...] = ()
    eventful: tuple[int, ...] = ()
    held: Summary | None = None
    """How the run stood when it was read, where it has gone on since."""

    @property
    def stood(self) -> Summary:
        """How the run stood when all but the summary was read."""
        return self.held or self.summary

    @property
    def layer_sample(self) -> LayerSample | None:
        """The layers' statistics at the moment."""
        return next(reversed(until(self.layer_samples, self.at)), None)

    def matrix(self, name: str) -> Matrix | None:
        """A wanted matrix at the moment."""
        return next(reversed(until(self.matrices.get(name, ()), self.at)), None)

    @property
    def happened(self) -> tuple[Event, ...]:
        """The events up to the moment, in the order in which they came."""
        if self.at is None:
            return self.events
        return tuple(event for event in self.events if event.step <= self.at)

    @property
    def title(self) -> str:
        return printable(self.summary.name or self.summary.id)

    @property
    def metric(self) -> str:
        """The second figure beside the loss: "accuracy", or "r2" in regression."""
        return "r2" if self.shape is not None and self.shape.task == "regression" else "accuracy"

    @property
    def reach(self) -> int:
        newest = max((buckets[-1].last for buckets in self.series.values() if buckets), default=0)
        return max(newest, self.stood.progress.step)


def shape_of(experiment: Mapping[str, Any], recorded: object) -> DataShape | None:
    """The data's shape: as the worker recorded it, else as the registry describes the dataset, else None."""
    if isinstance(recorded, dict):
        known: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in recorded.items()
            if name in DataShape.__dataclass_fields__
        }
        with contextlib.suppress(TypeError):  # a newer version may record another form
            shape = DataShape(**known)
            if _is_shape(shape):
                return shape
    data = experiment.get("data", {})
    try:
        entry = DATASETS[data.get("dataset", "")]
        return entry.describe({**entry.defaults(), **data.get("options", {})})
    except (KeyError, TypeError, ValueError):
        return None


def _is_shape(shape: DataShape) -> bool:
    """Whether what somebody else recorded is of the types that a shape's fields have."""
    numbers = (*shape.input, shape.outputs, shape.examples, shape.fixed_test, shape.fixed_train, shape.steps)
    return (
        shape.task in get_args(Task)
        and shape.kind in get_args(Kind)
        and all(isinstance(number, int) and 0 <= number < 2**62 for number in numbers)
        and all(isinstance(name, str) for name in (*shape.classes, *shape.features))
    )


class Source:
    """Reads snapshots of one run, and from one to the next only what may have changed. For one thread.

    While a moment is looked at, the history is held as it was: of what is written meanwhile only the summary is read.
    """

    def __init__(self, reader: RunReader) -> None:
        self._reader = reader
        self._token: object = None
        self._wants = NOTHING
        self._last: Snapshot | None = None
        self._history: Snapshot | None = None  # the run as it was read last, not looking back
        self._history_of: tuple[object, Wants] = None, NOTHING
        self._eventful: set[int] = set()
        self._grown: dict[str, Grown] = {}

    def read(self, wants: Wants) -> Snapshot | None:
        """A new snapshot with what is wanted, or None when nothing has changed."""
        token = self._reader.changed()
        if self._last is not None and (token, wants) == (self._token, self._wants):
            return None
        try:
            history = self._follow(token, wants)
            self._last = history if wants.at is None else self._looking_back(history, wants.at)
        except UnreadableRun as error:
            self._last = self._unreadable(error)
        self._token, self._wants = token, wants
        return self._last

    def close(self) -> None:
        """Lets go of the run's files."""
        self._reader.close()

    def _follow(self, token: object, wants: Wants) -> Snapshot:
        """All that does not go by the moment that is looked at."""
        whole = token, replace(wants, at=None)
        known = self._history
        if known is not None and wants.at is not None and whole[1] == self._history_of[1]:
            if token not in (self._history_of[0], self._token):
                summary = _printable(self._reader.readable_summary())
                known = self._history = replace(known, summary=summary, held=known.stood)
        elif known is None or known.held or whole != self._history_of:
            known = self._readable(self._reader.readable_summary(), whole[1])
            _check(known, known.layer_samples)
            self._history, self._history_of = known, whole
        return known

    def _looking_back(self, history: Snapshot, at: int) -> Snapshot:
        """The snapshot at a moment: a row of each table, and a point of each series, found by the step."""
        reader, samples, matrices = self._reader, history.layer_samples, history.matrices
        outputs = reader.probe_sample(at) if history.probes else None
        points = {name: reader.last(name, at) for name in {**history.latest, **history.values}}
        known = _values(points)
        if history.layer_names:
            samples = _with(samples, reader.layer_sample(at))
        if matrices:
            matrices = {name: _with(known, reader.matrix(name, at)) for name, known in matrices.items()}
        events = history.events
        if len(events) == EVENTS:
            events = (*map(_readable_event, reader.events_before(events[0].id, at, EARLIER)), *events)
        moment = replace(
            history,
            at=at,
            values={name: value for name, value in known.items() if name in history.values},
            latest={name: value for name, value in known.items() if name in history.latest},
            outputs=outputs,
            layer_samples=samples,
            matrices=matrices,
            events=events,
        )
        taken = [sample for sample in (outputs, moment.layer_sample, *points.values()) if sample is not None]
        newest = max(taken, key=_step, default=None)
        _check(moment, () if moment.layer_sample is None else (moment.layer_sample,))
        return replace(moment, time=newest.time if newest else math.nan)

    def _unreadable(self, error: UnreadableRun) -> Snapshot:
        """What was read before, if anything was, with the words that say why no more is."""
        folder = self._reader.folder
        text = printable(str(error).replace(f"{folder}/", ""))
        before = "; shown as last read" if self._last and self._last.series else ""
        if not folder.exists():
            text = f"the run's folder is gone, deleted or moved{before}"
        elif isinstance(error, Damaged):
            text = f"damaged{before}; try tdl check --repair {folder.name}: {text}"
        else:
            text = f"{text}{before}"
        if self._last is None:
            return Snapshot(replace(unreadable_summary(folder, error), message=text, damage=text))
        if isinstance(error, Locked):
            return replace(self._last, notice=text)
        return replace(self._last, summary=replace(self._last.summary, state=State.FAILED, message=text, damage=text))

    def _readable(self, summary: Summary, wants: Wants) -> Snapshot:
        reader, before, columns = self._reader, self._history or Snapshot(summary), wants.columns
        names = reader.series_names()
        charted = [name for name in names if name in CHARTED or name in wants.series]
        firsts = [] if before.series else [point for name in charted if (point := reader.first(name)) is not None]
        newest = {name: reader.last(name) for name in names if name in LATEST or name.startswith("system/")}
        # From columns / 2 to columns buckets come back: about one a column.
        self._grown = {
            name: reader.growing(name, max(8, columns // 2), self._grown.get(name, NO_POINTS)) for name in charted
        }
        series = {name: grown.buckets for name, grown in self._grown.items()}
        span, close_up = wants.span, {}
        if span:
            close_up = {name: tuple(reader.buckets(name, max(8, columns // 2), *span)) for name in charted}
        matrix_names = reader.matrix_names()
        matrices = {name: tuple(reader.matrices(name, columns)) for name in matrix_names if name in wants.matrices}
        ends = {name: reader.last(name) for name in charted if not name.startswith(LAYERED)}
        layer_names = before.layer_names or tuple(printable(name) for name in reader.layer_names())
        probes = before.probes if len(before.probes) == reader.probe_count() else tuple(reader.probes())
        outputs = reader.probe_sample() if probes else None
        events = self._events(before.events)
        return Snapshot(
            summary=_printable(summary),
            shape=before.shape or shape_of(summary.experiment, reader.facts().get("data_shape")),
            names=tuple(map(printable, names)),
            series=series,
            span=span,
            close_up=close_up,
            matrix_names=tuple(map(printable, matrix_names)),
            matrices=matrices,
            values=_values(ends),
            latest={**_time(reader, summary, names), **_values(newest)},
            layer_names=layer_names,
            parameter_names=before.parameter_names
            or (_names(reader.facts().get("parameter_names")) if "parameters" in wants.matrices else ()),
            layer_samples=self._layer_samples(before.layer_samples, 2 * columns) if layer_names else (),
            probes=probes,
            outputs=outputs,
            probe_samples=self._probe_samples(before.probe_samples, outputs, wants.probe_samples),
            events=events,
            started=min((point.time for point in firsts), default=before.started or summary.created),
            sampled=tuple(reader.sampled_steps()),
            eventful=before.eventful if events is before.events else tuple(sorted(self._eventful)),
        )

    def _layer_samples(self, known: tuple[LayerSample, ...], limit: int) -> tuple[LayerSample, ...]:
        """Those known with the newest added; all anew, thinned, when they have become many or a resume went back."""
        newest = self._reader.layer_sample()
        if newest is None:
            return ()
        if known and newest.step == known[-1].step:
            return known
        if known and newest.step > known[-1].step and len(known) < 2 * limit:
            return (*known, newest)
        return tuple(self._reader.layer_samples(limit))

    def _probe_samples(
        self, known: tuple[ProbeSample, ...], newest: ProbeSample | None, wanted: int
    ) -> tuple[ProbeSample, ...]:
        """As with the layers, and fewer where there are many outputs in each."""
        if newest is None or not wanted:
            return ()
        limit = max(16, min(wanted, OUTPUTS // max(1, len(newest.outputs) * max(map(len, newest.outputs), default=1))))
        if known and newest.step == known[-1].step:
            return known
        if known and newest.step > known[-1].step and len(known) < 2 * limit:
            return (*known, newest)
        return tuple(self._reader.probe_samples(limit))

    def _events(self, known: tuple[Event, ...]) -> tuple[Event, ...]:
        out = known
        while fresh := self._reader.events(after_id=out[-1].id if out else 0, limit=EVENTS):
            out = (*out, *map(_readable_event, fresh))[-EVENTS:]
            for event in fresh:
                if is_rollback(event):
                    self._eventful = {step for step in self._eventful if step <= event.step}
                if event.step > 0:
                    self._eventful.add(event.step)
        return out


def _printable(summary: Summary) -> Summary:
    return replace(summary, message=printable(summary.message), host=printable(summary.host))


def _readable_event(event: Event) -> Event:
    return replace(event, text=printable(event.text))


def _with(samples: tuple[_Sample, ...], sample: _Sample | None) -> tuple[_Sample, ...]:
    """The samples (ascending) with one that may not be among them: of many, some are left out of a history."""
    if sample is None:
        return samples
    before = len(until(samples, sample.step))
    if before and samples[before - 1].step == sample.step:
        return samples
    return (*samples[:before], sample, *samples[before:])


def _names(recorded: object) -> tuple[str, ...]:
    return tuple(map(printable, map(str, recorded))) if isinstance(recorded, list) else ()


def _time(reader: RunReader, summary: Summary, names: Sequence[str]) -> dict[str, float]:
    """Where the time goes, as series of the name: of a run at work the mean over the last tenth of its steps, else over
    all."""
    if "time/forward" not in names:
        return {}
    first = summary.progress.step * 9 // 10 if summary.state.live else None
    return {f"time/{part}": share for part, share in shares(reader, first).items()}


CHARTED = frozenset(f"{part}/{figure}" for part in ("train", "val") for figure in ("loss", "accuracy", "r2"))
LATEST = frozenset({"lr", "speed/samples_per_s"})


def _values(points: Mapping[str, Point | None]) -> dict[str, float]:
    return {name: point.value for name, point in points.items() if point is not None}


def _check(snapshot: Snapshot, samples: Sequence[LayerSample]) -> None:
    """Raises UnreadableRun where the snapshot's parts do not fit together, as somebody else's may not."""
    widths = [len(LAYER_COLUMNS)] * len(snapshot.layer_names)
    if any(list(map(len, sample.rows)) != widths for sample in samples):
        raise UnreadableRun("the statistics of the layers do not fit their names")
    if snapshot.outputs is not None and len(snapshot.outputs.outputs) > len(snapshot.probes):
        raise UnreadableRun("the outputs do not fit the probes")


def pending(snapshot: Snapshot) -> str:
    """What the charts wait for, "" when there is something to draw."""
    if any(snapshot.series.values()):
        return ""
    return "nothing was recorded" if snapshot.summary.state not in _WAITING else "waiting for the first step"


_WAITING = (State.QUEUED, State.STARTING, State.RUNNING, State.PAUSED, State.ELSEWHERE)
