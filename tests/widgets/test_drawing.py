"""The pure functions behind the panels: exact widths, honest figures, marks that do not rest on colour."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise, product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.style import Style

from tdl_tui.runs.records import Bucket, Event, LayerSample, Probe, Progress, State, Summary
from tdl_tui.runs.text import printable
from tdl_tui.widgets import numbers
from tdl_tui.widgets.axes import Span, covering, growing, ticks, x_ticks
from tdl_tui.widgets.bars import ClassBars, Prediction, bar, chosen_rows, draw_classes, draw_predictions, softmax
from tdl_tui.widgets.braille import Dot, dotted, raster
from tdl_tui.widgets.chart import draw_chart
from tdl_tui.widgets.chart_view import View
from tdl_tui.widgets.curves import Curve, curve_of, smooth, y_span
from tdl_tui.widgets.events import draw_events
from tdl_tui.widgets.gradients import Health, LayerTable, draw_gradients, health
from tdl_tui.widgets.header import Moment, draw_header, joined, said_of_state, seconds_left
from tdl_tui.widgets.lines import beside, fit, line
from tdl_tui.widgets.palette import DARK, LIGHT, PALETTES
from tdl_tui.widgets.picture import draw_picture, draw_row, draw_trace, picture_size, resample
from tdl_tui.widgets.sparkline import sparkline
from tdl_tui.widgets.text import draw_node, draw_text, spelled, visible, wrapped

widths = st.integers(1, 120)
heights = st.integers(1, 40)
finite = st.floats(-1e12, 1e12)
anything = st.floats(allow_nan=True, allow_infinity=True)
texts = st.text(alphabet=string.ascii_letters + "äß語한🙂 ", max_size=30)


@given(texts, widths, st.sampled_from(["left", "right", "center"]))
def test_fitted_text_is_exactly_as_wide_as_asked(text: str, width: int, align: str) -> None:
    assert cell_len(fit(text, width, align)) == width


@given(st.lists(texts, max_size=6), widths)
def test_a_line_is_exactly_as_wide_as_asked(pieces: list[str], width: int) -> None:
    strip = line([(piece, Style()) for piece in pieces], width)
    assert strip.cell_length == cell_len(strip.text) == width


@given(st.lists(st.text(max_size=30), max_size=6), widths)
def test_a_line_of_any_text_fills_its_cells_and_steers_nothing(pieces: list[str], width: int) -> None:
    strip = line([(piece, Style()) for piece in pieces], width)
    assert strip.cell_length == width
    assert strip.text == printable(strip.text)


def test_items_that_fill_a_line_are_not_cut() -> None:
    item = [("123456789", Style())]
    assert joined([item, item], 23).text == " 123456789   123456789 "
    assert joined([item, item], 22).text.rstrip() == " 123456789"


@given(anything, widths)
def test_a_bar_never_leaves_its_cells(share: float, width: int) -> None:
    assert cell_len(bar(share, width)) == width


@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 60))
def test_a_longer_bar_means_more(a: float, b: float, width: int) -> None:
    def filled(share: float) -> float:
        return sum(8 if c == "█" else " ▏▎▍▌▋▊▉".index(c) for c in bar(share, width))

    assert (filled(a) <= filled(b)) or a > b
    assert filled(a) == pytest.approx(a * width * 8, abs=0.5 + 1e-6)


@given(st.lists(st.floats(-700, 700), min_size=1, max_size=20))
def test_softmax_is_a_distribution_in_the_order_of_the_logits(logits: list[float]) -> None:
    shares = softmax(logits)
    assert sum(shares) == pytest.approx(1)
    assert max(range(len(logits)), key=shares.__getitem__) in [
        i for i, z in enumerate(logits) if math.isclose(z, max(logits), abs_tol=1e-9)
    ]


def test_softmax_of_what_is_not_a_number_says_so() -> None:
    assert all(math.isnan(share) for share in softmax([1.0, math.nan]))
    assert all(math.isnan(share) for share in softmax([1.0, math.inf]))


@given(st.lists(anything, min_size=1, max_size=120), st.integers(0, 119), widths, heights, st.booleans())
def test_class_bars_keep_to_their_space(logits: list[float], target: int, width: int, height: int, raw: bool) -> None:
    bars = ClassBars(tuple(logits), target % len(logits), ())
    strips = draw_classes(bars, raw, width, height, DARK)
    assert len(strips) <= height
    assert all(strip.cell_length == width for strip in strips)


def test_target_and_prediction_are_marked_by_signs() -> None:
    wrong = draw_classes(ClassBars((0.0, 3.0, 1.0), 2, ("a", "b", "c")), False, 40, 3, DARK)
    assert [strip.text[0] for strip in wrong] == [" ", "▶", "◆"]
    right = draw_classes(ClassBars((0.0, 3.0, 1.0), 1, ("a", "b", "c")), False, 40, 3, DARK)
    assert [strip.text[0] for strip in right] == [" ", "✔", " "]


@given(st.lists(finite, min_size=1, max_size=100), st.integers(0, 99), st.integers(1, 20))
def test_the_target_is_always_among_the_classes_shown(logits: list[float], target: int, rows: int) -> None:
    target %= len(logits)
    shown = chosen_rows(ClassBars(tuple(logits), target, ()), rows)
    assert target in shown and len(shown) == min(rows, len(logits)) == len(set(shown))


@given(
    st.lists(st.tuples(finite, anything), min_size=1, max_size=30), st.integers(0, 29), st.integers(30, 120), heights
)
def test_predictions_keep_to_their_space(
    pairs: list[tuple[float, float]], chosen: int, width: int, height: int
) -> None:
    predictions = [Prediction(*pair) for pair in pairs]
    strips = draw_predictions(predictions, chosen % len(pairs), width, height, DARK)
    assert len(strips) <= height and all(strip.cell_length == width for strip in strips)


@given(finite, finite, st.booleans())
def test_an_axis_covers_its_data(a: float, b: float, log: bool) -> None:
    if log:
        a, b = abs(a) + 1e-9, abs(b) + 1e-9
    low, high = min(a, b), max(a, b)
    span = covering(low, high, log=log)
    assert span.low < span.high
    assert span.place(low) >= -1e-6 and span.place(high) <= 1 + 1e-6


@given(st.floats(0.1, 1e6), st.floats(0.55, 1))
def test_an_axis_holds_still_while_the_data_fit(high: float, shrink: float) -> None:
    span = covering(0.0, high)
    assert covering(0.0, span.high * shrink, before=span) == span


@given(st.floats(1e-3, 1e9), st.floats(0, 1e9))
def test_a_growing_axis_has_room_and_ends_with_the_run(reached: float, whole: float) -> None:
    span = growing(reached, max(reached, whole))
    assert span.low == 0 and span.high >= reached * (1 - 1e-9)


def test_a_growing_axis_changes_seldom() -> None:
    ends = {growing(float(step), 100_000.0).high for step in range(1, 100_001, 100)}
    assert len(ends) < 40
    assert growing(95_000.0, 100_000.0).high == 100_000.0


@given(finite, st.floats(1e-6, 1e9), st.integers(1, 12))
def test_ticks_are_inside_few_and_distinct(low: float, extent: float, most: int) -> None:
    span = covering(low, low + max(extent, abs(low) * 1e-6))
    marks = ticks(span, most)
    assert len(marks) <= max(most, 1)
    assert all(-1e-6 <= span.place(value) <= 1 + 1e-6 for value, _ in marks)
    assert len({label for _, label in marks}) == len(marks)


@pytest.mark.parametrize("scale", ["steps", "epochs", "time"])
@given(end=st.floats(1, 1e7), most=st.integers(2, 16))
def test_horizontal_ticks_start_at_nought_and_are_few(scale: str, end: float, most: int) -> None:
    marks = x_ticks(Span(0.0, end), scale, most)  # type: ignore[arg-type]  # parametrized over the literals
    assert marks[0][0] == 0 and 1 <= len(marks) <= most + 1
    assert all(value <= end * (1 + 1e-6) for value, _ in marks)


@given(st.lists(st.floats(-1e6, 1e6), max_size=9), st.floats(1e-3, 1e3), st.floats(1.1, 1e6), st.booleans())
def test_many_values_lie_where_each_does(values: list[float], low: float, factor: float, log: bool) -> None:
    span = Span(low, low * factor, log)
    assert span.places(values) == [span.place(value) for value in values]


@given(st.lists(anything, max_size=60), st.floats(0.01, 0.99))
def test_smoothing_is_a_weighted_mean_of_what_came_before(values: list[float], keep: float) -> None:
    values = [v if abs(v) < 1e9 else math.nan for v in values]
    out = smooth(values, keep)
    past: list[float] = []
    for value, mean in zip(values, out, strict=True):
        if not math.isfinite(value):
            assert math.isnan(mean)
            continue
        past.append(value)
        weights = [keep ** (len(past) - 1 - i) for i in range(len(past))]
        expected = sum(w * v for w, v in zip(weights, past, strict=True)) / sum(weights)
        assert mean == pytest.approx(expected, rel=1e-6, abs=1e-3)


def test_no_smoothing_changes_nothing() -> None:
    assert smooth([1.0, 5.0], 0.0) == [1.0, 5.0]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.one_of(st.floats(0, 1), st.just(math.nan))), max_size=12), widths, heights
)
def test_a_line_stays_in_its_frame(points: list[tuple[float, float]], width: int, height: int) -> None:
    cells = _drawn(sorted(points), width, height)
    assert all(0 <= row < height and 0 <= column < width for row, column in cells)
    assert all(0x2800 < code <= 0x28FF for code in cells.values())


def test_a_line_is_drawn_where_its_points_are() -> None:
    cells = _drawn([(0.0, 0.0), (1.0, 1.0)], 20, 10)
    assert {(0, 19), (9, 0)} <= cells.keys() and not {(0, 0), (9, 19)} & cells.keys()


def test_every_dot_lies_where_its_point_is() -> None:
    codes = {(0, 0): 0x40, (1, 0): 0x80, (0, 1): 4, (1, 1): 0x20, (0, 2): 2, (1, 2): 0x10, (0, 3): 1, (1, 3): 8}
    for x in range(14):
        for y in range(20):
            expected = {(4 - y // 4, x // 2): 0x2800 + codes[x % 2, y % 4]}
            assert _drawn([(x / 13, y / 19)], 7, 5) == expected


def test_a_grown_line_keeps_what_was_drawn() -> None:
    points = [(i / 99, 0.5 + 0.4 * math.sin(i / 9)) for i in range(100)]
    before, after = _drawn(points[:65], 60, 12), _drawn(points, 60, 12)
    assert {cell: code for cell, code in before.items() if cell[1] < 38} == {
        cell: code for cell, code in after.items() if cell[1] < 38
    }


@given(st.lists(st.tuples(st.integers(0, 39), st.integers(0, 39)), min_size=1, max_size=20))
def test_a_stroke_has_the_dots_nearest_to_the_straight_line(dots: list[tuple[int, int]]) -> None:
    drawn = _dots(_drawn([(x / 39, y / 39) for x, y in dots], 20, 10), 10)
    exact = set()
    for (x, y), (then_x, then_y) in pairwise(dots if len(dots) > 1 else dots * 2):
        steps = max(abs(then_x - x), abs(then_y - y), 1)
        ways = [Fraction(n, steps) for n in range(steps + 1)]
        exact |= {(x + way * (then_x - x), y + way * (then_y - y)) for way in ways}
    nearest = [set(product(_whole(x), _whole(y))) for x, y in exact]
    assert drawn >= set(dots)
    assert all(drawn & near for near in nearest)
    assert drawn <= set().union(*nearest)


def _whole(number: Fraction) -> set[int]:
    """The whole numbers that are nearest to it: two where it lies between them."""
    half = Fraction(1, 2)
    return {math.ceil(number - half), math.floor(number + half)}


def _dots(cells: dict[tuple[int, int], int], height: int) -> set[Dot]:
    """The dots of braille's characters: Unicode numbers them down the left column, down the right, then below."""
    places = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
    return {
        (2 * column + right, 4 * (height - row) - 1 - down)
        for (row, column), code in cells.items()
        for bit, (right, down) in enumerate(places)
        if code >> bit & 1
    }


