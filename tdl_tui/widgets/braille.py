"""Lines in braille, drawn by plotext piece by piece, so that what has been drawn stays as it is."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any

_drawing = threading.Lock()  # plotext has one figure a process
Dots = tuple[tuple[int, int], ...]
"""A piece of a line: its dots, counted from the left and from below."""
Cells = tuple[tuple[int, int, int], ...]
"""What a piece touches: row from below, column, character."""


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


def rasters(
    lines: Sequence[Sequence[tuple[float, float]]], width: int, height: int
) -> list[dict[tuple[int, int], int]]:
    """Each line through points of the unit square (y upwards; a y that is not finite breaks it) in braille.

    A line gives the code point of each of the `height` rows' and `width` columns' cells that it touches, by (row from
    above, column). One that grows at its end costs what is new of it: it is drawn piece by piece, and pieces are kept.
    """
    if width < 1 or height < 1:
        return [{} for _ in lines]
    pieces = [list(_pieces(points, width, height)) for points in lines]
    drawn = _draw({dots for drawing in pieces for _, _, dots in drawing})
    out = []
    for drawing in pieces:
        cells: dict[tuple[int, int], int] = {}
        for left, bottom, dots in drawing:
            for up, right, code in drawn[dots]:
                cell = height - 1 - bottom - up, left + right
                cells[cell] = cells.get(cell, 0) | code
        out.append(cells)
    return out


PIECE = 16  # points
KEPT = 2048  # pieces
INSET = (0.0016585662, 0.001516152)  # of a cell: where plotext puts its limits, inside of the outer cells' middles
NUDGE = 1e-4  # of a dot: where a line runs just between two, the same one is taken wherever it lies in the figure
_kept: dict[Dots, Cells] = {}


def _pieces(points: Sequence[tuple[float, float]], width: int, height: int) -> Iterator[tuple[int, int, Dots]]:
    """The pieces of a line: the column and row (from below) where each begins, and its dots as seen from there."""
    for run in _unbroken(points):
        dots = [
            (round(min(1.0, max(0.0, x)) * (2 * width - 1)), round(min(1.0, max(0.0, y)) * (4 * height - 1)))
            for x, y in run
        ]
        for start in range(0, max(1, len(dots) - 1), PIECE):
            part = dots[start : start + PIECE + 1]
            left, bottom = min(x for x, _ in part) // 2, min(y for _, y in part) // 4
            yield left, bottom, tuple((x - 2 * left, y - 4 * bottom) for x, y in part)


def _draw(wanted: set[Dots]) -> dict[Dots, Cells]:
    """The pieces drawn. Those that are not kept are drawn side by side in one figure, which costs more than what is
    in it."""
    with _drawing:
        missing = [dots for dots in wanted if dots not in _kept]
        if len(_kept) + len(missing) > KEPT:
            for dots in _kept.keys() - wanted:
                del _kept[dots]
        if missing:
            _kept.update(zip(missing, _draw_beside(missing), strict=True))
        return {dots: _kept[dots] for dots in wanted}


def _draw_beside(pieces: Sequence[Dots]) -> Iterator[Cells]:
    """Pieces drawn by plotext; dots are two a cell across and four up."""
    widths = [max(x for x, _ in dots) // 2 + 1 for dots in pieces]
    # plotext counts in cells, with 0 at the middle of the first, and wants at least two of them.
    width, height = max(2, sum(widths)), max(2, max(y for dots in pieces for _, y in dots) // 4 + 1)
    figure = _figure()
    if figure.size() != (width, height):
        figure.plot_size(width, height)
    figure.ruler("x").lim(INSET[0], width - 1.0 - INSET[1])
    figure.ruler("y").lim(INSET[0], height - 1.0 - INSET[1])
    lefts = list(accumulate(widths, initial=0))
    for dots, left in zip(pieces, lefts, strict=False):
        x = [(dot - 0.5 + NUDGE) / 2 + left for dot, _ in dots]
        y = [(dot - 1.5 + NUDGE) / 4 for _, dot in dots]
        figure.draw(figure.signal(x, y, marker="braille").lines(len(dots) > 1))
    rows = figure.build().string(colorless=True).split("\n")
    figure.clear.data()
    for left, right in pairwise(lefts):
        yield tuple(
            (height - 1 - row, column, ord(character))
            for row, characters in enumerate(rows)
            for column, character in enumerate(characters[left:right])
            if character != " "
        )


def _unbroken(points: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    runs: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if math.isfinite(point[1]):
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]
