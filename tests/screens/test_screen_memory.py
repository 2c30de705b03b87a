"""A screen that watches for hours holds its memory: refreshes in fast motion."""

from __future__ import annotations

import gc
import math
import os
import random
import sys
from array import array
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from synthetic import EACH, START, TOTAL, Playing, snapshot

from tdl_tui.runs import home as homes
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import Bucket, Event, LayerSample, Probe, ProbeSample, Progress, State
from tdl_tui.runs.writer import RunWriter
from tdl_tui.screens.app import Workbench
from tdl_tui.screens.run import Fresh, RunScreen
from tdl_tui.screens.run_panels import HeaderPanel
from tdl_tui.screens.run_snapshot import Snapshot, Source, Wants

Bench = Callable[..., Workbench]
MEGABYTE = 1_000_000
BLOCK = 64  # bytes: about what an allocated block of Python's comes to


def changing(count: int) -> Iterator[Snapshot]:
    """A run that goes on: no two snapshots have a figure, a curve's end or an event in common."""
    chance = random.Random(0)
    before = snapshot()

    def changed(bucket: Bucket) -> Bucket:
        return bucket._replace(mean=abs(bucket.mean * chance.gauss(1, 0.2)))

    for number in range(1, count + 1):
        time = START + number
        rows = tuple(tuple(math.exp(chance.gauss(-4, 1)) for _ in range(7)) for _ in before.layer_names)
        outputs = tuple(tuple(chance.gauss(0, 2) for _ in range(10)) for _ in before.probes)
        yield replace(
            before,
            summary=replace(
                before.summary, progress=Progress(number, number // EACH, max(TOTAL, number), EACH, number)
            ),
            series={name: (*points[:-20], *map(changed, points[-20:])) for name, points in before.series.items()},
            latest={"lr": chance.random(), "speed/samples_per_s": 1e5 * chance.random(), "system/cpu": chance.random()},
            layer_samples=(*before.layer_samples, LayerSample(2001 + number, time, rows)),
            outputs=ProbeSample(2001 + number, time, outputs),
            events=(*before.events, Event(9 + number, time, number, "checkpoint", f"checkpoint of step {number}")),
        )


async def shown(pilot: Any, screen: RunScreen, shot: Snapshot) -> None:
    """Lets a screen that watches take a snapshot and paint it."""
    screen.post_message(Fresh(shot))
    while screen.snapshot is not shot:
        await pilot.pause(0)
    await pilot.pause(0)


def growth(measured: list[float]) -> float:
    """By how much the second half reaches above the first: caches fill and are emptied, which is no growth."""
    half = len(measured) // 2
    return max(measured[half:]) - max(measured[:half])


async def test_some_refreshes_keep_nothing(bench: Bench) -> None:
    app = bench()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = RunScreen(Path("unused"), Playing)
        await app.push_screen(screen)
        blocks: list[float] = []
        for number, shot in enumerate(changing(500)):
            await shown(pilot, screen, shot)
            if number >= 200 and number % 10 == 0:
                gc.collect()
                blocks.append(sys.getallocatedblocks())
    assert growth(blocks) * BLOCK < MEGABYTE


@pytest.mark.slow
async def test_a_million_refreshes_of_a_panel_keep_nothing(bench: Bench) -> None:
    app = bench()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = RunScreen(Path("unused"), Playing)
        await app.push_screen(screen)
        await pilot.pause()
        panel = screen.query_one(HeaderPanel)
        memory: list[float] = []
        chance = random.Random(0)
        base = snapshot()
        for number in range(1_100_000):
            progress = Progress(number, number // EACH, 2_000_000, EACH, number / 10)
            latest = {"lr": chance.random(), "speed/samples_per_s": 1e5 * chance.random()}
            panel.take(replace(base, summary=replace(base.summary, progress=progress), latest=latest), screen.choices)
            if number % 1000 == 0:
                await pilot.pause()
                if number >= 100_000:
                    memory.append(resident())
    assert growth(memory) < 5 * MEGABYTE


@pytest.mark.slow
async def test_a_run_of_a_million_steps_is_read_and_shown_ten_thousand_times(bench: Bench, tmp_path: Path) -> None:
    """From the writer to the terminal's cells: as many looks as an hour and a half of watching takes."""
    folder, lock, writer = recorded(tmp_path)
    source = Source(RunReader(folder))
    app = bench()
    chance = random.Random(0)
    async with app.run_test(size=(160, 45)) as pilot:
        screen = RunScreen(folder, Playing)
        await app.push_screen(screen)
        memory: list[float] = []
        for number in range(10_000):
            train(writer, chance, 100 * number + 1, 100)
            shot = source.read(Wants(76))
            assert shot is not None
            await shown(pilot, screen, shot)
            if number >= 1000 and number % 25 == 0:
                memory.append(resident())
        source.close()
    writer.close()
    os.close(lock)
    assert growth(memory) < 5 * MEGABYTE


def resident() -> float:
    gc.collect()
    return float(psutil.Process().memory_info().rss)


def recorded(place: Path) -> tuple[Path, int, RunWriter]:
    """A run that begins: its folder, its lock, its writer."""
    new = homes.create(place, {"data": {"dataset": "digits"}}, title="watched for long")
    writer = RunWriter(new.folder)
    writer.probes([Probe(i, "image", (1, 8, 8), (0.5,) * 64, float(i % 10)) for i in range(16)])
    writer.layers(["a", "b", "c"])
    writer.update(state=State.RUNNING, device="cpu")
    return new.folder, new.lock_fd, writer


def train(writer: RunWriter, chance: random.Random, first: int, count: int) -> None:
    """Steps of a training, durable."""
    last, now = first + count - 1, START + first / 100
    losses = array("d", (2 * math.exp(-step / 300_000) + 0.1 * chance.random() for step in range(first, last + 1)))
    writer.extend("train/loss", first, 1, losses, now, now + count / 100)
    writer.extend("lr", first, 1, array("d", (1e-3,)) * count, now, now + count / 100)
    writer.point("val/loss", last, 1.1 * losses[-1], now)
    writer.point("speed/samples_per_s", last, 32000 * chance.random(), now)
    writer.layer_sample(LayerSample(last, now, tuple(tuple(chance.random() for _ in range(7)) for _ in range(3))))
    writer.probe_sample(ProbeSample(last, now, tuple(tuple(chance.gauss(0, 1) for _ in range(10)) for _ in range(16))))
    writer.update(progress=Progress(last, last // EACH, 1_000_000, EACH, last / 100))
    if first % 10_000 == 1:
        writer.event("checkpoint", f"checkpoint of step {last}", last)
    writer.flush()
