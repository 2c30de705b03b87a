"""All that the Run screen shows, as one frozen value read from the run's folder. Imports no torch."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from tdl_tui.registry import DATASETS, DataShape, Kind, Task
from tdl_tui.runs.reader import RunReader, unreadable_summary
from tdl_tui.runs.records import LAYER_COLUMNS, Bucket, Event, LayerSample, Matrix, Probe, ProbeSample, State, Summary
from tdl_tui.runs.schema import Damaged, Locked, UnreadableRun
from tdl_tui.runs.text import printable

EVENTS = 500
"""How many of the newest events are kept at hand."""


@dataclass(frozen=True, slots=True)
class Wants:
    """What a snapshot is to hold beside what every one does: charts of so many `columns`; the outputs of the probes at
    step `at` (None: the newest); buckets of these `series`, and of every charted one within the steps of `span`; the
    history of these `matrices`."""

    columns: int = 0
    at: int | None = None
    series: frozenset[str] = frozenset()
    span: tuple[int, int] | None = None
    matrices: frozenset[str] = frozenset()

    def __or__(self, other: Wants) -> Wants:
        return Wants(
            max(self.columns, other.columns),
            self.at if other.at is None else other.at,
            self.series | other.series,
            self.span if other.span is None else other.span,
            self.matrices | other.matrices,
        )


NOTHING = Wants()


@dataclass(frozen=True)
class Snapshot:
    """A run as it was read at one time. `started` is the time that counts as 0, `reach` the newest step.

    `names` are all series, `close_up` those within the steps that were wanted. `notice` says why it cannot be read now,
    and that it was read before, "" where it could be.
    """

    summary: Summary
    shape: DataShape | None = None
    names: tuple[str, ...] = ()
    series: Mapping[str, tuple[Bucket, ...]] = field(default_factory=dict)
    close_up: Mapping[str, tuple[Bucket, ...]] = field(default_factory=dict)
    matrix_names: tuple[str, ...] = ()
    matrices: Mapping[str, tuple[Matrix, ...]] = field(default_factory=dict)
    latest: Mapping[str, float] = field(default_factory=dict)
    layer_names: tuple[str, ...] = ()
    layer_samples: tuple[LayerSample, ...] = ()
    probes: tuple[Probe, ...] = ()
    outputs: ProbeSample | None = None
    events: tuple[Event, ...] = ()
    started: float = 0.0
    notice: str = ""

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
        return max(newest, self.summary.progress.step)


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
    """Reads snapshots of one run, and from one to the next only what may have changed. For one thread."""

    def __init__(self, reader: RunReader) -> None:
        self._reader = reader
        self._token: object = None
        self._wants = NOTHING
        self._last: Snapshot | None = None

    def read(self, wants: Wants) -> Snapshot | None:
        """A new snapshot with what is wanted, or None when nothing has changed."""
        token = self._reader.changed()
        if self._last is not None and (token, wants) == (self._token, self._wants):
            return None
        self._token, self._wants = token, wants
        self._last = self._gather(wants)
        return self._last

    def close(self) -> None:
        """Lets go of the run's files."""
        self._reader.close()

    def _gather(self, wants: Wants) -> Snapshot:
        try:
            return _fitting(self._readable(self._reader.readable_summary(), wants))
        except UnreadableRun as error:
            return self._unreadable(error)

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
        reader, before, columns = self._reader, self._last or Snapshot(summary), wants.columns
        names = reader.series_names()
        charted = [name for name in names if name in CHARTED or name in wants.series]
        firsts = [] if before.series else [point for name in charted if (point := reader.first(name)) is not None]
        newest = {name: reader.last(name) for name in names if name in LATEST or name.startswith("system/")}
        # From columns / 2 to columns buckets come back: about one a column.
        series = {name: tuple(reader.buckets(name, max(8, columns // 2))) for name in charted}
        span, close_up = wants.span, {}
        if span:
            close_up = {name: tuple(reader.buckets(name, max(8, columns // 2), *span)) for name in charted}
        matrix_names = reader.matrix_names()
        matrices = {name: tuple(reader.matrices(name, columns)) for name in matrix_names if name in wants.matrices}
        for name, buckets in series.items():  # of what is not finite a bucket only knows that it is not
            if buckets and not buckets[-1].count:
                newest[name] = reader.last(name)
        layer_names = before.layer_names or tuple(printable(name) for name in reader.layer_names())
        probes = before.probes or tuple(reader.probes())
        return Snapshot(
            summary=replace(summary, message=printable(summary.message), host=printable(summary.host)),
            shape=before.shape or shape_of(summary.experiment, reader.facts().get("data_shape")),
            names=tuple(map(printable, names)),
            series=series,
            close_up=close_up,
            matrix_names=tuple(map(printable, matrix_names)),
            matrices=matrices,
            latest={name: point.value for name, point in newest.items() if point is not None},
            layer_names=layer_names,
            layer_samples=self._layer_samples(before.layer_samples, 2 * columns) if layer_names else (),
            probes=probes,
            outputs=reader.probe_sample(wants.at) if probes else None,
            events=self._events(before.events),
            started=min((point.time for point in firsts), default=before.started or summary.created),
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

    def _events(self, known: tuple[Event, ...]) -> tuple[Event, ...]:
        out = list(known)
        while fresh := self._reader.events(after_id=out[-1].id if out else 0, limit=EVENTS):
            out.extend(replace(event, text=printable(event.text)) for event in fresh)
        return tuple(out[-EVENTS:])


CHARTED = frozenset(f"{part}/{figure}" for part in ("train", "val") for figure in ("loss", "accuracy", "r2"))
LATEST = frozenset({"lr", "speed/samples_per_s"})


def _fitting(snapshot: Snapshot) -> Snapshot:
    """The snapshot. Raises UnreadableRun where its parts do not fit together, as somebody else's may not."""
    widths = [len(LAYER_COLUMNS)] * len(snapshot.layer_names)
    if any(list(map(len, sample.rows)) != widths for sample in snapshot.layer_samples):
        raise UnreadableRun("the statistics of the layers do not fit their names")
    if snapshot.outputs is not None and len(snapshot.outputs.outputs) != len(snapshot.probes):
        raise UnreadableRun("the outputs do not fit the probes")
    return snapshot


def pending(snapshot: Snapshot) -> str:
    """What the charts wait for, "" when there is something to draw."""
    if any(snapshot.series.values()):
        return ""
    return "nothing was recorded" if snapshot.summary.state not in _WAITING else "waiting for the first step"


_WAITING = (State.QUEUED, State.STARTING, State.RUNNING, State.PAUSED, State.ELSEWHERE)
