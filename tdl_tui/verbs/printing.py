"""Strips as they are drawn for the workbench, as text for standard output. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.color import Color, ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tdl_tui.widgets.palette import DARK

COLORS = {"standard": ColorSystem.STANDARD, "256": ColorSystem.EIGHT_BIT, "truecolor": ColorSystem.TRUECOLOR}
HALF = "▀"
SHADES = " ░▒▓█"
_OWN = {DARK.text: Style(), DARK.muted: Style(dim=True), DARK.faint: Style(dim=True)}


def printed(strips: Iterable[Strip], colors: str | None) -> str:
    """The lines, without blanks at their ends. The strips were drawn with the dark palette.

    `colors` is the terminal's colour system as rich names it: then text takes the terminal's own colours, and all else
    those it was drawn in. None: plain characters, and five shades where a half block's colours were a picture.
    """
    system = COLORS.get(colors or "")
    lines = ["".join(_piece(segment, system) for segment in strip).rstrip() for strip in strips]
    while lines and not lines[-1]:
        lines.pop()
    return "\n".join(lines)


def _piece(segment: Segment, system: ColorSystem | None) -> str:
    text, style = segment.text, segment.style or Style()
    if system is None:
        return text.replace(HALF, SHADES[min(4, int(_light(style) * 5))]) if HALF in text else text
    color = style.color.name if style.color else ""
    if HALF not in text and color in _OWN:
        style = _OWN[color] + Style(bold=style.bold)
    return style.render(text, color_system=system) if text.strip() else text


def _light(style: Style) -> float:
    """How bright a half block is on its ground, 0 to below 1."""
    levels = list(_levels(style.color)) + list(_levels(style.bgcolor or style.color))
    return sum(levels) / (256 * len(levels)) if levels else 0.0


def _levels(color: Color | None) -> Iterator[int]:
    if color is not None:
        yield from color.get_truecolor()
