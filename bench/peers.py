"""Other viewers of trainings in a terminal, side by side with ours at 160x45 on the same four curves.

Bytes a second while 50 steps a second are written and the viewer watches; and a run of 10^6 points, from the start of
the program to the first complete plot, with the memory that it took: a plot is complete when its braille is as it then
stays. Peers are taken where they are on the PATH (`pip install terminalboard`, `pip install wandb`, each in an
environment of its own); of one that is not installed this is said. Ours is without the spare worker, since nothing is
launched here.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyte

from .pseudo_terminal import PseudoTerminal, beside

COLUMNS, LINES = 160, 45
RATE = 50.0  # steps a second
STEPS = 250_000  # of four curves: a million points
STILL = 4.0  # seconds for which a plot that is complete does not change
OURS = """
import sys
from pathlib import Path
from tdl_tui.runs.home import run_folders
from tdl_tui.screens.app import Workbench
home = Path(sys.argv[1])
Workbench(home, *run_folders(home), spare=False).run()
"""
FORMATS = Path(__file__).with_name("peer_formats.py")


@dataclass(frozen=True)
class Viewer:
    """A program that shows a folder, and the Python that writes its format."""

    name: str
    format: str
    command: tuple[str, ...]
    python: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def write(self, folder: Path, steps: int, rate: float) -> subprocess.Popen[bytes]:
        """Starts to write."""
        command = [self.python, "-m", "bench.peer_formats"] if self.format == "ours" else [self.python, str(FORMATS)]
        return subprocess.Popen([*command, self.format, str(folder), str(steps), str(rate)])

    def open(self, folder: Path) -> PseudoTerminal:
        """Shows the folder in a terminal."""
        command = [part.replace("FOLDER", str(folder)) for part in self.command]
        environment = {name: value.replace("FOLDER", str(folder)) for name, value in self.environment.items()}
        return PseudoTerminal(command, environment, COLUMNS, LINES)


def viewers() -> list[Viewer | str]:
    """Ours first; the name alone of a peer that is not installed."""
    found: list[Viewer | str] = [Viewer("tdl", "ours", (sys.executable, "-c", OURS, "FOLDER"), sys.executable)]
    board, wandb = shutil.which("terminalboard"), shutil.which("wandb")
    view = ("--smooth", "0", "--reset-view")
    found.append(
        Viewer("terminalboard", "tensorboard", (board, "FOLDER", *view), sys.executable) if board else "terminalboard"
    )
    offline = {"WANDB_MODE": "offline", "HOME": "FOLDER"}
    found.append(
        Viewer("LEET", "wandb", (wandb, "leet", "FOLDER"), beside(wandb, "python"), offline) if wandb else "LEET"
    )
    return found


class Plots:
    """What a terminal shows of plots as bytes come, and since when."""

    def __init__(self) -> None:
        self._screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self._screen)
        self._seen = 0
        self._shown: frozenset[tuple[int, int, str]] = frozenset()
        self.since = 0.0

    def take(self, terminal: PseudoTerminal) -> bool:
        """Takes in what has come; whether there is a plot."""
        fresh = terminal.received[self._seen :]
        self._seen += len(fresh)
        for when, data in fresh:
            self._stream.feed(data)
            shown = frozenset(
                (y, x, character)
                for y, line in enumerate(self._screen.display)
                for x, character in enumerate(line)
                if "\u2800" < character <= "\u28ff"
            )
            if shown != self._shown:
                self._shown, self.since = shown, when
        return bool(self._shown)

    def complete(self, terminal: PseudoTerminal, still: float) -> bool:
        """Takes in what has come; whether there is a plot that has not changed for so many seconds."""
        return self.take(terminal) and time.perf_counter() - self.since > still


def first_plot(viewer: Viewer, folder: Path, deadline: float) -> tuple[float, float]:
    """Seconds to the first complete plot, and the most resident megabytes till then."""
    terminal, plots, most = viewer.open(folder), Plots(), 0.0
    try:
        end = time.perf_counter() + deadline
        while time.perf_counter() < end:
            most = max(most, terminal.memory())
            if plots.complete(terminal, STILL):
                return plots.since - terminal.began, most
            time.sleep(0.05)
        raise TimeoutError(f"{viewer.name} shows no complete plot within {deadline:g} s")
    finally:
        terminal.close()


def bytes_a_second(viewer: Viewer, folder: Path, seconds: float) -> float:
    """While a run grows that shall be twice as long as it is watched."""
    settle = 8.0
    writing = viewer.write(folder, int(2 * RATE * (seconds + settle)), RATE)
    try:
        time.sleep(2)
        terminal = viewer.open(folder)
        try:
            time.sleep(settle)
            before, began = terminal.count(), time.perf_counter()
            time.sleep(seconds)
            return (terminal.count() - before) / (time.perf_counter() - began)
        finally:
            terminal.close()
    finally:
        writing.kill()
        writing.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="that each viewer watches")
    parser.add_argument("--steps", type=int, default=STEPS, help="of the long run")
    parser.add_argument("--rounds", type=int, default=3, help="in which each opens it, in turn")
    parser.add_argument("--deadline", type=float, default=180.0, help="seconds for a plot")
    options = parser.parse_args()
    found = viewers()
    for name in found:
        if isinstance(name, str):
            figure = {"name": f"against {name}", "goal": "", "value": "not installed", "unit": "", "met": None}
            print(json.dumps(figure))
    there = [viewer for viewer in found if isinstance(viewer, Viewer)]
    rates: dict[str, float] = {}
    plots: dict[str, list[tuple[float, float]]] = {viewer.name: [] for viewer in there}
    with tempfile.TemporaryDirectory() as temporary:
        for viewer in there:
            rates[viewer.name] = bytes_a_second(viewer, Path(temporary, f"{viewer.name} live"), options.seconds)
            if viewer.write(Path(temporary, viewer.name), options.steps, 0).wait():
                raise SystemExit(f"the run for {viewer.name} could not be written")
        for _ in range(options.rounds):
            for viewer in there:
                plots[viewer.name].append(first_plot(viewer, Path(temporary, viewer.name), options.deadline))
    points, (ours, *peers) = f"{4 * options.steps:,} points", [viewer.name for viewer in there]
    seconds, memory = (statistics.median(column) for column in zip(*plots[ours], strict=True))
    for name in peers:
        theirs, held = (statistics.median(column) for column in zip(*plots[name], strict=True))
        faster = statistics.median(b[0] / a[0] for a, b in zip(plots[ours], plots[name], strict=True))
        _say(f"bytes a second, four curves, 160x45, against {name}", "fewer", rates[ours] / rates[name],
             rates[ours] < rates[name], ours=rates[ours], theirs=rates[name])  # fmt: skip
        _say(f"first complete plot of {points}, against {name}", "at least 10 × faster", faster, faster >= 10,
             ours_seconds=seconds, their_seconds=theirs)  # fmt: skip
        _say(f"memory with {points}, against {name}", "less", memory / held, memory < held,
             ours_megabytes=memory, their_megabytes=held)  # fmt: skip


def _say(name: str, goal: str, ratio: float, met: bool, **more: float) -> None:
    measured = {key: round(value, 2) for key, value in more.items()}
    print(json.dumps({"name": name, "goal": goal, "value": round(ratio, 3), "unit": "×", "met": met} | measured))


if __name__ == "__main__":
    main()
