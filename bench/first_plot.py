"""From the start of `tdl open RUN` to the first complete plot of 10^6 points, against a bare Textual app's label.

Both start alternately in a 160x45 pseudo-terminal as separate processes. A plot is complete when its braille is as it
then stays, a label when its word has come.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from . import peer_formats
from .peers import COLUMNS, LINES, STEPS, Plots
from .pseudo_terminal import PseudoTerminal, beside
from .start import BARE, tell

GOAL = 2.0
STILL = 1.0  # seconds for which a plot that is complete does not change


def seconds_to_plot(command: Sequence[str], home: Path) -> float:
    """Starts the command in a terminal; seconds until the plot that then stays was there."""
    terminal, plots = PseudoTerminal(command, {"TDL_HOME": str(home)}, COLUMNS, LINES), Plots()
    try:
        while not plots.complete(terminal, STILL):
            if time.perf_counter() - terminal.began > 60:
                raise TimeoutError("there is no complete plot within a minute")
            time.sleep(0.05)
        return plots.since - terminal.began
    finally:
        terminal.close()


def seconds_to_label() -> float:
    """The same until a bare app's label was written."""
    terminal = PseudoTerminal([sys.executable, "-c", BARE], {}, COLUMNS, LINES)
    try:
        terminal.wait_for(b"painted")
        return next(when for when, data in terminal.received if b"painted" in data) - terminal.began
    finally:
        terminal.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        peer_formats.write_ours(home, STEPS, 0)
        for _ in range(rounds + 1):  # the first fills the caches
            pairs.append((seconds_to_plot([beside(sys.executable, "tdl"), "open", "last"], home), seconds_to_label()))
    tell(f"first complete plot of {4 * STEPS:,} points, against a bare Textual app", GOAL, pairs[1:])


if __name__ == "__main__":
    main()