def _drawn(points: Sequence[tuple[float, float]], width: int, height: int) -> dict[tuple[int, int], int]:
    return raster(dotted([x for x, _ in points], [y for _, y in points], width, height), height)


def _curve(name: str, ys: list[float]) -> Curve:
    return Curve(name, DARK.train, tuple(float(i) for i in range(len(ys))), tuple(ys), ys[-1] if ys else math.nan)


@settings(max_examples=30, deadline=None)
@given(st.lists(anything, max_size=20), st.integers(1, 100), heights, st.booleans())
def test_a_chart_keeps_to_its_space(ys: list[float], width: int, height: int, log: bool) -> None:
    ys = [y if math.isnan(y) or abs(y) < 1e12 else math.inf for y in ys]
    curves = [_curve("train", ys), _curve("val", [])]
    view = View(log=log)
    strips = draw_chart(
        "loss",
        "1",
        curves,
        x=growing(20.0),
        y=y_span(curves, log),
        view=view,
        width=width,
        height=height,
        palette=LIGHT,
    )
    assert len(strips) <= height
    assert all(strip.cell_length == width for strip in strips)


def test_what_is_not_finite_is_marked_on_the_chart() -> None:
    curves = [_curve("train", [2.0, 1.0, math.nan])]
    strips = draw_chart(
        "loss", "1", curves, x=growing(3.0), y=y_span(curves, False), view=View(), width=40, height=8, palette=DARK
    )
    assert "×" in "".join(strip.text for strip in strips)


