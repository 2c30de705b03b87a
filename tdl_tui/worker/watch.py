"""The worker's ear: a thread that hands what is laid into the run's `commands/` to training. Imports no torch."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tdl_tui.runs import commands
from tdl_tui.training.control import CommandQueue

POLL_SECONDS = 0.025
GRACE_SECONDS = 7.0


class CommandWatcher:
    """Watches one run's folder; `control` is what training asks each step.

    A command is taken away from the folder when it is handed over; training carries it out and acknowledges it.
    `overdue` is called, by the thread, where it has not ended within GRACE_SECONDS of being terminated.
    """

    def __init__(self, folder: Path, overdue: Callable[[], None] = lambda: None) -> None:
        self.control = CommandQueue()
        self._folder = folder
        self._overdue = overdue
        self._terminated = False
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="commands", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def terminate(self) -> None:
        """As if somebody had sent a stop. For a signal's handler: it takes no lock."""
        self._terminated = True

    def close(self) -> None:
        self._closed.set()
        self._thread.join()

    def _watch(self) -> None:
        folder = self._folder / "commands"
        deadline = math.inf
        while not self._closed.wait(POLL_SECONDS):
            if self._terminated:
                self._terminated = False
                deadline = min(deadline, time.monotonic() + GRACE_SECONDS)
                with suppress(commands.CommandError):  # the disk is full, or gone: then it is overdue
                    commands.send(self._folder, "stop")
            if time.monotonic() > deadline:
                self._overdue()
                return
            if _has_commands(folder):
                for command in commands.pending(self._folder):
                    commands.take(command)
                    self.control.put(command)


def _has_commands(folder: Path) -> bool:
    """Whether a command is there. Looks at names only: cheap enough for many times a second."""
    try:
        with os.scandir(folder) as entries:
            return any(not entry.name.startswith(".") for entry in entries)
    except OSError:
        return False  # the run was moved away, or its disk is gone: training finds out when it writes
