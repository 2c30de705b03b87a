"""What a step of the time cursor takes on a run of 10,000,000 points: from the key to the last changed cell, 160x45.

The workbench is open on the run in a pseudo-terminal; an arrow key is typed, and what it writes is waited for until it
rests. Then the key is held: 30 of them a second. Beside it, what of a step is reading and what is drawing, in a
process of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import random
import select
import statistics
import tempfile
import time
from array import array
from dataclasses import replace
from pathlib import Path

from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import LAYER_COLUMNS, Best, LayerSample, Probe, ProbeSample, Progress, State
from tdl_tui.runs.writer import RunWriter

from .open_run import LONG, make
from .wire import COLUMNS, LINES, Watched

SAMPLES = 2048  # as many of layers and probes as a run keeps
PROBES, CLASSES, LAYERS = 64, 10, 12
STEPS = 60
REST = 0.15  # seconds without a byte, after which a step is over
LEFT, RIGHT = b"\x1b[D", b"\x1b[C"
GOAL = 30.0


def complete(folder: Path) -> None:
    """Adds to a run of one series all else that a run has."""
    chance = random.Random(0)
    at = [LONG * (number + 1) // SAMPLES for number in range(SAMPLES)]
    with RunWriter(folder) as writer:
        writer.layers([f"layer{number}" for number in range(LAYERS)])
        picture = tuple(chance.random() for _ in range(28 * 28))
        writer.probes([Probe(p, "image", (1, 28, 28), picture, float(p % CLASSES)) for p in range(PROBES)])
        for number, step in enumerate(at):
            now = step / 1000
            rows = tuple(tuple(chance.random() for _ in LAYER_COLUMNS) for _ in range(LAYERS))
            writer.layer_sample(LayerSample(step, now, rows))
            logits = tuple(tuple(chance.gauss(0, 1) for _ in range(CLASSES)) for _ in range(PROBES))
            writer.probe_sample(ProbeSample(step, now, logits))
            for name in ("speed/samples_per_s", "system/cpu", "system/memory"):
                writer.point(name, step, 50 + chance.random(), now)
            for name in ("val/loss", "val/accuracy"):
                writer.point(name, step, chance.random(), now)
            if not number % 4:
                writer.event("checkpoint", f"checkpoint at step {step}", step)
        for name in ("train/accuracy", "lr"):
            values = array("d", (chance.random() for _ in range(SAMPLES)))
            writer.extend(name, at[0], at[0], values, at[0] / 1000, LONG / 1000)
        writer.update(
            state=State.FINISHED,
            progress=Progress(LONG, 1000, LONG, LONG // 1000, LONG / 1000),
            best=Best("val/loss", at[SAMPLES // 2], 0.01),
        )


class Typed(Watched):
    """The workbench in a pseudo-terminal, with a person at its keys."""

    def key(self, key: bytes) -> None:
        os.write(self._master, key)

    def rest(self, patience: float = REST) -> float:
        """When the last byte came before it rested (by time.perf_counter); NaN where none came for so many seconds."""
        last = math.nan
        while select.select([self._master], [], [], patience if math.isnan(last) else REST)[0]:
            with contextlib.suppress(OSError):
                os.read(self._master, 65536)
            last = time.perf_counter()
        return last

    def step(self, key: bytes) -> float:
        """Milliseconds from a key to the last byte that it brings."""
        began = time.perf_counter()
        self.key(key)
        return 1e3 * (self.rest(2.0) - began)

    def hold(self, key: bytes, times: int) -> float:
        """Milliseconds from the last of many quick keys to the last byte that they bring."""
        for _ in range(times):
            self.key(key)
            self.bytes_for(1 / 30)
        began = time.perf_counter()
        return max(0.0, 1e3 * (self.rest() - began))


def typed(home: Path, folder: Path) -> tuple[list[float], float, float]:
    """How long single steps take, the processor's time for one of them, and how long a key that was held; all in ms."""
    watched = Typed(home, folder)
    try:
        watched.bytes_for(8)  # to open, and to settle
        watched.step(LEFT)
        used = watched.cpu_seconds()
        each = [watched.step(key) for _ in range(STEPS // 2) for key in (LEFT, LEFT, RIGHT)]
        used = 1e3 * (watched.cpu_seconds() - used) / len(each)
        held = watched.hold(LEFT, 60)
    finally:
        watched.close()
    return [took for took in each if not math.isnan(took)], used, 0.0 if math.isnan(held) else held


async def apart(folder: Path) -> dict[str, float]:
    """The medians of reading and of drawing a moment, in milliseconds, and of reading the run anew."""
    from tdl_tui.screens.app import Workbench
    from tdl_tui.screens.run import RunScreen
    from tdl_tui.screens.run_panels import Panel
    from tdl_tui.screens.run_snapshot import Source
    from tdl_tui.screens.run_time import moments, moved

    app = Workbench(folder.parent.parent, folder, spare=False)
    async with app.run_test(size=(COLUMNS, LINES)) as pilot:
        while not isinstance(app.screen, RunScreen) or app.screen.snapshot is None:
            await pilot.pause(0.05)
        await pilot.pause(1)
        screen, source = app.screen, Source(RunReader(folder))
        wants = screen._wants
        began = time.perf_counter()
        now = source.read(wants)
        anew = time.perf_counter() - began
        assert now is not None
        reads, draws, at = [], [], None
        for _ in range(STEPS):
            at = moved(moments(now), at, -1)
            wants = replace(wants, at=at)
            began = time.perf_counter()
            shot = source.read(wants)
            reads.append(time.perf_counter() - began)
            assert shot is not None and shot.at == at
            began = time.perf_counter()
            for panel in screen.query(Panel):
                if panel.display:
                    panel.take(shot, replace(screen.choices, at=at))
            draws.append(time.perf_counter() - began)
        source.close()
    return {
        "reading": 1e3 * statistics.median(reads),
        "drawing": 1e3 * statistics.median(draws),
        "reading the run anew": 1e3 * anew,
    }


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        folder = make(home, LONG)
        complete(folder)
        each, used, held = typed(home, folder)
        parts = asyncio.run(apart(folder))
    middle, worst = statistics.median(each), percentile(each, 0.95)
    figures: list[dict[str, object]] = [
        {
            "name": "a step of the time cursor on a run of 10,000,000 points, from the key to the last cell, 160x45",
            "goal": "<= 30 ms",
            "value": middle,
            "unit": "ms",
            "95th percentile": worst,
            "processor": used,
            "steps": len(each),
            **parts,
            "met": middle <= GOAL,
        },
        {
            "name": "after the cursor's key was held for two seconds, until the screen rests",
            "goal": "<= 100 ms: nothing piles up",
            "value": held,
            "unit": "ms",
            "met": held <= 100,
        },
    ]
    for figure in figures:
        print(json.dumps(figure, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