def test_a_curve_takes_means_and_leaves_gaps() -> None:
    buckets = [Bucket(1, 10, 100.0, 1, 3, 2.0, 10, 0), Bucket(11, 20, 110.0, math.nan, math.nan, math.nan, 0, 10)]
    curve = curve_of("train", "#fff", buckets, View(scale="time"), steps_per_epoch=5, start=90.0)
    assert curve.x == (10.0, 20.0) and curve.y[0] == 2.0 and math.isnan(curve.y[1])
    epochs = curve_of("train", "#fff", buckets, View(scale="epochs"), steps_per_epoch=5, start=90.0)
    assert epochs.x == (1.1, 3.1)


@given(st.lists(st.tuples(st.floats(0, 100), anything), max_size=40), st.integers(0, 60), st.booleans())
def test_a_sparkline_is_as_wide_as_asked(points: list[tuple[float, float]], width: int, log: bool) -> None:
    assert len(sparkline(sorted(points, key=lambda p: p[0]), width, 100.0, log=log)) == width


def test_a_sparkline_rises_with_its_values_and_marks_what_is_not_finite() -> None:
    assert sparkline([(0.0, 1e-4), (1.0, 1e-2), (2.0, 1.0), (3.0, math.inf)], 4, 4.0, log=True) == "▁▅█×"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ((0.1, 1.0, 1e-3), Health.GOOD),
        ((0.1, 1.0, 1e-6), Health.LOW),
        ((0.1, 1.0, 0.5), Health.HIGH),
        ((math.nan, 1.0, 1e-3), Health.GOOD),
        ((math.nan, 1.0, math.nan), Health.ILL),
        ((math.inf, 1.0, 1e-3), Health.ILL),
        ((0.1, math.inf, 1e-3), Health.ILL),
        ((0.1, 0.0, math.nan), Health.UNKNOWN),
    ],
)
def test_health_is_judged_by_the_update_ratio(row: tuple[float, float, float], expected: Health) -> None:
    assert health(*row) is expected


