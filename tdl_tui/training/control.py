"""What a person asks of a running training, handed from the thread that hears it to the loop that does it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Protocol


class Command(Protocol):
    """One of `steering.VERBS` with its arguments (of set: values by TOML path), and who asks, "user@host"."""

    @property
    def id(self) -> str: ...
    @property
    def verb(self) -> str: ...
    @property
    def arguments(self) -> Mapping[str, Any]: ...
    @property
    def who(self) -> str: ...


class Control(Protocol):
    """What the loop looks at. `pending` is a plain attribute, so that looking at it each step costs nothing."""

    pending: bool

    def take(self) -> list[Any]:
        """The commands that wait, oldest first; they wait no longer."""

    def wait(self, timeout: float | None = None) -> bool:
        """Waits for a command, `timeout` seconds at most. Whether there is one."""


class CommandQueue:
    """A control that is fed from within the process."""

    def __init__(self) -> None:
        self.pending = False
        self._commands: list[Command] = []
        self._arrived = threading.Condition()

    def put(self, command: Command) -> None:
        """Hands a command over; from any thread."""
        with self._arrived:
            self._commands.append(command)
            self.pending = True
            self._arrived.notify_all()

    def take(self) -> list[Command]:
        with self._arrived:
            taken, self._commands = self._commands, []
            self.pending = False
            return taken

    def wait(self, timeout: float | None = None) -> bool:
        with self._arrived:
            return self._arrived.wait_for(lambda: self.pending, timeout)
