"""The gradient table's order and scrolling, its heat map, histograms, and the way through time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.strip import Strip

from tdl_tui.runs.records import HISTOGRAM_BINS, LAYER_COLUMNS, Matrix
from tdl_tui.widgets.axes import Span
from tdl_tui.widgets.distributions import Distribution, distribution, draw_distributions, shares, value_axis
from tdl_tui.widgets.gradients import (
    BY_NAME,
    COLUMNS,
    ORDERS,
    LayerTable,
    Looks,
    draw_gradients,
    fit_path,
    order,
    thinned,
    window,
)
from tdl_tui.widgets.heat import SHADES, draw_heat, in_sight, level, places, scale_of
from tdl_tui.widgets.palette import DARK, LIGHT
from tdl_tui.widgets.through_time import curves_through_time, draw_through_time, fading

widths, heights = st.integers(1, 200), st.integers(1, 60)
figure = st.floats(allow_nan=True, allow_infinity=True)


@dataclass(frozen=True)
class Taken:
    step: int
    rows: tuple[tuple[float, ...], ...]


def table_of(rows: list[tuple[float, ...]], names: list[str] | None = None) -> LayerTable:
    return LayerTable(tuple(names or [f"layer{i}" for i in range(len(rows))]), (Taken(5, tuple(rows)),), 10.0)


def text_of(strips: list[Strip]) -> str:
    return "\n".join(strip.text for strip in strips)


# -- order and scrolling


@given(
    st.lists(st.tuples(*[figure] * len(LAYER_COLUMNS)), min_size=1, max_size=30),
    st.sampled_from(ORDERS),
    st.booleans(),
)
def test_rows_are_sorted_and_none_is_lost(rows: list[tuple[float, ...]], by: str, turned: bool) -> None:
    found = order(table_of(rows), by, turned=turned)
    assert sorted(found) == list(range(len(rows)))
    if by in LAYER_COLUMNS:
        values = [rows[row][LAYER_COLUMNS.index(by)] for row in found]
        known = [value for value in values if not math.isnan(value)]
        assert known == sorted(known, reverse=not turned)
        assert all(map(math.isnan, values[len(known) :]))


def test_names_are_sorted_as_people_count() -> None:
    table = table_of([(1.0,)] * 4, ["layer10", "layer9", "conv", "layer1.bias"])
    assert [table.names[row] for row in order(table, BY_NAME)] == ["conv", "layer1.bias", "layer9", "layer10"]
    assert order(table, BY_NAME, turned=True) == tuple(reversed(order(table, BY_NAME)))
    assert order(table, "") == (0, 1, 2, 3) and order(table, "", turned=True) == (3, 2, 1, 0)


def test_equal_rows_stay_in_the_networks_order() -> None:
    assert order(table_of([(1.0,), (2.0,), (1.0,)]), "gradient_norm") == (1, 0, 2)


@given(st.integers(0, 500), st.integers(0, 499), st.integers(1, 500), st.integers(1, 80))
def test_the_chosen_row_is_in_sight_and_no_line_is_left_empty(top: int, place: int, count: int, lines: int) -> None:
    place = min(place, count - 1)
    first = window(top, place, count, lines)
    assert first <= place < first + lines
    assert 0 <= first <= max(0, count - lines)
    assert window(first, place, count, lines) == first  # it stays until it has to move
    if first != top and 0 <= top <= max(0, count - lines):
        assert place in (first, first + lines - 1)  # and moves no farther than it has to


@given(st.integers(1, 400), st.integers(0, 399), widths, heights, st.sampled_from(ORDERS))
def test_a_long_table_keeps_to_its_space(count: int, top: int, width: int, height: int, by: str) -> None:
    table = table_of([(0.1 * i, 1.0, 1e-3, 0.5, 0.5, 0.5, 0.1) for i in range(count)])
    strips = draw_gradients(table, width, height, DARK, Looks(order(table, by), top, by, False, count - 1))
    assert 1 <= len(strips) <= height and all(strip.cell_length == width for strip in strips)


def test_the_column_that_rows_are_sorted_by_is_shown_and_marked() -> None:
    table = table_of([(0.1, 1.0, 1e-3, 0.0, 1.0, 0.25, 0.75), (0.2, 2.0, 1e-3, 0.0, 1.0, 0.5, 0.5)])
    rows = order(table, "saturated_share")
    head, first, second = draw_gradients(table, 44, 3, DARK, Looks(rows, 0, "saturated_share"))
    assert "▾satur." in head.text and "75.0 %" in first.text and "50.0 %" in second.text
    assert "▴satur." in draw_gradients(table, 44, 3, DARK, Looks(rows, 0, "saturated_share", True))[0].text
    assert "satur" not in draw_gradients(table, 44, 3, DARK)[0].text


@pytest.mark.parametrize("chosen", [None, 0])
def test_beside_a_row_on_a_wide_screen_is_nothing(chosen: int | None) -> None:
    table = table_of([(0.1, 1.0, 1e-3, 0.0, 1.0, 0.25, 0.75)])
    for strip in draw_gradients(table, 200, 3, DARK, Looks((0,), 0, chosen=chosen)):
        assert strip.cell_length == 200 and "…" not in strip.text


@given(st.text("ab.1é日", max_size=40), st.integers(0, 30))
def test_a_long_name_is_shortened_and_keeps_its_end(name: str, width: int) -> None:
    found = fit_path(name, width)
    assert cell_len(found) == width
    if cell_len(name) <= width:
        assert found.rstrip() == name
    elif width and "…" not in found:
        pairs = list(zip(found.rstrip().split("."), name.split("."), strict=True))
        assert all(short[:1] == part[:1] and len(short) <= len(part) for short, part in pairs)


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (18, "s1.block12.conv2  "),
        (12, "s1.b12.conv2"),
        (11, "s1.b12.c2  "),
        (6, "…12.c2"),
    ],
)
def test_the_letter_and_the_number_of_a_part_stay(width: int, shown: str) -> None:
    assert fit_path("stage1.block12.conv2", width) == shown


def test_saturation_is_left_out_where_no_layer_can_be() -> None:
    table = table_of([(0.1, 1.0, 1e-3, 0.0, 1.0, 0.25, math.nan)])
    assert [column.name for column in table.columns()] == [column.name for column in COLUMNS[:-1]]
    assert "satur" not in draw_gradients(table, 160, 3, DARK)[0].text


def test_parameters_have_three_columns() -> None:
    table = LayerTable(("fc.weight",), (Taken(1, ((0.1, 1.0, 1e-3),)),), 10.0, what="parameter")
    text = text_of(draw_gradients(table, 160, 3, DARK))
    assert "parameter" in text and "update" in text and "dead" not in text


def test_many_dead_units_are_marked() -> None:
    table = table_of([(0.1, 1.0, 1e-3, 0.0, 1.0, 0.5, 0.1)])
    row = draw_gradients(table, 160, 2, DARK)[1]
    colors = {
        segment.text.strip(): segment.style.color.name for segment in row if segment.style and segment.style.color
    }
    assert (colors["50.0 %"], colors["10.0 %"]) == (DARK.caution, DARK.muted)


@given(st.integers(0, 2000), st.integers(1, 300))
def test_a_long_history_is_thinned_to_the_same_samples_for_long(count: int, most: int) -> None:
    found = list(thinned(range(count), most))
    assert found == sorted(set(found)) and len(found) <= most + 1
    if count:
        assert found[0] == 0 and found[-1] == count - 1
    later = list(thinned(range(count + 1), most))
    if count > 2 and later[1] == found[1]:  # it was not thinned further
        assert set(found[:-1]) <= set(later)


# -- heat maps


@given(st.lists(st.floats(0, 100), max_size=200).map(sorted), st.floats(0, 90), st.integers(1, 50))
def test_only_what_is_in_sight_is_looked_at(xs: list[float], low: float, most: int) -> None:
    x = Span(low, low + 10)
    found = in_sight(xs, x, most)
    assert len(found) <= most + 1
    every = in_sight(xs, x, len(xs) + 1)
    assert set(found) <= set(every)
    assert {i for i, place in enumerate(xs) if low <= place <= low + 10} <= set(every)
    assert len(every) <= sum(low <= place <= low + 10 for place in xs) + 2


@given(st.lists(st.floats(0, 100), max_size=60).map(sorted), st.integers(1, 80), st.floats(0, 90))
def test_every_place_has_its_column_and_gaps_hold_what_was(xs: list[float], columns: int, low: float) -> None:
    found = places(xs, Span(low, low + 10), columns)
    inside = [i for i, x in enumerate(xs) if low <= x <= low + 10]
    assert len(found) == columns
    assert set(inside) <= {i for column in found for i in column}
    flat = [i for column in found for i in column]
    assert flat == sorted(flat)
    filled = [bool(column) for column in found]
    if inside or any(x < low for x in xs):
        start = filled.index(True) if any(filled) else len(filled)
        end = len(filled) - 1 - filled[::-1].index(True) if any(filled) else -1
        assert all(filled[start : end + 1])


@pytest.mark.parametrize("palette", [DARK, LIGHT])
def test_larger_norms_have_denser_shades(palette: object) -> None:
    scale = scale_of([1e-4, 1.0], log=True)
    assert (scale.low, scale.high) == (1e-4, 1.0)
    strips = draw_heat(
        ["small", "large"],
        [[1.1e-4, 1.1e-4], [0.9, 0.9]],
        [0.0, 10.0],
        x=Span(0, 10),
        along="steps",
        scale=scale,
        width=40,
        height=3,
        palette=DARK if palette is DARK else LIGHT,
        cursor=5.0,
    )
    assert set(strips[0].text.split("│")[1]) == {SHADES[0]}
    assert set(strips[1].text.split("│")[1]) == {SHADES[-1]}
    left, right = strips[2].text.split("▲")
    assert abs(len(left) - len("small │") - (40 - len("small │")) / 2) <= 1 and right


def test_what_is_not_finite_is_a_cross_and_what_is_not_known_is_blank() -> None:
    scale = scale_of([1.0, 10.0, math.inf, math.nan], log=True)
    assert math.isnan(level([math.inf, 1.0], scale) or 0.0)
    assert level([math.nan], scale) is None
    assert level([0.0], scale) == 0.0
    assert level([1.0, 100.0], Span(1.0, 100.0, True)) == pytest.approx(0.5)
    assert level([-1.0, 1.0], scale_of([-0.7, 1.0], log=False)) == 0.5


@given(st.lists(figure, max_size=20), st.booleans())
@example([5e-324], False)
@example([5e-324], True)
@example([1e-290], True)
def test_a_scale_covers_what_is_finite(values: list[float], log: bool) -> None:
    values = [value for value in values if abs(value) < 1e200 or not math.isfinite(value)]
    scale = scale_of(values, log=log)
    assert scale.low < scale.high
    for value in values:
        if math.isfinite(value) and (value or not log):
            assert scale.place(abs(value) if log else value) <= 1 + 1e-9


@given(st.integers(0, 40), widths, heights)
def test_a_heat_map_keeps_to_its_space(count: int, width: int, height: int) -> None:
    strips = draw_heat(
        [f"layer{i}" for i in range(count)],
        [[0.1 * i] * 3 for i in range(count)],
        [0.0, 4.0, 9.0],
        x=Span(0, 10),
        along="steps",
        scale=Span(1e-3, 1.0, True),
        width=width,
        height=height,
        palette=DARK,
        chosen=0,
    )
    assert len(strips) <= height and all(strip.cell_length == width for strip in strips)


# -- histograms


def histogram(values: list[float], step: int = 1) -> Matrix:
    array = numpy.array(values)
    counts, edges = numpy.histogram(array, HISTOGRAM_BINS)
    summary = [array.mean(), array.std(), *numpy.quantile(array, (0.05, 0.25, 0.5, 0.75, 0.95))]
    rest = [math.nan] * (HISTOGRAM_BINS + 1 - len(summary))
    rows = (edges.tolist(), [*map(float, counts), 0.0], [*map(float, summary), *rest])
    return Matrix("histogram/weight/fc", step, float(step), tuple(map(tuple, rows)))


def known(matrix: Matrix) -> Distribution:
    found = distribution(matrix)
    assert found is not None
    return found


NORMAL = numpy.random.default_rng(0).normal(0.5, 2.0, 4000).tolist()


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=50), st.integers(1, 40))
def test_all_values_find_a_row(values: list[float], rows: int) -> None:
    one = known(histogram(values))
    edges = value_axis([one]).edges(rows)
    assert edges == sorted(edges)
    found = shares(one, edges)
    assert len(found) == rows and all(share >= -1e-9 for share in found)
    assert sum(found) == pytest.approx(1.0, abs=1e-6)


def test_shares_are_those_of_the_values() -> None:
    found = shares(known(histogram(NORMAL)), [-1.5, 0.5, 2.5])
    array = numpy.array(NORMAL)
    assert found == pytest.approx(
        [numpy.mean((array >= a) & (array < b)) for a, b in ((-1.5, 0.5), (0.5, 2.5))], abs=0.01
    )


def test_a_moment_is_told_in_numbers() -> None:
    history = [known(histogram(NORMAL, step)) for step in (1, 50, 100)]
    options = {"x": Span(0, 100), "along": "steps", "height": 20, "palette": DARK, "cursor": 50.0}
    strips = draw_distributions(history, history[1], [1.0, 50.0, 100.0], width=120, **options)  # type: ignore[arg-type]
    text = text_of(strips)
    one = history[1]
    for word in ("mean", f"{one.mean:.3g}", "deviation", f"{one.deviation:.3g}", "5 %", "50 %", "95 %", "▲"):
        assert word in text
    narrow = draw_distributions(history, history[1], [1.0, 50.0, 100.0], width=44, **options)[-1].text  # type: ignore[arg-type]
    assert "mean" in narrow and "50 %" in narrow and "…" not in narrow


def test_values_that_are_not_finite_are_said() -> None:
    edges, _, summary = histogram(NORMAL).rows
    ill = Matrix("h", 1, 1.0, (edges, (1.0,) * HISTOGRAM_BINS + (7.0,), summary))
    none = Matrix("h", 1, 1.0, ((math.nan,) * 33, (0.0,) * 32 + (9.0,), (math.nan,) * 33))
    for matrix, said in ((ill, "7 not finite"), (none, "none of 9 values is finite")):
        one = known(matrix)
        strips = draw_distributions([one], one, [1.0], x=Span(0, 10), along="steps", width=100, height=12, palette=DARK)
        assert said in text_of(strips)
    assert distribution(Matrix("h", 1, 1.0, ((1.0, 2.0),))) is None


@given(widths, heights, st.integers(0, 5))
def test_histograms_keep_to_their_space(width: int, height: int, count: int) -> None:
    history = [known(histogram(NORMAL[: 100 * (n + 1)], n)) for n in range(count)]
    now = history[-1] if history else None
    xs = list(map(float, range(count)))
    strips = draw_distributions(
        history, now, xs, x=Span(0, 10), along="steps", width=width, height=height, palette=DARK
    )
    assert len(strips) <= height and all(strip.cell_length == width for strip in strips)


# -- through time


def test_curves_go_by_the_distance_from_the_loss() -> None:
    lstm = Matrix("through_time/l0", 7, 0.0, ((1e-3, 1e-2, 1e-1), (0.1, 0.2, 0.4)))
    back = Matrix("through_time/l0_reverse", 7, 0.0, ((1.0, 0.5, 0.25),))
    h, c, reverse = curves_through_time([lstm, back], DARK.curves)
    assert [h.name, c.name, reverse.name] == ["h l0", "c l0", "h l0 ←"]
    assert h.x == (0.0, 1.0, 2.0) and h.y == (1e-1, 1e-2, 1e-3)
    assert reverse.y == (1.0, 0.5, 0.25)
    assert fading(h.y) == pytest.approx(1e-2) and math.isnan(fading((0.0,)))
    text = text_of(draw_through_time([lstm, back], "through time", "4", 120, 20, DARK, chosen=True))
    assert "h l0" in text and "×0.0100" in text and "at step 7" in text


@given(widths, heights)
def test_the_way_through_time_keeps_to_its_space(width: int, height: int) -> None:
    matrix = Matrix("through_time/l0", 7, 0.0, ((0.0,) * 3 + (1e-30, 1.0),))
    strips = draw_through_time([matrix], "through time", "4", width, height, DARK, chosen=False)
    assert len(strips) <= height and all(strip.cell_length == width for strip in strips)
