"""What befalls a run or its home while a screen watches: it goes on, says so in words, and catches up."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from array import array
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_runs import NOW
from synthetic import START, snapshot
from textual.pilot import Pilot

from tdl_tui.runs import home as homes
from tdl_tui.runs import schema
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import Bucket, Progress, State
from tdl_tui.runs.writer import RunWriter
from tdl_tui.screens.app import Workbench
from tdl_tui.screens.frame import hints
from tdl_tui.screens.run import RunScreen
from tdl_tui.screens.run_charts import curves_of, figure_plot, x_axis
from tdl_tui.screens.run_panels import Panel
from tdl_tui.screens.run_snapshot import Source, Wants
from tdl_tui.screens.runs import Detail, RunsTable
from tdl_tui.widgets.chart_view import View
from tdl_tui.worker import steer

Bench = Callable[..., Workbench]
Until = Any


@pytest.fixture
def watched(home: Path) -> Iterator[Path]:
    """A run at work with a hundred points."""
    new = homes.create(home, {"data": {"dataset": "iris"}}, title="iris by mlp", state=State.RUNNING)
    with RunWriter(new.folder) as writer:
        train(writer, 1, 100)
    yield new.folder
    os.close(new.lock_fd)


def train(writer: RunWriter, first: int, last: int) -> None:
    losses = array("d", (1 / step for step in range(first, last + 1)))
    writer.extend("train/loss", first, 1, losses, START + first, START + last)
    writer.update(progress=Progress(last, 1, 1000, 100, float(last)))


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    connection = sqlite3.connect(folder / schema.FILE, isolation_level=None)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.close()


def text(pilot: Pilot[Any]) -> str:
    """All that stands on the screen."""
    widgets = [*pilot.app.screen.query(Panel), *pilot.app.screen.query(RunsTable), *pilot.app.screen.query(Detail)]
    return "\n".join(
        widget.render_line(y).text for widget in widgets if widget.display for y in range(widget.size.height)
    )


def offered(pilot: Pilot[Any]) -> set[str]:
    return {hint.what for hint in hints(pilot.app.screen)}


# -- the Run screen


@contextlib.asynccontextmanager
async def watching(bench: Bench, until: Until, folder: Path) -> Any:
    app = bench(open_folder=folder)
    async with app.run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and "100/1,000" in text(pilot))
        yield pilot


def take_away(folder: Path) -> None:
    shutil.rmtree(folder)


def garble(folder: Path) -> None:
    for file in folder.glob(f"{schema.FILE}*"):
        file.write_bytes(b"\xa5" * file.stat().st_size)


def cut(folder: Path) -> None:
    os.truncate(folder / schema.FILE, 10_000)


@pytest.mark.parametrize(
    ("damage", "words"),
    [(take_away, "the run's folder is gone"), (garble, "tdl check --repair"), (cut, "tdl check --repair")],
)
async def test_a_run_that_is_destroyed_is_said_to_be_and_stays_in_sight(
    bench: Bench, until: Until, watched: Path, damage: Callable[[Path], None], words: str
) -> None:
    async with watching(bench, until, watched) as pilot:
        damage(watched)
        await until(pilot, lambda: words in text(pilot))
        assert "shown as last read" in text(pilot)
        assert "100/1,000" in text(pilot) and "0.01" in text(pilot)
        assert not {"pause", "stop", "resume", "checkpoint", "lr"} & offered(pilot)
        await pilot.press("x", "y", "z", "z", "escape", "escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, RunScreen))


async def test_an_ended_run_that_is_deleted_is_noticed_and_so_is_its_return(
    bench: Bench, until: Until, watched: Path
) -> None:
    with RunWriter(watched) as writer:
        writer.update(state=State.FINISHED)
    async with watching(bench, until, watched) as pilot:
        aside = watched.rename(watched.with_name("aside"))
        await until(pilot, lambda: "folder is gone" in text(pilot))
        aside.rename(watched)
        await until(pilot, lambda: "folder is gone" not in text(pilot))
        assert "✓ finished" in text(pilot)


async def test_a_locked_run_is_waited_for(bench: Bench, until: Until, watched: Path) -> None:
    async with watching(bench, until, watched) as pilot:
        with locked(watched):
            await until(pilot, lambda: "locked by another program" in text(pilot))
            assert "shown as last read" in text(pilot) and "▶ running" in text(pilot)
        await until(pilot, lambda: "locked" not in text(pilot))
        with RunWriter(watched) as writer:
            train(writer, 101, 200)
        await until(pilot, lambda: "200/1,000" in text(pilot))


def test_a_run_that_was_locked_from_the_start_is_read_when_it_is_let_go(watched: Path) -> None:
    source = Source(RunReader(watched, 0.01))
    with locked(watched):
        first = source.read(Wants(60))
        assert first is not None and "locked" in first.summary.damage and source.read(Wants(60)) is None
    again = source.read(Wants(60))
    assert again is not None and again.reach == 100 and not again.summary.damage
    source.close()


def test_times_that_go_back_make_no_axis_go_back() -> None:
    def at(step: int, time: float) -> Bucket:
        return Bucket(step, step, START + time, 1 / step, 1 / step, 1 / step, 1, 0)

    moved = replace(snapshot(), series={"train/loss": (at(1, 10), at(2, 20), at(3, -3600), at(4, -3590), at(5, 30))})
    view = View(scale="time")
    (curve, _) = curves_of(moved, figure_plot("loss"), view, None, ("#000000", "#ffffff"))
    assert curve.x == (10, 20, 20, 20, 30)
    assert x_axis(moved, view).low == 0 and x_axis(moved, view).high >= 30


async def test_a_run_from_the_future_is_shown(bench: Bench, until: Until, watched: Path) -> None:
    with RunWriter(watched) as writer:
        writer.update(created=NOW + 86400)
    async with bench(open_folder=watched).run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: "100/1,000" in text(pilot))
        await pilot.press("x", "x")
        await pilot.press("escape")
        await until(pilot, lambda: "iris by mlp" in text(pilot))
        (row,) = [line for line in text(pilot).splitlines() if "▸" in line]
        assert row.split()[-1] == "now"


# -- the table of runs


async def test_runs_that_are_destroyed_under_the_table(bench: Bench, until: Until, runs: Path) -> None:
    async with bench().run_test(size=(160, 30)) as pilot:
        table = pilot.app.screen.query_one(RunsTable)
        await until(pilot, lambda: len(table.shown) == 10)
        take_away(runs / "runs" / "run00000")
        garble(runs / "runs" / "run00001")
        cut(runs / "runs" / "run00002")
        await until(pilot, lambda: len(table.shown) == 9 and sum(bool(run.damage) for run in table.shown) == 2)
        assert text(pilot).count("✗ damaged") == 2 and "run.db is damaged" in text(pilot)
        await pilot.press("end", "home", "s", "s")


async def test_a_run_that_goes_away_while_its_loss_is_read(
    bench: Bench, until: Until, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buckets = RunReader.buckets

    def vanish(self: RunReader, *arguments: Any) -> Any:
        if self.folder.name == "run00003":
            shutil.rmtree(self.folder, ignore_errors=True)
            self.close()
        return buckets(self, *arguments)

    monkeypatch.setattr(RunReader, "buckets", vanish)
    async with bench().run_test(size=(160, 30)) as pilot:
        table = pilot.app.screen.query_one(RunsTable)
        await until(pilot, lambda: len(table.shown) == 9)


async def test_a_home_that_goes_away_is_said_to_be_gone(bench: Bench, until: Until, runs: Path) -> None:
    async with bench().run_test(size=(120, 30)) as pilot:
        table = pilot.app.screen.query_one(RunsTable)
        await until(pilot, lambda: len(table.shown) == 10)
        aside = runs.rename(runs.with_name("aside"))
        await until(pilot, lambda: "no longer there" in text(pilot))
        assert not {"open", "stop", "delete", "resume", "mark"} & offered(pilot)
        assert "new" in offered(pilot)
        await pilot.press("x", "d", "r", "enter", "space", "j")
        aside.rename(runs)
        await until(pilot, lambda: len(table.shown) == 10 and "run00000" in text(pilot))


async def test_a_home_that_cannot_be_read_is_said_to_be_so(bench: Bench, until: Until, runs: Path) -> None:
    async with bench().run_test(size=(120, 30)) as pilot:
        table = pilot.app.screen.query_one(RunsTable)
        await until(pilot, lambda: len(table.shown) == 10)
        aside = (runs / "runs").rename(runs / "aside")
        (runs / "runs").write_text("a file")
        await until(pilot, lambda: "cannot be read" in text(pilot))
        (runs / "runs").unlink()
        aside.rename(runs / "runs")
        await until(pilot, lambda: len(table.shown) == 10)


# -- lost


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_a_lost_run_is_said_to_be_and_goes_on_with_one_key(
    bench: Bench, until: Until, home: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    resumed: list[Path] = []
    monkeypatch.setattr(steer, "resume", lambda folder, **_: resumed.append(folder) or "goes on")
    new = homes.create(home, {}, title="a run", state=State.RUNNING)
    async with bench().run_test(size=size) as pilot:
        await until(pilot, lambda: "running" in text(pilot))
        assert "resume" not in offered(pilot)
        os.close(new.lock_fd)
        await until(pilot, lambda: "? lost" in text(pilot))
        await pilot.pause()
        assert "its worker is gone" in text(pilot)
        assert "resume" in offered(pilot)
        await pilot.press("r")
        await until(pilot, lambda: len(resumed) == 1)
        await pilot.press("enter")
        await until(pilot, lambda: "the worker is gone" in text(pilot))
        assert "r goes on" in text(pilot) and "resume" in offered(pilot)
        await pilot.press("r")
        await until(pilot, lambda: resumed == [new.folder] * 2)
