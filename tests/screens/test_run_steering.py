"""Steering from a run's screen, each key: the dialogues, what is asked of the run, and forks."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from synthetic import Playing, snapshot
from textual.pilot import Pilot

from tdl_tui.runs.home import create
from tdl_tui.runs.records import State
from tdl_tui.runs.writer import RunWriter
from tdl_tui.screens.app import Workbench
from tdl_tui.screens.choose import ChooseScreen
from tdl_tui.screens.confirm import ConfirmScreen
from tdl_tui.screens.frame import KeyBar
from tdl_tui.screens.line_editor import LineEditor
from tdl_tui.screens.new import NewScreen
from tdl_tui.screens.run import RunScreen
from tdl_tui.screens.run_panels import NoticePanel
from tdl_tui.screens.tune import TuneScreen, Values, draw_values, rows_of, wrong
from tdl_tui.spec import experiment
from tdl_tui.widgets.palette import DARK
from tdl_tui.worker import launch, steer

Bench = Callable[..., Workbench]
Until = Any
DOCUMENT = experiment({"model": {"options": {"dropout": 0.25}}, "training": {"epochs": 4}}).document()


class Wheel:
    """Stands in for the functions that steer, and notes what was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.stops: int | None = None
        for verb in ("evaluate", "undo", "rollback", "set_value", "stop_at_epoch_end", "cancel_stop"):
            monkeypatch.setattr(steer, verb, self._verb(verb))
        monkeypatch.setattr(steer, "stops_after", lambda folder: self.stops)

    def _verb(self, verb: str) -> Callable[..., str]:
        def act(folder: Path, *arguments: Any) -> str:
            self.asked.append((verb, *arguments))
            return f"{verb}: done"

        return act


class Desk:
    """A workbench at a run that a worker left with a checkpoint at step 4, one kept there, and the best weights."""

    def __init__(self, app: Workbench, pilot: Pilot[Any], until: Until, folder: Path, wheel: Wheel) -> None:
        self.app, self.pilot, self.folder, self.wheel = app, pilot, folder, wheel
        self._until = until

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(self, holds: Callable[[], object]) -> None:
        await self._until(self.pilot, holds)

    async def comes(self, kind: type) -> None:
        await self.until(lambda: isinstance(self.app.screen, kind))

    async def done(self, verb: str) -> None:
        await self.until(lambda: f"{verb}: done" in self.said)

    @property
    def said(self) -> str:
        screen = next(s for s in self.app.screen_stack if isinstance(s, RunScreen))
        return screen.query_one(NoticePanel).said


def left(home: Path) -> Path:
    run = create(home, DOCUMENT, title="base")
    os.close(run.lock_fd)
    with RunWriter(run.folder) as writer:
        writer.update(state=State.FINISHED, settings={"optimizer.lr": 0.5})
        said = {"name": "step-4.pt", "epochs": 4, "best": 2, "best_epoch": 2, "settings": {"optimizer.lr": 0.25}}
        writer.event("checkpoint", "checkpoint at step 4", 4, said)
    for name in ("last.pt", "previous.pt", "step-4.pt", "best.pt"):
        (run.folder / "checkpoints" / name).write_bytes(b"weights")
    return run.folder


