"""What is repainted: the changed cells, all of them, and nothing else."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import ClassVar

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip

from tdl_tui.widgets.canvas import Canvas, cells, changed_spans
from tdl_tui.widgets.lines import ink, line
from tdl_tui.widgets.live_screen import LiveScreen
from tdl_tui.widgets.spans import Pen, SpanCompositor, SpanUpdate

STYLES = [ink("#ff0000"), ink("#00ff00"), Style(bgcolor="#0000ff"), ink("#ff0000", bold=True), Style()]
strips = st.lists(
    st.tuples(st.text(alphabet="ab ⣿語", min_size=1, max_size=6), st.sampled_from(STYLES)), max_size=8
).map(lambda pieces: line(pieces, 20))


@given(strips, strips)
def test_all_that_changed_lies_in_a_span_and_spans_begin_and_end_with_change(before: Strip, after: Strip) -> None:
    spans = list(changed_spans(before, after))
    old, new = cells(before), cells(after)
    covered = {x for start, width in spans for x in range(start, start + width)}
    assert {x for x in range(20) if old[x] != new[x]} <= covered
    for start, width in spans:
        assert old[start] != new[start] and old[start + width - 1] != new[start + width - 1]
    assert all(a + wa < b for (a, wa), (b, _) in itertools.pairwise(spans))


@given(strips)
def test_what_is_the_same_has_no_spans(strip: Strip) -> None:
    assert not list(changed_spans(strip, Strip(list(strip), strip.cell_length)))


class Screenful:
    """Just enough of a terminal: cells with their colours, written by what `Pen` gives out."""

    def __init__(self, text: str) -> None:
        self.cells: dict[tuple[int, int], tuple[str, str]] = {}
        x = y = 0
        sgr: list[str] = []
        for code, arguments, character in re.findall(r"\x1b\[([\d;]*)([A-Za-z])|(.)", text, re.DOTALL):
            if character:
                self.cells[x, y] = (character, ";".join(sgr))
                x += 1
            elif arguments == "H":
                row, column = (int(part) for part in code.split(";"))
                x, y = column - 1, row - 1
            elif arguments == "m":
                for part in re.findall(r"[34]8;2;\d+;\d+;\d+|\d+", code) or ["0"]:
                    kind = part[:2] if part[1:3] == "8;" else part
                    sgr = [] if part == "0" else sorted([s for s in sgr if not s.startswith(kind)] + [part])


@given(st.lists(st.tuples(st.text(alphabet="xyz ", min_size=1, max_size=4), st.sampled_from(STYLES)), max_size=8))
def test_a_pen_leaves_on_the_screen_what_full_writing_would(pieces: list[tuple[str, Style]]) -> None:
    pen = Pen(ColorSystem.TRUECOLOR)
    pen.move(0, 0)
    for text, style in pieces:
        pen.write(Segment(text, style))
    short = pen.finish()
    full = "\x1b[1;1H" + Strip([Segment(*piece) for piece in pieces]).render(Console(color_system="truecolor"))

    def seen(text: str) -> dict[tuple[int, int], tuple[str, str]]:
        """Ink on a blank cannot be seen, its ground can."""
        return {
            place: (
                character,
                ";".join(s for s in re.findall(r"[34]8;2;\d+;\d+;\d+|\d+", sgr) if character != " " or s[0] == "4"),
            )
            for place, (character, sgr) in Screenful(text).cells.items()
        }

    assert seen(short) == seen(full)
    assert len(short) <= len(full) + 4 * len(pieces) + 3


class Letters(Canvas):
    DEFAULT_CSS = "Letters { width: 40; height: 3; }"
    text = "abc"

    def draw(self, width: int, height: int) -> Sequence[Strip]:
        return [line([("." * 20 + self.text, ink("#ff0000"))], width)] * height


class Watching(LiveScreen[None]):
    DEFAULT_CSS = "Watching { background: $background; }"

    def compose(self) -> ComposeResult:
        yield Letters()


class Bench(App[None]):
    def on_mount(self) -> None:
        self.push_screen(Watching())


async def test_the_first_frame_of_a_size_is_drawn_once_and_whole() -> None:
    drawn = []

    class Counting(Letters):
        def draw(self, width: int, height: int) -> Sequence[Strip]:
            drawn.append(height)
            return super().draw(width, height)

    class Alone(App[None]):
        frames: ClassVar[list[str]] = []

        def compose(self) -> ComposeResult:
            yield Counting()

        def _display(self, screen: Screen[object], renderable: object) -> None:
            self.frames += ["\n".join(strip.text for strip in screen._compositor.render_strips())]

    app = Alone()
    async with app.run_test() as pilot:
        await pilot.pause()
        assert app.frames[0].count("abc") == 3 and drawn == [3]
        app.screen.query_one(Counting).styles.height = 4
        await pilot.pause()
        assert all(frame.count("abc") in (3, 4) for frame in app.frames) and drawn == [3, 4]


async def test_a_canvas_asks_for_the_changed_span_alone() -> None:
    app = Bench()
    async with app.run_test() as pilot:
        await pilot.pause()
        canvas = app.screen.query_one(Letters)
        asked: list[tuple[Region, ...]] = []
        refresh = canvas.refresh
        canvas.refresh = lambda *regions, **more: asked.append(regions) or refresh(*regions, **more)  # type: ignore[method-assign,func-returns-value]  # a spy
        canvas.text = "abd"
        canvas.paint()
        canvas.paint()
        assert asked == [(Region(22, 0, 1, 1), Region(22, 1, 1, 1), Region(22, 2, 1, 1))]


async def test_an_update_is_written_from_the_changed_cell_on() -> None:
    app = Bench()
    async with app.run_test() as pilot:
        await pilot.pause()
        compositor = app.screen._compositor
        assert isinstance(compositor, SpanCompositor)
        canvas = app.screen.query_one(Letters)
        compositor._dirty_regions.clear()
        canvas.text = "abd"
        canvas.paint()
        compositor.update_widgets({canvas})
        update = compositor.render_partial_update()
        assert isinstance(update, SpanUpdate)
        written = update.render_segments(Console(color_system="truecolor", force_terminal=True))
        assert re.findall(r"\x1b\[(\d+;\d+)H", written) == ["1;23", "2;23", "3;23"]
        assert re.sub(r"\x1b\[[\d;]*[A-Za-z]", "", written) == "ddd"
        plain = ChopsUpdate(update.chops, update.spans, update.chop_ends)
        assert len(written) < len(plain.render_segments(Console(color_system="truecolor"))) / 3


async def test_a_covered_screen_rests_and_catches_up() -> None:
    app = Bench()
    async with app.run_test() as pilot:
        await pilot.pause()
        watching = app.screen
        canvas = watching.query_one(Letters)
        await app.push_screen(Screen())
        canvas.text = "new"
        canvas.paint()
        assert not watching.is_current
        assert "abc" in canvas.render_line(0).text
        app.pop_screen()
        await pilot.pause()
        assert "new" in canvas.render_line(0).text


@given(
    st.lists(
        st.tuples(st.integers(0, 78), st.integers(0, 22), st.integers(1, 30), st.integers(1, 4)), min_size=1, max_size=6
    )
)
@settings(max_examples=40, deadline=None)
def test_an_update_says_what_the_whole_screen_says_there(dirty: list[tuple[int, int, int, int]]) -> None:
    screen = Region(0, 0, 80, 24)
    widgets = [_Painted(character) for character in "abc-"]
    regions = [Region(5, 2, 40, 10), Region(30, 8, 40, 10), Region(2, 15, 60, 6), screen]
    compositor = SpanCompositor()
    compositor.size = screen.size
    compositor._visible_widgets = {w: (r, screen) for w, r in zip(widgets, regions, strict=True)}  # type: ignore[misc]  # front to back; stand-ins
    compositor._dirty_regions = {r for d in dirty if (r := Region(*d).intersection(screen))}
    asked = set(compositor._dirty_regions)
    update = compositor.render_partial_update()
    assert isinstance(update, SpanUpdate)
    seen = Screenful(update.render_segments(Console(color_system="truecolor", force_terminal=True))).cells
    whole = [strip.text for strip in compositor.render_strips()]
    assert {place: cell[0] for place, cell in seen.items()} == {
        (x, y): whole[y][x] for r in asked for y in r.line_range for x in r.column_range
    }


class _Painted:
    """As much of a widget as a compositor asks for."""

    def __init__(self, character: str) -> None:
        self.character = character

    def render_lines(self, crop: Region) -> list[Strip]:
        return [Strip([Segment(self.character * crop.width)], crop.width)] * crop.height
