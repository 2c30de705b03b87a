"""The gradient panel on a recorded run: what every key does, what is read for it, and how it looks."""

from __future__ import annotations

import math
import os
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tdl_tui.runs import home as homes
from tdl_tui.runs.records import HISTOGRAM_BINS, LayerSample, Matrix, Progress, State
from tdl_tui.runs.writer import RunWriter
from tdl_tui.screens.app import Workbench
from tdl_tui.screens.frame import hints
from tdl_tui.screens.run import RunScreen
from tdl_tui.screens.run_gradients import GradientPanel
from tdl_tui.spec import experiment

START, LAST, EACH = 1_700_000_000.0, 400, 20
LAYERS = tuple(f"hidden{i}" for i in range(1, 41))
SIZES = {"narrow": (80, 24), "middle": (120, 40), "wide": (200, 60)}
Bench = Callable[..., Workbench]
Until = Any


def layer_row(layer: int, step: int) -> tuple[float, ...]:
    fades = 10.0 ** (-0.2 * (len(LAYERS) - layer) - step / 800)
    return fades, 4.0 + layer % 7, 1e-3 * fades, 0.1, 0.5 + 0.01 * layer, 0.02 * layer, 0.9 - 0.02 * layer


def bell(step: int, name: str) -> Matrix:
    deviation = 1 + step / LAST
    edges = tuple(deviation * (-4 + 8 * i / HISTOGRAM_BINS) for i in range(HISTOGRAM_BINS + 1))
    counts = tuple(round(100 * math.exp(-((i - 15.5) ** 2) / 40)) for i in range(HISTOGRAM_BINS))
    quantiles = tuple(deviation * z for z in (-1.645, -0.674, 0.0, 0.674, 1.645))
    summary = (0.0, deviation, *quantiles, *(math.nan,) * (HISTOGRAM_BINS - 6))
    return Matrix(name, step, START + step, (edges, (*map(float, counts), 0.0), summary))


def record(home: Path, *, recurrent: bool = True) -> Path:
    made = homes.create(home, experiment({"name": "deep"}).document(), title="deep")
    with RunWriter(made.folder) as writer:
        losses = array("d", [2.3 * math.exp(-step / 200) for step in range(1, LAST + 1)])
        writer.extend("train/loss", 1, 1, losses, START + 1, START + LAST)
        writer.layers(LAYERS)
        names = [f"{layer}.{part}" for layer in LAYERS for part in ("weight", "bias")]
        writer.update(state=State.STOPPED, progress=Progress(LAST, 4, LAST, 100, LAST), parameter_names=names)
        for step in range(1, LAST + 1, EACH):
            rows = tuple(layer_row(layer, step) for layer in range(len(LAYERS)))
            writer.layer_sample(LayerSample(step, START + step, rows))
            each = tuple((row[0] / part, row[1], row[2]) for row in rows for part in (1, 10))
            writer.matrix(Matrix("parameters", step, START + step, each))
            for kind in ("gradient", "weight", "activation"):
                for layer in LAYERS[:3]:
                    writer.matrix(bell(step, f"histogram/{kind}/{layer}"))
            if recurrent:
                h = tuple(10.0 ** (-(30 - t) / 5 - step / 400) for t in range(30))
                writer.matrix(Matrix("through_time/l0", step, START + step, (h, tuple(2 * x for x in h))))
    os.close(made.lock_fd)
    return made.folder


class Gradients:
    """A workbench with a Run screen on a recorded run."""

    def __init__(self, app: Workbench, pilot: Pilot[Any], until: Until) -> None:
        self.app, self.pilot, self._until = app, pilot, until

    @property
    def panel(self) -> GradientPanel:
        return self.app.screen.query_one(GradientPanel)

    @property
    def text(self) -> str:
        return "\n".join(self.panel.render_line(y).text for y in range(self.panel.size.height))

    async def open(self, folder: Path) -> None:
        screen = RunScreen(folder)
        await self.app.push_screen(screen)
        await self.until(lambda: screen.snapshot is not None)
        await self.press("4")

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(self, holds: Callable[[], object]) -> None:
        await self._until(self.pilot, holds)

    def first(self) -> str:
        """The name in the first row of the table."""
        return self.text.splitlines()[2].split()[0]


@pytest.fixture
async def watch(bench: Bench, until: Until, home: Path) -> Any:
    app = bench()
    async with app.run_test(size=(120, 40)) as pilot:
        watch = Gradients(app, pilot, until)
        await watch.open(record(home))
        yield watch


async def test_rows_are_scrolled_and_one_is_chosen(watch: Gradients) -> None:
    lines = watch.panel.size.height - 2
    assert f"1–{lines} of {len(LAYERS)}" in watch.text
    await watch.press("up")
    assert watch.panel.chosen == "hidden1"
    await watch.press("down")
    assert watch.panel.chosen == "hidden2" and "hidden1 " in watch.text
    await watch.press("pagedown", "pagedown")
    assert watch.panel.chosen == "hidden40"
    assert "hidden40" in watch.text and "hidden1 " not in watch.text
    await watch.press("pageup", "pageup")
    assert watch.panel.chosen == "hidden1" and "hidden1 " in watch.text


async def test_rows_are_sorted_by_every_column_and_the_other_way_round(watch: Gradients) -> None:
    assert watch.first() == "hidden1"
    seen = []
    for _ in range(9):
        await watch.press("greater_than_sign")
        seen.append((watch.panel.by, watch.first()))
    assert [by for by, _ in seen] == [
        "name",
        "gradient_norm",
        "weight_norm",
        "update_ratio",
        "activation_mean",
        "activation_deviation",
        "dead_share",
        "saturated_share",
        "",
    ]
    firsts = dict(seen)
    assert (firsts["gradient_norm"], firsts["saturated_share"], firsts["weight_norm"]) == (
        "hidden40",
        "hidden1",
        "hidden7",
    )
    await watch.press("less_than_sign")
    assert watch.panel.by == "saturated_share" and "by saturated values" in watch.text
    await watch.press("f")
    assert watch.first() == "hidden40" and "turned" in watch.text


