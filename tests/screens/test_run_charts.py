"""The charts of the Run screen: what every key does, what is read for it, and what is remembered."""

from __future__ import annotations

import json
import math
import os
import stat
import time
from array import array
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import START, TOTAL, Playing, snapshot
from textual.pilot import Pilot

from tdl_tui.runs import home as homes
from tdl_tui.runs.records import Bucket, Event, State
from tdl_tui.runs.writer import RunWriter
from tdl_tui.screens import chart_memory
from tdl_tui.screens.app import Workbench
from tdl_tui.screens.confirm import AskScreen
from tdl_tui.screens.run import RunScreen
from tdl_tui.screens.run_charts import (
    Charting,
    beginning,
    buckets_of,
    curves_of,
    figure_plot,
    happenings,
    ruler_of,
    steps_of,
    x_axis,
)
from tdl_tui.screens.run_series import SeriesPanel, arrangement
from tdl_tui.screens.run_snapshot import Snapshot
from tdl_tui.screens.series_choice import SeriesChoice, SeriesList, draw_rows, rows_of
from tdl_tui.spec import experiment
from tdl_tui.widgets.axes import Span
from tdl_tui.widgets.chart_view import CLIPS, SCALES, SMOOTHING, Grid, View
from tdl_tui.widgets.palette import DARK
from tdl_tui.widgets.series_groups import marked

Bench = Callable[..., Workbench]
Until = Any
KIND = "image classification"
SIZES = {"narrow": (80, 24), "middle": (120, 40), "wide": (200, 60)}


@pytest.fixture(autouse=True)
def greenwich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


class Charts:
    """A workbench with a Run screen on a snapshot, seen through its charts."""

    def __init__(self, app: Workbench, pilot: Pilot[Any], until: Until) -> None:
        self.app, self.pilot, self._until = app, pilot, until

    async def open(self, shot: Snapshot) -> Charts:
        source = Playing(shot)
        await self.app.push_screen(RunScreen(Path("unused"), lambda: source))
        await self.until(lambda: self.screen.snapshot is shot)
        await self.pilot.pause()
        return self

    @property
    def screen(self) -> RunScreen:
        return next(s for s in reversed(self.app.screen_stack) if isinstance(s, RunScreen))

    @property
    def view(self) -> View:
        return self.screen.choices.view

    def panel(self, id: str = "loss") -> Charting:
        return self.screen.query_one(f"#{id}", Charting)

    def text(self, id: str = "loss") -> str:
        panel = self.panel(id)
        return "\n".join(panel.render_line(y).text for y in range(panel.size.height))

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def alone(self) -> None:
        """Leaves the panels alone on the screen."""
        for child in self.screen.children:
            child.display = child.id == "panels"
        await self.pilot.pause()

    async def until(self, holds: Callable[[], object]) -> None:
        await self._until(self.pilot, holds)


@pytest.fixture
async def charts(bench: Bench, until: Until) -> Any:
    app = bench()
    async with app.run_test(size=(120, 40)) as pilot:
        yield await Charts(app, pilot, until).open(snapshot())


# -- keys of every chart


async def test_steps_are_zoomed_moved_and_whole_again(charts: Charts) -> None:
    whole = charts.text()
    await charts.press("plus")
    assert charts.view.window == Span(1000.0, 2000.0) and charts.view.follow
    assert "follows" in charts.text() and "1.5k" in charts.text().splitlines()[-1]
    await charts.press("equals_sign", "left_square_bracket")
    assert charts.view.window is not None and charts.view.window.high < 2000 and not charts.view.follow
    assert "holds still" in charts.text()
    before = charts.view.window
    await charts.press("right_square_bracket", "left_square_bracket")
    assert charts.view.window == before
    await charts.press("0")
    assert charts.view.window is None and charts.text() == whole


async def test_zooming_out_ends_with_the_whole(charts: Charts) -> None:
    whole = charts.text()
    await charts.press("plus", "plus", "minus", "underscore", "minus")
    assert charts.view.window is None and charts.text() == whole


