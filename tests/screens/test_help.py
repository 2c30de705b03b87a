"""The list of keys: whole, grouped, in sight."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from synthetic import Playing, snapshot
from textual.app import App
from textual.containers import VerticalScroll
from textual.pilot import Pilot

from tdl_tui.screens.app import Workbench
from tdl_tui.screens.frame import hints
from tdl_tui.screens.help import HelpScreen, KeyTable, key_table
from tdl_tui.screens.new import NewScreen
from tdl_tui.screens.run import RunScreen
from tdl_tui.screens.runs import RunsScreen, RunsTable
from tdl_tui.widgets.palette import DARK

Bench = Callable[..., Workbench]
Until = Any


def listed(app: App[None]) -> str:
    table = app.screen.query_one(KeyTable)
    return "\n".join(table.render_line(y).text for y in range(table.content_size.height))


async def test_every_key_of_the_screen_is_listed_under_its_group(runs: Path, bench: Bench, until: Until) -> None:
    app = bench()
    async with app.run_test(size=(120, 60)) as pilot:
        await until(pilot, lambda: app.screen.query_one(RunsTable).runs)
        keys = hints(app.screen)
        await pilot.press("question_mark")
        assert isinstance(app.screen, HelpScreen)
        await pilot.pause()
        shown = listed(app)
        for hint in keys:
            assert any(line.startswith("  ".join(hint.keys)) and hint.what in line for line in shown.splitlines())
            assert hint.group in shown
        assert shown.index("Everywhere") > shown.index("Table")
        await pilot.press("escape")
        assert isinstance(app.screen, RunsScreen)


async def test_help_over_a_form_opens_by_f1_and_closes_by_its_own_key(bench: Bench) -> None:
    app = bench()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n", "f1")
        assert isinstance(app.screen, HelpScreen)
        assert "ctrl+l" in listed(app)
        await pilot.press("down", "j", "k", "up", "f1")
        assert isinstance(app.screen, NewScreen)


async def test_the_keys_are_paged_through(runs: Path, bench: Bench, until: Until) -> None:
    app = bench()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.query_one(RunsTable).runs)
        await pilot.press("question_mark")
        await until(pilot, lambda: app.screen.query(KeyTable))
        box = app.screen.query_one(VerticalScroll)
        await until(pilot, lambda: box.max_scroll_y > 0)
        await pilot.press("pagedown")
        await until(pilot, lambda: 0 < box.scroll_y < box.size.height)
        await pilot.press("end")
        await until(pilot, lambda: box.scroll_y == box.max_scroll_y)
        await pilot.press("home")
        await until(pilot, lambda: box.scroll_y == 0)


async def test_no_key_is_cut(runs: Path, bench: Bench, until: Until) -> None:
    app = bench()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.screen.query_one(RunsTable).runs)
        width = 66
        drawn = key_table(hints(app.screen), width, DARK)
        assert {strip.cell_length for strip in drawn} == {width}
        assert not any("…" in strip.text for strip in drawn)


@pytest.mark.parametrize("size", [(72, 20), (80, 24), (120, 40)])
async def test_what_is_said_of_a_key_is_not_cut(bench: Bench, until: Until, size: tuple[int, int]) -> None:
    app, shot = bench(), snapshot()
    async with app.run_test(size=size) as pilot:
        await app.push_screen(screen := RunScreen(Path("unused"), lambda: Playing(shot)))
        await until(pilot, lambda: screen.snapshot is shot)
        keys = hints(screen)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen) and "Everywhere" in listed(app))
        shown = " ".join(listed(app).split())
        assert "…" not in shown
        width = app.screen.query_one(KeyTable).content_size.width
        drawn = [strip.text.rstrip() for strip in key_table(keys, width, DARK)]
        assert [line.rstrip() for line in listed(app).splitlines()] == drawn  # all of its height


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
def test_snapshot(runs: Path, bench: Bench, snap_compare: Any, size: tuple[int, int], until: Until) -> None:
    async def before(pilot: Pilot[None]) -> None:
        table = pilot.app.screen.query_one(RunsTable)
        await until(pilot, lambda: len(table.losses) == 10)
        await pilot.press("question_mark")

    assert snap_compare(bench(), terminal_size=size, run_before=before)