async def test_a_row_a_parameter(watch: Gradients) -> None:
    await watch.press("down", "g")
    await watch.until(lambda: "hidden2.bias" in watch.text)
    assert "parameter" in watch.text and "dead" not in watch.text
    assert watch.panel.chosen == "hidden2"
    await watch.press("h")
    assert "hidden2.weight" in watch.text and "gradient norm · over time" in watch.text
    await watch.press("h", "down")
    assert watch.panel.chosen == "hidden2.bias"  # the one after the layer's first
    await watch.press("g")
    assert watch.first() == "hidden1" and "dead" in watch.text


async def test_a_heat_map_of_any_column(watch: Gradients) -> None:
    await watch.press("h")
    assert "gradient norm · over time" in watch.text and "░" in watch.text and "█" in watch.text
    for title in ("weight norm", "update ratio", "activation mean", "activation deviation", "dead", "saturated"):
        await watch.press("greater_than_sign")
        assert f"{title} " in watch.text.splitlines()[0]
    await watch.press("pagedown", "pagedown")
    assert "hidden40" in watch.text
    await watch.press("left", "left")
    await watch.until(lambda: "▲" in watch.text)
    await watch.press("h")
    assert "gradients" in watch.text.splitlines()[0]


async def test_histograms_of_the_chosen_layer(watch: Gradients) -> None:
    await watch.press("i")
    await watch.until(lambda: "deviation 1.95" in watch.text)  # of the newest sample
    assert "gradients of hidden1" in watch.text and "at step 381" in watch.text
    for kind in ("weights", "activations", "gradients"):
        await watch.press("greater_than_sign")
        await watch.until(lambda kind=kind: f"{kind} of hidden1" in watch.text and "deviation" in watch.text)
    await watch.press("down")
    await watch.until(lambda: "gradients of hidden2" in watch.text and "deviation" in watch.text)
    await watch.press("home")
    await watch.until(lambda: "at step 1" in watch.text.splitlines()[0] and "deviation 1.00" in watch.text)
    await watch.press("end", "pagedown")
    await watch.until(lambda: "no histogram of its gradients yet" in watch.text)


async def test_the_way_back_through_time(watch: Gradients) -> None:
    await watch.press("w")
    await watch.until(lambda: "h l0" in watch.text)
    assert "c l0" in watch.text and "through time" in watch.text and "at step 381" in watch.text
    await watch.press("home")
    await watch.until(lambda: "at step 1" in watch.text.splitlines()[0])
    await watch.press("w")
    assert "hidden1" in watch.text


async def test_other_networks_have_no_way_through_time(bench: Bench, until: Until, home: Path) -> None:
    app = bench()
    async with app.run_test(size=(120, 40)) as pilot:
        watch = Gradients(app, pilot, until)
        await watch.open(record(home, recurrent=False))
        before = watch.text
        await watch.press("w")
        assert watch.text == before
        assert "way back" not in {hint.what for hint in hints(app.screen)}


async def test_the_table_shows_the_moment_that_is_looked_at(watch: Gradients) -> None:
    await watch.press("home")
    await watch.until(lambda: "at step 1" in watch.text.splitlines()[0])
    await watch.press("end")
    await watch.until(lambda: "at step 381" in watch.text)


async def test_its_keys_are_offered_while_it_has_the_focus(watch: Gradients) -> None:
    own = {hint.action: hint.shown for hint in hints(watch.app.screen) if isinstance(hint.node, GradientPanel)}
    assert {action for action, shown in own.items() if shown} == {
        "show('heat')",
        "show('histograms')",
        "show('through time')",
        "column(1)",
        "parameters",
    }
    assert {"turn", "select(1)", "select(-1)", "page(1)", "page(-1)", "column(-1)"} <= own.keys()
    await watch.press("5")
    assert not any(isinstance(hint.node, GradientPanel) for hint in hints(watch.app.screen))


@pytest.mark.parametrize("size", [(72, 20), (80, 24), (200, 60)])
async def test_every_view_fits_at_every_size(bench: Bench, until: Until, home: Path, size: tuple[int, int]) -> None:
    app = bench()
    async with app.run_test(size=size) as pilot:
        watch = Gradients(app, pilot, until)
        await watch.open(record(home))
        for keys in ((), ("h",), ("i",), ("w",), ("w", "g"), ("h",)):
            await watch.press(*keys)
            await watch.until(lambda: "reading" not in watch.text)
            enlarged = watch.text
            await watch.press("4")
            assert watch.panel.has_focus and len(watch.text.splitlines()) < len(enlarged.splitlines())
            strips = [watch.panel.render_line(y) for y in range(watch.panel.size.height)]
            assert all(strip.cell_length == watch.panel.size.width for strip in strips)
            assert any(strip.text.strip() for strip in strips[1:])
            await watch.press("4")


@pytest.mark.parametrize(("size", "keys"), [("narrow", "h"), ("middle", "i"), ("wide", "")])
def test_it_as_a_picture(snap_compare: Any, bench: Bench, until: Until, home: Path, size: str, keys: str) -> None:
    app = bench()

    async def ready(pilot: Pilot[Any]) -> None:
        watch = Gradients(app, pilot, until)
        await watch.open(record(home))
        await watch.press("down", "down", *keys)
        await watch.until(lambda: "reading" not in watch.text)

    assert snap_compare(app, terminal_size=SIZES[size], run_before=ready)