async def test_values_are_zoomed_and_moved_in_one_chart_alone(charts: Charts) -> None:
    whole, other = charts.text(), charts.text("metric")
    await charts.press("right_curly_bracket")
    assert charts.text() != whole and "zoomed" in charts.text() and charts.text("metric") == other
    middle = charts.text()
    await charts.press("right_parenthesis")
    assert charts.text() != middle
    await charts.press("left_parenthesis")
    assert charts.text() == middle
    await charts.press("left_curly_bracket")
    assert charts.text() == whole


async def test_the_cursor_is_zoomed_about_and_read_out(charts: Charts) -> None:
    screen = charts.screen
    assert screen.snapshot is not None
    screen.snapshot = replace(screen.snapshot, at=500)
    screen.choices = replace(screen.choices, at=500)
    screen.look(charts.view)
    await charts.press("plus")
    assert charts.view.window is not None and not charts.view.follow
    assert charts.view.window.low == pytest.approx(250) and charts.view.window.high == pytest.approx(1250)
    assert "step 500" in charts.text() and "train ≈" in charts.text()
    screen.snapshot = replace(screen.snapshot, values={"train/loss": 0.123, "val/loss": 0.456})
    screen.look(charts.view)
    await charts.press("w", "w")
    assert "train 0.123" in charts.text() and "val 0.456" in charts.text()
    assert sum("│" in row[8:] for row in charts.text().splitlines()) > 5


async def test_following_and_holding_still(charts: Charts) -> None:
    await charts.press("f")
    assert not charts.view.follow and charts.view.window == Span(0.0, 2000.0)
    await charts.press("f")
    assert charts.view == View()


async def test_the_last_steps_are_asked_for(charts: Charts) -> None:
    await charts.press("L")
    assert isinstance(charts.app.screen, AskScreen)
    await charts.press(*"0.5k", "enter")
    assert charts.view.window == Span(1500.0, 2000.0) and charts.view.follow
    await charts.press("L", *"many", "enter")
    dialogue = "".join(str(node.render()) for node in charts.app.screen.query("Static"))
    assert 'got "many"' in dialogue
    await charts.press("escape")
    assert charts.view.window == Span(1500.0, 2000.0)


async def test_logarithmic_steps(charts: Charts) -> None:
    await charts.press("X")
    labels = charts.text().splitlines()[-1]
    assert "100" in labels and "1k" in labels and charts.view.log_x
    await charts.press("X")
    assert not charts.view.log_x


async def test_clipping_goes_round(charts: Charts) -> None:
    for clip, said in ((0.01, "clip 1 %"), (0.05, "clip 5 %"), (0.0, "")):
        await charts.press("k")
        assert charts.view.clip == clip and (said in charts.text() if said else "clip" not in charts.text())


async def test_the_band_is_shown_and_put_away(charts: Charts) -> None:
    await charts.press("w")
    assert charts.view.band
    await charts.press("w")
    assert not charts.view.band


async def test_the_time_of_day_is_an_axis(charts: Charts) -> None:
    await charts.press("x", "x", "x")
    assert charts.view.scale == "clock" and "22:13:2" in charts.text().splitlines()[-1]


async def test_the_best_point_and_what_happened_are_marked(charts: Charts) -> None:
    await charts.press("1")
    assert "★" in charts.text() and "▣" in charts.text() and "┊" in charts.text()
    await charts.press("2")
    assert "┊" in charts.text("metric")


# -- the grid


@pytest.fixture
async def grid(charts: Charts) -> Charts:
    await charts.press("g")
    assert charts.screen.enlarged == "6"
    return charts


async def test_the_grid_shows_series_that_are_in_no_other_chart(grid: Charts) -> None:
    text = grid.text("series")
    for title in ("loss", "accuracy", "grad/norm", "weight/norm", "update/ratio"):
        assert f"{title} ─" in text
    assert "13 of 13 series" in text
    await grid.press("6")
    assert grid.screen.enlarged == "" and grid.panel("series").display is False
    assert grid.app.screen.focused is grid.panel()


async def test_one_chart_is_chosen_and_enlarged(grid: Charts) -> None:
    panel = grid.panel("series")
    await grid.press("down", "down")
    current = panel.current()
    assert current is not None and current.title == "grad/norm"
    await grid.press("up")
    current = panel.current()
    assert current is not None and current.title == "accuracy"
    await grid.press("enter")
    assert "accuracy ─" in grid.text("series") and "loss ─" not in grid.text("series")
    await grid.press("escape")
    assert "loss ─" in grid.text("series") and grid.screen.enlarged == "6"
    await grid.press("enter", "enter", "escape")
    assert grid.screen.enlarged == ""