@pytest.fixture
async def desk(bench: Bench, until: Until, home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    app, folder, wheel = bench(), left(home), Wheel(monkeypatch)
    async with app.run_test(size=(120, 40)) as pilot:
        source = Playing(shot := snapshot())
        await app.push_screen(screen := RunScreen(folder, lambda: source))
        await until(pilot, lambda: screen.snapshot is shot)
        yield Desk(app, pilot, until, folder, wheel)


@pytest.mark.parametrize(("key", "verb"), [("e", "evaluate"), ("u", "undo"), ("S", "stop_at_epoch_end")])
async def test_a_key_does_what_it_says(desk: Desk, key: str, verb: str) -> None:
    await desk.press(key)
    await desk.done(verb)
    assert desk.wheel.asked == [(verb,)]


async def test_the_same_key_takes_a_stop_at_the_epochs_end_back(desk: Desk) -> None:
    desk.wheel.stops = 3
    await desk.press("S")
    await desk.done("cancel_stop")


async def test_a_value_is_changed_where_all_are_listed(desk: Desk) -> None:
    await desk.press("t")
    await desk.comes(TuneScreen)
    assert "↑ ↓ choose  enter change" in desk.app.screen.query_one(KeyBar).render_line(0).text
    await desk.press("down", *"0.01", "enter")
    await desk.done("set_value")
    assert desk.wheel.asked == [("set_value", {"optimizer.weight_decay": 0.01})]


async def test_a_wrong_value_is_marked_and_not_taken(desk: Desk) -> None:
    await desk.press("t")
    await desk.comes(TuneScreen)
    await desk.press(*"-1", "enter")
    values = desk.app.screen.query_one(Values)
    assert values.problem == "must be above 0, got -1"
    await desk.press("escape")
    assert not values.editing
    await desk.press("enter")  # begins with the value as it is by now
    assert values.taken == {"optimizer.lr": 0.5}
    await desk.press("escape", "escape")
    assert isinstance(desk.app.screen, RunScreen)
    assert not desk.wheel.asked


@pytest.mark.parametrize("size", [(72, 20), (80, 24), (120, 40)])
async def test_a_long_refusal_is_said_whole(bench: Bench, until: Until, size: tuple[int, int]) -> None:
    refusal = "there is no checkpoint 7; there is last, previous, step-6918, step-6844, step-5000, step-4000, best"
    app, shot = bench(), snapshot()
    async with app.run_test(size=size) as pilot:
        await app.push_screen(screen := RunScreen(Path("unused"), lambda: Playing(shot)))
        await until(pilot, lambda: screen.snapshot is shot)
        notice, charts = screen.query_one(NoticePanel), screen.query_one("#loss")
        height = charts.size.height
        screen.say(refusal, bad=True)
        await until(pilot, lambda: notice.size.height)
        lines = [notice.render_line(y).text.strip() for y in range(notice.size.height)]
        assert " ".join(lines) == f"✗ {refusal}" and len(lines) == (1 if size[0] == 120 else 2)
        await pilot.press("escape")
        await until(pilot, lambda: not notice.display)
        assert charts.size.height == height


async def test_a_roll_back_asks_which_checkpoint_and_whether(desk: Desk) -> None:
    await desk.press("R")
    await desk.comes(ChooseScreen)
    await desk.press(*"step", "enter")
    await desk.comes(ConfirmScreen)
    await desk.press("n", "R")
    await desk.comes(ChooseScreen)
    await desk.press("enter", "y")
    await desk.done("rollback")
    assert desk.wheel.asked == [("rollback", "last")]


async def test_a_fork_is_set_up_in_the_form_and_launched_from_the_checkpoint(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    launched: list[Any] = []

    def stand_in(made: Any, where: Path, spare: Any, origin: Any) -> launch.Launched:
        launched.append((made, origin))
        return launch.Launched(desk.folder, 1)

    monkeypatch.setattr(launch, "launch", stand_in)
    await desk.press("F")
    await desk.comes(ChooseScreen)
    await desk.press(*"best", "enter")
    await desk.comes(NewScreen)
    form = desk.app.screen
    assert "Fork from base" in form.query_one("Banner").render_line(0).text  # type: ignore[attr-defined]  # a Canvas
    await desk.press("delete", "0", ".", "1", "ctrl+l")
    await desk.until(lambda: launched)
    ((made, origin),) = launched
    assert (origin.folder, origin.checkpoint.name, origin.checkpoint.step) == (desk.folder, "best.pt", 2)
    assert (made.name, made.optimizer.lr, made.model.options["dropout"]) == ("base @2", 0.1, 0.25)


async def test_a_fork_that_cannot_begin_is_refused_and_the_form_stays(desk: Desk) -> None:
    await desk.press("F")
    await desk.comes(ChooseScreen)
    await desk.press(*"step", "enter")
    await desk.comes(NewScreen)
    await desk.press("ctrl+l")
    await desk.until(lambda: any("no epoch is left" in n.message for n in desk.app._notifications))
    assert isinstance(desk.app.screen, NewScreen)


async def test_without_a_checkpoint_there_is_nothing_to_go_back_to(desk: Desk) -> None:
    for path in (desk.folder / "checkpoints").iterdir():
        path.unlink()
    await desk.press("R")
    await desk.until(lambda: "there is no checkpoint yet" in desk.said)


# -- the pure part


@pytest.mark.parametrize("size", [(64, 16), (76, 20), (120, 30)])
def test_values_are_drawn_into_the_room_there_is(size: tuple[int, int]) -> None:
    rows = rows_of(DOCUMENT, {"training.epochs": 9})
    for editor, problem in ((None, ""), (LineEditor.on("x"), "must be a number")):
        strips = draw_values(rows, 1, editor, problem, *size, DARK)
        assert [strip.cell_length for strip in strips] == [size[0]] * size[1]
    text = "\n".join(strip.text for strip in draw_values(rows, 0, None, "", *size, DARK))
    assert "launched with 4" in text


def test_what_would_be_right_is_said() -> None:
    rows = {row.settable.path: row for row in rows_of(DOCUMENT, {})}
    assert wrong(rows["training.epochs"], "2.5", DOCUMENT) == "must be a whole number at least 1, got 2.5"
    assert wrong(rows["model.options.dropout"], "0.5", DOCUMENT) == ""
    assert wrong(rows["model.options.dropout"], "1.5", DOCUMENT) == "must be 0 to 0.95, got 1.5"


def test_a_value_that_an_experiment_has_no_use_for_is_not_there() -> None:
    linear = experiment({"model": {"architecture": "linear"}}).document()
    assert "model.options.dropout" not in [row.settable.path for row in rows_of(linear, {})]
