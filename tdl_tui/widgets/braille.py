"""Lines in braille, put together of strokes from dot to dot, each of which plotext draws once."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, groupby, pairwise
from math import isfinite
from typing import Any

_drawing = threading.Lock()  # plotext has one figure a process
Dot = tuple[int, int]
"""A dot's place, counted from the left and from below: two a cell across and four up."""
Dots = tuple[Dot, ...]
Place = tuple[int, int]
"""A cell: its row, from above, and its column."""
Cells = tuple[tuple[int, int, int], ...]
"""What a stroke touches: how far below the cell where it begins, how far to the right of it; character."""
_BITS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
"""Of a braille character, by a dot's place in the cell."""


@lru_cache(maxsize=1)
def _figure() -> Any:
    """The bare figure: no frame, no ticks, no colours. Setting it up costs more than a curve."""
    import plotext

    plotext.terminal.limit(False, False)
    figure: Any = plotext.figure
    figure.clear()
    figure.axes(False)
    figure.canvas("default")
    figure.ruler("x").frequency(0)
    figure.ruler("y").frequency(0)
    return figure


def prepare() -> None:
    """Has plotext ready for the first line: it takes a tenth of a second to import. For a thread."""
    with _drawing:
        _figure()


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
    with _drawing:
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
    strokes = [stroke for dots in parts for stroke in pairwise(dots if len(dots) > 1 else dots * 2)]
    _draw({(then_x - x, then_y - y) for (x, y), (then_x, then_y) in strokes})
    for (x, y), (then_x, then_y) in strokes:
        row, column = height - 1 - (y >> 2), x >> 1
        for down, right, code in _cells(x & 1, y & 3, then_x - x, then_y - y):
            place = row + down, column + right
            cells[place] = cells.get(place, 0) | code


@lru_cache(maxsize=1 << 14)
def _cells(x: int, y: int, across: int, up: int) -> Cells:
    """The stroke from a dot of a cell to the one so far away."""
    codes: dict[Place, int] = {}
    for right, above in _kept[across, up]:
        cell = -(y + above >> 2), x + right >> 1
        codes[cell] = codes.get(cell, 0x2800) | _BITS[x + right & 1][y + above & 3]
    return tuple((*cell, code) for cell, code in codes.items())


PIECE = 64  # strokes
KEPT = 1 << 12  # strokes
INSET = (0.0016585662, 0.001516152)  # of a cell: where plotext puts its limits, inside of the outer cells' middles
NUDGE = 1e-4  # of a dot: where a line runs just between two, the same one is taken wherever it lies in the figure
_kept: dict[Dot, Dots] = {}
"""Straight lines by where they end, seen from where they begin."""


def _draw(wanted: set[Dot]) -> None:
    """Has the wanted strokes kept. Those that are missing are drawn in one figure, which costs more than what is in
    it."""
    missing = [stroke for stroke in wanted if stroke not in _kept]
    if len(_kept) + len(missing) > KEPT:
        for stroke in _kept.keys() - wanted:
            del _kept[stroke]
    if missing:
        _kept.update(zip(missing, _draw_beside(missing), strict=True))


def _draw_beside(strokes: Sequence[Dot]) -> Iterator[Dots]:
    """Strokes drawn by plotext side by side."""
    begins = [(max(0, -across), max(0, -up)) for across, up in strokes]
    widths = [abs(across) // 2 + 1 for across, _ in strokes]
    edges = list(accumulate(widths, initial=0))
    # plotext counts in cells, with 0 at the middle of the first, and wants at least two of them.
    width, height = max(2, edges[-1]), max(2, *(abs(up) // 4 + 1 for _, up in strokes))
    ends = [
        (2 * edge + x + along, y + above)
        for (x, y), (across, up), edge in zip(begins, strokes, edges, strict=False)
        for along, above in ((0, 0), (across, up))
    ]
    figure = _figure()
    if figure.size() != (width, height):
        figure.plot_size(width, height)
    figure.ruler("x").lim(INSET[0], width - 1.0 - INSET[1])
    figure.ruler("y").lim(INSET[0], height - 1.0 - INSET[1])
    places = [(x - 0.5 + NUDGE) / 2 for x, _ in ends], [(y - 1.5 + NUDGE) / 4 for _, y in ends]
    signal = figure.signal(*places, marker="braille").lines()
    for begin in range(2, len(ends), 2):
        signal.line(begin, False)
    figure.draw(signal)
    rows = figure.build().string(colorless=True).split("\n")
    figure.clear.data()
    for (x, y), edge, end in zip(begins, edges, edges[1:], strict=False):
        yield tuple(
            (2 * column + across - x, 4 * (height - 1 - row) + up - y)
            for row, characters in enumerate(rows)
            for column, character in enumerate(characters[edge:end])
            if character != " "
            for across, bits in enumerate(_BITS)
            for up, bit in enumerate(bits)
            if ord(character) & bit
        )
