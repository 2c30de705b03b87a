"""The losses' courses for the table of runs, read again only when a run has changed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import Summary

SERIES = ("val/loss", "train/loss")


class Losses:
    """Remembers the course of each run by what it was read from."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[float, int, int], Sequence[float]]] = {}

    def of(self, run: Summary, home: Path, width: int) -> Sequence[float]:
        """About `width` means of the validation's loss, or of training's where there is too little of it yet."""
        version = (run.changed, run.progress.step, width)
        known = self._known.get(run.id)
        if known is None or known[0] != version:
            known = self._known[run.id] = (version, () if run.damage else _read(home / "runs" / run.id, width))
        return known[1]


def _read(folder: Path, width: int) -> Sequence[float]:
    reader = RunReader(folder)
    try:
        for name in SERIES:
            buckets = reader.buckets(name, width)
            if len(buckets) > 2:
                return [bucket.mean for bucket in buckets]
    finally:
        reader.close()
    return ()
