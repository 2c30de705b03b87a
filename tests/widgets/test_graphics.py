"""What terminals answer is understood and taken out of what is typed, wherever it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdl_tui.widgets.display import Display
from tdl_tui.widgets.graphics import PATIENCE, Answers, Graphics, graphics_of, questions

KITTY = ("\x1b_Gi=31;OK\x1b\\", "\x1b[6;18;9t", "\x1b[?62;c")
FOOT = ("\x1b[6;20;10t", "\x1b[?1;0;1024S", "\x1b[?62;4;22;28c")
XTERM = ("\x1b[?1;0;16S", "\x1b[?63;1;2;4;6;9;15;16;22;28c")
"""xterm -ti vt340 does not tell its cell's size where window operations are not allowed, as is its default."""
TMUX = ("\x1b[?1;2c",)
KEYS = (
    "\x1b[A",
    "\x1b[6~",
    "\x1b[5;5~",
    "q",
    "ä",
    "\x1b[<0;12;4M",
    "\x1b[?2026;2$y",
    "\x1b[1;1R",
    "\x1bOP",
    "\x1b[116;5u",
)


@pytest.mark.parametrize(
    ("answers", "understood"),
    [
        (KITTY, Graphics("kitty", (9, 18))),
        (FOOT, Graphics("sixel", (10, 20), 256)),
        (XTERM, Graphics("sixel", (7, 14), 16)),
        (TMUX, None),
        (("\x1b[?62;22c",), None),
        (("\x1b[6;18;9t", "\x1b_Gi=31;ENOTSUPPORTED:no\x1b\\", "\x1b[?62c"), None),
        (("\x1b[6;18;9t", "\x1b[?4c"), None),
    ],
)
def test_what_terminals_answer_is_understood(answers: tuple[str, ...], understood: Graphics | None) -> None:
    assert graphics_of(answers, (7, 14)) == understood


def test_without_the_size_of_a_cell_there_are_no_pixels() -> None:
    assert graphics_of(XTERM, (0, 0)) is None


@given(
    st.lists(st.sampled_from(KEYS), max_size=4),
    st.sampled_from([KITTY, FOOT, XTERM, TMUX]),
    st.lists(st.sampled_from(KEYS), max_size=4),
    st.data(),
)
def test_answers_are_taken_out_wherever_they_are_cut_and_keys_survive(
    before: list[str], answers: tuple[str, ...], after: list[str], data: st.DataObject
) -> None:
    told: list[list[str]] = []
    taken = Answers(told.append)
    taken.ask()
    between = [data.draw(st.sampled_from(["", *KEYS])) for _ in answers]
    whole = "".join([*before, *(a + key for a, key in zip(answers, between, strict=True)), *after])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=12)))
    typed = "".join(taken.take(whole[a:b]) for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True))
    assert typed == "".join([*before, *between, *after])
    assert told == [list(answers)]


@given(st.text("\x1b[]_G?;:016cStAO\\~ ", max_size=40), st.booleans())
def test_nothing_is_kept_for_good(text: str, asked: bool) -> None:
    taken = Answers(lambda _: None)
    if asked:
        taken.ask()
    typed = "".join(map(taken.take, text)) + "".join(taken.wait() for _ in range(PATIENCE))
    assert typed == (Answers(lambda _: None).take(text) if asked else text)


def test_escape_is_a_key_at_once_where_nothing_is_awaited_and_soon_where_something_is() -> None:
    taken = Answers(lambda _: None)
    assert taken.take("\x1b") == "\x1b"
    taken.ask()
    assert taken.take("\x1b") == ""
    assert taken.wait() == "\x1b"
    assert taken.take("".join(TMUX)) == ""
    assert taken.take("\x1b") == "\x1b"


def test_an_answer_that_comes_after_a_while_is_none_of_what_is_typed() -> None:
    told: list[list[str]] = []
    taken = Answers(told.append)
    taken.ask()
    assert taken.take("\x1b[?62;") + taken.wait() + taken.wait() + taken.take("4;22") + taken.take("cx") == "x"
    assert told == [["\x1b[?62;4;22c"]]


def test_each_time_that_was_asked_is_answered_by_itself() -> None:
    told: list[list[str]] = []
    taken = Answers(told.append)
    taken.ask()
    taken.ask()
    assert taken.take("".join(KITTY) + "".join(FOOT) + "".join(TMUX)) == ""
    assert told == [list(KITTY), list(FOOT)]


@pytest.mark.parametrize(
    ("environment", "display", "kitty", "asked"),
    [
        ({"TERM": "xterm-256color"}, Display(), True, True),
        ({"TERM": "xterm-256color", "TMUX": "/tmp/tmux"}, Display(), False, True),
        ({"TERM": "screen-256color"}, Display(), False, True),
        ({"TERM": "linux"}, Display("console"), False, False),
        ({"TERM": "xterm"}, Display("ascii"), False, False),
        ({"TERM": "xterm"}, Display(colors=False), False, False),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, Display(), False, False),
    ],
)
def test_who_is_asked(environment: dict[str, str], display: Display, kitty: bool, asked: bool) -> None:
    text = questions(environment, display)
    assert ("\x1b_G" in text, text.endswith("\x1b[c")) == (kitty, asked)
    assert bool(text) == asked
