"""The queue as screens see it: the places of those that wait, and that somebody starts them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from tdl_tui.runs import queue
from tdl_tui.runs.records import Summary

RUNNER_SECONDS = 10.0
"""Between two looks whether a runner is there."""


class QueueWatch:
    """Of one home; for one thread at a time."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._auto = ""
        self._asked = -RUNNER_SECONDS

    def places(self, runs: Sequence[Summary]) -> dict[str, int]:
        """The place of each queued run, by id."""
        if not queue.waiting(runs):
            return {}
        if not self._auto:
            from tdl_tui.worker.checks import auto_device  # with what it imports, as below: a table is read without

            self._auto = auto_device()
        return queue.places(runs, self._auto)

    def keep_moving(self) -> str:
        """Something waits: starts a runner where none is there. Returns why that cannot be, in one line, or ""."""
        if time.monotonic() - self._asked >= RUNNER_SECONDS:
            from tdl_tui.worker import launch

            self._asked = time.monotonic()
            try:
                launch.ensure_runner(self._home)
            except OSError as error:
                return f"no runner can be started for the queue: {error.strerror}"
        return ""
