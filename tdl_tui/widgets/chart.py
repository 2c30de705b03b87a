"""Line charts: curves drawn by plotext in braille, axes and labels by us, so that they hold still and align."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, groupby, pairwise
from typing import Any

from textual.strip import Strip

from tdl_tui.runs.records import Bucket

from .axes import HUGE, TINY, Scale, Span, covering, ticks, x_ticks
from .lines import PLAIN, Piece, fit, heading, ink, line
from .numbers import real
from .palette import Palette

SMOOTHING = (0.0, 0.6, 0.9, 0.97)
"""The shares of the past that are kept, through which a key cycles."""

_drawing = threading.Lock()  # plotext has one figure a process
Dots = tuple[tuple[int, int], ...]
"""A piece of a line: its dots, counted from the left and from below."""
Cells = tuple[tuple[int, int, int], ...]
"""What a piece touches: row from below, column, character."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A named line: x ascending; a y that is not finite is a gap. `latest` is the newest raw value."""

    name: str
    color: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    latest: float


@dataclass(frozen=True, slots=True)
class View:
    """How charts are shown, as a person chose it."""

    log: bool = False
    scale: Scale = "steps"
    smoothing: float = 0.0


def smooth(values: Sequence[float], keep: float) -> list[float]:
    """Exponential moving average with bias correction (Kingma & Ba 2015, section 3); gaps stay gaps.

    The n-th finite value becomes m_n / (1 - keep**n), m_n = keep * m_{n-1} + (1 - keep) * value. 0 changes nothing.
    """
    if not keep:
        return list(values)
    out: list[float] = []
    mean, power = 0.0, 1.0
    for value in values:
        if not math.isfinite(value):
            out.append(value)
            continue
        mean = keep * mean + (1 - keep) * value
        power *= keep
        out.append(mean / (1 - power))
    return out


def curve_of(
    name: str,
    color: str,
    buckets: Sequence[Bucket],
    view: View,
    *,
    steps_per_epoch: int,
    start: float,
    latest: float = math.nan,
) -> Curve:
    """The means of the buckets as a curve; `start` is the time that counts as 0.

    `latest` is the newest value where the last bucket holds nothing finite: what it is (inf, nan), a bucket forgets.
    """
    if view.scale == "time":  # which stands still while a clock that was moved back catches up
        x = list(accumulate((max(0.0, bucket.time - start) for bucket in buckets), max))
    else:
        each = (steps_per_epoch or 1) if view.scale == "epochs" else 1
        x = [(bucket.first + bucket.last) / 2 / each for bucket in buckets]
    means = [bucket.mean if bucket.count else math.nan for bucket in buckets]
    if buckets and buckets[-1].count:
        latest = means[-1]
    return Curve(name, color, tuple(x), tuple(smooth(means, view.smoothing)), latest)


def y_span(
    curves: Sequence[Curve], log: bool, before: Span | None = None, bounds: tuple[float, float] | None = None
) -> Span:
    """The vertical axis for the curves; with `log`, values at or below 0 do not count."""
    values = [y for curve in curves for y in curve.y if abs(y) < HUGE and (y > TINY or not log)]
    if not values:
        return before if before and before.log == log else Span(0.1 if log else 0.0, 1.0, log)
    return covering(min(values), max(values), log=log, before=before, bounds=None if log else bounds)


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
KEPT = 512  # pieces
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