@given(st.integers(1, 30), st.integers(0, 5), widths, heights)
def test_the_gradient_table_keeps_to_its_space(layers: int, samples: int, width: int, height: int) -> None:
    rows = tuple((0.1 * i, 1.0, 1e-3, math.nan, math.nan, 0.5) for i in range(layers))
    table = LayerTable(
        tuple(f"layer.{i}" for i in range(layers)),
        tuple(LayerSample(s + 1, float(s), rows) for s in range(samples)),
        10.0,
    )
    strips = draw_gradients(table, width, height, DARK)
    assert len(strips) <= height and all(strip.cell_length == width for strip in strips)


def test_a_wide_gradient_table_says_its_marks_in_words() -> None:
    table = LayerTable(("dense",), (LayerSample(1, 0.0, ((0.1, 1.0, 0.5, 0.0, 1.0, 0.25),)),), 10.0)
    text = "\n".join(strip.text for strip in draw_gradients(table, 120, 5, DARK))
    assert "↑ high" in text and "dead" in text and "25.0 %" in text


@given(
    st.tuples(st.sampled_from([1, 3]), st.integers(1, 64), st.integers(1, 64)), st.integers(1, 80), st.integers(1, 40)
)
def test_a_picture_fits_and_keeps_its_proportions(shape: tuple[int, int, int], width: int, height: int) -> None:
    columns, rows = picture_size(shape, width, height)
    assert 1 <= columns <= width and 1 <= rows <= 2 * height
    if width >= shape[2] and 2 * height >= shape[1]:
        assert columns * shape[1] == rows * shape[2]


