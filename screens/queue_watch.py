"""The queue as the table of runs sees it: the places of those that wait, and that somebody starts them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from tdl_tui.runs import queue
from tdl_tui.runs.records import Summary
from tdl_tui.worker import launch
from tdl_tui.worker.checks import auto_device

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
        self._auto = self._auto or auto_device()
        return queue.places(runs, self._auto)

    def keep_moving(self) -> None:
        """Starts a runner where something waits and none is there. Raises OSError."""
        if time.monotonic() - self._asked >= RUNNER_SECONDS:
            self._asked = time.monotonic()
            launch.ensure_runner(self._home)
