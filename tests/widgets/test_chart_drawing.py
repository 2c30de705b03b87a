"""Charts drawn by pure functions: what stands where, what is cut off, and what a narrow chart leaves out."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.strip import Strip

from tdl_tui.runs.records import Bucket
from tdl_tui.widgets.axes import Scale, Span, ticks, x_ticks
from tdl_tui.widgets.chart import Happening, Marks, clipped, draw_chart
from tdl_tui.widgets.chart_view import Grid, View
from tdl_tui.widgets.curves import Curve, Extent, Reading, curve_of, reading, ruler, y_span
from tdl_tui.widgets.palette import DARK, blended
from tdl_tui.widgets.readout import figure, legend, listed
from tdl_tui.widgets.series_groups import (
    Plot,
    filtered,
    group_of,
    marked,
    matcher,
    plots,
    unit_of,
    visible,
    with_marks,
)

NAN = math.nan


def bucket(first: int, last: int, low: float, mean: float, high: float, bad: int = 0, when: float = 0.0) -> Bucket:
    return Bucket(first, last, when, low, high, mean, last - first + 1 - bad, bad)


def curve(ys: list[float], name: str = "train", **more: Any) -> Curve:
    return Curve(name, DARK.train, tuple(map(float, range(len(ys)))), tuple(ys), ys[-1], **more)


def drawn(curves: list[Curve], x: Span, y: Span, width: int = 60, height: int = 14, **more: Any) -> list[Strip]:
    return draw_chart("loss", "1", curves, x=x, y=y, view=View(), width=width, height=height, palette=DARK, **more)


def plot_of(strips: list[Strip]) -> list[str]:
    """The cells within the axes."""
    return [strip.text[7:] for strip in strips[1:-1]]


points = st.lists(st.tuples(st.floats(-2, 3), st.one_of(st.floats(-2, 3), st.just(NAN))), max_size=20)


@given(points)
def test_what_is_cut_off_stays_in_the_frame_and_on_its_line(line: list[tuple[float, float]]) -> None:
    line = sorted(line, key=lambda point: point[0])
    out = list(clipped(line))
    assert all(math.isnan(y) or (-1e-9 <= x <= 1 + 1e-9 and -1e-9 <= y <= 1 + 1e-9) for x, y in out)
    within = [(x, y) for x, y in line if 0 <= x <= 1 and 0 <= y <= 1]
    assert [point for point in within if point not in out] == []


def test_a_line_is_cut_at_the_edge_and_not_bent_along_it() -> None:
    assert list(clipped([(0.0, 0.5), (1.0, 1.5)])) == [(0.0, 0.5), (0.5, 1.0)]
    out = list(clipped([(0.0, 0.5), (0.2, 2.0), (0.4, 0.5)]))
    assert [math.isnan(y) for _, y in out] == [False, False, True, False, False]
    assert list(clipped([(-1.0, -1.0), (2.0, 2.0)]))[1:] == [(0.0, 0.0), (1.0, 1.0)]
    assert [p for p in clipped([(0.0, 2.0), (1.0, 3.0)]) if not math.isnan(p[1])] == []


def test_outliers_are_left_out_of_the_axis_by_quantiles() -> None:
    ys = [1.0 + i / 100 for i in range(99)] + [1000.0]
    assert y_span([curve(ys)], False).high >= 1000
    assert y_span([curve(ys)], False, clip=0.01).high <= 2.5
    wide = curve([1.0, 2.0], band=(Extent(0.0, 1.0, -50.0, 50.0),))
    assert y_span([wide], False).high >= 50 and y_span([wide], False, clip=0.01).high <= 2.5
    few = y_span([curve([1.0, 3.0])], False, clip=0.05)
    assert few.low <= 1 and few.high >= 3


def test_the_axis_goes_by_what_is_in_sight() -> None:
    ys = [100.0] * 50 + [1.0 + i / 50 for i in range(50)]
    seen = y_span([curve(ys)], False, x=Span(50.0, 99.0))
    assert seen.high <= 2.5
    strips = drawn([curve(ys)], Span(50.0, 99.0), seen)
    assert plot_of(strips)[0][:40].strip() == ""  # nothing runs along the upper edge


def test_the_cursor_is_a_vertical_and_its_values_stand_in_the_heading() -> None:
    marks = Marks(cursor=50.0, step=50, readings=(Reading(0.5, mean=True),))
    strips = drawn([curve([i / 100 for i in range(101)])], Span(0.0, 100.0), Span(0.0, 1.0), marks=marks)
    assert "step 50" in strips[0].text and "train ≈0.500" in strips[0].text
    rows = plot_of(strips)
    column = rows[0].index("│")
    assert column == pytest.approx(26, abs=1)
    assert sum(row[column] == "│" for row in rows) == len(rows) - 1  # the curve shows where it passes


def test_a_cursor_that_is_out_of_sight_is_not_drawn() -> None:
    marks = Marks(cursor=5.0, step=5, readings=(None,))
    strips = drawn([curve([0.5] * 101)], Span(50.0, 100.0), Span(0.0, 1.0), marks=marks)
    assert all("│" not in row for row in plot_of(strips)) and "–" in strips[0].text


def test_what_happened_is_a_thin_vertical_with_its_sign_below() -> None:
    marks = Marks(happenings=(Happening(25.0, "▣", DARK.muted), Happening(75.0, "η", DARK.muted)))
    rows = plot_of(drawn([curve([0.5] * 101)], Span(0.0, 100.0), Span(0.0, 1.0), marks=marks))
    for sign in "▣η":
        column = rows[-1].index(sign)
        assert rows[0][column] == "┊"
    narrow = drawn([curve([0.5] * 101)], Span(0.0, 100.0), Span(0.0, 1.0), width=24, marks=marks)
    assert all("┊" not in row and "▣" not in row for row in plot_of(narrow))


def test_where_much_happened_only_the_signs_are_left() -> None:
    marks = Marks(happenings=tuple(Happening(float(at), "▣", DARK.muted) for at in range(0, 100, 8)))
    rows = plot_of(drawn([curve([0.5] * 101)], Span(0.0, 100.0), Span(0.0, 1.0), marks=marks))
    assert "▣" in rows[-1] and all("┊" not in row for row in rows)
    often = tuple(Happening(float(at), "▣", DARK.muted) for at in range(0, 100, 2))
    marks = Marks(happenings=(*often, Happening(51.0, "η", DARK.muted)))
    rows = plot_of(drawn([curve([0.5] * 101)], Span(0.0, 100.0), Span(0.0, 1.0), marks=marks))
    assert "▣" not in rows[-1] and rows[0][rows[-1].index("η")] == "┊"


def test_the_best_point_is_marked_where_it_is() -> None:
    rows = plot_of(
        drawn(
            [curve([1 - i / 100 for i in range(101)])], Span(0.0, 100.0), Span(0.0, 1.0), marks=Marks(best=(50.0, 0.5))
        )
    )
    (row,) = [n for n, text in enumerate(rows) if "★" in text]
    assert row == pytest.approx(6, abs=1) and rows[row].index("★") == pytest.approx(26, abs=1)


def test_a_gap_is_marked_also_where_only_some_of_its_values_are_missing() -> None:
    buckets = [bucket(1, 4, 1, 1, 1), bucket(5, 8, 1, 1, 1, bad=1), bucket(9, 12, NAN, NAN, NAN, bad=4)]
    found = curve_of("train", DARK.train, buckets, View(), steps_per_epoch=1, start=0.0)
    assert found.broken == (6.5,) and math.isnan(found.y[2])
    rows = plot_of(drawn([found], Span(0.0, 12.0), Span(0.0, 2.0)))
    assert rows[-1].count("×") == 2


def test_the_raw_curve_stands_faintly_behind_its_average() -> None:
    buckets = [bucket(n, n, 0, float(n % 2), 1) for n in range(1, 60)]
    found = curve_of("train", DARK.train, buckets, View(smoothing=0.9), steps_per_epoch=1, start=0.0)
    assert found.raw == tuple(float(n % 2) for n in range(1, 60)) and found.y != found.raw
    strips = drawn([found], Span(0.0, 60.0), Span(0.0, 1.0))
    colors = {
        segment.style.color.name for strip in strips[1:] for segment in strip if segment.style and segment.style.color
    }
    assert blended(DARK.train, DARK.ground, 0.4) in colors and DARK.train in colors
    assert curve_of("train", "", buckets, View(), steps_per_epoch=1, start=0.0).raw == ()


def test_the_band_reaches_from_the_least_to_the_greatest_value() -> None:
    buckets = [bucket(n, n + 9, 0.25, 0.5, 0.75) for n in range(1, 100, 10)]
    found = curve_of("train", DARK.train, buckets, View(band=True), steps_per_epoch=1, start=0.0)
    span = y_span([found], False)
    assert span.place(0.75) <= 1 and span.place(0.25) >= 0
    strips = drawn([found], Span(0.0, 100.0), Span(0.0, 1.0), height=14)
    shaded = [any(s.style and s.style.bgcolor for s in strip) for strip in strips[1:-1]]
    assert shaded == [False] * 3 + [True] * 6 + [False] * 3
    assert not any(
        s.style and s.style.bgcolor for strip in drawn([curve([0.5] * 9)], Span(0, 9), Span(0, 1)) for s in strip
    )


def test_a_reading_is_the_bucket_that_holds_the_step_or_the_one_before() -> None:
    buckets = [bucket(1, 4, 1, 2, 3), bucket(10, 10, 7, 7, 7)]
    assert reading(buckets, 0) is None
    assert reading(buckets, 3) == Reading(2, mean=True) == reading(buckets, 9)
    assert reading(buckets, 10) == Reading(7) == reading(buckets, 99)
    assert reading([], 5) is None


names = st.lists(st.text("abcdefg./", min_size=1, max_size=12), min_size=1, max_size=9, unique=True)


@settings(max_examples=60)
@given(names, st.integers(0, 90), st.one_of(st.none(), st.integers(0, 10**6)))
def test_a_legend_keeps_to_its_room(labels: list[str], room: int, step: int | None) -> None:
    curves = [curve([1.0], name=label) for label in labels]
    readings = None if step is None else [None] * len(curves)
    said = legend(curves, readings, step, room, DARK)
    assert sum(len(text) for text, _ in said) <= room


def test_large_values_are_said_as_the_axis_says_them() -> None:
    said = [figure(curve([value]), None, 0) for value in (8.3e10, 12345.0, -4e5, math.inf, NAN)]
    assert said == ["83.0G", "12345", "-400k", "inf", "nan"]
    assert figure(curve([1.0]), [Reading(2.5e6, mean=True)], 0) == "≈2.50M" and figure(curve([1.0]), [None], 0) == "–"


def test_names_in_a_legend_can_always_be_told_apart() -> None:
    curves = [curve([1.0], name=name) for name in ("hidden1", "hidden2", "head")]
    assert "".join(text for text, _ in legend(curves, None, None, 34, DARK)) == "hidden1  hidden2  head"
    whole = "".join(text for text, _ in legend(curves, None, None, 60, DARK))
    assert whole.split() == ["hidden1", "1.00", "hidden2", "1.00", "head", "1.00"]


@pytest.mark.parametrize("name", ["語層", "🙂", "\u0301x"])
def test_a_name_of_any_letters_keeps_to_its_cell(name: str) -> None:
    strips = drawn([curve([0.2, 0.5], name=name)], Span(0.0, 4.0), Span(0.0, 1.0))
    assert all(strip.cell_length == 60 for strip in strips)
    assert all(len(row) == 53 for row in plot_of(strips))


def test_many_curves_are_listed_beside_a_wide_chart() -> None:
    curves = [curve([float(n)], name=f"layer{n}") for n in range(12)]
    strips = drawn(curves, Span(0.0, 1.0), Span(0.0, 12.0), width=100, height=20)
    assert all(f"layer{n}" in strips[n + 1].text for n in range(12))
    assert "layer1" not in strips[0].text and all(strip.cell_length == 100 for strip in strips)
    assert "and 3 more" in listed(curves, None, 26, 10, DARK)[-1].text


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.one_of(st.floats(-5, 5), st.just(NAN), st.just(math.inf)), min_size=1, max_size=30),
    st.integers(1, 120),
    st.integers(0, 30),
    st.integers(1, 5),
    st.booleans(),
)
def test_a_chart_with_everything_in_it_keeps_to_its_space(
    ys: list[float], width: int, height: int, count: int, log: bool
) -> None:
    extents = [bucket(n, n, -1, 0, 1) for n in range(len(ys))]
    made = curve_of("a", DARK.test, extents, View(band=True, smoothing=0.6), steps_per_epoch=1, start=0.0)
    curves = [curve(ys, name=f"curve {n}", raw=tuple(ys), band=made.band, broken=(1.0,)) for n in range(count)]
    marks = Marks(1.0, 1, (Reading(1.0),) * count, (Happening(2.0, "●", DARK.muted),), (3.0, 1.0))
    strips = draw_chart(
        "loss", "1", curves, x=Span(0.5, 20.0, log), y=Span(0.1, 2.0, log), view=View(log=log), width=width,
        height=height, palette=DARK, marks=marks, notes=("smooth 0.6", "log"),
    )  # fmt: skip
    assert len(strips) <= max(1, height) and all(strip.cell_length == width for strip in strips)


def test_a_ruler_says_when_a_step_was() -> None:
    buckets = [bucket(1, 10, 0, 0, 0, when=110.0), bucket(11, 20, 0, 0, 0, when=130.0)]
    assert ruler("steps", 5, 100.0, buckets).place(15) == 15
    assert ruler("epochs", 5, 100.0, buckets).place(15) == 3
    elapsed = ruler("time", 5, 100.0, buckets)
    assert [elapsed.place(step) for step in (0, 10, 15, 20, 99)] == [0, 10, 20, 30, 30]
    assert ruler("clock", 5, 100.0, buckets).place(15) == 120
    assert elapsed.moment(15, 125.0) == 25 and ruler("steps", 5, 100.0, ()).moment(15, 125.0) == 15


@pytest.mark.parametrize("scale", ["steps", "epochs", "time", "clock"])
@given(low=st.floats(0, 1e7), wide=st.floats(0.01, 1e6), most=st.integers(2, 16))
def test_ticks_of_a_part_of_an_axis_are_inside_few_and_distinct(
    scale: Scale, low: float, wide: float, most: int
) -> None:
    marks = x_ticks(Span(low, low + wide), scale, most)
    assert len(marks) <= most + 1
    assert all(low - 1e-6 * wide <= value <= low + wide * (1 + 1e-6) for value, _ in marks)
    assert scale == "clock" or len({label for _, label in marks}) == len(marks)


def test_ticks_say_what_tells_them_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert [label for _, label in x_ticks(Span(123_400, 123_440), "steps", 5)] == [
        "123,400",
        "123,410",
        "123,420",
        "123,430",
        "123,440",
    ]
    assert [label for _, label in x_ticks(Span(0, 4600), "steps", 6)] == ["0", "1k", "2k", "3k", "4k"]
    assert [label for _, label in x_ticks(Span(5400, 5430), "time", 4)] == ["1:30:00", "1:30:10", "1:30:20", "1:30:30"]
    noon = 1_700_049_600.0
    assert [label for _, label in x_ticks(Span(noon, noon + 3600), "clock", 4)] == ["12:00", "12:30", "13:00"]
    assert [label for _, label in x_ticks(Span(noon + 50, noon + 270), "clock", 2)] == ["12:02", "12:04"]
    assert [label for _, label in x_ticks(Span(noon + 0.39, noon + 0.81), "clock", 3)] == [
        "12:00:00.4",
        "12:00:00.6",
        "12:00:00.8",
    ]
    assert [label for _, label in x_ticks(Span(noon + 0.94, noon + 1.06), "clock", 3)] == [
        "12:00:00.95",
        "12:00:01.00",
        "12:00:01.05",
    ]
    assert [label for _, label in x_ticks(Span(8.39, 8.41), "time", 3)] == ["8.39s", "8.40s", "8.41s"]
    assert [label for _, label in x_ticks(Span(64.8, 65.2), "time", 3)] == ["1:04.8", "1:05.0", "1:05.2"]
    assert [label for _, label in x_ticks(Span(3659.8, 3660.2), "time", 3)] == ["1:00:59.8", "1:01:00.0", "1:01:00.2"]
    assert [label for _, label in x_ticks(Span(1, 10_000, True), "steps", 6)] == ["1", "10", "100", "1k", "10k"]


def test_a_series_is_counted_in_its_unit() -> None:
    assert unit_of("system/memory") == unit_of("system/gpu_memory/3") == "bytes"
    assert unit_of("system/gpu/0") == "%" and unit_of("system/energy/cpu") == "J" and unit_of("time/data") == "share"
    assert unit_of("train/loss") == unit_of("lr") == unit_of("speed/samples_per_s") == unit_of("grad/norm/time") == ""


def test_a_narrow_logarithmic_axis_has_ticks_too() -> None:
    assert [label for _, label in x_ticks(Span(415, 585, True), "steps", 8)] == [
        "425",
        "450",
        "475",
        "500",
        "525",
        "550",
        "575",
    ]
    assert [label for _, label in x_ticks(Span(18, 25, True), "epochs", 8)] == [
        "18",
        "19",
        "20",
        "21",
        "22",
        "23",
        "24",
        "25",
    ]
    assert [label for _, label in ticks(Span(0.081, 0.089, True), 5)] == ["0.082", "0.084", "0.086", "0.088"]


# -- which series share a chart

SERIES = [
    "grad/norm",
    "lr",
    "system/cpu",
    "time/data",
    "time/forward",
    "train/accuracy",
    "train/loss",
    "val/loss",
    "grad/norm/hidden1",
    "grad/norm/head",
    "weight/norm/head",
]


def test_series_that_belong_together_share_a_chart() -> None:
    charts = plots(tuple(SERIES), Grid())
    assert [plot.title for plot in charts] == [
        "loss",
        "accuracy",
        "lr",
        "grad/norm",
        "weight/norm",
        "system/cpu",
        "time",
    ]
    assert charts[0] == Plot("loss", (("train", "train/loss"), ("val", "val/loss")))
    assert charts[3].series == (("all", "grad/norm"), ("hidden1", "grad/norm/hidden1"), ("head", "grad/norm/head"))
    apart = plots(tuple(SERIES), Grid(together=False))
    assert len(apart) == len(SERIES) and apart[0].title == "train/loss"


@given(st.integers(1, 40), st.booleans())
def test_every_series_that_is_shown_is_in_one_chart(layers: int, together: bool) -> None:
    every = [*SERIES, *(f"update/ratio/layer/{n}" for n in range(layers))]
    charts = plots(tuple(every), Grid(together=together))
    assert sorted(name for plot in charts for _, name in plot.series) == sorted(every)
    assert len({plot.title for plot in charts}) == len(charts)
    assert all(len(plot.series) <= 7 for plot in charts)


def test_a_filter_is_words_or_a_regular_expression() -> None:
    assert filtered(SERIES, "Norm HEAD") == ["grad/norm/head", "weight/norm/head"]
    assert filtered(SERIES, "/^(train|val)/") == ["train/accuracy", "train/loss", "val/loss"]
    assert filtered(SERIES, "") == SERIES and filtered(SERIES, "/(/") == []
    with pytest.raises(ValueError, match="no regular expression"):
        matcher("/(/")


def test_a_mark_of_its_own_goes_before_that_of_the_group() -> None:
    grid = with_marks(Grid(), SERIES, False, group="grad/norm/")
    assert not marked("grad/norm/later", grid) and marked("lr", grid)
    grid = with_marks(grid, ["grad/norm/head"], True)
    assert marked("grad/norm/head", grid) and not marked("grad/norm/hidden1", grid)
    assert "grad/norm/hidden1" not in visible(SERIES, grid)
    assert marked("grad/norm/hidden1", with_marks(grid, ["grad/norm/head"], True, group="grad/norm/"))


def test_the_group_of_a_layer_is_its_statistic_whatever_its_name_holds() -> None:
    assert group_of("grad/norm/block/0") == "grad/norm/" and group_of("train/loss") == "train/" and group_of("lr") == ""
