"""All runs of a home in short, read again only where something changed."""

from __future__ import annotations

import time
from pathlib import Path

from . import home, lock, schema
from .reader import RunReader
from .records import State, Summary

Token = tuple[object, ...]
SETTLED_NS = 2_000_000_000  # a file that changed so shortly before may change again within its clock's tick
ASKED = (State.QUEUED, State.STARTING, State.RUNNING, State.PAUSED, State.LOST)  # what these are, the lock decides


class RunTable:
    """The summaries of a home's runs. `refresh` is cheap for runs that rest: a look at their files."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._known: dict[Path, tuple[Token, Summary]] = {}

    def refresh(self) -> list[Summary]:
        """The summaries now, newest first. Raises home.HomeError where the home cannot be read."""
        now = time.time_ns()
        known: dict[Path, tuple[Token, Summary]] = {}
        for folder in home.run_folders(self.home):
            token = _token(folder, now)
            entry = self._known.get(folder)
            if entry is None or entry[0] != token or _lock_says_otherwise(folder, entry[1]):
                with RunReader(folder) as reader:
                    entry = token, reader.summary()
            known[folder] = entry
        self._known = known
        return sorted((summary for _, summary in known.values()), key=lambda s: (-s.created, s.id))


def _token(folder: Path, now: int) -> Token:
    """Differs when anything was written since."""
    parts: list[object] = []
    for name in (schema.FILE, f"{schema.FILE}-wal"):
        try:
            status = (folder / name).stat()
        except OSError:
            status = None
        if status is None or not status.st_size:  # readers leave empty logs behind
            parts.append(None)
            continue
        fresh = now if now - status.st_mtime_ns < SETTLED_NS else 0
        parts.append((status.st_ino, status.st_size, status.st_mtime_ns, fresh))
    return tuple(parts)


def _lock_says_otherwise(folder: Path, summary: Summary) -> bool:
    return summary.state in ASKED and lock.held(folder) != summary.state.live