def test_resampling_keeps_the_mean_of_whole_blocks() -> None:
    plane = [float(i) for i in range(16)]
    assert resample(plane, (4, 4), (2, 2)) == [2.5, 4.5, 10.5, 12.5]
    assert resample(plane, (4, 4), (4, 4)) == plane


def test_a_picture_shows_two_pixels_a_cell() -> None:
    probe = Probe(0, "image", (1, 2, 2), (0.0, 1.0, 1.0, 0.0), 0.0)
    (strip,) = draw_picture(probe, 2, 1)
    first = next(iter(strip))
    assert strip.cell_length == 2 and first.style is not None
    assert first.style.color is not None and first.style.color.get_truecolor() == (0, 0, 0)
    assert first.style.bgcolor is not None and first.style.bgcolor.get_truecolor() == (255, 255, 255)
    assert draw_picture(probe, 2, 1, True)[0].text.strip("░▒▓█ ") == ""


def test_traces_and_rows_keep_to_their_space() -> None:
    sequence = Probe(0, "sequence", (40, 1), tuple(math.sin(t / 3) for t in range(40)), 0.0)
    assert [s.cell_length for s in draw_trace(sequence, 20, 5, DARK)] == [20] * 5
    table = Probe(0, "table", (13,), tuple(float(i) for i in range(13)), 0.0)
    rows = draw_row(table, ("alcohol",), 20, 6, DARK)
    assert len(rows) == 6 and all(s.cell_length == 20 for s in rows)
    assert "alcohol" in rows[0].text and "and 8 more" in rows[-1].text


@given(st.lists(st.tuples(st.integers(0, 10**9), st.text(max_size=80)), max_size=8), widths, heights)
def test_events_keep_to_their_space(happened: list[tuple[int, str]], width: int, height: int) -> None:
    events = [Event(i, 1e9, step, "state", text) for i, (step, text) in enumerate(happened)]
    strips = draw_events(events, width, height, DARK)
    assert len(strips) <= height and all(strip.cell_length == width for strip in strips)


def test_events_that_a_roll_back_has_undone_stand_back_and_say_so() -> None:
    happened = ((400, "diagnosis", {}), (900, "diagnosis", {}), (400, "command", {"verb": "rollback"}))
    events = [Event(i, 1e9, step, kind, "text", data) for i, (step, kind, data) in enumerate(happened)]
    held, gone, back = draw_events(events, 60, 3, DARK)
    assert "undone · text" in gone.text and "undone" not in held.text + back.text
    last = list(gone)[-2].style
    assert last is not None and last.color is not None and last.color.name == DARK.faint


def _summary(state: State, **more: object) -> Summary:
    facts: dict[str, object] = {"id": "abc", "name": "mlp", "state": state, "created": 0.0, "changed": 0.0}
    return Summary(**facts | more)  # type: ignore[arg-type]  # facts by name


@pytest.mark.parametrize("state", list(State))
@given(width=widths)
def test_the_header_keeps_to_its_space(state: State, width: int) -> None:
    summary = _summary(state, progress=Progress(50, 1, 100, 50, 5.0), device="cpu", test={"loss": 0.1})
    strips = draw_header(summary, "mlp on digits", {"lr": 1e-3, "system/memory": 1e8}, width, DARK)
    assert [strip.cell_length for strip in strips] == [width, width]


def test_the_header_says_which_moment_is_looked_at() -> None:
    summary = _summary(State.FINISHED, progress=Progress(4600, 20, 4600, 230, 46.0), device="cpu", test={"loss": 0.1})
    latest = {"lr": 1e-3, "speed/samples_per_s": 12345.0}
    at = Moment(1234, 4600, 12.3)
    first, second = (strip.text for strip in draw_header(summary, "mlp", latest, 100, DARK, moment=at))
    assert second.startswith(" ◂ at step 1,234 of 4,600 · epoch  6 · 12 s   12.3k samples/s   lr 0.001")
    assert "4,600/4,600" in first and "cpu" not in second and "test" not in second
    playing = draw_header(summary, "mlp", latest, 100, DARK, moment=Moment(230, 4600, playing=True))[1].text
    assert playing.startswith(" ▸ at step   230 of 4,600 · epoch  1   ")


def test_the_time_left_follows_the_speed_so_far() -> None:
    assert seconds_left(_summary(State.RUNNING, progress=Progress(25, 1, 100, 50, 5.0))) == pytest.approx(15)
    assert math.isnan(seconds_left(_summary(State.STARTING)))


