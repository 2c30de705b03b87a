"""Queued runs on the screens: made from the form, shown with their place, started, taken out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_runs import NOW, make_run
from textual.pilot import Pilot

from tdl_tui import spec
from tdl_tui.runs.home import create
from tdl_tui.runs.records import State, Summary
from tdl_tui.screens.app import Workbench
from tdl_tui.screens.confirm import ConfirmScreen
from tdl_tui.screens.frame import Banner, hints
from tdl_tui.screens.new import NewScreen
from tdl_tui.screens.run import RunScreen
from tdl_tui.screens.run_panels import NoticePanel
from tdl_tui.screens.runs import RunsScreen, RunsTable
from tdl_tui.screens.runs_table import Paper, View, table
from tdl_tui.widgets.palette import DARK
from tdl_tui.worker import launch, steer

Bench = Callable[..., Workbench]
Until = Any


@pytest.fixture(autouse=True)
def runners(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The homes that a runner was asked for; none is started."""
    asked: list[Path] = []
    monkeypatch.setattr(launch, "ensure_runner", asked.append)
    return asked


@pytest.fixture
def waiting(home: Path) -> list[str]:
    """A home with three queued runs and one that has finished; the queued ones in their order."""
    made = spec.experiment({"training": {"device": "cpu"}})
    new = [create(home, made.document(), title=f"queued {number}", state=State.QUEUED) for number in range(3)]
    for run in new:
        os.close(run.lock_fd)
    make_run(home, run_id="finished")
    return [run.folder.name for run in new]


def of(pilot: Pilot[None]) -> RunsTable:
    return pilot.app.screen_stack[0].query_one(RunsTable)


def line_of(pilot: Pilot[None], run: str) -> str:
    at = [summary.id for summary in of(pilot).shown].index(run)
    return of(pilot).render_line(at + 1).text


def keys(pilot: Pilot[None]) -> dict[str, str]:
    """What stands beside each key that works now."""
    return {key: hint.what for hint in hints(pilot.app.screen) for key in hint.keys}


async def at(pilot: Pilot[None], run: str, until: Until) -> None:
    await until(pilot, lambda: len(of(pilot).shown) == 4)
    while of(pilot).view.cursor != run:
        await pilot.press("j")


@pytest.mark.parametrize("width", [72, 80, 120])
def test_a_place_of_two_digits_fits_beside_the_state(width: int) -> None:
    run = Summary("a", "n", State.QUEUED, NOW, NOW)
    shown = table([run], View(), Paper(DARK, NOW, places={"a": 50}), width, 2)[1]
    assert shown.cell_length == width
    assert "○ queued 50" in shown.text


async def test_the_table_shows_places_and_sees_to_a_runner(
    waiting: list[str], bench: Bench, until: Until, runners: list[Path], home: Path
) -> None:
    async with bench().run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(of(pilot).shown) == 4 and runners)
        for place, run in enumerate(waiting, 1):
            assert f"queued {place} " in line_of(pilot, run)
        assert "3 queued" in pilot.app.screen.query_one(Banner).render_line(0).text
    assert runners == [home]


async def test_where_nothing_waits_no_runner_is_asked_for(
    runs: Path, bench: Bench, until: Until, runners: list[Path]
) -> None:
    async with bench().run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: of(pilot).losses)
    assert runners == []


async def test_a_queued_run_is_taken_out_started_deleted_and_brought_back(
    waiting: list[str], bench: Bench, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(steer, "resume", lambda folder, spare: started.append(folder.name))
    async with bench().run_test(size=(80, 24)) as pilot:
        await at(pilot, waiting[1], until)
        assert {"x", "r", "d"} <= keys(pilot).keys()
        assert "p" not in keys(pilot)
        await pilot.press("x")
        assert isinstance(pilot.app.screen, ConfirmScreen)
        await pilot.press("y")
        await until(pilot, lambda: "stopped" in line_of(pilot, waiting[1]))
        await until(pilot, lambda: "queued 2" in line_of(pilot, waiting[2]))
        await at(pilot, waiting[0], until)
        await pilot.press("r")
        await until(pilot, lambda: started == [waiting[0]])
        await pilot.press("d")
        await until(pilot, lambda: len(of(pilot).shown) == 3)
        await pilot.press("u")
        await until(pilot, lambda: len(of(pilot).shown) == 4)
        await until(pilot, lambda: "queued 1" in line_of(pilot, waiting[0]))


async def test_resuming_all_leaves_queued_runs_to_their_turn(
    waiting: list[str], home: Path, bench: Bench, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(steer, "resume", lambda folder, spare: started.append(folder.name))
    steer.stop(home / "runs" / waiting[2])
    async with bench().run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(of(pilot).shown) == 4)
        await pilot.press("a", "r")
        await until(pilot, lambda: started == [waiting[2]])


async def test_why_no_runner_can_be_started_is_said(
    waiting: list[str], bench: Bench, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(home: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(launch, "ensure_runner", refuse)
    app = bench()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: any("queue: Permission denied" in n.message for n in app._notifications))
        assert len(of(pilot).shown) == 4


async def test_the_run_s_own_screen_starts_it_or_takes_it_out(
    waiting: list[str], home: Path, bench: Bench, until: Until, runners: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Path] = []

    def resume(folder: Path, spare: object) -> str:
        started.append(folder)
        return "it begins"

    monkeypatch.setattr(steer, "resume", resume)
    folder = home / "runs" / waiting[0]
    app = bench(open_folder=folder)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = app.screen
        assert isinstance(screen, RunScreen)
        await until(pilot, lambda: keys(pilot).get("r") == "start" and runners == [home])
        notice = screen.query_one(NoticePanel)
        await until(pilot, lambda: "waits for its turn" in notice.render_line(0).text)
        await pilot.press("r")
        await until(pilot, lambda: started == [folder])
        await pilot.press("s")
        assert isinstance(app.screen, ConfirmScreen)
        await pilot.press("y")
        await until(pilot, lambda: keys(pilot).get("r") == "resume")
        assert screen.snapshot is not None and screen.snapshot.summary.state is State.STOPPED


async def test_the_form_queues_and_stays_for_the_next(
    bench: Bench, home: Path, until: Until, runners: list[Path]
) -> None:
    app = bench()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        assert keys(pilot)["ctrl+o"] == "queue"
        for number in (1, 2):
            await pilot.press("ctrl+o")
            await until(pilot, lambda: any(f"place {number} " in n.message for n in app._notifications))  # noqa: B023  # waited for at once
        assert isinstance(app.screen, NewScreen)
        await pilot.press("escape")
        assert isinstance(app.screen, RunsScreen)
        await until(pilot, lambda: [run.state for run in of(pilot).shown] == [State.QUEUED] * 2)
    assert runners[:2] == [home, home]


async def test_what_is_refused_is_said_and_not_queued(
    bench: Bench, home: Path, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(experiment: spec.Experiment, home: Path, origin: object) -> launch.Queued:
        raise launch.LaunchError("the home folder is full")

    monkeypatch.setattr(launch, "enqueue", refuse)
    app = bench()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n", "f6")
        await until(pilot, lambda: any("home folder is full" in n.message for n in app._notifications))
        assert isinstance(app.screen, NewScreen)
