"""Of what is painted whole, too, only what the terminal does not show yet is sent."""

from __future__ import annotations

import re

import pyte
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from tdl_tui.widgets.spans import Shown, SpanUpdate

WIDTH, HEIGHT = 24, 4
COLORS = ("#ff0000", "#00ff00")
console = Console(force_terminal=True, color_system="truecolor", width=WIDTH)
lines = st.lists(st.tuples(st.text("ab ⡇雪人", max_size=6), st.sampled_from(COLORS), st.booleans()), max_size=4).map(
    lambda pieces: Strip([Segment(text, Style(color=color, bold=bold)) for text, color, bold in pieces])
)
screens = st.lists(lines.map(lambda strip: strip.adjust_cell_length(WIDTH)), min_size=HEIGHT, max_size=HEIGHT)


def whole(strips: list[Strip]) -> LayoutUpdate:
    return LayoutUpdate([[strip] for strip in strips], Region(0, 0, WIDTH, HEIGHT))


def part(strips: list[Strip], spans: list[tuple[int, int, int]]) -> ChopsUpdate:
    return SpanUpdate([{0: strip} for strip in strips], spans, [[WIDTH]] * HEIGHT)


def sent(update: object) -> str:
    return update.render_segments(console)  # type: ignore[attr-defined]  # an update of the compositor's


def display(text: str) -> list[list[tuple[str, str, bool]]]:
    """What a terminal shows after it was sent all that."""
    screen = pyte.Screen(WIDTH, HEIGHT)
    pyte.Stream(screen).feed(text)
    return [
        [(cell.data, cell.fg if cell.data.strip() else "", cell.bold and bool(cell.data.strip())) for cell in row]
        for row in ([screen.buffer[y][x] for x in range(WIDTH)] for y in range(HEIGHT))
    ]


@given(st.lists(screens, min_size=1, max_size=4))
def test_a_terminal_shows_what_it_would_show_if_everything_was_sent(frames: list[list[Strip]]) -> None:
    shown = Shown()
    stream = "".join(sent(shown.changes(whole(frame))) for frame in frames)
    assert display(stream) == display(sent(Shown().changes(whole(frames[-1]))))


@given(screens, screens, st.lists(st.integers(0, HEIGHT - 1), max_size=HEIGHT, unique=True))
def test_parts_count_as_shown(before: list[Strip], after: list[Strip], changed: list[int]) -> None:
    shown = Shown()
    mixed = [after[y] if y in changed else before[y] for y in range(HEIGHT)]
    stream = sent(shown.changes(whole(before)))
    stream += sent(shown.changes(part(mixed, [(y, 0, WIDTH) for y in changed])))
    assert sent(shown.changes(whole(mixed))) == ""
    stream += sent(shown.changes(whole(after)))
    assert display(stream) == display(sent(Shown().changes(whole(after))))


def test_after_the_terminal_was_lost_sight_of_everything_is_sent() -> None:
    shown, frame = Shown(), [Strip([Segment("a" * WIDTH)])] * HEIGHT
    first = sent(shown.changes(whole(frame)))
    assert sent(shown.changes(whole(frame))) == ""
    shown.forget()
    assert sent(shown.changes(whole(frame))) == first


@given(screens, screens)
def test_another_screen_comes_line_by_line(before: list[Strip], after: list[Strip]) -> None:
    shown = Shown()
    shown.changes(whole(before))
    places = [(int(y), int(x)) for y, x in re.findall(r"\x1b\[(\d+);(\d+)H", sent(shown.changes(whole(after))))]
    assert places == sorted(places)
