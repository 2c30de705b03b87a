"""How far a terminal is behind what was written to it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tdl_tui.widgets.paced_driver import AHEAD, BRIEF, EVERY, PATIENCE, Pace


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def frame(pace: Pace, length: int) -> bool:
    """Writes a frame that the system takes at once; whether the terminal was asked."""
    pace.write(length)
    pace.take(length)
    return pace.ask()


def test_it_is_behind_while_the_system_takes_no_more() -> None:
    pace = Pace()
    pace.write(10)
    assert pace.behind
    pace.take(10)
    assert not pace.behind


def test_a_terminal_that_never_answers_is_not_waited_for() -> None:
    pace = Pace()
    for _ in range(20):
        frame(pace, AHEAD)
        assert not pace.behind


def test_one_that_answers_is_waited_for_until_it_has_come_near() -> None:
    pace = Pace()
    assert frame(pace, EVERY) and pace.answer()
    frame(pace, AHEAD)
    assert not pace.behind
    frame(pace, EVERY)
    assert pace.behind
    assert pace.answer() and pace.ask() and not pace.behind


def test_small_frames_are_not_asked_after() -> None:
    pace = Pace()
    assert [frame(pace, EVERY // 4) for _ in range(4)] == [False, False, False, True]


def test_a_cursor_that_nobody_asked_for_is_no_answer() -> None:
    assert not Pace().answer()


def test_an_answer_that_is_lost_holds_up_for_a_while_only() -> None:
    clock = Clock()
    pace = Pace(clock)
    frame(pace, EVERY)
    pace.answer()
    frame(pace, 4 * AHEAD)
    clock.now = PATIENCE / 2
    assert pace.behind
    clock.now = PATIENCE
    assert not pace.behind


def test_a_picture_gets_what_an_idle_line_carries_in_a_moment() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert pace.room == 0  # nothing is known of the line
    frame(pace, 9600)
    assert pace.room == 0
    clock.now = 1.0
    pace.answer()
    assert pace.room == 9600 * BRIEF
    frame(pace, EVERY)
    assert 0 <= pace.room <= 9600 * BRIEF - EVERY
    pace.write(1)
    assert pace.room == 0  # the system does not take it


def test_while_the_first_answer_is_awaited_a_line_is_not_idle() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert pace.idle
    frame(pace, EVERY)
    assert not pace.behind and pace.room == 0 and not pace.idle
    clock.now = 0.1
    assert pace.answer() and pace.idle and pace.room > 0
    frame(pace, EVERY)
    assert not pace.idle
    clock.now += PATIENCE
    assert pace.idle  # an answer that is lost is waited for no longer


def test_a_line_is_as_fast_as_its_fastest_answer_and_small_pieces_do_not_tell() -> None:
    clock = Clock()
    pace = Pace(clock)
    for length, seconds in ((10_000, 0.1), (EVERY, 0.1)):
        frame(pace, length)
        clock.now += seconds
        pace.answer()
    assert pace.room == 100_000 * BRIEF
    for _ in range(8):
        frame(pace, EVERY // 8)
        clock.now += 1e-9
    pace.answer()
    assert pace.room <= 100_000 * BRIEF


@given(st.lists(st.integers(0, 3000), max_size=60))
def test_what_is_under_way_is_bounded_by_a_frame(lengths: list[int]) -> None:
    """A writer that heeds the pace never has more on the line than what may be ahead and one frame."""
    pace = Pace(Clock())
    frame(pace, EVERY)
    pace.answer()
    line: list[int] = []  # what is under way: frames, and questions (0)
    for length in lengths:
        if pace.behind:
            if line.pop(0) == 0:
                assert pace.answer()
                line += [0] * pace.ask()
            continue
        line += [length + 1] + [0] * frame(pace, length)
        assert sum(line) <= AHEAD + EVERY + 2 * max(lengths) + len(line)