async def test_rows_columns_and_pages(grid: Charts) -> None:
    assert isinstance(grid.panel("series"), SeriesPanel)
    await grid.press("less_than_sign", "less_than_sign")
    assert grid.view.grid.columns == 1
    await grid.press("V", "V", "V")
    assert grid.view.grid.rows == 1 and "page 1/5" in grid.text("series")
    await grid.press("pagedown")
    assert "page 2/5" in grid.text("series") and "accuracy ─" in grid.text("series")
    await grid.press("pagedown", "pageup", "pageup")
    assert "page 1/5" in grid.text("series") and "loss ─" in grid.text("series")
    await grid.press("v", "greater_than_sign", "greater_than_sign")
    assert (grid.view.grid.rows, grid.view.grid.columns) == (2, 3) and "page" not in grid.text("series")


async def test_series_are_set_apart_and_joined(grid: Charts) -> None:
    await grid.press("j")
    assert "train/loss ─" in grid.text("series") and not grid.view.grid.together
    await grid.press("j")
    assert "loss ─" in grid.text("series") and "train/loss" not in grid.text("series")


async def test_values_are_zoomed_in_the_chosen_chart(grid: Charts) -> None:
    await grid.press("less_than_sign", "down", "right_curly_bracket")
    assert "accuracy · zoomed" in grid.text("series") and "loss · zoomed" not in grid.text("series")


async def test_series_are_chosen_by_group_and_one_by_one(grid: Charts) -> None:
    await grid.press("g")
    assert isinstance(grid.app.screen, SeriesChoice)
    await grid.press("down", "space", "enter")  # of training, the second row is the loss
    assert not marked("train/loss", grid.view.grid) and marked("train/accuracy", grid.view.grid)
    await grid.press("g", "space", "space", "enter")  # the whole group: shown, and put away
    assert not marked("train/anything", grid.view.grid)
    await grid.press("g", "a", "a", "enter")
    assert "no series is shown" in grid.text("series")
    await grid.press("g", "a", "enter")
    assert "13 of 13 series" in grid.text("series")


async def test_series_are_filtered_by_words_or_an_expression(grid: Charts) -> None:
    await grid.press("slash", *"norm", "enter")
    assert grid.view.grid.filter == "norm" and "6 of 13 series" in grid.text("series")
    assert "loss ─" not in grid.text("series")
    await grid.press("slash", "home", "shift+end", "backspace", *"/ss$/", "enter")
    assert "2 of 13 series" in grid.text("series") and "loss ─" in grid.text("series")
    await grid.press("slash", "escape", "enter")
    assert "13 of 13 series" in grid.text("series")


async def test_a_filter_that_finds_nothing_says_why_and_is_not_taken(grid: Charts) -> None:
    await grid.press("slash", *"/(/", "enter")
    assert isinstance(grid.app.screen, SeriesChoice)
    listed = grid.app.screen.query_one(SeriesList)
    assert "no regular expression" in listed.render_line(0).text
    said = " ".join(listed.render_line(y).text.strip() for y in range(3))
    assert "unterminated subpattern at position 0" in said
    await grid.press("escape", "escape")
    assert grid.view.grid == Grid()


async def test_marks_under_a_filter_are_those_of_what_is_found(grid: Charts) -> None:
    await grid.press("slash", *"layers.0", "tab")
    await grid.press("space", "slash", "escape", "enter")
    assert not marked("grad/norm/layers.0", grid.view.grid) and marked("grad/norm/layers.2", grid.view.grid)


async def test_only_the_series_on_the_page_are_read(grid: Charts) -> None:
    panel = grid.panel("series")
    assert {"train/loss", "val/loss"} <= panel.wanted().series
    assert "grad/norm/layers.0" not in panel.wanted().series  # the samples of the layers are at hand
    await grid.press("plus")
    assert "grad/norm/layers.0" in panel.wanted().series and panel.wanted().span == (750, 2250)
    await grid.press("enter")
    assert panel.wanted().series == {"train/loss", "val/loss"} and panel.wanted().columns > 100


