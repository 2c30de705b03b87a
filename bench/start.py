"""From the start of `tdl` to its first painted screen, against a bare Textual app that shows one label.

Both start alternately in a 120x40 pseudo-terminal as separate processes. A screen counts as painted when a word that
stands on it has been written to the terminal.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import pty
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from pathlib import Path

BARE = """
from textual.app import App
from textual.widgets import Label
class Bare(App):
    def compose(self):
        yield Label("painted")
Bare().run()
"""
GOAL = 1.5
DEADLINE = 60.0


def seconds_to_paint(command: list[str], word: bytes) -> float:
    """Starts the command in a terminal and returns the seconds until `word` was written to it."""
    began = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    written = b""
    try:
        while word not in written:
            if not select.select([terminal], [], [], DEADLINE)[0]:
                raise TimeoutError(f"{word!r} was not painted within {DEADLINE:g} s")
            written += os.read(terminal, 65536)
        return time.perf_counter() - began
    finally:
        os.kill(pid, signal.SIGHUP)
        end(pid, terminal)


def end(pid: int, terminal: int) -> None:
    """Takes the terminal away and waits for the process, so that the next start has the machine for itself."""
    os.close(terminal)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    pairs: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"TDL_HOME": folder, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        tdl = [str(Path(sys.executable).with_name("tdl"))]
        for round_ in range(-1, rounds):  # the first fills the caches
            bare, ours = seconds_to_paint([sys.executable, "-c", BARE], b"painted"), seconds_to_paint(tdl, b"Runs")
            if round_ >= 0:
                pairs.append((ours, bare))
    tell("first painted screen against a bare Textual app", GOAL, pairs)


def tell(name: str, goal: float, pairs: Sequence[tuple[float, float]]) -> None:
    """Prints the figure of seconds of ours and of a bare app's, taken side by side: at most `goal` times as many."""
    ours, bare = zip(*pairs, strict=True)
    ratio = statistics.median(a / b for a, b in pairs)
    figure = {
        "name": name,
        "goal": f"≤ {goal:g} ×",
        "value": ratio,
        "unit": "×",
        "met": ratio <= goal,
        "tdl_seconds": statistics.median(ours),
        "bare_seconds": statistics.median(bare),
    }
    print(json.dumps(figure))


if __name__ == "__main__":
    main()
