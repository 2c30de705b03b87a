"""Updates that send no cell but the changed ones.

Textual keeps the regions that a widget asks to be repainted, but when it writes one that begins inside a widget it
sends the line from the widget's left edge on, each piece with both colours and a reset. Here the same update is
written from the changed cells alone, and a colour is said once for all that have it: about a twentieth of the bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import COLOR_SYSTEMS, Console, ConsoleOptions, RenderableType, RenderResult
from rich.control import Control
from rich.segment import Segment
from rich.style import Style
from textual._compositor import (  # the one place that knows how an update is written
    ChopsUpdate,
    Compositor,
    CompositorUpdate,
    LayoutUpdate,
)
from textual.geometry import Region
from textual.strip import Strip

from .canvas import Cell, cells, changed


@lru_cache(maxsize=4096)
def codes_of(style: Style, system: ColorSystem) -> tuple[str, str, str]:
    """A style's SGR codes: its attributes, its ink, its ground; "" for what it does not set."""
    ink = ";".join(style.color.downgrade(system).get_ansi_codes()) if style.color else ""
    ground = ";".join(style.bgcolor.downgrade(system).get_ansi_codes(foreground=False)) if style.bgcolor else ""
    return Strip.render_ansi(style.without_color, system), ink, ground


class Pen:
    """Writes segments for a terminal, remembering the style that it left it in."""

    def __init__(self, system: ColorSystem) -> None:
        self._system = system
        self._left = ("", "", "")
        self._out: list[str] = []

    def move(self, x: int, y: int) -> None:
        self._out.append(f"\x1b[{y + 1};{x + 1}H")

    def write(self, segment: Segment) -> None:
        text, style, control = segment
        if control or not text:
            return
        if style is None:
            self._set(("", "", ""))
        elif style.link:
            self._set(("", "", ""))
            text = Strip.render_style(style, text, self._system)
        else:
            attributes, ink, ground = codes_of(style, self._system)
            if not attributes and not self._left[0] and text.isspace():
                ink = self._left[1]  # no ink is seen in a blank: keep what is there
            self._set((attributes, ink, ground))
        self._out.append(text)

    def finish(self) -> str:
        """All that was written; the terminal is left without a style."""
        self._set(("", "", ""))
        return "".join(self._out)

    def _set(self, wanted: tuple[str, str, str]) -> None:
        left = self._left
        if wanted == left:
            return
        self._left = wanted
        if wanted[0] != left[0] or (left[1] and not wanted[1]) or (left[2] and not wanted[2]):
            self._out.append(f"\x1b[{';'.join(['0', *filter(None, wanted)])}m" if any(wanted) else "\x1b[m")
            return
        changed = [now for now, was in zip(wanted[1:], left[1:], strict=True) if now != was]
        self._out.append(f"\x1b[{';'.join(changed)}m")


def cut(strip: Strip, x: int, left: int, right: int) -> Iterator[tuple[int, Segment]]:
    """The part of a strip, whose first cell is at `x`, from `left` to before `right`; each segment with its place.

    As Strip.crop, without the caches that would be set up for each of many small pieces.
    """
    for segment in strip:
        text, style, control = segment
        if control:
            continue
        width = len(text) if text.isascii() else cell_len(text)
        start, end = max(left, x), min(right, x + width)
        if start < end:
            if end - start == width:
                yield start, segment
            elif width == len(text):
                yield start, Segment(text[start - x : end - x], style)
            else:
                yield start, segment.split_cells(end - x)[0].split_cells(start - x)[1]
        x += width


Piece = tuple[int, int, Segment]
"""A line, a column, and what stands there."""


def written(pieces: Iterable[Piece], console: Console) -> str:
    """What brings pieces to a terminal, in their order."""
    pen = Pen(COLOR_SYSTEMS.get(console.color_system or "truecolor", ColorSystem.TRUECOLOR))
    after = (-1, -1)
    for y, x, segment in pieces:
        if (y, x) != after:
            pen.move(x, y)
        pen.write(segment)
        after = (y, x + segment.cell_length)
    return pen.finish()


def by_color(pieces: Iterable[Piece]) -> Iterable[Piece]:
    """The pieces, those of a style together: a colour costs more to say than a place."""
    groups: dict[Style | None, list[Piece]] = {}
    for piece in pieces:
        groups.setdefault(piece[2].style, []).append(piece)
    return chain.from_iterable(groups.values())


class SpanUpdate(ChopsUpdate):
    """A partial update: the changed cells alone."""

    def render_segments(self, console: Console) -> str:
        return written(by_color(self._pieces()), console)

    def _pieces(self) -> Iterator[Piece]:
        for y, left, right in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is not None and x < right and end > left:
                    for at, segment in cut(strip, x, left, min(end, right)):
                        yield y, at, segment


