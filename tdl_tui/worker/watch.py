"""The worker's ear: a thread that watches the run's `commands/` folder while training goes on. Imports no torch."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from tdl_tui.runs import commands
from tdl_tui.runs.commands import Command

POLL_SECONDS = 0.025
STOP_SIGNAL = "SIGTERM"


class CommandWatcher:
    """What training asks each step: `pending` is a plain attribute, true while there is something to `take`.

    A command is taken away from the folder when it is taken by training, which carries it out and acknowledges it.
    """

    def __init__(self, folder: Path) -> None:
        self.pending = False
        self._folder = folder
        self._stop_soon = False
        self._closed = False
        self._changed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="commands", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def take(self) -> list[Command]:
        """The commands given since, oldest first."""
        self.pending = False
        self._changed.clear()
        taken = commands.pending(self._folder)
        for command in taken:
            commands.take(command)
        if self._stop_soon:
            self._stop_soon = False
            taken.append(Command(STOP_SIGNAL, "stop", {}))
        return taken

    def wait(self, timeout: float | None = None) -> bool:
        """Blocks until something is pending, or so many seconds; whether something is."""
        return self._changed.wait(timeout)

    def stop_soon(self) -> None:
        """As if somebody had sent a stop; for a signal's handler."""
        self._stop_soon = True
        self._announce()

    def close(self) -> None:
        self._closed = True

    def _announce(self) -> None:
        self.pending = True
        self._changed.set()

    def _watch(self) -> None:
        folder = self._folder / "commands"
        sleep = threading.Event().wait
        while not self._closed:
            if not self.pending and _has_commands(folder):
                self._announce()
            sleep(POLL_SECONDS)


def _has_commands(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(not entry.name.startswith(".") for entry in entries)
    except OSError:
        return False  # the run was moved away, or its disk is: training finds out when it writes
