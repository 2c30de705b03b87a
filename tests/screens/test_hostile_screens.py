"""Runs from somebody who means harm, in the screens: shown, not obeyed; nothing that they name is executed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Until
from hostile import make_hostile, steering
from textual.pilot import Pilot

from tdl_tui.runs.writer import RunWriter
from tdl_tui.screens.app import Workbench
from tdl_tui.screens.new import NewScreen
from tdl_tui.screens.run import RunScreen

Bench = Callable[..., Workbench]


def screen_text(pilot: Pilot[Any]) -> str:
    """The characters of all cells, control codes of the screen's own left out."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip if not segment.control) for strip in strips)


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_what_would_steer_is_shown(home: Path, bench: Bench, until: Until, size: tuple[int, int]) -> None:
    make_hostile(home)
    app = bench()
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: "␛]0;owned␇" in screen_text(pilot))
        assert not steering(screen_text(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and "␛" in screen_text(pilot))
        for key in ("1", "2", "3", "4", "5", "home", "comma", "full_stop", "left", "end", "question_mark"):
            await pilot.press(key)
            await pilot.pause()
            assert not steering(screen_text(pilot))


@pytest.mark.parametrize(
    "facts",
    [
        {"data_shape": {"task": "classification", "kind": "text", "input": ["x"], "outputs": 2, "classes": [1, 2]}},
        {"data_shape": {"task": "classification", "kind": "image", "input": [10**30], "outputs": "x"}},
        {"data_shape": {"task": [], "kind": {}, "input": 7, "outputs": None}},
        {"data_shape": [1, 2]},
        {"steps_per_epoch": "x", "splits": 5, "threads": [], "parameters": "many"},
    ],
    ids=["classes", "outputs", "types", "list", "others"],
)
async def test_what_is_not_of_its_type_does_no_harm(
    home: Path, bench: Bench, until: Until, facts: dict[str, Any]
) -> None:
    folder = make_hostile(home, **facts)
    app = bench(open_folder=folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and "␛" in screen_text(pilot))


async def test_a_plugin_that_only_the_run_names_is_not_executed(home: Path, bench: Bench, until: Until) -> None:
    folder = make_hostile(home)
    plugin = folder / "plugin.py"
    plugin.write_text("from pathlib import Path\nPath(__file__).with_name('executed').touch()\n")
    with RunWriter(folder) as writer:
        writer.update(experiment={"plugins": [str(plugin)], "model": {"architecture": "mine"}})
    app = bench()
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: folder.name in screen_text(pilot))
        await pilot.press("c")
        await until(pilot, lambda: len(app._notifications))
        assert "the run names it, you have not" in next(iter(app._notifications)).message
        assert not isinstance(app.screen, NewScreen)
    assert not (folder / "executed").exists()
