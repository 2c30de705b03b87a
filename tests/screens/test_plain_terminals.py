"""Every screen where a terminal has no characters but ASCII, or no colours."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from synthetic import SHAPES, TOTAL, Playing, snapshot
from textual.strip import Strip

from tdl_tui.runs.records import State
from tdl_tui.screens.app import Workbench
from tdl_tui.screens.confirm import AskScreen, ConfirmScreen
from tdl_tui.screens.run import RunScreen
from tdl_tui.screens.runs import RunsTable
from tdl_tui.widgets.display import Display

Bench = Callable[..., Workbench]
Until = Any
SIZES = [(80, 24), (160, 45)]
PLAIN = Display("ascii", colors=False)


def on_screen(app: Workbench) -> list[Strip]:
    """What is sent where the screen is painted whole."""
    return app.screen._compositor.render_strips()


def check(app: Workbench) -> str:
    """The text on the screen, once it is known to hold neither colour nor anything beyond ASCII."""
    strips = on_screen(app)
    for strip in strips:
        assert strip.text.isascii(), strip.text
        assert strip.cell_length == app.size.width
        assert all(style is None or (style.color, style.bgcolor) == (None, None) for _, style, _ in strip), strip
    return "\n".join(strip.text for strip in strips)


@pytest.mark.parametrize("size", SIZES)
async def test_runs_help_search_and_dialogues(runs: Path, bench: Bench, until: Until, size: tuple[int, int]) -> None:
    app = bench(display=PLAIN)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: len(app.screen.query_one(RunsTable).losses) == 10)
        await pilot.pause()
        assert "run00000" in check(app) or "digits" in check(app)
        app.notify("étude ✓")
        await until(pilot, lambda: "etude +" in check(app))
        for keys in (("question_mark",), ("slash",), ("d",)):
            await pilot.press(*keys)
            await pilot.pause()
            check(app)
            await pilot.press("escape")
        await pilot.press("ctrl+p", "r")
        await pilot.pause()
        check(app)
        await pilot.press("escape")
        for dialogue in (ConfirmScreen("Stop “it”?", "It ends …"), AskScreen("η", "3e-4", "above 0 …")):
            await app.push_screen(dialogue)
            await pilot.pause()
            check(app)
            await pilot.press("escape")


@pytest.mark.parametrize("size", SIZES)
async def test_the_form(bench: Bench, size: tuple[int, int]) -> None:
    app = bench(display=PLAIN)
    async with app.run_test(size=size) as pilot:
        await pilot.press("n")
        for keys in ((), ("enter",), ("escape", "down", "down"), ("tab",)):
            await pilot.press(*keys)
            await pilot.pause()
            check(app)


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("size", SIZES)
async def test_a_run(bench: Bench, until: Until, kind: str, size: tuple[int, int]) -> None:
    app = bench(display=PLAIN)
    states = [
        snapshot(kind, TOTAL, State.FINISHED),
        snapshot(kind, 2000, State.FAILED, "the loss became nan at step 2,000 – layers.2"),
    ]
    async with app.run_test(size=size) as pilot:
        for state in states:
            screen = RunScreen(Path("unused"), lambda state=state: Playing(state))  # type: ignore[misc]
            await app.push_screen(screen)
            await until(pilot, lambda screen=screen: screen.snapshot is not None)  # type: ignore[misc]
            for key in ("y", "o", "1", "3", "4", "5"):
                await pilot.press(key)
                await pilot.pause()
                check(app)


async def test_a_changed_line_is_plain_too(bench: Bench, until: Until, monkeypatch: pytest.MonkeyPatch) -> None:
    app = bench(display=PLAIN)
    async with app.run_test(size=(120, 40)) as pilot:
        source = Playing(snapshot("image"))
        screen = RunScreen(Path("unused"), lambda: source)
        await app.push_screen(screen)
        await until(pilot, lambda: screen.snapshot is not None)
        await pilot.pause()
        sent: list[str] = []
        monkeypatch.setattr(app, "_display", lambda _, update: sent.append(update.render_segments(app.console)))
        await pilot.press("o", "y")
        await until(pilot, lambda: sent)
        assert all(part.isascii() and "38;" not in part and "48;" not in part for part in sent)


async def test_the_console_gets_lines_and_blocks_and_no_braille(bench: Bench, until: Until) -> None:
    app = bench(display=Display("console"))
    async with app.run_test(size=(120, 40)) as pilot:
        screen = RunScreen(Path("unused"), lambda: Playing(snapshot("image")))
        await app.push_screen(screen)
        await until(pilot, lambda: screen.snapshot is not None)
        await pilot.pause()
        shown = {character for strip in on_screen(app) for character in strip.text if not character.isascii()}
        assert {"─", "│", "┤", "█", "▀"} <= shown
        encodable = {character for character in shown if character.encode("cp437", "ignore")}
        assert shown == encodable


async def test_how_often_to_look_is_what_was_asked(bench: Bench) -> None:
    app = bench(display=Display(fps=0.25))
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.screen.period == 4  # type: ignore[attr-defined]  # the table of runs
