"""All that the Run screen shows, as one frozen value read from the run's folder. Imports no torch."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, get_args

from tdl_tui.registry import DATASETS, DataShape, Kind, Task
from tdl_tui.runs.reader import RunReader, unreadable_summary
from tdl_tui.runs.records import LAYER_COLUMNS, Bucket, Event, LayerSample, Probe, ProbeSample, State, Summary
from tdl_tui.runs.schema import Damaged, Locked, UnreadableRun
from tdl_tui.runs.text import printable

EVENTS = 500
"""How many of the newest events are kept at hand."""


@dataclass(frozen=True)
class Snapshot:
    """A run as it was read at one time. `started` is the time that counts as 0, `reach` the newest step.

    `notice` says why it cannot be read now, and that it was read before, "" where it could be.
    """

    summary: Summary
    shape: DataShape | None = None
    series: Mapping[str, tuple[Bucket, ...]] = field(default_factory=dict)
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
        self._columns = 0
        self._last: Snapshot | None = None

    def read(self, columns: int) -> Snapshot | None:
        """A new snapshot for charts of so many columns, or None when nothing has changed."""
        token = self._reader.changed()
        if self._last is not None and (token, columns) == (self._token, self._columns):
            return None
        self._token, self._columns = token, columns
        self._last = self._gather(columns)
        return self._last

    def close(self) -> None:
        """Lets go of the run's files."""
        self._reader.close()

    def _gather(self, columns: int) -> Snapshot:
        try:
            return _fitting(self._readable(self._reader.readable_summary(), columns))
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

    def _readable(self, summary: Summary, columns: int) -> Snapshot:
        reader, before = self._reader, self._last or Snapshot(summary)
        names = reader.series_names()
        charted = [name for name in names if name in CHARTED]
        firsts = [] if before.series else [point for name in charted if (point := reader.first(name)) is not None]
        newest = {name: reader.last(name) for name in names if name in LATEST or name.startswith("system/")}
        # From columns / 2 to columns buckets come back: about one a column.
        series = {name: tuple(reader.buckets(name, max(8, columns // 2))) for name in charted}
        for name, buckets in series.items():  # of what is not finite a bucket only knows that it is not
            if buckets and not buckets[-1].count:
                newest[name] = reader.last(name)
        layer_names = before.layer_names or tuple(printable(name) for name in reader.layer_names())
        probes = before.probes or tuple(reader.probes())
        return Snapshot(
            summary=replace(summary, message=printable(summary.message), host=printable(summary.host)),
            shape=before.shape or shape_of(summary.experiment, reader.facts().get("data_shape")),
            series=series,
            latest={name: point.value for name, point in newest.items() if point is not None},
            layer_names=layer_names,
            layer_samples=self._layer_samples(before.layer_samples, 2 * columns) if layer_names else (),
            probes=probes,
            outputs=reader.probe_sample() if probes else None,
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
