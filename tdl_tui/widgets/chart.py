"""Line charts: curves drawn by plotext in braille, axes and labels by us, so that they hold still and align."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
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
_BRAILLE = 0x2800


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
    name: str, color: str, buckets: Sequence[Bucket], view: View, *, steps_per_epoch: int, start: float
) -> Curve:
    """The means of the buckets as a curve; `start` is the time that counts as 0."""
    if view.scale == "time":
        x = [max(0.0, bucket.time - start) for bucket in buckets]
    else:
        each = (steps_per_epoch or 1) if view.scale == "epochs" else 1
        x = [(bucket.first + bucket.last) / 2 / each for bucket in buckets]
    means = [bucket.mean if bucket.count else math.nan for bucket in buckets]
    latest = math.nan
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


def raster(points: Sequence[tuple[float, float]], width: int, height: int) -> tuple[str, ...]:
    """Lines through points of the unit square (y upwards; a y that is not finite breaks the line) in braille.

    Gives `height` rows of exactly `width` characters, blank where nothing is. A curve that grows at its end costs
    what is new of it: it is drawn piece by piece, each on a canvas of its own size, and pieces are kept.
    """
    if width < 1 or height < 1:
        return ()
    rows = [[0] * width for _ in range(height)]
    for run in _unbroken(points):
        dots = [
            (round(min(1.0, max(0.0, x)) * (2 * width - 1)), round(min(1.0, max(0.0, y)) * (4 * height - 1)))
            for x, y in run
        ]
        for start in range(0, max(1, len(dots) - 1), PIECE):
            part = dots[start : start + PIECE + 1]
            left, bottom = min(x for x, _ in part) // 2, min(y for _, y in part) // 4
            for up, right, code in _piece(tuple((x - 2 * left, y - 4 * bottom) for x, y in part)):
                rows[height - 1 - bottom - up][left + right] |= code
    return tuple("".join([chr(code) if code else " " for code in row]) for row in rows)


PIECE = 16  # points; drawing has a cost of its own that is worth about as many


@lru_cache(maxsize=256)
def _piece(dots: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int, int], ...]:
    """Lines through dots, two a cell across and four up: row from below, column, character of each cell touched."""
    wide = max(x for x, _ in dots) // 2 + 1
    high = max(y for _, y in dots) // 4 + 1
    # plotext counts in cells, with 0 at the middle of the first, and wants at least two of them.
    width, height = max(2, wide), max(2, high)
    x, y = [(dot - 0.5) / 2 for dot, _ in dots], [(dot - 1.5) / 4 for _, dot in dots]
    with _drawing:
        figure = _figure()
        if figure.size() != (width, height):
            figure.plot_size(width, height)
        figure.ruler("x").lim(0.0, width - 1.0)
        figure.ruler("y").lim(0.0, height - 1.0)
        figure.draw(figure.signal(x, y, marker="braille").lines(len(dots) > 1))
        text: str = figure.build().string(colorless=True)
        figure.clear.data()
    return tuple(
        (height - 1 - row, column, ord(character))
        for row, characters in enumerate(text.split("\n"))
        for column, character in enumerate(characters)
        if character != " " and column < wide and height - 1 - row < high
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
) -> list[Strip]:
    """The chart with its heading (newest values as the legend), its vertical and its horizontal axis."""
    rule, muted = ink(palette.faint), ink(palette.muted)
    legend: list[Piece] = []
    for curve in curves:
        value = real(curve.latest) if curve.y else "–"
        legend += [
            ("  " if legend else "", PLAIN),
            (f"{curve.name if width >= 38 else curve.name[0]} ", ink(curve.color)),
            (fit(value, 7), ink(palette.text)),
        ]
    strips = [heading(title, key, legend, width, rule=rule, name=ink(palette.text, bold=True))]
    rows = height - 2
    if rows < 1 or width < 16:
        return strips[:height]
    marks = {_row(y.place(value), rows): label for value, label in ticks(y, max(2, rows // 3 + 1))}
    gutter = max(6, max((len(label) for label in marks.values()), default=0) + 1)
    columns = width - gutter - 1
    if columns < 4:
        return strips
    grid = _overlay(curves, x, y, columns, rows)
    for row in range(rows):
        label = marks.get(row)
        pieces: list[Piece] = [
            (fit(label or "", gutter, "right"), muted),
            ("┤" if label else "│", rule),
        ]
        start = 0
        cells = grid[row]
        while start < columns:
            end = start
            while end < columns and cells[end][1] == cells[start][1]:
                end += 1
            color = cells[start][1]
            pieces.append(("".join(c for c, _ in cells[start:end]), ink(color) if color else PLAIN))
            start = end
        strips.append(line(pieces, width))
    strips.append(line([(_x_labels(x, view.scale, gutter, columns, width), muted)], width))
    return strips


def _row(place: float, rows: int) -> int:
    return min(rows - 1, max(0, round((1 - place) * (rows - 1))))


def _overlay(curves: Sequence[Curve], x: Span, y: Span, columns: int, rows: int) -> list[list[tuple[str, str]]]:
    """Character and colour ("" where blank) of each cell; where curves meet, both show in the later one's colour."""
    grid = [[(" ", "")] * columns for _ in range(rows)]
    for curve in curves:
        points = [
            (x.place(a), y.place(b) if math.isfinite(b) and (b > 0 or not y.log) else math.nan)
            for a, b in zip(curve.x, curve.y, strict=True)
        ]
        for row, text in enumerate(raster(points, columns, rows)):
            for column, character in enumerate(text):
                if character == " ":
                    continue
                under = grid[row][column][0]
                both = ord(character) | ord(under) if under != " " else ord(character)
                grid[row][column] = (chr(both), curve.color)
    for curve in curves:
        for a, b in zip(curve.x, curve.y, strict=True):
            if not math.isfinite(b) and 0 <= x.place(a) <= 1:
                grid[rows - 1][min(columns - 1, int(x.place(a) * columns))] = ("×", curve.color)
        _name_end(grid, curve, x, y)
    return grid


def _name_end(grid: list[list[tuple[str, str]]], curve: Curve, x: Span, y: Span) -> None:
    """Sets the curve's initial after its last point, where a cell is free: curves differ by more than colour."""
    rows, columns = len(grid), len(grid[0])
    shown = [(a, b) for a, b in zip(curve.x, curve.y, strict=True) if 0 <= x.place(a) <= 1 and 0 <= y.place(b) <= 1]
    if not shown:
        return
    column = min(columns - 1, int(x.place(shown[-1][0]) * columns) + 1)
    row = _row(y.place(shown[-1][1]), rows)
    for beside in (row, row - 1, row + 1):
        if 0 <= beside < rows and grid[beside][column][0] == " ":
            grid[beside][column] = (curve.name[0], curve.color)
            return


_UNITS: dict[Scale, str] = {"steps": "steps", "epochs": "epochs", "time": ""}


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
