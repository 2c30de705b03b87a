"""A large home: how long it takes to open beside a small one, and what following many live runs costs.

Homes of 20 and of 2,000 runs open alternately in a 120x40 pseudo-terminal, from the start of `tdl` until every line
that has room shows its run with the course of its loss. Then one process trains 50 runs as a person would see them
(a few points a second each), and the workbench shows their table at 160x45. `--rounds` and `--seconds` set how often
and how long.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import math
import multiprocessing
import os
import pty
import select
import shutil
import signal
import sqlite3
import statistics
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

import pyte

from tdl_tui.runs import home as homes
from tdl_tui.runs import lock, schema
from tdl_tui.runs.records import Best, Progress, State
from tdl_tui.runs.writer import RunWriter, encode_fact
from tdl_tui.spec import experiment
from tdl_tui.widgets.sparkline import LEVELS

from .start import DEADLINE, end
from .wire import Watched

COLUMNS, LINES = 120, 40
AROUND = 6  # lines that are not the table's rows
FEW, MANY = 20, 2000
LIVE, RATE = 50, 3.0  # runs, points a second of each
OPENING, SHARE = 1.5, 0.10


def make(home: Path, count: int) -> None:
    """A home of ended runs, the newest first: one is recorded, the others are its copies under other names."""
    document = experiment({"data": {"dataset": "digits"}, "model": {"architecture": "mlp"}}).document()
    made = homes.create(home, document, title="")
    with RunWriter(made.folder) as writer:
        record(writer, range(1, 41))
        writer.update(state=State.FINISHED, test={"loss": 0.2, "accuracy": 0.95})
    os.close(made.lock_fd)
    now = time.time()
    for number in range(count):
        folder = made.folder.with_name(f"bench{number:05d}")
        shutil.copytree(made.folder, folder)
        os.utime(folder / lock.FILE, (now - number, now - number))
        connection = sqlite3.connect(folder / schema.FILE)
        with connection:
            connection.execute("PRAGMA synchronous = OFF")
            for key, value in (("title", title(number)), ("created", now - number)):
                connection.execute("UPDATE fact SET value = ? WHERE key = ?", (encode_fact(value), key))
        connection.close()
    shutil.rmtree(made.folder)


def title(number: int) -> str:
    return f"bench {number:05d}"


def record(writer: RunWriter, steps: range) -> None:
    """Steps of a run that learns."""
    for step in steps:
        loss = 2.3 * math.exp(-step / 200)
        writer.point("train/loss", step, loss)
        writer.point("val/loss", step, 1.1 * loss)
        writer.update(progress=Progress(step, step, 1000, 1, step / RATE), best=Best("val/loss", step, 1.1 * loss))


def seconds_to_open(home: Path, runs: int) -> float:
    """Starts `tdl`; the seconds until the table is complete as far as it can be seen."""
    shown = min(runs, LINES - AROUND)
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    began = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ |= {"TDL_HOME": str(home), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        os.execv(Path(sys.executable).with_name("tdl"), ["tdl"])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    try:
        while not complete(screen.display, shown):
            if not select.select([terminal], [], [], DEADLINE)[0]:
                raise TimeoutError(f"{runs} runs were not shown within {DEADLINE:g} s")
            stream.feed(os.read(terminal, 65536))
        return time.perf_counter() - began
    finally:
        os.kill(pid, signal.SIGHUP)
        end(pid, terminal)


def complete(lines: list[str], shown: int) -> bool:
    """Whether the newest `shown` runs stand there, each with the course of its loss."""
    rows = {number: line for line in lines for number in range(shown) if title(number) in line}
    return len(rows) == shown and all(any(level in row for level in LEVELS) for row in rows.values())


def train(home: Path, seconds: float) -> None:
    """Holds the locks of `LIVE` runs and writes a few points a second into each."""
    document = experiment({"data": {"dataset": "digits"}, "model": {"architecture": "mlp"}}).document()
    made = [homes.create(home, document, title=title(number)) for number in range(LIVE)]
    writers = [RunWriter(new.folder) for new in made]
    for writer in writers:
        writer.update(state=State.RUNNING, device="cpu")
    until = time.monotonic() + seconds
    for step in range(1, int(seconds * RATE) + 1):
        for writer in writers:
            record(writer, range(step, step + 1))
        time.sleep(max(0.0, min(1 / RATE, until - time.monotonic())))
    for writer in writers:
        writer.close()


def opening(folder: Path, rounds: int) -> None:
    few, many = folder / "few", folder / "many"
    make(few, FEW)
    make(many, MANY)
    pairs = [(seconds_to_open(few, FEW), seconds_to_open(many, MANY)) for _ in range(rounds + 1)][1:]  # caches first
    ratio = statistics.median(b / a for a, b in pairs)
    report(
        f"a home of {MANY:,} runs opens, against one of {FEW}",
        f"≤ {OPENING:g} ×",
        ratio,
        "×",
        ratio <= OPENING,
        few_seconds=statistics.median(a for a, _ in pairs),
        many_seconds=statistics.median(b for _, b in pairs),
    )


def following(home: Path, seconds: float) -> None:
    before = 15.0  # for the runs to begin and the workbench to settle
    trainer = multiprocessing.get_context("fork").Process(target=train, args=(home, before + seconds + 5))
    trainer.start()
    watched = Watched(home)
    try:
        watched.bytes_for(before)
        cpu, began = watched.cpu_seconds(), time.monotonic()
        sent = watched.bytes_for(seconds)
        elapsed = time.monotonic() - began
        share = (watched.cpu_seconds() - cpu) / elapsed
    finally:
        watched.close()
        trainer.kill()
        trainer.join()
    report(
        f"interface's share of one core while its table follows {LIVE} live runs",
        f"≤ {100 * SHARE:g} %",
        100 * share,
        "%",
        share <= SHARE,
        bytes_per_second=sent / elapsed,
    )


def report(name: str, goal: str, value: float, unit: str, met: bool, **more: float) -> None:
    print(json.dumps({"name": name, "goal": goal, "value": value, "unit": unit, "met": met} | more), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=30.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        opening(Path(temporary), arguments.rounds)
        following(Path(temporary, "live"), arguments.seconds)


if __name__ == "__main__":
    main()