def draw_chart(
    title: str,
    key: str,
    curves: Sequence[Curve],
    *,
    x: Span,
    y: Span,
    view: View,
    width: int,
    height: int,
    palette: Palette,
    right: Sequence[Piece] | None = None,
) -> list[Strip]:
    """The chart with its heading, its vertical and its horizontal axis.

    At the right of the heading stands what is given, else the curves' names with their newest values. A curve
    without a name has no letter at its end.
    """
    rule, muted = ink(palette.faint), ink(palette.muted)
    legend = _legend(curves, width, palette) if right is None else right
    strips = [heading(title, key, legend, width, rule=rule, name=ink(palette.text, bold=True))]
    rows = height - 2
    if rows < 1 or width < 16:
        return strips[:height]
    marks = {_row(y.place(value), rows): label for value, label in ticks(y, max(2, rows // 3 + 1))}
    gutter = max(6, max((len(label) for label in marks.values()), default=0) + 1)
    columns = width - gutter - 1
    if columns < 4:
        return strips
    characters, colors = _overlay(curves, x, y, columns, rows)
    for row in range(rows):
        label = marks.get(row)
        pieces: list[Piece] = [
            (fit(label or "", gutter, "right"), muted),
            ("┤" if label else "│", rule),
        ]
        start = 0
        for color, run in groupby(colors[row]):
            end = start + sum(1 for _ in run)
            pieces.append(("".join(characters[row][start:end]), ink(color) if color else PLAIN))
            start = end
        strips.append(line(pieces, width))
    strips.append(line([(_x_labels(x, view.scale, gutter, columns, width), muted)], width))
    return strips


def _legend(curves: Sequence[Curve], width: int, palette: Palette) -> list[Piece]:
    legend: list[Piece] = []
    for curve in curves:
        value = real(curve.latest) if curve.y else "–"
        legend += [
            ("  " if legend else "", PLAIN),
            (f"{curve.name if width >= 38 else curve.name[0]} ", ink(curve.color)),
            (fit(value, 7), ink(palette.text)),
        ]
    return legend


def _row(place: float, rows: int) -> int:
    return min(rows - 1, max(0, round((1 - place) * (rows - 1))))


Grid = list[list[str]]


def _overlay(curves: Sequence[Curve], x: Span, y: Span, columns: int, rows: int) -> tuple[Grid, Grid]:
    """Character and colour ("" where blank) of each cell; where curves meet, both show in the later one's colour."""
    characters, colors = [[" "] * columns for _ in range(rows)], [[""] * columns for _ in range(rows)]
    lines = [
        [
            (x.place(a), y.place(b) if math.isfinite(b) and (b > 0 or not y.log) else math.nan)
            for a, b in zip(curve.x, curve.y, strict=True)
        ]
        for curve in curves
    ]
    for curve, cells in zip(curves, rasters(lines, columns, rows), strict=True):
        for (row, column), code in cells.items():
            under = characters[row][column]
            characters[row][column] = chr(code if under == " " else code | ord(under))
            colors[row][column] = curve.color
    for curve in curves:
        for a, b in zip(curve.x, curve.y, strict=True):
            if not math.isfinite(b) and 0 <= x.place(a) <= 1:
                column = min(columns - 1, int(x.place(a) * columns))
                characters[rows - 1][column], colors[rows - 1][column] = "×", curve.color
    for curve in curves:
        cell = _end(characters, curve, x, y) if curve.name else None
        if cell is not None:
            row, column = cell
            characters[row][column], colors[row][column] = curve.name[0], curve.color
    return characters, colors


def _end(characters: Grid, curve: Curve, x: Span, y: Span) -> tuple[int, int] | None:
    """A free cell after the curve's last point, for its initial: curves differ by more than colour."""
    rows, columns = len(characters), len(characters[0])
    for a, b in zip(reversed(curve.x), reversed(curve.y), strict=True):
        if 0 <= x.place(a) <= 1 and 0 <= y.place(b) <= 1:
            break
    else:
        return None
    column, row = min(columns - 1, int(x.place(a) * columns) + 1), _row(y.place(b), rows)
    beside = (row, row - 1, row + 1)
    return next(((at, column) for at in beside if 0 <= at < rows and characters[at][column] == " "), None)


_UNITS: dict[Scale, str] = {"steps": "steps", "epochs": "epochs", "time": "", "value": ""}


def _x_labels(x: Span, scale: Scale, gutter: int, columns: int, width: int) -> str:
    text = [" "] * width
    unit = _UNITS[scale]
    taken = -1
    for value, label in x_ticks(x, scale, max(2, columns // 10)):
        middle = gutter + 1 + round(x.place(value) * (columns - 1))
        start = min(max(gutter + 1, middle - len(label) // 2), width - len(label))
        if start <= taken:
            continue
        text[start : start + len(label)] = label
        taken = start + len(label)
    if unit and len(unit) <= gutter:
        text[gutter - len(unit) : gutter] = unit
    return "".join(text)
