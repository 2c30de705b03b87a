"""All probes at a glance, and the softmax at a temperature: what is shown, in any size."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tdl_tui.runs.records import Probe, ProbeSample
from tdl_tui.widgets.bars import ClassBars, chosen_rows, draw_classes, softmax
from tdl_tui.widgets.palette import DARK
from tdl_tui.widgets.picture import draw_picture
from tdl_tui.widgets.probe_list import (
    Moment,
    Overview,
    chosen_probes,
    draw_history,
    draw_list,
    draw_tiles,
    moment,
    share_of,
    tile_width,
)

LOGITS = st.lists(st.floats(-50, 50), min_size=1, max_size=12)
TEMPERATURES = st.floats(0.1, 10)
NAMES = ("cat", "dog", "bird")


@given(logits=LOGITS, temperature=TEMPERATURES)
def test_a_softmax_at_a_temperature_sums_to_one_and_keeps_the_order(logits: list[float], temperature: float) -> None:
    shares = softmax(logits, temperature)
    assert math.isclose(sum(shares), 1.0, rel_tol=1e-9)
    for (z, share), (other_z, other) in zip(
        zip(logits, shares, strict=True), zip(logits[1:], shares[1:], strict=False), strict=False
    ):
        assert (z < other_z) <= (share <= other)
    assert [share_of(logits, c, temperature) for c in range(len(logits))] == pytest.approx(shares, rel=1e-9, abs=1e-300)
    wanted = torch.softmax(torch.tensor(logits, dtype=torch.float64) / temperature, 0).tolist()
    assert shares == pytest.approx(wanted, rel=1e-9, abs=1e-300)


@given(logits=st.lists(st.floats(-20, 20), min_size=2, max_size=6, unique=True))
def test_a_higher_temperature_is_less_sure(logits: list[float]) -> None:
    surest = [max(softmax(logits, temperature)) for temperature in (0.5, 1.0, 2.0, 10.0)]
    assert surest == sorted(surest, reverse=True)


@given(logits=LOGITS, target=st.integers(0, 11), rows=st.integers(1, 12))
def test_ranked_rows_begin_with_the_most_probable(logits: list[float], target: int, rows: int) -> None:
    bars = ClassBars(tuple(logits), target % len(logits), ())
    shown = chosen_rows(bars, rows, ranked=True)
    assert len(shown) == len(set(shown)) == min(rows, len(logits))
    values = [logits[c] for c in shown]
    assert values[:-1] == sorted(values[:-1], reverse=True)
    assert bars.target in shown
    if rows > 1:
        assert values[0] == max(logits)


def test_a_temperature_changes_the_figures_and_not_the_logits() -> None:
    bars = ClassBars((0.0, 2.0), 1, NAMES)

    def figures(**how: float) -> list[str]:
        return [strip.text.split()[-1] for strip in draw_classes(bars, False, 30, 2, DARK, **how)]  # type: ignore[arg-type]  # a temperature alone

    assert figures() == ["0.12", "0.88"]
    assert figures(temperature=2.0) == ["0.27", "0.73"]
    raw = [draw_classes(bars, True, 30, 2, DARK, temperature=t) for t in (1.0, 2.0)]
    assert raw[0] == raw[1]


BARS = [  # right, wrong and unsure, wrong and sure, not a number
    ClassBars((3.0, 0.0, 0.0), 0, NAMES),
    ClassBars((0.2, 0.0, 0.0), 1, NAMES),
    ClassBars((0.0, 9.0, 0.0), 2, NAMES),
    ClassBars((math.nan, 0.0, 0.0), 0, NAMES),
]


def test_filters_leave_what_they_say() -> None:
    before = [Moment(1, (0.3,) * 3, (0, 0, 2)), Moment(2, (0.3,) * 4, (0, 0, 1, -1))]
    assert chosen_probes("all", BARS, before) == [0, 1, 2, 3]
    assert chosen_probes("wrong", BARS, before) == [1, 2, 3]
    assert chosen_probes("sure", BARS, before) == [2, 1, 3]
    assert chosen_probes("flipped", BARS, before) == [2]
    assert chosen_probes("flipped", BARS, [before[0], *[before[1]] * 8]) == []  # that was not lately
    assert chosen_probes("wrong", [], before) == []


def test_a_moment_of_before_a_probe_was_added_has_fewer() -> None:
    made = moment(ProbeSample(5, 0.0, ((0.0, 2.0, 0.0),)), [1, 2], 1.0)
    assert made.said == (1,)
    assert made.target == (pytest.approx(softmax((0.0, 2.0, 0.0))[1]),)
    assert moment(ProbeSample(5, 0.0, ((math.nan, 0.0),)), [7], 1.0).said == (-1,)
    assert moment(ProbeSample(5, 0.0, ((1e308, 1e308, -1e308),)), [2], 1.0).target == (0.0,)
    assert share_of((900.0, 0.0), 1, 1.0) == softmax((900.0, 0.0))[1] == 0.0


def overview(count: int, chosen: int) -> Overview:
    history = (
        Moment(1, (0.1,) * count, (0,) * count),
        Moment(9, (0.9,) * max(1, count - 1), (0,) * max(1, count - 1)),
    )
    bars = tuple(BARS[number % len(BARS)] for number in range(count))
    return Overview(tuple(range(count)), bars, chosen, 1.0, history, None, 10.0)


@given(count=st.integers(1, 64), place=st.integers(0, 63), width=st.integers(24, 90), height=st.integers(1, 40))
def test_lists_and_grids_fill_their_room_with_the_chosen_one_in_sight(
    count: int, place: int, width: int, height: int
) -> None:
    probes = overview(count, place % count)
    rows = draw_list(probes, width, height, DARK)
    assert len(rows) == min(count, height)
    assert {strip.cell_length for strip in rows} == {width}
    assert sum("›" in strip.text for strip in rows) == 1
    picture = Probe(0, "image", (1, 2, 2), (0.0, 1.0, 0.5, 0.2), 0.0)
    drawn: list[int] = []

    def small(number: int, w: int, h: int) -> object:
        drawn.append(number)
        return draw_picture(picture, w, h)

    tiles = draw_tiles(probes, picture.shape, small, width, height, DARK)  # type: ignore[arg-type]  # it returns strips
    assert len(tiles) <= height
    assert {strip.cell_length for strip in tiles} == {width}
    assert probes.chosen in drawn


def test_a_list_says_what_is_wrong_and_how_sure() -> None:
    text = [strip.text for strip in draw_list(overview(4, 2), 60, 4, DARK)]
    assert "cat" in text[0] and "✔" in text[0] and "0.91" in text[0]
    assert "dog" in text[1] and "▶ cat" in text[1]
    assert text[2].startswith("›") and "bird" in text[2] and "▶ dog" in text[2] and "1.00" in text[2]
    assert "▶ ?" in text[3] and "nan" in text[3]


def test_sixty_four_pictures_fit_a_large_terminal() -> None:
    assert tile_width(64, (1, 28, 28), 116, 54) == 10
    assert tile_width(4, (1, 28, 28), 116, 54) == 18


def test_a_history_after_the_moment_is_faint() -> None:
    strip = draw_history(overview(2, 0).history, 0, 4, 10.0, 22, DARK)
    colors = {segment.style.color.name for segment in strip if segment.style and segment.style.color}
    assert {DARK.target, DARK.faint} <= colors
    assert strip.cell_length == 22
