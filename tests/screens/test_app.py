"""The workbench itself: themes, the palette, the spare worker, the terminal's size, what it imports."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.command import CommandList, CommandPalette
from textual.pilot import Pilot
from textual.widgets import Input

from tdl_tui.screens.app import SMALLEST, Workbench, preferred_theme, run
from tdl_tui.screens.frame import Banner, KeyBar, TooSmall, key_line, written
from tdl_tui.screens.new import NewScreen
from tdl_tui.screens.run import RunScreen
from tdl_tui.screens.runs import RunsScreen, RunsTable
from tdl_tui.widgets.palette import DARK
from tdl_tui.worker import spare as spare_module

Bench = Callable[..., Workbench]
Until = Any


@pytest.mark.parametrize(
    ("screen", "lighter"),
    [
        ("app", ("sqlite3", "tdl_tui.screens.run", "tdl_tui.screens.runs")),
        ("run", ("tdl_tui.screens.diagnoses", "tdl_tui.screens.runs_table")),
    ],
)
def test_the_first_screen_waits_for_nothing_heavy(screen: str, lighter: tuple[str, ...]) -> None:
    heavy = ("torch", "numpy", "pydantic", "typer", "PIL", "tdl_tui.spec", *lighter)
    code = f"import sys, tdl_tui.screens.{screen}; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("environment", "theme"),
    [
        ({}, "tdl-dark"),
        ({"COLORFGBG": "0;15"}, "tdl-light"),
        ({"COLORFGBG": "15;0"}, "tdl-dark"),
        ({"COLORFGBG": "0;default;15"}, "tdl-light"),
        ({"COLORFGBG": "0;15", "TDL_THEME": "dark"}, "tdl-dark"),
        ({"TDL_THEME": "Light"}, "tdl-light"),
    ],
)
def test_the_theme_follows_the_terminal_unless_told(environment: dict[str, str], theme: str) -> None:
    assert preferred_theme(environment) == theme


async def test_a_key_switches_the_theme(bench: Bench) -> None:
    app = bench()
    async with app.run_test(size=(80, 24)) as pilot:
        assert app.theme == "tdl-dark"
        before = app.screen.query_one(Banner).render_line(0)
        await pilot.press("ctrl+t")
        await pilot.pause()
        assert app.theme == "tdl-light"
        assert app.screen.query_one(Banner).render_line(0) != before
        await pilot.press("ctrl+t")
        assert app.theme == "tdl-dark"


async def test_a_terminal_too_small_says_so_and_recovers(bench: Bench) -> None:
    app = bench()
    async with app.run_test(size=(60, 15)) as pilot:
        await pilot.pause()
        assert isinstance(app.screen, TooSmall)
        assert "72×20" in app.screen.render()
        await pilot.resize_terminal(100, 10)
        assert isinstance(app.screen, TooSmall)
        await pilot.resize_terminal(*SMALLEST)
        assert isinstance(app.screen, RunsScreen)
        await pilot.resize_terminal(10, 5)
        await pilot.resize_terminal(200, 60)
        assert isinstance(app.screen, RunsScreen)
        assert len(app.screen_stack) == 1


async def test_the_palette_finds_actions_and_runs(runs: Path, bench: Bench, until: Until) -> None:
    opened: list[Path] = []
    app = bench()
    app.open_run = opened.append  # type: ignore[method-assign]  # what the run's screen does is tested beside it
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: app.screen.query_one(RunsTable).runs)
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette))
        await choose_in_palette(pilot, "sort", until)
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        await until(pilot, lambda: app.screen.query_one(RunsTable).view.sort == "state")
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette))
        await choose_in_palette(pilot, "open run run00004", until)
        await until(pilot, lambda: opened)
    assert opened == [runs / "runs" / "run00004"]


async def choose_in_palette(pilot: Pilot[None], words: str, until: Until) -> None:
    """Types the words, waits for the best find to have them all, and takes it."""
    screen = pilot.app.screen
    commands = screen.query_one(CommandList)
    screen.query_one(Input).value = words

    def first() -> str:
        return str(commands.get_option_at_index(0).prompt).lower() if commands.option_count else ""

    await until(pilot, lambda: all(word in first() for word in words.split()))
    await pilot.press("down", "enter") if commands.highlighted is None else await pilot.press("enter")


async def test_a_spare_is_started_behind_the_first_screen_and_closed(
    home: Path, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    calls: list[str] = []

    class Noted:
        ready = False

        def __init__(self, home: Path) -> None:
            self.home = home

        def start(self) -> None:
            calls.append("start")

        def close(self) -> None:
            calls.append("close")

    monkeypatch.setattr(spare_module, "Spare", Noted)
    app = Workbench(home)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: calls)
        assert app.screen.query_one(Banner).render_line(0).text.startswith(" tdl  Runs")
    app.close_spare()
    assert calls == ["start", "close"]
    assert not home.exists()


async def test_it_opens_at_a_run_or_at_the_form(runs: Path, bench: Bench) -> None:
    app = bench(open_folder=runs / "runs" / "run00001")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert isinstance(app.screen, RunScreen)
        await pilot.press("escape")
        assert isinstance(app.screen, RunsScreen)
    app = bench(new_document={})
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        assert isinstance(app.screen, NewScreen)


def test_a_fault_ends_it_and_is_raised_once_the_terminal_is_given_back(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(screen: RunsScreen) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(RunsScreen, "on_mount", fails)
    monkeypatch.setattr(Workbench, "run", lambda app: App.run(app, headless=True, size=(80, 24)))
    with pytest.raises(ZeroDivisionError):
        run(home)
    assert "Traceback" not in "".join(capsys.readouterr())


async def test_ctrl_q_leaves_from_anywhere(bench: Bench) -> None:
    app = bench()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n", "ctrl+q")
        await pilot.pause()
    assert app.return_code == 0


async def test_the_footer_shows_what_works_here(runs: Path, bench: Bench, until: Until) -> None:
    app = bench()
    async with app.run_test(size=(160, 24)) as pilot:
        await until(pilot, lambda: app.screen.query_one(RunsTable).runs)
        await pilot.pause()
        footer = app.screen.query_one(KeyBar).render_line(0).text
        assert "x stop" in footer
        assert "p pause" in footer
        assert "d delete" not in footer
        await pilot.press("j")
        await pilot.pause()
        footer = app.screen.query_one(KeyBar).render_line(0).text
        assert "x stop" not in footer
        assert "d delete" in footer
        assert footer.rstrip().endswith("? help")


def test_keys_are_written_as_on_the_keyboard() -> None:
    names = ("up", "question_mark", "ctrl+l", "f5", "S", "shift+tab", "slash")
    assert [written(key) for key in names] == ["↑", "?", "ctrl+l", "F5", "S", "shift+tab", "/"]


def test_a_key_line_never_cuts_a_word() -> None:
    shown = [("enter", "open"), ("n", "new"), ("space", "mark")]
    last = [("ctrl+p", "find"), ("?", "help")]
    for width in range(1, 80):
        strip = key_line(shown, last, width, DARK)
        assert strip.cell_length == width
        text = strip.text.replace("ctrl+p find", "").replace("? help", "").replace("enter open", "")
        assert text.replace("n new", "").replace("space mark", "").strip() == ""


def test_in_a_key_line_the_keys_of_a_part_come_after_and_have_half_of_it() -> None:
    shown, inner = [(f"{n}", "screen") for n in range(9)], [("+", "zoom"), ("w", "band"), ("f", "follow")]
    wide = key_line(shown, [("?", "help")], 200, DARK, inner=inner).text
    assert wide.split() == [word for pair in (*shown, *inner, ("?", "help")) for word in pair]
    narrow = key_line(shown, [("?", "help")], 60, DARK, inner=inner).text
    assert narrow.split() == ["0", "screen", "1", "screen", "+", "zoom", "w", "band", "f", "follow", "?", "help"]
    assert key_line(shown, [], 60, DARK).text.count("screen") == 5


async def test_the_cursor_waits_at_the_run_that_was_opened(runs: Path, bench: Bench, until: Until) -> None:
    app = bench(open_folder=runs / "runs" / "run00005")
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        await until(pilot, lambda: app.screen.query_one(RunsTable).view.cursor == "run00005")