@pytest.mark.parametrize(
    ("summary", "words"),
    [
        (_summary(State.FAILED, message="loss became nan at step 7"), "loss became nan at step 7"),
        (_summary(State.LOST), "r goes on"),
        (_summary(State.ELSEWHERE, host="box"), "on box"),
        (_summary(State.STARTING), "are being loaded"),
        (_summary(State.LOST, damage="run.db is damaged"), "run.db is damaged"),
        (_summary(State.RUNNING), ""),
    ],
)
def test_what_a_state_means_is_said_in_words(summary: Summary, words: str) -> None:
    assert words in said_of_state(summary)
    assert words or not said_of_state(summary)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (numbers.real(0.012345), "0.0123"),
        (numbers.real(999.7), "1000"),
        (numbers.real(0.0000123), "1.23e-5"),
        (numbers.real(math.nan), "nan"),
        (numbers.scientific(0.00123), "1.2e-3"),
        (numbers.scientific(-9.96e-11), "-1e-10"),
        (numbers.brief(0.001), "0.001"),
        (numbers.brief(3e-4), "3e-4"),
        (numbers.count(12345), "12.3k"),
        (numbers.count(999), "999"),
        (numbers.duration(0.42), "0.4 s"),
        (numbers.duration(185), "3:05"),
        (numbers.duration(7384), "2:03:04"),
        (numbers.duration(math.nan), "–"),
        (numbers.size(12.3 * 2**20), "12.3 MiB"),
        (numbers.percent(0.975), "97.5 %"),
        (numbers.percent(1.0), "100 %"),
    ],
)
def test_numbers_are_said_as_people_say_them(written: str, expected: str) -> None:
    assert written == expected


@given(anything)
def test_no_number_breaks_its_column(value: float) -> None:
    assert len(numbers.scientific(value)) <= 7
    assert len(numbers.norm(abs(value))) <= 7


def test_beside_sets_columns_of_unequal_height() -> None:
    rows = beside([([line([("a", Style())], 3)], 3), ([], 2), ([line([("b", Style())], 1)] * 2, 1)], 2)
    assert [row.text for row in rows] == ["a    b", "     b"]


def _contrast(a: str, b: str) -> float:
    def luminance(color: str) -> float:
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(a), luminance(b)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("name", sorted(PALETTES))
def test_words_can_be_read_on_their_ground(name: str) -> None:
    palette = PALETTES[name]
    assert _contrast(palette.text, palette.ground) > 10
    for color in ("muted", "accent", "good", "caution", "bad", "train", "validation", "target", "predicted"):
        assert _contrast(getattr(palette, color), palette.ground) > 4.4, color


def test_updates_of_a_learning_rate_of_0_are_not_called_low() -> None:
    sample = LayerSample(8, 0.0, ((0.1, 1.0, 0.0, math.nan, math.nan, math.nan),))

    def drawn(rested: bool) -> str:
        return draw_gradients(LayerTable(("head",), (sample,), 10.0, rested), 90, 4, DARK)[1].text

    assert "low" in drawn(False) and "low" not in drawn(True)


LETTERS = tuple("\n !abcdefghijklmnopqrstuvwxyz")


def test_blanks_among_classes_can_be_seen_and_names_stay_as_they_are() -> None:
    assert [visible(name) for name in (" ", "\n", "\t", "", "breast cancer", "a")] == [
        "␣",
        "↵",
        "⇥",
        "∅",
        "breast cancer",
        "a",
    ]
    logits = tuple(float(-index) for index in range(len(LETTERS)))
    drawn = "\n".join(strip.text for strip in draw_classes(ClassBars(logits, 1, LETTERS), False, 30, 5, DARK))
    assert "▶ ↵" in drawn and "◆ ␣" in drawn


def test_words_are_set_apart_and_characters_are_not() -> None:
    assert spelled((1.0, 0.0), ("world", "hello", "<unknown>")) == "hello world"
    assert spelled((3.0, 4.0, 0.0), LETTERS) == "ab\n"
    assert spelled((99.0, -1.0), LETTERS) == "��"