@pytest.mark.parametrize("size", SIZES)
def test_the_grid_as_a_picture(snap_compare: Any, bench: Bench, until: Until, size: str) -> None:
    app = bench()

    async def ready(pilot: Pilot[Any]) -> None:
        charts = await Charts(app, pilot, until).open(snapshot())
        await charts.press("6")
        await charts.alone()

    assert snap_compare(app, terminal_size=SIZES[size], run_before=ready)


@pytest.mark.parametrize("size", SIZES)
def test_a_zoomed_chart_with_a_cursor_as_a_picture(snap_compare: Any, bench: Bench, until: Until, size: str) -> None:
    app = bench()

    async def ready(pilot: Pilot[Any]) -> None:
        charts = await Charts(app, pilot, until).open(replace(snapshot(), at=900))
        charts.screen.choices = replace(charts.screen.choices, at=900)
        await charts.press("1", "plus", "m", "w")
        await charts.alone()

    assert snap_compare(app, terminal_size=SIZES[size], run_before=ready)


@given(st.integers(0, 9), st.integers(0, 9), st.integers(1, 99), st.integers(20, 240), st.integers(2, 80))
def test_charts_of_a_grid_are_never_too_small(rows: int, columns: int, charts: int, width: int, height: int) -> None:
    down, across = arrangement(Grid(rows, columns), charts, width, height)
    assert down >= 1 and across >= 1
    assert across == 1 or (width - 2 * (across - 1)) // across >= 24
    assert down == 1 or height // down >= 5


def test_the_list_of_series_has_its_groups_and_says_how_much_of_each_is_shown() -> None:
    names = ["train/loss", "grad/norm/a", "grad/norm/b", "lr"]
    rows = rows_of(names)
    assert [(row.group, row.name) for row in rows] == [
        ("train/", ""),
        ("train/", "train/loss"),
        ("", "lr"),
        ("grad/norm/", ""),
        ("grad/norm/", "grad/norm/a"),
        ("grad/norm/", "grad/norm/b"),
    ]
    grid = Grid(marks=(("grad/norm/a", False), ("lr", False)))
    text = [strip.text for strip in draw_rows(rows, grid, {"lr": 1e-3}, 0, 40, 10, DARK)]
    assert "● train/" in text[0] and "○ lr" in text[2] and "0.00100" in text[2]
    assert "◐ grad/norm/" in text[3] and "1 of 2" in text[3]
    assert len(draw_rows(rows, grid, {}, 5, 40, 3, DARK)) == 3


# -- what is drawn of a run


def test_a_run_that_follows_leaves_room_and_one_that_ended_does_not() -> None:
    live = snapshot()
    window = Span(1500.0, 2100.0)
    for scale in SCALES:
        view = View(scale=scale, window=window)
        along = ruler_of(live, view)
        axis = x_axis(live, view, window, along)
        assert axis.low < along.place(2000) <= axis.high
        assert axis.place(along.place(2000)) == pytest.approx(5 / 6, abs=0.02)


def test_what_happened_stands_at_its_step_and_refusals_do_not() -> None:
    events = (
        Event(1, START, 0, "state", "training"),
        Event(2, START + 5, 500, "command", "learning rate 0.1"),
        Event(3, START + 6, 600, "command", "refused: no", {"refused": True}),
        Event(4, START + 7, 700, "sample", "text"),
        Event(5, START + 8, 800, "diagnosis", "the loss does not fall"),
    )
    back = Event(6, START + 9, 600, "command", "back to step 600", {"verb": "rollback"})
    shot = snapshot()
    assert [mark.x for mark in happenings((*events, back), ruler_of(shot, View()), DARK)] == [500, 600]
    found = happenings(events, ruler_of(shot, View()), DARK)
    assert [happening.x for happening in found] == [500, 800] and found[0].sign == "›"
    assert happenings(events[1:2], ruler_of(shot, View(scale="time")), DARK)[0].x == pytest.approx(5)


