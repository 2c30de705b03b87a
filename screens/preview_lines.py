"""Lines that every part of the preview has."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from textual.strip import Strip

from tdl_tui.widgets.lines import Piece, heading, ink, line
from tdl_tui.widgets.palette import Palette


def headed(name: str, right: str, width: int, colors: Palette) -> Strip:
    """A part's heading, with what is said at its right."""
    said: list[Piece] = [(right, ink(colors.muted))] if right else []
    return heading(name, "", said, width, rule=ink(colors.faint), name=ink(colors.muted, bold=True))


def told(text: str, color: str, width: int) -> list[Strip]:
    """A text in as many lines as it takes."""
    return [line([(part, ink(color))], width) for part in textwrap.wrap(text, width)]


def columned(cells: Sequence[Sequence[Piece]], each: int, columns: int, width: int) -> list[Strip]:
    """Cells of `each` width, down the first of so many columns, then down the next, two blanks between them."""
    rows = -(-len(cells) // columns)
    strips = [line(cell, each) for cell in cells]
    gap = line((), 2)
    out: list[Strip] = []
    for row in range(rows):
        parts: list[Strip] = []
        for strip in strips[row::rows]:
            parts += [strip, gap] if parts or columns > 1 else [strip]
        out.append(Strip.join(parts).adjust_cell_length(width))
    return out
