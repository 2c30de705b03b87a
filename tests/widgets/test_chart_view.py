"""How charts are looked at: zooming and panning come back, turn nothing round and show nothing that is not there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdl_tui.widgets.axes import Span
from tdl_tui.widgets.chart_view import (
    CLIPS,
    NARROWEST,
    View,
    following,
    inside,
    last_steps,
    next_scale,
    pan,
    panned,
    shown,
    toggle_follow,
    whole,
    zoom,
    zoomed,
)

logs = st.booleans()
places = st.floats(0.0, 1.0)
reaches = st.integers(50, 10**7)


@st.composite
def spans(draw: st.DrawFn) -> tuple[Span, Span]:
    """An axis, and a part of it that is at least a hundredth as wide."""
    log = draw(logs)
    low, wide = draw(st.floats(-3.0, 3.0)), draw(st.floats(0.5, 6.0))
    first = draw(st.floats(0.0, 0.9))
    last = draw(st.floats(first + 0.05, 1.0))

    def span(start: float, end: float) -> Span:
        return Span(10**start, 10**end, True) if log else Span(start, end)

    return span(low, low + wide), span(low + first * wide, low + last * wide)


def _close(a: Span, b: Span) -> bool:
    return abs(b.place(a.low)) < 1e-6 and abs(b.place(a.high) - 1) < 1e-6


@given(spans(), places, st.floats(1.1, 8.0))
def test_zooming_in_and_out_again_comes_back(both: tuple[Span, Span], place: float, factor: float) -> None:
    axis, span = both
    about = _value(span, place)
    near = zoomed(span, axis, factor, about, 1e-9)
    assert span.place(near.high) - span.place(near.low) == pytest.approx(1 / factor, rel=1e-6)
    assert near.place(about) == pytest.approx(place, abs=1e-6)
    assert _close(zoomed(near, axis, 1 / factor, about, 1e-9), span)


@given(spans(), st.lists(st.tuples(st.sampled_from(["zoom", "pan"]), st.floats(-3.0, 3.0), places), max_size=12))
def test_no_axis_is_turned_round_or_leaves_what_there_is(
    both: tuple[Span, Span], steps: list[tuple[str, float, float]]
) -> None:
    axis, span = both
    for what, by, place in steps:
        about = _value(span, place)
        span = zoomed(span, axis, 4.0**by, about, 1e-3) if what == "zoom" else panned(span, axis, by)
        assert span.low < span.high
        assert axis.place(span.low) >= -1e-9 and axis.place(span.high) <= 1 + 1e-9


@given(spans(), st.floats(-2.0, 2.0))
def test_panning_keeps_the_width(both: tuple[Span, Span], by: float) -> None:
    axis, span = both
    moved = panned(span, axis, by)
    assert axis.place(moved.high) - axis.place(moved.low) == pytest.approx(axis.place(span.high) - axis.place(span.low))
    assert _close(inside(moved, axis), moved)


def _value(span: Span, place: float) -> float:
    if span.log:
        return float(span.low * (span.high / span.low) ** place)
    return span.low + place * (span.high - span.low)


@given(reaches, st.lists(st.sampled_from(["in", "out", "left", "right", "follow", "log"]), max_size=20), places)
def test_whatever_is_pressed_steps_that_exist_are_shown(reach: int, keys: list[str], place: float) -> None:
    view, at = View(), int(place * reach)
    for key in keys:
        match key:
            case "in" | "out":
                view = zoom(view, 2.0 if key == "in" else 0.5, at if place < 0.7 else None, reach, live=False)
            case "left" | "right":
                view = pan(view, 0.25 if key == "right" else -0.25, reach, live=False)
            case "follow":
                view = toggle_follow(view, reach, live=False)
            case _:
                view = View(log_x=not view.log_x, window=view.window, follow=view.follow)
        window = shown(view, reach, live=False)
        if window is not None:
            assert -1e-6 <= window.low < window.high <= reach * (1 + 1e-6) + NARROWEST


@given(reaches, places, st.integers(1, 4))
def test_zooming_about_the_cursor_comes_back_to_the_whole(reach: int, place: float, times: int) -> None:
    view = View()
    for _ in range(times):
        view = zoom(view, 2.0, int(place * reach), reach, live=True)
    window = shown(view, reach, live=True)
    assert window is not None and not view.follow
    assert window.low - 1e-6 <= int(place * reach) <= window.high + 1e-6
    for _ in range(times + 1):
        view = zoom(view, 0.5, int(place * reach), reach, live=True)
    assert view.window is None and view.follow


def test_a_window_that_follows_moves_seldom_and_holds_the_newest_step() -> None:
    view = last_steps(View(), 800, 1000)
    windows = {}
    for reach in range(1000, 3000, 10):
        window = shown(view, reach, live=True)
        assert window is not None and window.low < reach <= window.high
        assert window.high - window.low == pytest.approx(800)
        windows[window.low] = window
    assert len(windows) <= 2000 // 100 + 2
    assert shown(view, 2995, live=False) == Span(2195.0, 2995.0)


def test_without_a_cursor_zooming_in_shows_the_last_steps() -> None:
    view = zoom(View(), 2.0, None, 1000, live=True)
    assert view.follow and view.window == Span(500.0, 1000.0)
    assert shown(view, 2000, live=False) == Span(1500.0, 2000.0)


def test_all_steps_are_shown_before_there_are_as_many_as_the_last() -> None:
    late = last_steps(View(), 5000, 1000)
    assert shown(late, 1000, live=True) is None and shown(late, 5000, live=False) is None
    assert shown(late, 8000, live=False) == Span(3000.0, 8000.0)
    assert zoom(late, 0.5, None, 1000, live=True) == View()
    assert shown(View(window=Span(0.0, 800.0)), 500, live=True) is None


def test_holding_still_and_following_again() -> None:
    held = toggle_follow(View(), 1000, live=True)
    assert shown(held, 5000, live=True) == Span(0.0, 1000.0) and not held.follow
    assert toggle_follow(held, 5000, live=True) == View()
    late = pan(last_steps(View(), 100, 1000), -0.5, 1000, live=True)
    assert not late.follow
    again = toggle_follow(late, 5000, live=False)
    assert shown(again, 5000, live=False) == Span(4900.0, 5000.0)


def test_a_logarithmic_axis_of_steps_begins_at_the_first() -> None:
    assert whole(View(log_x=True), 1000) == Span(1.0, 1000.0, True)
    near = zoom(View(log_x=True), 2.0, 1, 10_000, live=False)
    assert near.window is not None and near.window.high == pytest.approx(100)


def test_choices_go_round() -> None:
    assert [following(CLIPS, clip) for clip in CLIPS] == [0.01, 0.05, 0.0] and following(CLIPS, 0.5) == 0.0
    scales = []
    view = View()
    for _ in range(5):
        scales.append(view.scale)
        view = next_scale(view)
    assert scales == ["steps", "epochs", "time", "clock", "steps"]
