"""What recording costs: the time of one scalar of a per-step series, commits included, and its bytes on disk.

A pretended training records four per-step series at 1,000 steps a second, in blocks of 64 steps. What counts is the
processor time of `extend` in the training thread and, since it holds the interpreter's lock for most of it, all the
processor time of the writer's thread.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import tempfile
import time
from array import array
from pathlib import Path

from tdl_tui.runs import home, schema
from tdl_tui.runs.writer import RunWriter

SERIES = ("train/loss", "train/accuracy", "grad/norm", "lr")
BLOCK = 64
STEPS_PER_SECOND = 1000
SECONDS = 6.0
ROUNDS = 3


def run_at_pace(folder: Path, steps: int, pause: float) -> tuple[float, int]:
    """Records `steps` steps, pausing after each block; the processor seconds that it took, and the bytes left."""
    values = array("d", (random.random() for _ in range(BLOCK)))
    with RunWriter(folder) as writer:
        writer.flush()
        spent, started, waiting = 0.0, time.process_time(), time.thread_time()
        for step in range(1, steps, BLOCK):
            now = time.time()
            before = time.thread_time()
            for name in SERIES:
                writer.extend(name, step, 1, values, now - BLOCK / STEPS_PER_SECOND, now)
            spent += time.thread_time() - before
            if pause:
                time.sleep(pause)
        writer.flush()
        spent += (time.process_time() - started) - (time.thread_time() - waiting)
    size = sum((folder / name).stat().st_size for name in (schema.FILE,))
    return spent, size


def measure(steps: int, pause: float) -> tuple[float, float]:
    """Microseconds and bytes a point."""
    with tempfile.TemporaryDirectory() as place:
        new = home.create(Path(place), {}, title="store")
        empty = (new.folder / schema.FILE).stat().st_size
        seconds, size = run_at_pace(new.folder, steps, pause)
        os.close(new.lock_fd)
    points = len(SERIES) * (-(-(steps - 1) // BLOCK) * BLOCK)
    return seconds / points * 1e6, (size - empty) / points


def main() -> None:
    paced = [measure(int(STEPS_PER_SECOND * SECONDS), BLOCK / STEPS_PER_SECOND)[0] for _ in range(ROUNDS)]
    fastest, bytes_a_point = measure(500_000, 0.0)
    cost = statistics.median(paced)
    figures: list[dict[str, object]] = [
        {
            "name": "recording one scalar of a per-step series, commits included",
            "goal": "<= 0.3 µs on average",
            "value": cost,
            "unit": "µs",
            "met": cost <= 0.3,
            "µs at full speed": fastest,
        },
        {
            "name": "a recorded scalar on disk, rollups included",
            "goal": "<= 12 bytes",
            "value": bytes_a_point,
            "unit": "bytes",
            "met": bytes_a_point <= 12,
        },
    ]
    for figure in figures:
        print(json.dumps(figure, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