Span = tuple[int, int, int]
"""A line, and the columns from the first to before the last."""


class SpanCompositor(Compositor):
    """A compositor that, for a partial update, asks widgets for the lines that are in it alone."""

    def __init__(self) -> None:
        super().__init__()
        self._wanted: list[Span] | None = None

    def render_partial_update(self) -> ChopsUpdate | None:
        self._wanted = list(self._regions_to_spans(self._dirty_regions))
        try:
            update = super().render_partial_update()
        finally:
            self._wanted = None
        return update and SpanUpdate(update.chops, update.spans, update.chop_ends)

    def _get_renders(self, crop: Region | None = None) -> Iterable[tuple[Region, Region, list[Strip]]]:
        if self._wanted is None:
            yield from super()._get_renders(crop)
            return
        left = self._wanted
        for widget, (region, clip) in self.visible_widgets.items():  # those in front come first
            area = region.intersection(clip)
            touched, left = _taken(left, area)
            if touched:
                top, bottom = min(touched), max(touched)
                band = Region(area.x, top, area.width, bottom - top + 1)
                yield region, band, widget.render_lines(band.translate(-region.offset))
            if not left:
                return


def _taken(spans: list[Span], area: Region) -> tuple[list[int], list[Span]]:
    """The lines of the spans that an area touches, and the spans that it does not cover whole."""
    touched: list[int] = []
    left: list[Span] = []
    x1, x2, y1, y2 = area.x, area.right, area.y, area.bottom
    for span in spans:
        y, start, end = span
        if not (y1 <= y < y2 and start < x2 and end > x1):
            left.append(span)
            continue
        touched.append(y)
        if start < x1 or end > x2:
            left.append(span)
    return touched, left


@dataclass(frozen=True, slots=True)
class CellUpdate(CompositorUpdate):
    """Spans of what a terminal shows now, and what else it is told behind them.

    A screen that is another one (`another`) comes line by line: over a slow line it is seen to come, and colour by
    colour it would be a riddle for so long.
    """

    lines: list[list[Cell]]
    spans: list[Span]
    another: bool = False
    behind: str = ""

    def followed_by(self, text: str) -> CellUpdate:
        """The same, with this told behind it."""
        return replace(self, behind=self.behind + text)

    def render_segments(self, console: Console) -> str:
        pieces = self._pieces()
        return written(pieces if self.another else by_color(pieces), console) + self.behind

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for y, x, segment in self._pieces():
            yield Control.move_to(x, y)
            yield segment

    def _pieces(self) -> Iterator[Piece]:
        for y, left, right in self.spans:
            line = self.lines[y]
            start = left - 1 if not line[left][0] else left  # in the middle of a wide character
            while start < right:
                style, end = line[start][1], start + 1
                while end < right and line[end][1] is style:
                    end += 1
                yield y, start, Segment("".join([text for text, _ in line[start:end]]), style)
                start = end


class Shown:
    """What the terminal shows, cell by cell: of whatever is repainted only what is other is sent."""

    def __init__(self) -> None:
        self._lines: list[list[Cell]] = []

    def forget(self) -> None:
        """The terminal may show anything now."""
        self._lines = []

    @property
    def lines(self) -> list[list[Cell]]:
        """Its cells, line by line; none while it may show anything."""
        return self._lines

    def changes(self, update: RenderableType) -> RenderableType:
        """What is to be sent in an update's place; it counts as shown."""
        if isinstance(update, ChopsUpdate) and all(y < len(self._lines) for y, _, _ in update.spans):
            return self._part(update)
        if isinstance(update, LayoutUpdate) and update.region.offset == (0, 0):
            return self._difference([Strip.join(line) for line in update.strips])
        self.forget()
        return update

    def _part(self, update: ChopsUpdate) -> CellUpdate:
        spans: list[Span] = []
        for y, left, right in update.spans:
            line = self._lines[y]
            before = line[left:right]
            for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
                if strip is None or x >= right or end <= left:
                    continue
                for at, segment in cut(strip, x, left, min(end, right)):
                    line[at : at + segment.cell_length] = cells([segment])
            spans += [(y, left + x, left + x + width) for x, width in changed(before, line[left:right])]
        return CellUpdate(self._lines, spans)

    def _difference(self, strips: list[Strip]) -> CellUpdate:
        before, self._lines = self._lines, [cells(strip) for strip in strips]
        if list(map(len, before)) == list(map(len, self._lines)):
            spans = [
                (y, x, x + width)
                for y, (was, now) in enumerate(zip(before, self._lines, strict=True))
                for x, width in changed(was, now)
            ]
        else:
            spans = [(y, 0, len(line)) for y, line in enumerate(self._lines)]
        return CellUpdate(self._lines, spans, another=True)