@given(st.text(alphabet="ab \n語", max_size=80), st.integers(2, 30))
def test_a_wrapped_text_keeps_every_character(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert "".join(lines) == text.replace("\n", "↵")
    assert all(cell_len(part) <= width for part in lines)


@given(st.lists(st.integers(0, len(LETTERS) - 1), min_size=1, max_size=300), widths, st.integers(0, 12))
@example([0, 2], 6, 1)
def test_the_end_of_a_text_is_in_sight(tokens: list[int], width: int, height: int) -> None:
    numbers = [float(token) for token in tokens]
    strips = draw_text(numbers, LETTERS, width, height, DARK, following="x")
    assert len(strips) <= height and all(strip.cell_length == width for strip in strips)
    if height and width >= 6:
        shown = "".join(strip.text.rstrip() for strip in strips)
        assert shown.endswith("▏x")
        last = LETTERS[tokens[-1]]
        assert last in strips[-1].text or last == "\n"


def test_a_text_that_is_cut_says_so() -> None:
    tokens = [float(LETTERS.index(c)) for c in "the quick brown fox jumps"]
    (only,) = draw_text(tokens, LETTERS, 12, 1, DARK)
    assert only.text.startswith("…") and only.text.rstrip().endswith("mps▏")
    whole = draw_text(tokens, LETTERS, 40, 4, DARK)
    assert whole[0].text.rstrip() == "the quick brown fox jumps▏"


def test_a_node_is_named_by_its_number() -> None:
    assert draw_node(Probe(3, "graph", (1,), (17.0,), 1.0), 20, DARK)[0].text.rstrip() == "node 17"


@given(st.floats(-1e299, 1e299), st.floats(-1e299, 1e299), st.integers(34, 120))
def test_figures_beside_each_other_never_touch(target: float, predicted: float, width: int) -> None:
    row = draw_predictions([Prediction(target, predicted)], 0, width, 2, DARK)[1].text
    figures = row[4:].split()
    assert numbers.real(target) in figures and numbers.real(predicted) in figures


@given(st.floats(1e-9, 1e-2), st.floats(1.5, 1e6))
def test_an_axis_of_values_has_the_ticks_of_its_own_scale(low: float, factor: float) -> None:
    for log in (True, False):
        span = covering(low, low * factor, log=log)
        marks = x_ticks(span, "value", 6)
        assert marks == ticks(span, 6)
        assert all(-1e-6 <= span.place(value) <= 1 + 1e-6 for value, _ in marks)


def test_on_a_logarithmic_axis_powers_of_ten_are_evenly_spaced() -> None:
    span = Span(1e-4, 1.0, log=True)
    line_ = Curve("", DARK.train, (1e-4, 1e-2, 1.0), (0.0, 0.5, 1.0), math.nan)
    drawn = draw_chart(
        "loss", "", [line_], x=span, y=Span(0, 1), view=View(scale="value"), width=48, height=12, palette=DARK, right=()
    )
    straight = _drawn([(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)], 41, 10)
    shown = {
        (y, x)
        for y, strip in enumerate(drawn[1:-1])
        for x, character in enumerate(strip.text[7:])
        if 0x2800 <= ord(character) <= 0x28FF
    }
    assert shown == set(straight)
    assert "1e-4" in drawn[-1].text and "0.01" in drawn[-1].text


def test_a_loss_that_is_infinite_is_said_to_be_that() -> None:
    gone = Bucket(2, 2, 2.0, math.nan, math.nan, math.nan, 0, 1)
    curve = curve_of("train", DARK.train, [gone], View(), steps_per_epoch=1, start=0.0, latest=math.inf)
    assert curve.latest == math.inf


def test_a_curve_ends_with_the_newest_value_or_with_the_mean_of_its_bucket() -> None:
    bucket = Bucket(1, 4, 2.0, 1.0, 3.0, 2.0, 4, 0)
    assert curve_of("train", "", [bucket], View(), steps_per_epoch=1, start=0.0, latest=3.0).latest == 3.0
    assert curve_of("train", "", [bucket], View(), steps_per_epoch=1, start=0.0).latest == 2.0


def test_a_sample_has_one_line_or_is_shown_whole() -> None:
    text = "the said\nthe mand " * 8
    events = [Event(1, 1e9, 5, "state", "running"), Event(2, 1e9, 10, "sample", "on one line", {"text": text})]
    short = draw_events(events, 60, 8, DARK)
    assert len(short) == 2 and "the said↵the mand" in short[1].text
    whole = [strip.text for strip in draw_events(events, 60, 20, DARK, whole=True)]
    assert sum("the said↵" in part for part in whole) == 8
    assert whole[0].rstrip().endswith("running")
    assert len(draw_events(events, 60, 4, DARK, whole=True)) == 4
