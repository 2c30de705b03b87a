"""A real pseudo-terminal for tests: a program runs in it, keys are typed at it, its screen is read."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence

import pyte

DEADLINE = 60.0


class Terminal:
    """Runs `command` in a pseudo-terminal of `columns` × `rows`, as the leader of a session of its own."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], columns: int = 120, rows: int = 40
    ) -> None:
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.pid, self._descriptor = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], list(command), {**os.environ, "TERM": "xterm-256color", **environment})
        self._tell_size(columns, rows)

    def resize(self, columns: int, rows: int, pixels: tuple[int, int] = (0, 0)) -> None:
        self._screen.resize(rows, columns)
        self._tell_size(columns, rows, pixels)

    def _tell_size(self, columns: int, rows: int, pixels: tuple[int, int] = (0, 0)) -> None:
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, *pixels))

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self._screen.display)

    def type(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())

    def wait_for(self, *texts: str, deadline: float = DEADLINE) -> str:
        """Reads until one of `texts` stands on the screen and says which. Raises AssertionError with the screen."""
        end = time.monotonic() + deadline
        while time.monotonic() < end:
            for text in texts:
                if text in self.text:
                    return text
            if not self._read(end - time.monotonic()):
                break
        raise AssertionError(f"none of {texts} on the screen:\n{self.text}")

    def _read(self, seconds: float) -> bool:
        """Takes in what the program writes next; False when it has closed the terminal."""
        open_ones = [self._descriptor] if self._descriptor >= 0 else []
        ready, _, _ = select.select(open_ones, [], [], max(0.0, min(seconds, 0.5)))
        if not ready:
            return True
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:
            return False
        self.feed(data)
        return bool(data)

    def feed(self, data: bytes) -> None:
        """Shows what the program has written."""
        self._stream.feed(data)

    def wait_for_end(self, deadline: float = DEADLINE) -> int:
        """Reads until the program has ended; its exit status (negative: the signal)."""
        end = time.monotonic() + deadline
        while time.monotonic() < end:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            self._read(0.05)
        raise AssertionError(f"still running:\n{self.text}")

    def close(self) -> None:
        """Takes the terminal away, as a closed window or a broken line does: the program gets SIGHUP."""
        os.close(self._descriptor)
        self._descriptor = -1

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