def test_lines_lead_out_of_a_close_up_to_what_lies_beside_it() -> None:
    shot = snapshot()
    held = shot.series["val/loss"]
    near = replace(shot, close_up={"val/loss": held[3:4]}, span=(600, 1000))
    assert buckets_of(near, "val/loss", Span(690.0, 930.0)) == held[2:5]
    assert buckets_of(near, "val/loss", Span(690.0, 1200.0)) == held  # which the close-up does not hold
    assert buckets_of(near, "val/loss") == held


def test_a_logarithmic_axis_reads_the_beginning_closer() -> None:
    shot = snapshot()
    held = shot.series["train/loss"]
    fine = tuple(replace_steps(held[0], step) for step in range(1, 65))
    near = replace(shot, close_up={"train/loss": fine}, span=beginning(2000))
    found = buckets_of(near, "train/loss")
    assert beginning(2000) == (0, 64) and beginning(15) is None
    assert found[:64] == fine and found[64].first > 64 and found[-1] == held[-1]
    assert x_axis(near, View(log_x=True)).low == 1


def replace_steps(bucket: Bucket, step: int) -> Bucket:
    return bucket._replace(first=step, last=step, count=1)


def test_layers_are_drawn_from_their_samples() -> None:
    found = buckets_of(snapshot(), "grad/norm/layers.2")
    assert len(found) == 40 and found[0].count == 1 and buckets_of(snapshot(), "grad/norm/none") == ()


@pytest.mark.parametrize(("text", "steps"), [("500", 500), (" 2k", 2000), ("1.5M", 1.5e6)])
def test_numbers_of_steps_are_read_as_they_are_written(text: str, steps: float) -> None:
    assert steps_of(text) == steps


@pytest.mark.parametrize("text", ["0", "-5", "nan", "inf", "many", "k", ""])
def test_no_number_of_steps_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="must be a number from 1"):
        steps_of(text)


async def test_every_step_of_a_close_up_is_read(bench: Bench, until: Until, tmp_path: Path) -> None:
    document = experiment({"data": {"dataset": "iris"}, "model": {"architecture": "mlp"}}).document()
    made = homes.create(tmp_path, document, title="iris by mlp")
    with RunWriter(made.folder) as writer:
        values = array("d", (1 / (1 + step % 7) for step in range(100_000)))
        writer.extend("train/loss", 1, 1, values, START, START + 1000)
        writer.extend("system/cpu", 1, 1000, array("d", range(100)), START, START + 1000)
        writer.update(state=State.FINISHED)
    os.close(made.lock_fd)
    app = bench(open_folder=made.folder)
    async with app.run_test(size=(120, 40)) as pilot:
        charts = Charts(app, pilot, until)
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and charts.screen.snapshot is not None)
        await charts.press("L", *"40", "enter")
        plot = figure_plot("loss")

        def near() -> bool:
            shot = charts.screen.snapshot
            assert shot is not None
            (curve, _) = curves_of(shot, plot, charts.view, Span(99_960.0, 100_000.0), DARK.curves)
            seen = [x for x in curve.x if x >= 99_960]
            return seen == [float(step) for step in range(99_960, 100_001)]

        await charts.until(near)
        assert "99,960" in charts.text().splitlines()[-1]
        await charts.press("0", "6", "j")
        assert "system/cpu · % ─" in charts.text("series")
        await charts.until(lambda: "⢀⠎" in charts.text("series"))


# -- what is remembered


async def test_what_was_chosen_is_there_for_the_next_run_of_its_kind(bench: Bench, until: Until, home: Path) -> None:
    app = bench()
    async with app.run_test(size=(120, 40)) as pilot:
        charts = await Charts(app, pilot, until).open(snapshot())
        await charts.press("m", "k", "w", "X", "plus", "6", "j")
        chosen = replace(charts.view, window=None, follow=True)
        await until(pilot, lambda: chart_memory.recall(home, KIND) == chosen)
    app = bench()
    async with app.run_test(size=(120, 40)) as pilot:
        charts = await Charts(app, pilot, until).open(snapshot(step=TOTAL, state=State.FINISHED))
        await charts.until(lambda: charts.view == chosen)
        other = await Charts(app, pilot, until).open(snapshot("table"))
        assert other.view == View()


