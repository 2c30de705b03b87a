"""A widget that repaints only the cells that changed: the ground of every live panel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.color import Color
from textual.filter import LineFilter
from textual.geometry import NULL_SIZE, NULL_SPACING, Region
from textual.strip import Strip
from textual.widget import Widget

from .lines import blank

JOIN = 6
"""Changed spans that are this many cells apart or nearer are sent as one: moving the cursor costs as much."""


class TextFilter(LineFilter):
    """A filter of lines that goes by their text too, not by styles alone."""


Cell = tuple[str, Style | None]


def cells(segments: Iterable[Segment]) -> list[Cell]:
    """Segments cell by cell; the second cell of a wide character is empty text."""
    out: list[Cell] = []
    for text, style, _ in segments:
        if text.isascii() or cell_len(text) == len(text):
            out.extend([(character, style) for character in text])
            continue
        for character in text:
            out.append((character, style))
            out.extend([("", style)] * (cell_len(character) - 1))
    return out


def changed_spans(before: Strip, after: Strip, join: int = JOIN) -> Iterator[tuple[int, int]]:
    """The spans (first cell, width) where two strips of the same width differ."""
    was, now = list(before), list(after)
    offset = 0
    while was and now and was[0] == now[0]:  # most of a line is as it was: leave it out before looking at cells
        offset += was.pop(0).cell_length
        now.pop(0)
    while was and now and was[-1] == now[-1]:
        was.pop()
        now.pop()
    for start, width in changed(cells(was), cells(now), join):
        yield offset + start, width


def changed(was: Sequence[Cell], now: Sequence[Cell], join: int = JOIN) -> Iterator[tuple[int, int]]:
    """The spans (first cell, width) where as many cells differ."""
    start = end = -1
    for x, (old, new) in enumerate(zip(was, now, strict=True)):
        if old == new:
            continue
        if start >= 0 and x - end > join:
            yield start, end - start
            start = x
        elif start < 0:
            start = x
        end = x + 1
    if start >= 0:
        yield start, end - start


class Canvas(Widget):
    """Shows strips. What is drawn comes from `draw`, a pure function of what the widget holds and its size.

    Nothing is drawn while another screen lies above: Textual would repaint that screen whole. What was missed is
    made up for when this screen is on top again.
    """

    ALLOW_SELECT = False

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._strips: list[Strip] = []
        self._drawn_at = NULL_SIZE
        self._missed = False
        self._kept_lines: dict[int, tuple[Strip, Strip]] = {}
        self._finished_styles: dict[Style | None, Style | None] = {}
        self._ground: Color | None = None

    def draw(self, width: int, height: int) -> Sequence[Strip]:
        """At most `height` strips of exactly `width` cells."""
        raise NotImplementedError

    def paint(self) -> None:
        """Draws anew and repaints what has changed."""
        size = self.content_size
        self._missed = not self.screen.is_active
        if size and not self._missed:
            self._drawn_at = size
            self.show(self.draw(*size))

    def show(self, strips: Sequence[Strip]) -> None:
        """Takes new strips and asks for a repaint of the spans that differ from what is on the screen."""
        before, after = self._strips, self._filled(strips)
        self._strips = [
            was if was is now or was == now else now for was, now in zip_longest(before[: len(after)], after)
        ]
        if len(before) != len(after) or any(a.cell_length != b.cell_length for a, b in zip(before, after, strict=True)):
            self.refresh()
            return
        regions = [
            Region(x, y, span, 1)
            for y, (was, now) in enumerate(zip(before, self._strips, strict=True))
            if was is not now
            for x, span in changed_spans(was, now)
        ]
        if regions:
            self.refresh(*regions)

    def _filled(self, strips: Sequence[Strip]) -> list[Strip]:
        """As many strips as there are lines."""
        width, height = self.content_size
        return [*strips[:height], *(blank(width) for _ in range(height - len(strips)))]

    def render_line(self, y: int) -> Strip:
        strip = self._strips[y] if y < len(self._strips) else blank(self.content_size.width)
        return strip.apply_style(Style(bgcolor=self.background_colors[1].rich_color))

    def render_lines(self, crop: Region) -> list[Strip]:
        if self.content_size != self._drawn_at and self.content_size and self.screen.is_active:
            # The first frame of this size, which is painted before the message of the size has come.
            self._drawn_at = self.content_size
            self._strips = self._filled(self.draw(*self.content_size))
        if self.styles.gutter != NULL_SPACING or crop.column_span != (0, self.size.width) or self.opacity < 1:
            return super().render_lines(crop)
        return [self._finished(y) for y in crop.line_range]

    def _finished(self, y: int) -> Strip:
        """A line with its ground, filtered for the terminal; lines that stay are kept."""
        source = self._strips[y] if y < len(self._strips) else blank(self.content_size.width)
        kept = self._kept_lines.get(y)
        if kept is not None and kept[0] is source:
            return kept[1]
        known = self._finished_styles
        if missing := [style for style in {style for _, style, _ in source} if style not in known]:
            known.update(zip(missing, self._finish(missing), strict=True))
        finished = Strip([Segment(text, known[style]) for text, style, _ in source], source.cell_length)
        for line_filter in self.get_line_filters():
            if isinstance(line_filter, TextFilter):
                finished = finished.apply_filter(line_filter, self._behind())
        self._kept_lines[y] = (source, finished)
        return finished

    def _finish(self, styles: Sequence[Style | None]) -> list[Style | None]:
        """What becomes of styles on this ground under the filters that go by styles alone."""
        ground = self._behind()
        segments = list(
            Segment.apply_style([Segment("x", style) for style in styles], Style(bgcolor=ground.rich_color))
        )
        for line_filter in self.get_line_filters():
            if not isinstance(line_filter, TextFilter):  # which is given the whole line
                segments = line_filter.apply(segments, ground)
        return [segment.style for segment in segments]

    def _behind(self) -> Color:
        """The ground, worked out once: that takes longer than drawing a line."""
        if self._ground is None:
            self._ground = self.background_colors[1]
        return self._ground

    def notify_style_update(self) -> None:
        self._forget()
        super().notify_style_update()

    def _forget(self) -> None:
        self._kept_lines.clear()
        self._finished_styles.clear()
        self._ground = None

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self._recolor())
        self.app.screen_change_signal.subscribe(self, lambda _: self._make_up())

    def _recolor(self) -> None:
        self._forget()
        self.paint()

    def _make_up(self) -> None:
        if self._missed and self.screen.is_active:
            self.paint()

    def on_resize(self, event: events.Resize) -> None:
        if self.content_size != self._drawn_at:
            self.paint()
