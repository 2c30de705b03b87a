"""Lines without a colour, for terminals that have none and people who want none: only bold, underlined, reversed."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from .canvas import TextFilter
from .palette import Palette

SHADES = " ░▒▓█"


class Colorless(TextFilter):
    """Says with attributes what a ground said, and with five shades what was a picture.

    Half blocks with a colour above and below, and blanks on a ground that is no plain one, are pictures. A ground that
    marks (the chosen row, a button, a cursor) becomes reverse video. `palette` tells which colours were drawn with.
    """

    def __init__(self, palette: Callable[[], Palette]) -> None:
        super().__init__()
        self._palette = palette

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments, of the same widths, with styles that hold no colour."""
        colors = self._palette()
        return [
            segment if segment.control or segment.style is None else _plain(segment.text, segment.style, colors)
            for segment in segments
        ]


@lru_cache(maxsize=4096)
def _plain(text: str, style: Style, colors: Palette) -> Segment:
    ground = _name(style.bgcolor.get_truecolor().hex if style.bgcolor else "", colors)
    pixels = set(text) == {"▀"} and style.bgcolor is not None
    if pixels or (text.isspace() and ground == "other"):
        halves = [half.get_truecolor() for half in (style.color if pixels else None, style.bgcolor) if half]
        light = sum(map(sum, halves)) / (255 * 3 * len(halves))
        return Segment(SHADES[min(4, int(5 * (light if colors.dark else 1 - light)))] * len(text))
    faint = style.color is not None and style.color.get_truecolor().hex in (colors.faint, colors.muted)
    attributes = Style(
        bold=style.bold, underline=style.underline, dim=faint or None, reverse=ground in ("mark", "other") or None
    )
    return Segment(text, attributes)


def _name(color: str, colors: Palette) -> str:
    """What a ground is: "plain", one that marks what lies on it, or any "other"."""
    if color in ("", colors.ground, colors.surface):
        return "plain"
    return "mark" if color in colors.colors().values() else "other"
