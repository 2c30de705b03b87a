"""What recording costs: the time of one scalar of a per-step series, commits included, and its bytes on disk.

A pretended training records three per-step series at 1,000 steps a second in blocks of 0.2 s, as the training loop
does. What counts is the processor time of `extend` in the training thread, and all that of the writer's thread, as if
it never let go of the interpreter's lock. The least of several rounds is taken: neighbours only ever add.
"""

from __future__ import annotations

import json
import os
import random
import tempfile
import time
from array import array
from pathlib import Path

from tdl_tui.runs import home, schema
from tdl_tui.runs.writer import RunWriter

SERIES = ("train/loss", "train/accuracy", "grad/norm")
BLOCK_SECONDS = 0.2
ROUND_SECONDS = 3.0
ROUNDS = 6


def record(folder: Path, steps: int, block: int, pause: float) -> float:
    """Records `steps` steps, pausing after each block of them; returns the processor seconds that it took."""
    values = array("d", (random.random() for _ in range(block)))
    with RunWriter(folder) as writer:
        writer.flush()
        spent, everything, own = 0.0, time.process_time(), time.thread_time()
        for step in range(1, steps + 1, block):
            now = time.time()
            before = time.thread_time()
            for name in SERIES:
                writer.extend(name, step, 1, values, now - BLOCK_SECONDS, now)
            spent += time.thread_time() - before
            time.sleep(pause)
        writer.flush()
        return spent + (time.process_time() - everything) - (time.thread_time() - own)


def measure(steps: int, block: int, pause: float) -> tuple[float, float]:
    """Microseconds and bytes a point."""
    with tempfile.TemporaryDirectory() as place:
        new = home.create(Path(place), {}, title="store")
        file = new.folder / schema.FILE
        empty = file.stat().st_size
        seconds = record(new.folder, steps, block, pause)
        os.close(new.lock_fd)
        points = len(SERIES) * -(-steps // block) * block
        return seconds / points * 1e6, (file.stat().st_size - empty) / points


def at_pace(steps_per_second: int) -> float:
    """Microseconds a point while training at a pace."""
    steps, block = int(steps_per_second * ROUND_SECONDS), int(steps_per_second * BLOCK_SECONDS)
    return min(measure(steps, block, BLOCK_SECONDS)[0] for _ in range(ROUNDS))


def main() -> None:
    cost = at_pace(1000)
    _, on_disk = measure(500_000, 200, 0.0)
    _, slow_on_disk = measure(20_000, 2, 0.0)
    figures: list[dict[str, object]] = [
        {
            "name": "recording one scalar of a per-step series, commits included",
            "goal": "<= 0.3 µs on average",
            "value": cost,
            "unit": "µs",
            "met": cost <= 0.3,
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
