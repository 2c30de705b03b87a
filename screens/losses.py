"""The losses' courses for the table of runs, read again only when a run has come visibly further."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State, Summary
from tdl_tui.runs.schema import UnreadableRun

SERIES = ("val/loss", "train/loss")


@dataclass(frozen=True, slots=True)
class _Course:
    values: Sequence[float]
    state: State
    changed: float
    step: int
    width: int

    def shows(self, run: Summary, width: int) -> bool:
        """Whether the run would still look so; one at work when it has grown by less than half a cell."""
        if (run.state, width) != (self.state, self.width):
            return False
        if not run.state.live:
            return run.changed == self.changed
        return self.step <= run.progress.step <= self.step * (1 + 0.5 / width)


class Losses:
    """Remembers the course of each run as it was read last."""

    def __init__(self) -> None:
        self._known: dict[str, _Course] = {}

    def of(self, run: Summary, home: Path, width: int) -> Sequence[float]:
        """About `width` means of the validation's loss, or of training's where there is too little of it yet.

        None where the run cannot be read: when it is looked at next, its own line says why.
        """
        known = self._known.get(run.id)
        if known is None or not known.shows(run, width):
            try:
                values = () if run.damage else _read(home / "runs" / run.id, width)
            except UnreadableRun:
                return ()
            known = self._known[run.id] = _Course(values, run.state, run.changed, run.progress.step, width)
        return known.values


def _read(folder: Path, width: int) -> Sequence[float]:
    with RunReader(folder) as reader:
        for name in SERIES:
            buckets = reader.buckets(name, width)
            if len(buckets) > 2:
                return [bucket.mean for bucket in buckets]
    return ()
