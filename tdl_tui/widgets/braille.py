"""Lines in braille, put together of strokes from dot to dot."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby, pairwise
from math import isfinite

PIECE = 64  # strokes
Dot = tuple[int, int]
"""A dot's place, counted from the left and from below: two a cell across and four up."""
Dots = tuple[Dot, ...]
Place = tuple[int, int]
"""A cell: its row, from above, and its column."""
Cells = tuple[tuple[int, int, int], ...]
"""What a stroke touches: how far below the cell where it begins, how far to the right of it; character."""
_BITS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
"""Of a braille character, by a dot's place in the cell."""


def dotted(xs: Sequence[float], ys: Sequence[float], width: int, height: int) -> tuple[Dots, ...]:
    """The unbroken parts of a line through points of the unit square (y upwards; a y that is not finite breaks it), as
    the dots that `width` x `height` cells have for them. A point on the same dot as the one before adds none."""
    across, up = 2 * width - 1, 4 * height - 1
    dots = [(round(x * across), round(y * up)) if isfinite(y) else None for x, y in zip(xs, ys, strict=True)]
    return tuple(tuple(dot for dot, _ in groupby(part) if dot) for whole, part in groupby(dots, bool) if whole)


def raster(parts: tuple[Dots, ...], height: int) -> dict[Place, int]:
    """The code point of each cell of `height` rows that the parts of a line touch, by (row from above, column).

    A line that grows at its end costs what is new of it: a few strokes.
    """
    if not parts:
        return {}
    *before, last = parts
    settled = (len(last) - 1) // PIECE * PIECE
    cells = _settled((*before, last[: settled + 1]), height).copy()
    _touch(cells, [last[settled:]], height)
    return cells


@lru_cache(maxsize=128)
def _settled(parts: tuple[Dots, ...], height: int) -> dict[Place, int]:
    cells: dict[Place, int] = {}
    _touch(cells, parts, height)
    return cells


def _touch(cells: dict[Place, int], parts: Sequence[Dots], height: int) -> None:
    """Adds the cells that the parts of a line touch."""
    strokes = (stroke for dots in parts for stroke in pairwise(dots if len(dots) > 1 else dots * 2))
    for (x, y), (then_x, then_y) in strokes:
        row, column = height - 1 - (y >> 2), x >> 1
        for down, right, code in _cells(x & 1, y & 3, then_x - x, then_y - y):
            place = row + down, column + right
            cells[place] = cells.get(place, 0) | code


@lru_cache(maxsize=1 << 14)
def _cells(x: int, y: int, across: int, up: int) -> Cells:
    """The stroke from a dot of a cell to the one so far away: one dot a step of its longer way, the nearest to the
    straight line (Bresenham 1965)."""
    steps = max(abs(across), abs(up), 1)
    codes: dict[Place, int] = {}
    for twice in range(0, 2 * steps + 1, 2):
        right, above = x + (across * twice + steps) // (2 * steps), y + (up * twice + steps) // (2 * steps)
        cell = -(above >> 2), right >> 1
        codes[cell] = codes.get(cell, 0x2800) | _BITS[right & 1][above & 3]
    return tuple((*cell, code) for cell, code in codes.items())
