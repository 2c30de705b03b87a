"""What recording costs: the time of one scalar of a per-step series, commits included, and its bytes on disk.

A pretended training records three per-step series in blocks of 200 steps, as the training loop does at 1,000 steps a
second, as fast as it can. What counts is the time that the training thread cannot have: its own in `extend`, and what
the writer's thread spends outside of SQLite, which is when it holds the interpreter's lock. The least of several
rounds is taken: neighbours only ever add. Beside it stand the processor time of everything, SQLite included, and the
same at the pace of 1,000 steps a second, where a commit has few points to share its cost.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import tempfile
import time
from array import array
from pathlib import Path
from typing import Any

from tdl_tui.runs import home, schema
from tdl_tui.runs.writer import RunWriter

SERIES = ("train/loss", "train/accuracy", "grad/norm")
BLOCK_SECONDS = 0.2
ROUND_SECONDS = 3.0
ROUNDS = 6


class Timed:
    """A database connection that adds up the processor time spent in it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.seconds = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        before = time.thread_time()
        cursor = self._connection.execute(*arguments)
        self.seconds += time.thread_time() - before
        return cursor

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:
        before = time.thread_time()
        cursor = self._connection.executemany(*arguments)
        self.seconds += time.thread_time() - before
        return cursor


def record(folder: Path, steps: int, block: int, pause: float) -> tuple[float, float]:
    """Records `steps` steps, pausing after each block; the processor seconds in all, and those in SQLite."""
    values = array("d", (random.random() for _ in range(block)))
    connections: list[Timed] = []
    open_writable = schema.open_writable

    def open_timed(folder: Path) -> Any:
        connections.append(Timed(open_writable(folder)))
        return connections[-1]

    schema.open_writable = open_timed
    try:
        writer = RunWriter(folder)
    finally:
        schema.open_writable = open_writable
    with writer:
        writer.flush()
        connections[0].seconds = 0.0
        spent, everything, own = 0.0, time.process_time(), time.thread_time()
        for step in range(1, steps + 1, block):
            now = time.time()
            before = time.thread_time()
            for name in SERIES:
                writer.extend(name, step, 1, values, now - BLOCK_SECONDS, now)
            spent += time.thread_time() - before
            time.sleep(pause)
        writer.flush()
        spent += (time.process_time() - everything) - (time.thread_time() - own)
        return spent, connections[0].seconds


def measure(steps: int, block: int, pause: float) -> tuple[float, float, float]:
    """Microseconds a point that training cannot have, microseconds in all, and bytes on disk."""
    with tempfile.TemporaryDirectory() as place:
        new = home.create(Path(place), {}, title="store")
        file = new.folder / schema.FILE
        empty = file.stat().st_size
        seconds, in_database = record(new.folder, steps, block, pause)
        os.close(new.lock_fd)
        points = len(SERIES) * -(-steps // block) * block
        return (
            (seconds - in_database) / points * 1e6,
            seconds / points * 1e6,
            (file.stat().st_size - empty) / points,
        )


def at_pace(steps_per_second: int) -> tuple[float, float]:
    """Microseconds a point that training cannot have, and in all, while training at a pace."""
    steps, block = int(steps_per_second * ROUND_SECONDS), int(steps_per_second * BLOCK_SECONDS)
    rounds = [measure(steps, block, BLOCK_SECONDS) for _ in range(ROUNDS)]
    return min(r[0] for r in rounds), min(r[1] for r in rounds)


def main() -> None:
    at_full_speed = [measure(500_000, 200, 0.0) for _ in range(ROUNDS)]
    cost, in_all = min(r[0] for r in at_full_speed), min(r[1] for r in at_full_speed)
    paced, _ = at_pace(1000)
    on_disk = at_full_speed[0][2]
    *_, slow_on_disk = measure(20_000, 2, 0.0)
    figures: list[dict[str, object]] = [
        {
            "name": "recording one scalar of a per-step series, commits included",
            "goal": "<= 0.3 µs on average",
            "value": cost,
            "unit": "µs",
            "met": cost <= 0.3,
            "µs with all of SQLite": in_all,
            "µs at 1,000 steps/s": paced,
        },
        {
            "name": "a recorded scalar on disk, rollups included",
            "goal": "<= 12 bytes",
            "value": on_disk,
            "unit": "bytes",
            "met": on_disk <= 12,
            "bytes at 10 steps/s": slow_on_disk,
        },
    ]
    for figure in figures:
        print(json.dumps(figure, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
