"""All runs of a home in short, read again only where something changed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from . import home, lock, schema
from .folders import runs_folder
from .reader import RunReader, unreadable_summary
from .records import State, Summary

Token = tuple[object, ...]
SETTLED_NS = 2_000_000_000  # a file that changed so shortly before may change again within its clock's tick
ASKED = (State.QUEUED, State.STARTING, State.RUNNING, State.PAUSED, State.LOST)  # what these are, the lock decides
SLICE = 400  # runs that are opened between two looks at the whole
PATIENCE_SECONDS = 0.2  # for a run that is locked: the others wait
KEPT_OPEN = 64  # readers of runs at work; each holds a file or three


@dataclass(slots=True)
class _Known:
    token: Token
    summary: Summary


class RunTable:
    """The summaries of a home's runs. Looking again is cheap for runs that rest: a look at their files.

    For one thread at a time.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._folder = str(runs_folder(home))
        self._known: dict[str, _Known] = {}
        self._open: dict[str, RunReader] = {}
        self._newest_first: list[Summary] = []

    def refresh(self) -> list[Summary]:
        """The summaries now, newest first; the same list as before where nothing changed.

        Raises home.HomeError where the home cannot be read.
        """
        for _ in self.read():
            pass
        return self._newest_first

    def read(self, first: int = SLICE) -> Iterator[tuple[list[Summary], int]]:
        """As `refresh`, but also on the way: what is known so far, and how many runs are still to be opened.

        Those that were made last are opened first: a screen that has room for `first` runs gets these at once.
        """
        now = time.time_ns()
        ids = home.run_ids(self.home)
        if self._known and not ids and not runs_folder(self.home).exists():
            raise home.HomeError(f"{self._folder} is no longer there")
        changed = self._forget(self._known.keys() - set(ids))
        known = (run_id for run_id in ids if run_id in self._known)
        new = sorted((run_id for run_id in ids if run_id not in self._known), key=self._made, reverse=True)
        waiting, left = max(1, first), len(new)
        for run_id in chain(known, new):
            is_new = run_id not in self._known
            changed |= self._look(run_id, now)
            if is_new:
                left -= 1
                waiting -= 1
                if not waiting and left:
                    self._sort()
                    yield self._newest_first, left
                    waiting, changed = SLICE, True
        if changed:
            self._sort()
        yield self._newest_first, 0

    def _look(self, run_id: str, now: int) -> bool:
        """Reads a run again where it may have changed. Whether it has."""
        folder = f"{self._folder}/{run_id}"
        token = _token(folder, now)
        known = self._known.get(run_id)
        if known is not None and known.token == token and not _lock_says_otherwise(folder, known.summary):
            return False
        try:
            summary = self._summary(run_id)
        except schema.Locked as error:
            token = ()  # to be looked at again
            if known is None:
                summary = unreadable_summary(Path(folder), error)
            else:
                summary = replace(known.summary, message=f"{error}: as it was before")
        except schema.UnreadableRun as error:
            summary = unreadable_summary(Path(folder), error)
        self._known[run_id] = _Known(token, summary)
        return known is None or known.summary != summary

    def _summary(self, run_id: str) -> Summary:
        """A run's summary. The reader of one that is at work stays open: it is asked again soon."""
        reader = self._open.pop(run_id, None) or RunReader(Path(self._folder, run_id), PATIENCE_SECONDS)
        try:
            summary = reader.readable_summary()
        except schema.UnreadableRun:
            reader.close()
            raise
        if summary.state.live and len(self._open) < KEPT_OPEN:
            self._open[run_id] = reader
        else:
            reader.close()
        return summary

    def _forget(self, gone: Iterable[str]) -> bool:
        """Drops runs that are no longer there. Whether there were any."""
        gone = list(gone)
        for run_id in gone:
            del self._known[run_id]
            if reader := self._open.pop(run_id, None):
                reader.close()
        return bool(gone)

    def _sort(self) -> None:
        summaries = (known.summary for known in self._known.values())
        self._newest_first = sorted(summaries, key=lambda summary: (-summary.created, summary.id))

    def _made(self, run_id: str) -> float:
        """About when a run was made, without opening it: nobody writes to a lock's file."""
        try:
            return os.stat(f"{self._folder}/{run_id}/{lock.FILE}").st_mtime  # noqa: PTH116  # for thousands at once
        except OSError:
            return 0.0


def _token(folder: str, now: int) -> Token:
    """Differs when anything was written since."""
    parts: list[object] = []
    for name in (schema.FILE, f"{schema.FILE}-wal"):
        try:
            status = os.stat(f"{folder}/{name}")  # noqa: PTH116  # twice for each of thousands of runs, twice a second
        except OSError:
            status = None
        if status is None or not status.st_size:  # readers leave empty logs behind
            parts.append(None)
            continue
        fresh = now if abs(now - status.st_mtime_ns) < SETTLED_NS else 0  # a clock may have been moved back
        parts.append((status.st_ino, status.st_size, status.st_mtime_ns, fresh))
    return tuple(parts)


def _lock_says_otherwise(folder: str, summary: Summary) -> bool:
    return summary.state in ASKED and lock.held(Path(folder)) != summary.state.live