async def test_what_cannot_be_remembered_is_said(bench: Bench, until: Until, home: Path) -> None:
    home.write_text("no folder")
    app = bench()
    async with app.run_test(size=(120, 40)) as pilot:
        charts = await Charts(app, pilot, until).open(snapshot())
        await charts.press("w")
        await charts.until(lambda: charts.screen.query_one("#notice").display)


choices = st.builds(
    View,
    log=st.booleans(),
    log_x=st.booleans(),
    scale=st.sampled_from(SCALES),
    smoothing=st.sampled_from(SMOOTHING),
    clip=st.sampled_from(CLIPS),
    band=st.booleans(),
    grid=st.builds(
        Grid,
        st.integers(0, 8),
        st.integers(0, 8),
        st.booleans(),
        st.text("abc/ .*", max_size=20),
        st.dictionaries(st.text(max_size=8), st.booleans(), max_size=4).map(lambda marks: tuple(sorted(marks.items()))),
    ),
)


@given(choices)
def test_a_view_is_read_as_it_was_written(view: View) -> None:
    assert chart_memory.view_of(json.loads(json.dumps(chart_memory.document(view)))) == view


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside, max_size=3),
    max_leaves=8,
)
FIELDS = (
    "log",
    "log_x",
    "scale",
    "smoothing",
    "clip",
    "band",
    "grid",
    "rows",
    "columns",
    "together",
    "filter",
    "marks",
)


@given(st.dictionaries(st.sampled_from(FIELDS), anything | st.dictionaries(st.sampled_from(FIELDS), anything)))
def test_no_document_makes_a_view_that_cannot_be(held: dict[str, Any]) -> None:
    view = chart_memory.view_of(held)
    assert view.scale in SCALES and view.smoothing in SMOOTHING and view.clip in CLIPS and view.window is None
    assert 0 <= view.grid.rows <= 8 and 0 <= view.grid.columns <= 8 and isinstance(view.grid.filter, str)
    assert all(isinstance(key, str) and isinstance(on, bool) for key, on in view.grid.marks)


def test_the_file_is_its_owners_alone_and_keeps_other_kinds(tmp_path: Path) -> None:
    chart_memory.remember(tmp_path, KIND, View(smoothing=0.9))
    chart_memory.remember(tmp_path, "table regression", View(band=True))
    assert chart_memory.recall(tmp_path, KIND) == View(smoothing=0.9)
    assert chart_memory.recall(tmp_path, "table regression") == View(band=True)
    assert [path.name for path in tmp_path.iterdir()] == ["charts.json"]
    assert stat.S_IMODE((tmp_path / "charts.json").stat().st_mode) == 0o600


def test_no_more_kinds_are_kept_than_there_may_be(tmp_path: Path) -> None:
    for number in range(70):
        chart_memory.remember(tmp_path, f"kind {number}", View(band=True))
    assert not chart_memory.recall(tmp_path, "kind 0").band and chart_memory.recall(tmp_path, "kind 69").band
    assert len(json.loads((tmp_path / "charts.json").read_text())["kinds"]) == 64


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"kinds": 3}',
        b"\xff\xfe",
        b"[" * 50_000,
        b'{"kinds": {"image classification": []}}',
        b" " * 300_000,
    ],
)
def test_a_damaged_or_foreign_file_counts_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "charts.json").write_bytes(content)
    assert chart_memory.recall(tmp_path, KIND) == View()
    chart_memory.remember(tmp_path, KIND, View(band=True))
    assert chart_memory.recall(tmp_path, KIND) == View(band=True)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(json.dumps({"kinds": {KIND: {"band": True}}}))
    (tmp_path / "charts.json").symlink_to(elsewhere)
    assert chart_memory.recall(tmp_path, KIND) == View()
    chart_memory.remember(tmp_path, KIND, View(clip=0.05))
    assert not (tmp_path / "charts.json").is_symlink() and "0.05" not in elsewhere.read_text()


def test_the_kind_of_a_run_is_its_data_and_its_task() -> None:
    assert chart_memory.kind_of(snapshot().shape) == KIND and chart_memory.kind_of(None) == ""
    assert chart_memory.kind_of(snapshot("regression").shape) == "table regression"
    assert math.isfinite(snapshot().reach)
