"""A drawing in the cells of a chart: curves in braille, signs before, between and behind them, shades behind all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

from .braille import Dots, Place, raster
from .lines import PLAIN, Piece, ink

Line = tuple[tuple[Dots, ...], str]
"""The dots of a curve's parts, and its colour."""
Sign = tuple[Place, str, str]
"""Where a character stands, and its colour."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """What stands where in so many cells, from the back to the front; of each kind what comes later lies above, of
    `shades` below. Where `lines` meet, both show in the later one's colour; `between` stands where none of them is,
    and `ends` in the first free one of the cell, the one above and the one below."""

    columns: int
    rows: int
    shades: tuple[tuple[Place, str], ...] = ()
    behind: tuple[Sign, ...] = ()
    faint: tuple[Line, ...] = ()
    lines: tuple[Line, ...] = ()
    between: tuple[Sign, ...] = ()
    before: tuple[Sign, ...] = ()
    ends: tuple[Sign, ...] = ()


def inked(drawing: Drawing) -> Iterator[list[Piece]]:
    """The drawing row by row."""
    rows: list[list[Piece]] = [[(" ", PLAIN)] * drawing.columns for _ in range(drawing.rows)]
    _put(rows, drawing.behind)
    for parts, color in drawing.faint:
        _trace(rows, raster(parts, drawing.rows), color)
    own: dict[Place, int] = {}
    for parts, color in drawing.lines:
        cells = raster(parts, drawing.rows)
        if own:
            cells = {place: own.get(place, 0) | code for place, code in cells.items()}
        own.update(cells)
        _trace(rows, cells, color)
    _put(rows, (sign for sign in drawing.between if sign[0] not in own))
    _put(rows, drawing.before)
    for (row, column), character, color in drawing.ends:
        at = next((at for at in (row, row - 1, row + 1) if 0 <= at < drawing.rows and rows[at][column][0] == " "), None)
        if at is not None:
            rows[at][column] = character, ink(color)
    for (row, column), shade in reversed(drawing.shades):
        character, style = rows[row][column]
        rows[row][column] = character, ink(style.color.name if style.color else "default", on=shade)
    return map(_joined, rows)


def _put(rows: Sequence[list[Piece]], signs: Iterable[Sign]) -> None:
    for (row, column), character, color in signs:
        rows[row][column] = character, ink(color)


def _trace(rows: Sequence[list[Piece]], cells: dict[Place, int], color: str) -> None:
    style = ink(color)
    for (row, column), code in cells.items():
        rows[row][column] = chr(code), style


_STYLE = itemgetter(1)


def _joined(cells: Iterable[Piece]) -> list[Piece]:
    """Cells of the same style as one piece each."""
    return [("".join([character for character, _ in run]), style) for style, run in groupby(cells, _STYLE)]
