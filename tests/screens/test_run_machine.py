"""The lines above a run's charts, as the screen has them; and a profile by key."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from synthetic import Playing, snapshot

from tdl_tui.runs.bottleneck import LEAST, MOST
from tdl_tui.runs.footprint import TOTAL
from tdl_tui.runs.gpus import Gpu
from tdl_tui.runs.home import create
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import Event, Progress, State
from tdl_tui.runs.writer import RunWriter
from tdl_tui.screens.app import Workbench
from tdl_tui.screens.run import RunScreen
from tdl_tui.screens.run_machine import MachinePanel
from tdl_tui.screens.run_panels import HeaderPanel, NoticePanel, Panel
from tdl_tui.screens.run_snapshot import Snapshot, Source, Wants
from tdl_tui.worker import steer

Bench = Callable[..., Workbench]
TIME = {"time/data": 0.3, "time/forward": 0.3, "time/backward": 0.3, f"time/{LEAST}": 0.1, f"time/{MOST}": 0.2}
SYSTEM = {"system/cpu": 55.0, "system/energy": 7200.0, "system/energy/gpu": 7200.0}


def measured(state: State = State.RUNNING) -> Snapshot:
    made = snapshot(state=state)
    summary = replace(made.summary, experiment={**made.summary.experiment, "telemetry": {"grid_intensity": 100.0}})
    return replace(made, summary=summary, latest={**made.latest, **TIME, **SYSTEM})


def lines(panel: Panel) -> list[str]:
    return [panel.render_line(y).text.rstrip() for y in range(panel.size.height)] if panel.display else []


@pytest.mark.parametrize(("size", "count"), [((80, 24), 1), ((120, 40), 2), ((200, 60), 2)])
async def test_there_are_as_many_lines_as_there_is_to_say(
    bench: Bench, until: Any, size: tuple[int, int], count: int
) -> None:
    app = bench()
    async with app.run_test(size=size) as pilot:
        source = Playing(replace(snapshot(), latest={}), measured())
        screen = RunScreen(Path("unused"), lambda: source)
        await app.push_screen(screen)
        machine = screen.query_one(MachinePanel)
        await until(pilot, lambda: len(lines(machine)) == count and all(lines(machine)))
        assert "data-bound" in lines(machine)[0]
        assert ("cpu  55 %" in lines(screen.query_one(HeaderPanel))[1]) == (count == 1)
        if count == 2:
            assert "energy 2.00 Wh GPU · 0.200 g CO₂" in lines(machine)[1]
        bottom = max(panel.region.bottom for panel in screen.query(Panel) if panel.display)
        assert bottom == size[1] - 1  # above the keys


@pytest.mark.parametrize(("size", "says"), [((80, 24), "0· 1█  1 free"), ((120, 40), "1 ━━━━━━━╌  90 % 40.0/80.0 GiB")])
async def test_several_gpus_have_lines_of_their_own(bench: Bench, until: Any, size: tuple[int, int], says: str) -> None:
    gpus = tuple(Gpu(number, "NVIDIA A100", 80 << 30, number == 2) for number in (2, 0, 1))
    busy = {"system/gpu": 87.0, "system/gpu/0": 0.0, "system/gpu/1": 90.0, "system/gpu_memory/1": 40.0 * 2**30}
    made = measured()
    made = replace(made, summary=replace(made.summary, gpus=gpus), latest={**made.latest, **busy})
    app = bench()
    async with app.run_test(size=size) as pilot:
        source = Playing(made)
        screen = RunScreen(Path("unused"), lambda: source)
        await app.push_screen(screen)
        machine = screen.query_one(MachinePanel)
        await until(pilot, lambda: any(says in line for line in lines(machine)))
        assert sum("gpu 2  87 %" in line for line in lines(machine)) == 1
        assert "gpu" not in lines(screen.query_one(HeaderPanel))[1]


async def test_without_figures_there_is_no_line(bench: Bench, until: Any) -> None:
    app = bench()
    async with app.run_test(size=(80, 24)) as pilot:
        source = Playing(snapshot())
        screen = RunScreen(Path("unused"), lambda: source)
        await app.push_screen(screen)
        await until(pilot, lambda: screen.snapshot is not None)
        await pilot.pause()
        assert not screen.query_one(MachinePanel).display


@pytest.mark.parametrize("state", [State.RUNNING, State.PAUSED])
async def test_a_profile_is_taken_by_key_of_a_training_at_work(
    bench: Bench, until: Any, monkeypatch: pytest.MonkeyPatch, state: State
) -> None:
    asked: list[Path] = []

    def profile(folder: Path) -> Event:
        assert threading.current_thread() is not threading.main_thread()
        asked.append(folder)
        return Event(9, 0.0, 2010, "profile", "profiled 10 steps from step 2,001: aten::mm 40%")

    monkeypatch.setattr(steer, "profile", profile)
    app = bench()
    async with app.run_test(size=(120, 40)) as pilot:
        source = Playing(measured(state))
        screen = RunScreen(Path("the-run"), lambda: source)
        await app.push_screen(screen)
        await until(pilot, lambda: screen.snapshot is not None)
        await pilot.press("P")
        await pilot.pause()
        if state is State.RUNNING:
            await until(pilot, lambda: "aten::mm 40%" in screen.query_one(NoticePanel).text())
        assert asked == ([Path("the-run")] if state is State.RUNNING else [])


def test_of_a_run_at_work_the_last_tenth_counts_and_of_an_ended_one_all(tmp_path: Path) -> None:
    made = create(tmp_path, {}, title="")
    with RunWriter(made.folder) as writer:
        writer.update(state=State.RUNNING, progress=Progress(1000, 1, 1000, 1000, 1.0))
        for step in range(1, 1001):
            writer.point("time/forward", step, 0.8 if step > 900 else 0.2)
        writer.point(TOTAL, 1000, 5.0)
        writer.flush()
        with RunReader(made.folder) as reader:  # the lock is held by this process: it is at work
            latest = Source(reader).read(Wants(80))
            assert latest is not None
            assert latest.latest["time/forward"] > 0.7
            assert latest.latest[TOTAL] == 5.0
        writer.update(state=State.FINISHED)
        writer.flush()
        with RunReader(made.folder) as reader:
            latest = Source(reader).read(Wants(80))
            assert latest is not None
            assert latest.latest["time/forward"] == pytest.approx(0.26)
    os.close(made.lock_fd)
