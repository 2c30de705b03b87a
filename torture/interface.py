"""The workbench is killed, hung up, held up, or loses its terminal, while it watches a training."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import sys
import termios
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

from tdl_tui.worker.launch import launch

from .training import Recovery, ended, kill, small, survived, wait_for_some_step, wait_until

TDL = Path(sys.executable).with_name("tdl")


class Workbench:
    """`tdl open` on a run in a terminal of its own."""

    def __init__(self, folder: Path) -> None:
        self._written = bytearray()
        self.pid, self._terminal = pty.fork()
        if not self.pid:
            os.environ |= {"TDL_HOME": str(folder.parent.parent), "TERM": "xterm-256color"}
            os.execv(TDL, [str(TDL), "open", folder.name])
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with suppress(OSError):  # it has ended
            while more := os.read(self._terminal, 65536):
                self._written += more

    def wait_for(self, text: str) -> float:
        """Returns, with the seconds that it took, when it has written the text since it was asked the last time."""
        seconds = wait_until(lambda: text.encode() in self._written)
        self._written.clear()
        return seconds

    def hang_up(self) -> None:
        """Takes its terminal away."""
        os.close(self._terminal)

    def wait(self) -> None:
        """Returns when it has ended."""
        os.waitpid(self.pid, 0)


def killed(random: Random, home: Path) -> Recovery:
    return gone(random, home, lambda workbench: kill(workbench.pid))


def hung_up(random: Random, home: Path) -> Recovery:
    return gone(random, home, lambda workbench: kill(workbench.pid, signal.SIGHUP))


def without_terminal(random: Random, home: Path) -> Recovery:
    return gone(random, home, Workbench.hang_up)


def gone(random: Random, home: Path, end: Callable[[Workbench], None]) -> Recovery:
    """The training is not touched; another workbench shows it."""
    folder = launch(small(), home).folder
    workbench = Workbench(folder)
    workbench.wait_for("mlp on digits")
    wait_for_some_step(random, folder)
    end(workbench)
    workbench.wait()
    again = Workbench(folder)
    seconds = again.wait_for("mlp on digits")
    kill(again.pid)
    again.wait()
    survived(folder)
    return Recovery(again=(seconds,))


def held_up(random: Random, home: Path) -> Recovery:
    """Stopped until the training has ended: that does not wait, and then the workbench shows its end."""
    folder = launch(small(), home).folder
    workbench = Workbench(folder)
    workbench.wait_for("mlp on digits")
    kill(workbench.pid, signal.SIGSTOP)
    wait_until(lambda: ended(folder))
    kill(workbench.pid, signal.SIGCONT)
    seconds = workbench.wait_for("finished")
    kill(workbench.pid)
    workbench.wait()
    survived(folder)
    return Recovery(again=(seconds,))
