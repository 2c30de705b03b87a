"""Makes every fault so often, and writes docs/reliability.md from what was seen.

`python -m torture` makes all; `python -m torture WORDS…` makes, and only prints, those whose names have the words in
them. What was drawn (seeds count from 0) can be drawn again. Ends with status 1 where something was lost.
"""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path
from random import Random
from statistics import median

from bench.__main__ import processor

from . import training
from .disk import Impossible
from .faults import FAULTS, Fault
from .training import Points, Recovery

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reliability.md"


@dataclass
class Tally:
    """What was seen of one fault. `failed`: what was wrong after trials after which something was; `impossible`: why it
    was not made."""

    fault: Fault
    times: int = 0
    trials: int = 0
    said: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)
    moments: Counter[str] = field(default_factory=Counter)
    points: list[Points] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    impossible: str = ""

    def add(self, seen: Recovery) -> None:
        self.times += seen.times
        self.said += seen.said
        self.again += seen.again
        self.moments += seen.moments
        if seen.points is not None:
            self.points.append(seen.points)

    @property
    def loss(self) -> str:
        """What was lost, in words."""
        if self.impossible:
            return f"not made: {self.impossible}"
        if self.failed:
            return f"**{'; '.join(self.failed)}**"
        spoilt = [points for points in self.points if points.missing or points.changed]
        if not spoilt:
            return "nothing"
        missing, changed, total = (sum(column) for column in zip(*self.points, strict=True))
        return (
            f"of the training nothing; of its curves, in {len(spoilt)} of {len(self.points)} trials, {missing:,} of "
            f"{total:,} points that could not be read and {changed:,} that were changed unnoticed"
        )


def torture(fault: Fault) -> Tally:
    """Makes a fault as often as the table says."""
    tally = Tally(fault)
    while tally.times < fault.times:
        try:
            with tempfile.TemporaryDirectory(prefix="torture-", ignore_cleanup_errors=True) as scratch:
                home = Path(scratch, "home")
                try:
                    tally.add(fault.make(Random(tally.trials), home))
                finally:
                    training.removed(home)
        except Impossible as error:
            tally.impossible = str(error)
            break
        except Exception as error:  # noqa: BLE001  # whatever it was, it is what the page has to say
            traceback.print_exception(error)
            tally.times += 1
            tally.failed.append(f"seed {tally.trials}: {str(error).partition(chr(10))[0] or type(error).__name__}")
        tally.trials += 1
    return tally


def row(tally: Tally) -> str:
    moments = ", ".join(f"{count} {words}" for words, count in tally.moments.most_common())
    said, again = tally.said, tally.again
    cells = (
        tally.fault.name,
        str(tally.times),
        tally.loss,
        f"{max(said):.2f}" if said else "",
        f"{median(again):.2f}" if again else "",
        f"{max(again):.2f}" if again else "",
        moments,
    )
    return f"| {' | '.join(cells)} |"


def page(tallies: list[Tally], seconds: float) -> str:
    usual = training.undisturbed()
    steps = usual.content["position"]["step"]
    machine = (
        f"{processor()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, torch {version('torch')}"
    )
    often = training.small().training.checkpoint_seconds
    return f"""# Reliability

A training that is killed, stopped, or fails for what is around it goes on from its last checkpoint, and comes to what
it would have come to: on a CPU the same losses, the same weights and the same test figures, bit for bit. What a run had
said before stays said.

Written by `make torture`, which does the damage. Each trial is a worker of its own that trains a small network
({steps:,} steps, a checkpoint every {often:g} s) and is damaged at moments that are drawn. Then it is resumed, after
`tdl check --repair` where its `run.db` was damaged, or let go on. At its end it is compared with a training that
nothing happened to: the loss and the accuracy of each step and each validation, the test figures, the weights, the
optimizer, and all else that the last checkpoint holds. No step is there twice, none is missing; each event, and each
point before the checkpoint, that was there before the damage is there after it; `tdl check --repair` leaves nothing to
find. What differs is lost.

Where `run.db` itself is damaged (or the log that SQLite keeps beside it, where that is larger), points that lie before
the checkpoint are not made again by a resume: those that can be read nowhere are counted, and those that were changed
without a trace (SQLite keeps no checksums of its pages). Events are not compared there. Weights, test figures and the
points after the checkpoint must be right all the same. Training the run from its start, with its checkpoints deleted
before the resume, makes all points again.

Made on {date.today():%d %B %Y} in {seconds / 60:.0f} minutes: {machine}.
A worker that nothing befell took {usual.starting:.1f} s from its launch to its first steps.

- *Said after*: the longest time from the damage until the run's state told of it (lost, stopped, failed), in seconds.
- *Trains again after*: from the resume (it starts a process), the mending, or the end of what held the training up,
  until it trained, in seconds.

| fault | times | lost | said after | trains again after, median | longest | of these |
|---|---|---|---|---|---|---|
{chr(10).join(map(row, tallies))}
"""


def main() -> None:
    began, words = time.monotonic(), sys.argv[1:]
    tallies = []
    for fault in FAULTS:
        if not words or any(word in fault.name for word in words):
            tallies.append(torture(fault))
            print(row(tallies[-1]), flush=True)
    if not words:
        PAGE.write_text(page(tallies, time.monotonic() - began))
    sys.exit(any(tally.failed for tally in tallies))


if __name__ == "__main__":
    main()
