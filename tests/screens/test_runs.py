"""The table of runs: its lines, its keys, and what they do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from made_runs import NOW
from textual.pilot import Pilot

from tdl_tui.runs.home import run_folders
from tdl_tui.runs.records import Best, Parent, Progress, State, Summary
from tdl_tui.screens.app import Workbench
from tdl_tui.screens.confirm import ConfirmScreen
from tdl_tui.screens.new import NewScreen
from tdl_tui.screens.runs import Detail, RunsScreen, RunsTable
from tdl_tui.screens.runs_table import SORTS, Paper, View, age, arrange, branches_of, fitted, spark, table
from tdl_tui.widgets.palette import DARK
from tdl_tui.worker import steer

Bench = Callable[..., Workbench]
Until = Any


def run(number: int, **facts: Any) -> Summary:
    given = {"name": f"run {number}", "state": State.FINISHED, "created": NOW - number, "changed": NOW} | facts
    return Summary(id=f"r{number:07d}", **given)


# -- the pure part


def test_rows_are_exactly_as_wide_as_the_room() -> None:
    runs = [run(i, best=Best("val/accuracy", 3, 0.97), progress=Progress(3, 1, 9, 3, 1.0)) for i in range(4)]
    for width in range(72, 220, 7):
        lines = table(runs, View(cursor="r0000001"), Paper(DARK, NOW), width, 5)
        assert {strip.cell_length for strip in lines} == {width}
        assert sum(column.width for column in fitted(runs, width)) < width


def test_more_columns_with_more_room() -> None:
    names = [[column.name for column in fitted([], width)] for width in (72, 80, 120, 160, 200)]
    assert {"state", "name", "progress", "best", "age"} <= set(names[0])
    assert all(set(less) <= set(more) for less, more in pairwise(names))
    assert {"data", "architecture", "test", "device", "loss"} <= set(names[-1])


def test_the_filter_wants_every_word_somewhere() -> None:
    runs = [run(1, name="wide mlp"), run(2, name="narrow mlp", state=State.FAILED)]
    assert [r.id for r in arrange(runs, View(filter="MLP wide"))] == ["r0000001"]
    assert [r.id for r in arrange(runs, View(filter="failed"))] == ["r0000002"]
    assert arrange(runs, View(filter="lenet")) == []


def test_best_sorts_losses_up_and_accuracies_down() -> None:
    runs = [
        run(1, best=Best("val/loss", 1, 0.5)),
        run(2, best=Best("val/loss", 1, 0.1)),
        run(3, best=Best("val/accuracy", 1, 0.5)),
        run(4, best=Best("val/accuracy", 1, 0.9)),
        run(5),
    ]
    assert [int(r.id[1:]) for r in arrange(runs, View(sort="best"))] == [4, 3, 2, 1, 5]


@pytest.mark.parametrize("sort", SORTS)
def test_reverse_is_the_same_order_backwards(sort: str) -> None:
    runs = [run(i, name=f"{9 - i}", state=list(State)[i]) for i in range(6)]
    forth = arrange(runs, View(sort=sort))
    assert arrange(runs, View(sort=sort, reverse=True)) == forth[::-1]


def test_forks_stand_below_their_parents_where_runs_are_sorted_by_age() -> None:
    child, other = (run(n, parent=Parent("r0000003", "run 3", 5, "last.pt")) for n in (1, 2))
    runs = [child, other, run(3), run(0)]
    view = View()
    ordered = arrange(runs, view)
    assert [int(r.id[1:]) for r in ordered] == [0, 3, 1, 2]
    paper = Paper(DARK, NOW, branches=branches_of(ordered, view))
    text = [strip.text for strip in table(ordered, view, paper, 100, 9)]
    assert ["├─ run 1" in text[3], "└─ run 2" in text[4]] == [True, True]
    assert {strip.cell_length for strip in table(ordered, view, paper, 80, 9)} == {80}
    flat = View(sort="name")
    assert [int(r.id[1:]) for r in arrange(runs, flat)] == [0, 1, 2, 3]
    assert branches_of(arrange(runs, flat), flat) == {}
    assert [int(r.id[1:]) for r in arrange(runs, View(filter="2"))] == [2]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "now"), (42, "42 s"), (200, "3 min"), (7300, "2 h"), (90000, "1 d"), (4e7, "1 y"), (-5, "now")],
)
def test_ages(seconds: float, said: str) -> None:
    assert age(seconds) == said


def test_a_course_falls_from_left_to_right() -> None:
    assert spark([1.0, 0.1, 0.01], 8) in ("█▄▁", "█▅▁", "▇▄▁")
    assert spark([], 8) == ""
    assert len(spark([float(i + 1) for i in range(100)], 8)) == 8


# -- the screen


def of(pilot: Pilot[None]) -> RunsTable:
    return pilot.app.screen_stack[0].query_one(RunsTable)


def texts(pilot: Pilot[None]) -> str:
    widget = of(pilot)
    return "\n".join(widget.render_line(y).text for y in range(widget.content_size.height))


async def test_an_empty_home_says_what_to_do(bench: Bench, until: Until) -> None:
    async with bench().run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "No runs yet." in texts(pilot))
        assert "Press n" in texts(pilot)
        for key in ("x", "d", "r", "p", "c", "enter", "space", "u", "s"):
            await pilot.press(key)
        assert isinstance(pilot.app.screen, RunsScreen)


async def test_the_cursor_moves_and_stays_with_its_run(runs: Path, bench: Bench, until: Until) -> None:
    async with bench().run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(of(pilot).shown) == 10)
        for key, at in (("down", 1), ("j", 2), ("k", 1), ("up", 0), ("end", 9), ("home", 0), ("G", 9), ("g", 0)):
            await pilot.press(key)
            assert of(pilot).view.cursor == f"run{at:05d}", key
        await pilot.press("pagedown", "pageup", "j", "s")
        assert of(pilot).view.sort == "state"
        assert of(pilot).view.cursor == "run00001"
        assert "run00001" in pilot.app.screen.query_one(Detail).render_line(0).text
        await pilot.press("S")
        assert of(pilot).view.reverse


async def test_the_filter_narrows_and_esc_widens(runs: Path, bench: Bench, until: Until) -> None:
    async with bench().run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(of(pilot).shown) == 10)
        await pilot.press("slash", *"mlp")
        assert 0 < len(of(pilot).shown) < 10
        await pilot.press("down")
        await pilot.press("enter")
        assert pilot.app.focused is of(pilot)
        await pilot.press("escape")
        assert len(of(pilot).shown) == 10
        await pilot.press("slash", *"nothing like it")
        assert "No run matches" in texts(pilot)
        await pilot.press("escape")
        assert len(of(pilot).shown) == 10


async def test_deleting_can_be_undone_until_the_end(runs: Path, bench: Bench, until: Until) -> None:
    async with bench().run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(of(pilot).shown) == 10)
        await pilot.press("j", "d")
        await until(pilot, lambda: len(of(pilot).shown) == 9)
        await pilot.press("u")
        await until(pilot, lambda: len(of(pilot).shown) == 10)
        await pilot.press("g", "j", "space", "space", "d")
        await until(pilot, lambda: len(of(pilot).shown) == 8)
    left = {folder.name for folder in (runs / "runs").iterdir()}
    assert left == {folder.name for folder in run_folders(runs)}
    assert len(left) == 8


async def test_a_deletion_that_cannot_be_undone_is_said(runs: Path, bench: Bench, until: Until) -> None:
    async with bench().run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(of(pilot).shown) == 10)
        await pilot.press("j", "d")
        await until(pilot, lambda: len(of(pilot).shown) == 9)
        (gone,) = (runs / "runs").glob(".deleted-*")
        shutil.rmtree(gone)
        await pilot.press("u")
        await until(pilot, lambda: any("cannot be moved" in n.message for n in pilot.app._notifications))
        assert len(of(pilot).shown) == 9


async def test_a_run_at_work_is_not_deleted(runs: Path, bench: Bench, until: Until) -> None:
    async with bench().run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(of(pilot).shown) == 10)
        await pilot.press("d")
        await pilot.press("a", "d")
        await until(pilot, lambda: len(of(pilot).shown) == 3)
        assert all(r.state.live for r in of(pilot).shown)


async def test_stop_asks_first(runs: Path, bench: Bench, until: Until, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped: list[str] = []
    monkeypatch.setattr(steer, "stop", lambda folder: stopped.append(folder.name))
    async with bench().run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(of(pilot).shown) == 10)
        await pilot.press("x")
        assert isinstance(pilot.app.screen, ConfirmScreen)
        await pilot.press("n")
        assert isinstance(pilot.app.screen, RunsScreen)
        await pilot.press("x", "y")
        await until(pilot, lambda: stopped)
    assert stopped == ["run00000"]


async def test_pause_and_resume(runs: Path, bench: Bench, until: Until, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[str, str]] = []
    monkeypatch.setattr(steer, "pause", lambda folder: done.append(("pause", folder.name)))
    monkeypatch.setattr(steer, "resume", lambda folder, spare: done.append(("resume", folder.name)))
    async with bench().run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(of(pilot).shown) == 10)
        await pilot.press("p")
        await until(pilot, lambda: done)
        await pilot.press("a", "r")
        await until(pilot, lambda: len(done) == 4)
    assert done[0] == ("pause", "run00000")
    assert done[1:] == [("resume", "run00003"), ("resume", "run00004"), ("resume", "run00006")]


async def test_a_failed_command_is_said_and_the_others_go_on(
    runs: Path, bench: Bench, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pause(folder: Path) -> str:
        raise steer.SteerError("it does not answer")

    monkeypatch.setattr(steer, "pause", pause)
    app = bench()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(of(pilot).shown) == 10)
        await pilot.press("p")
        await until(pilot, lambda: any("does not answer" in n.message for n in app._notifications))


async def test_copy_opens_the_form_with_that_experiment(runs: Path, bench: Bench, until: Until) -> None:
    async with bench().run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(of(pilot).shown) == 10)
        await pilot.press("j", "c")
        screen = pilot.app.screen
        assert isinstance(screen, NewScreen)
        assert "model.options.widths=[512, 512]" in " ".join(screen._view.form.command())
        assert "--name" not in screen._view.form.command()


async def test_enter_opens_the_run(runs: Path, bench: Bench, until: Until) -> None:
    opened: list[Path] = []
    app = bench()
    app.open_run = opened.append  # type: ignore[method-assign]  # what the run's screen does is tested beside it
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: len(of(pilot).shown) == 10)
        await pilot.press("j", "enter")
    assert opened == [runs / "runs" / "run00001"]


async def test_a_damaged_run_is_shown_as_damaged(runs: Path, bench: Bench, until: Until) -> None:
    (runs / "runs" / "run00001" / "run.db").write_bytes(b"not a database" * 100)
    async with bench().run_test(size=(120, 24)) as pilot:
        await until(pilot, lambda: any(r.damage for r in of(pilot).shown))
        assert "damaged" in texts(pilot) or "not a database" in texts(pilot)
        while not (of(pilot).current and of(pilot).current.damage):
            await pilot.press("j")
        await pilot.press("enter")
        assert isinstance(pilot.app.screen, RunsScreen)


async def test_q_leaves(bench: Bench) -> None:
    app = bench()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("q")
        await pilot.pause()
    assert app.return_code == 0


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
def test_snapshot(runs: Path, bench: Bench, snap_compare: Any, size: tuple[int, int], until: Until) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(of(pilot).losses) == 10)
        await pilot.press("j", "space")

    assert snap_compare(bench(), terminal_size=size, run_before=before)
