"""All that the Run screen shows, as one frozen value read from the run's folder. Imports no torch."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tdl_tui.registry import DATASETS, DataShape
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import Bucket, Event, LayerSample, Probe, ProbeSample, State, Summary
from tdl_tui.runs.text import printable

EVENTS = 500
"""How many of the newest events are kept at hand."""


@dataclass(frozen=True)
class Snapshot:
    """A run as it was read at one time. `started` is the time that counts as 0, `reach` the newest step."""

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


def shape_of(experiment: Mapping[str, Any], recorded: Mapping[str, Any] | None) -> DataShape | None:
    """The data's shape: as the worker recorded it, else as the registry describes the dataset, else None."""
    if recorded:
        known: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in recorded.items()
            if name in DataShape.__dataclass_fields__
        }
        with contextlib.suppress(TypeError):  # a newer version may record another form
            return DataShape(**known)
    data = experiment.get("data", {})
    try:
        entry = DATASETS[data.get("dataset", "")]
        return entry.describe({**entry.defaults(), **data.get("options", {})})
    except (KeyError, TypeError, ValueError):
        return None


class Source:
    """Reads snapshots of one run, and from one to the next only what may have changed. For one thread."""

    def __init__(self, reader: RunReader) -> None:
        self._reader = reader
        self._token: object = None
        self._width = 0
        self._last: Snapshot | None = None
        self._first_time = 0.0

    def read(self, width: int) -> Snapshot | None:
        """A new snapshot with about `width` buckets a series, or None when nothing has changed."""
        token = self._reader.changed()
        if self._last is not None and token == self._token and width == self._width:
            return None
        self._token, self._width = token, width
        self._last = self._gather(width)
        return self._last

    def _gather(self, width: int) -> Snapshot:
        reader = self._reader
        summary = reader.summary()
        if summary.damage:
            return Snapshot(replace(summary, damage=printable(summary.damage)))
        facts = reader.facts()
        names = reader.series_names()
        before = self._last
        shape = before.shape if before and before.shape else shape_of(summary.experiment, facts.get("data_shape"))
        charted = [name for name in names if name in _CHARTED]
        if not self._first_time and (first := [p.time for n in charted if (p := reader.first(n)) is not None]):
            self._first_time = min(first)
        latest: dict[str, float] = {}
        for name in names:
            if name in _LATEST or name.startswith("system/"):
                point = reader.last(name)
                if point is not None:
                    latest[name] = point.value
        probes = before.probes if before and before.probes else tuple(reader.probes())
        layer_names = (
            before.layer_names if before and before.layer_names else tuple(map(printable, reader.layer_names()))
        )
        known = before.events if before else ()
        fresh = reader.events(after_id=known[-1].id if known else 0, limit=EVENTS)
        return Snapshot(
            summary=replace(summary, message=printable(summary.message), host=printable(summary.host)),
            shape=shape,
            series={name: tuple(reader.buckets(name, width)) for name in charted},
            latest=latest,
            layer_names=layer_names,
            layer_samples=tuple(reader.layer_samples(2 * width)) if layer_names else (),
            probes=probes,
            outputs=reader.probe_sample() if probes else None,
            events=(*known, *(replace(event, text=printable(event.text)) for event in fresh))[-EVENTS:],
            started=self._first_time or summary.created,
        )


_CHARTED = frozenset(f"{part}/{figure}" for part in ("train", "val") for figure in ("loss", "accuracy", "r2"))
_LATEST = frozenset({"lr", "speed/samples_per_s"})


def pending(snapshot: Snapshot) -> str:
    """What the charts wait for, "" when there is something to draw."""
    if any(snapshot.series.values()):
        return ""
    return "nothing was recorded" if snapshot.summary.state not in _WAITING else "waiting for the first step"


_WAITING = (State.QUEUED, State.STARTING, State.RUNNING, State.PAUSED, State.ELSEWHERE)
