"""Plugins in the workbench: in the form with their options, and told when they are wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tdl_tui.plugins.known import PLUGINS, VARIABLE
from tdl_tui.screens.app import Workbench
from tdl_tui.screens.form_view import FormView
from tdl_tui.screens.new import NewScreen

Bench = Callable[..., Workbench]
Until = Any


@pytest.fixture
def paths(documented_plugins: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Path]]:
    """The documented plugins, asked for by the environment."""
    monkeypatch.setenv(VARIABLE, ":".join(map(str, documented_plugins.values())))
    monkeypatch.setattr(PLUGINS, "here", False)
    yield documented_plugins
    PLUGINS.clear()


async def test_they_are_in_the_form_with_their_options(bench: Bench, paths: dict[str, Path], until: Until) -> None:
    app = bench()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("n")
        form = app.screen.query_one(FormView).form

        def choices(path: str) -> tuple[str, ...]:
            field = form.field(path)
            return field.choices if field else ()

        await until(pilot, lambda: "waves" in choices("data.dataset") and "two_paths" in choices("model.architecture"))
        app.screen.query_one(FormView).go_to("data.dataset")
        await pilot.press("enter", *"waves", "enter")
        app.screen.query_one(FormView).go_to("model.architecture")
        await pilot.press("enter", *"two_paths", "enter")
        await pilot.press("down", *"7")
        made = form.experiment()
        assert (made.data.dataset, made.shape.input) == ("waves", (24, 1))
        assert made.model.options == {"width": 7, "activation": "relu"}
        assert set(made.plugins) == set(map(str, paths.values()))
        assert form.command_line().endswith(f"--plugin {paths['waves']} --plugin {paths['two_paths']}")


async def test_a_wrong_one_is_told_and_read_again_with_the_form(
    bench: Bench, paths: dict[str, Path], until: Until
) -> None:
    right = paths["waves"].read_text()
    paths["waves"].write_text("import torch\n\nundefined\n")
    app = bench()
    async with app.run_test(size=(120, 40)) as pilot:
        line = f"plugin {paths['waves']}, line 3: NameError: name 'undefined' is not defined"
        await until(pilot, lambda: any(line == n.message for n in app._notifications))
        paths["waves"].write_text(right)
        await pilot.press("n")
        form = app.screen.query_one(FormView).form
        dataset = form.field("data.dataset")
        assert isinstance(app.screen, NewScreen)
        assert dataset is not None
        await until(pilot, lambda: "waves" in form.fields[form.fields.index(form.field("data.dataset"))].choices)
