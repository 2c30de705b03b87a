"""A pseudo-terminal whose line can be narrow: when each byte came, how many wait, and what program runs in it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

TICK = 0.01  # seconds between two reads of a narrow line
ANSWERS = {b"6n": b"\x1b[1;1R", b"?2026$p": b"\x1b[?2026;2$y", b"c": b"\x1b[?62;c"}
ASKED = re.compile(rb"\x1b\[(6n|\?2026\$p|c)")


class PseudoTerminal:
    """Runs a program; a thread reads what it writes, `rate` bytes a second where one is given, and answers as
    terminals do: where the cursor is, that output can be synchronised, what it is."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], columns: int, lines: int, rate: int = 0
    ) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.began = time.perf_counter()
        self._child = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **environment},
            start_new_session=True,
        )
        os.close(slave)
        self.process = psutil.Process(self._child.pid)
        self.received: list[tuple[float, bytes]] = []
        """When something came (by time.perf_counter), and what."""
        self.most_waiting = 0
        """The most bytes that were on the line at a time."""
        self._rate = rate
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        most = max(1, int(self._rate * TICK)) if self._rate else 1 << 20
        end = b""
        with contextlib.suppress(OSError):
            while not self._ended.is_set():
                if not select.select([self._master], [], [], 0.1)[0]:
                    continue
                self.most_waiting = max(self.most_waiting, self.waiting())
                data = os.read(self._master, most)
                self.received.append((time.perf_counter(), data))
                end = end[-7:] + data
                for asked in ASKED.finditer(end):
                    os.write(self._master, ANSWERS[asked[1]])
                    end = end[asked.end() :] if asked.end() == len(end) else end
                end = ASKED.sub(b"", end)
                if self._rate:
                    time.sleep(TICK)

    def waiting(self) -> int:
        """Bytes that the program has written and the line has not carried yet."""
        return int(struct.unpack("i", fcntl.ioctl(self._master, termios.FIONREAD, b"\0" * 4))[0])

    def count(self) -> int:
        """Bytes that came so far."""
        return sum(len(data) for _, data in self.received)

    def press(self, keys: str) -> float:
        """Types, and returns when that was."""
        now = time.perf_counter()
        os.write(self._master, keys.encode())
        return now

    def wait_for(self, word: bytes, deadline: float = 60.0) -> None:
        """Until a word has come. Raises TimeoutError."""
        end = time.perf_counter() + deadline
        while word not in b"".join(data for _, data in self.received):
            if time.perf_counter() > end or self._child.poll() is not None:
                raise TimeoutError(f"{word!r} did not come")
            time.sleep(0.02)

    def wait_for_quiet(self, seconds: float, since: float = 0.0, deadline: float = 60.0) -> float:
        """Until nothing has come for so long after something came after `since`; when the last byte came."""
        end = time.perf_counter() + deadline
        while True:
            last = self.received[-1][0] if self.received else 0.0
            now = time.perf_counter()
            if last > since and now - last > seconds and not self.waiting():
                return last
            if now > end:
                raise TimeoutError("it does not come to rest")
            time.sleep(0.002)

    def memory(self) -> float:
        """Resident megabytes of the program and all that it started."""
        total = 0
        for process in [self.process, *self.process.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        return total / 1e6

    def close(self) -> None:
        """Takes the terminal away, and ends what is left of the program."""
        children = self.process.children(recursive=True) if self.process.is_running() else []
        self._child.send_signal(signal.SIGHUP)
        try:
            self._child.wait(5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        for child in children:
            with contextlib.suppress(psutil.Error):
                child.kill()
        self._ended.set()
        self._thread.join()
        os.close(self._master)


def beside(python: str, name: str) -> str:
    """A program of the same environment."""
    return str(Path(python).with_name(name))
