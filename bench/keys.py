"""From a key press to the last byte of the repaint, at 160x45 while a training uses every core; and at 80x24 over a
line of 9,600 bytes a second, where nothing may pile up.

A real training runs with a thread for each core. Keys that change the view are pressed between two refreshes; an
answer is whole when nothing more has come for a tenth of a second.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path

from .pseudo_terminal import PseudoTerminal, beside

TDL = beside(sys.executable, "tdl")
KEYS = ("y", "m", "o", "x")
QUIET = 0.1
RATE = 9600  # bytes a second


@contextmanager
def training(home: Path) -> Iterator[str]:
    """A training on every core; its name."""
    environment = {**os.environ, "TDL_HOME": str(home)}
    settings = ("training.epochs=1000000", f"training.threads={os.cpu_count()}", "data.options.image_size=28")
    command = [TDL, "train", "--dataset", "digits", "--model", "lenet5", "--detach", "--json"]
    command += [part for setting in settings for part in ("--set", setting)]
    made = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    run = str(json.loads(made.stdout)["run"])
    try:
        yield run
    finally:
        subprocess.run([TDL, "stop", run], env=environment, stdout=subprocess.DEVNULL, check=True)


def between_refreshes(terminal: PseudoTerminal) -> None:
    """Returns when a refresh has just been painted."""
    terminal.wait_for_quiet(QUIET / 2, since=time.perf_counter())


def answers(terminal: PseudoTerminal, presses: int) -> list[float]:
    """Seconds from each key press to the last byte of its repaint."""
    taken = []
    for key in islice(cycle(KEYS), presses):
        between_refreshes(terminal)
        pressed = terminal.press(key)
        taken.append(terminal.wait_for_quiet(QUIET, since=pressed) - pressed)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presses", type=int, default=120)
    presses = parser.parse_args().presses
    with tempfile.TemporaryDirectory() as folder, training(Path(folder)) as run:
        environment = {"TDL_HOME": folder}
        wide = PseudoTerminal([TDL, "open", run], environment, 160, 45)
        try:
            wide.wait_for(b"gradients")
            time.sleep(5)  # the workbench makes ready what a person may want next
            taken = sorted(1000 * seconds for seconds in answers(wide, presses))
        finally:
            wide.close()
        high = taken[int(0.95 * (len(taken) - 1))]
        figure("key press to repaint, 160x45, every core training, 95th percentile", "at most 60 ms", high, "ms",
               high <= 60, median=statistics.median(taken), presses=presses)  # fmt: skip

        narrow = PseudoTerminal([TDL, "open", run], environment, 80, 24, RATE)
        try:
            narrow.wait_for(b"gradients")
            time.sleep(5)
            slow = sorted(1000 * seconds for seconds in answers(narrow, presses // 4))
            narrow.most_waiting, before, began = 0, narrow.count(), time.perf_counter()
            time.sleep(15)
            sent = (narrow.count() - before) / (time.perf_counter() - began)
            waiting = narrow.most_waiting
            held = time.perf_counter() + 3
            while time.perf_counter() < held:
                narrow.press("o")
                time.sleep(1 / 30)
            let_go = time.perf_counter()
            behind = narrow.wait_for_quiet(QUIET, since=let_go - 1) - let_go
        finally:
            narrow.close()
    middle, where = statistics.median(slow), "80x24 over 9,600 bytes a second"
    figure(f"key press to repaint, {where}, median", "at most 500 ms", middle, "ms", middle <= 500,
           slowest=slow[-1])  # fmt: skip
    figure(f"most that waits on the line while watching, {where}", "at most 2,400 bytes", waiting, "bytes",
           waiting <= 2400, bytes_a_second=sent)  # fmt: skip
    figure(f"how long the screen lags once a key held for 3 s is let go, {where}", "at most 1 s", max(0.0, behind),
           "s", behind <= 1)  # fmt: skip


def figure(name: str, goal: str, value: float, unit: str, met: bool, **more: float) -> None:
    measured = {key: round(item, 1) for key, item in more.items()}
    print(json.dumps({"name": name, "goal": goal, "value": round(value, 2), "unit": unit, "met": met} | measured))


if __name__ == "__main__":
    main()
