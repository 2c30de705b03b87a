"""Line charts: curves in braille, with axes and labels that hold still and align, and what happened beside them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from rich.cells import cell_len
from textual.strip import Strip

from .axes import Scale, Span, ticks, x_ticks
from .braille import rasters
from .chart_view import View
from .curves import Curve, Reading
from .lines import PLAIN, Piece, fit, heading, ink, line
from .palette import Palette, blended
from .readout import LISTED, legend, listed

FAINT = 0.4
"""How much shows of a curve that stands behind its average."""
SHADE = 0.22
"""How much of a curve's colour its band has."""
FEW = 3
"""Curves whose values a heading holds: of more there is a list, where the chart is wide enough for one."""
LIST_FROM = 72


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened at a place of the horizontal axis."""

    x: float
    sign: str
    color: str


@dataclass(frozen=True, slots=True)
class Marks:
    """What stands in a chart beside its curves: the cursor, with its `step` and what each curve stands at there; what
    happened; the best point (x, y)."""

    cursor: float | None = None
    step: int | None = None
    readings: tuple[Reading | None, ...] | None = None
    happenings: tuple[Happening, ...] = ()
    best: tuple[float, float] | None = None


NO_MARKS = Marks()


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
    notes: Sequence[str] = (),
    marks: Marks = NO_MARKS,
    chosen: bool = False,
) -> list[Strip]:
    """The chart with its heading, its vertical and its horizontal axis.

    At the right of the heading stands what is given, else the curves' names with their newest values, or with those
    at the cursor. A curve without a name has no letter at its end. `notes` say how it is drawn, as far as there is
    room.
    """
    rule = ink(palette.faint)
    aside = right is None and len(curves) > FEW and width >= LIST_FROM and height > 3
    if right is None:
        room = width - cell_len(title) - len(key) - 6
        named: Sequence[Curve] = () if aside else curves
        right = legend(named, marks.readings, marks.step, room, palette)
    name = ink(palette.accent if chosen else palette.text, bold=True)
    strips = [heading(_noted(title, key, notes, right, width), key, right, width, rule=rule, name=name)]
    if height < 3 or width < 16:
        return strips[:height]
    if not aside:
        return [*strips, *_body(curves, x, y, view, width, height - 1, palette, marks)]
    beside = listed(curves, marks.readings, LISTED, height - 2, palette)
    beside += [line((), LISTED)] * (height - 1 - len(beside))
    drawn = _body(curves, x, y, view, width - LISTED - 2, height - 1, palette, marks)
    gap = line((), 2)
    return [*strips, *(Strip.join([part, gap, said]) for part, said in zip(drawn, beside, strict=False))]


def _noted(title: str, key: str, notes: Sequence[str], right: Sequence[Piece], width: int) -> str:
    """The title with as many of the notes as there is room for."""
    room = width - len(key) - 5 - sum(cell_len(text) for text, _ in right)
    for note in notes:
        if cell_len(title) + cell_len(note) + 3 > room:
            break
        title += f" · {note}"
    return title


def _body(
    curves: Sequence[Curve], x: Span, y: Span, view: View, width: int, height: int, palette: Palette, marks: Marks
) -> list[Strip]:
    rule, muted = ink(palette.faint), ink(palette.muted)
    rows = height - 1
    labels = {_row(y.place(value), rows): label for value, label in ticks(y, max(2, rows // 3 + 1))}
    gutter = max(6, max((len(label) for label in labels.values()), default=0) + 1)
    columns = width - gutter - 1
    if columns < 4:
        return []
    paper = _Paper(columns, rows)
    _overlay(paper, curves, x, y, palette, marks)
    strips = []
    for row in range(rows):
        label = labels.get(row)
        pieces: list[Piece] = [(fit(label or "", gutter, "right"), muted), ("┤" if label else "│", rule)]
        strips.append(line([*pieces, *paper.pieces(row)], width))
    strips.append(line([(x_labels(x, view.scale, gutter, columns, width), muted)], width))
    return strips


def _row(place: float, rows: int) -> int:
    return min(rows - 1, max(0, round((1 - place) * (rows - 1))))


class _Paper:
    """Character and colour ("" where blank) of each cell, and the shade behind it ("" for none)."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self.characters = [[" "] * columns for _ in range(rows)]
        self.colors = [[""] * columns for _ in range(rows)]
        self.shades: list[list[str]] | None = None

    def set(self, row: int, column: int, character: str, color: str) -> None:
        self.characters[row][column], self.colors[row][column] = character, color

    def shade(self, row: int, column: int, color: str) -> None:
        if self.shades is None:
            self.shades = [[""] * self.columns for _ in range(self.rows)]
        self.shades[row][column] = self.shades[row][column] or color

    def column(self, place: float) -> int | None:
        """The column of a place from 0 to 1, as braille has it; None outside."""
        return round(place * (2 * self.columns - 1)) // 2 if 0 <= place <= 1 else None

    def row(self, place: float) -> int | None:
        """The row of a place from 0 (below) to 1; None outside."""
        return self.rows - 1 - round(place * (4 * self.rows - 1)) // 4 if 0 <= place <= 1 else None

    def pieces(self, row: int) -> Iterator[Piece]:
        shades = self.shades[row] if self.shades else [""] * self.columns
        start = 0
        for (color, shade), run in groupby(zip(self.colors[row], shades, strict=True)):
            end = start + sum(1 for _ in run)
            style = ink(color, on=shade or None) if color else ink("default", on=shade) if shade else PLAIN
            yield "".join(self.characters[row][start:end]), style
            start = end


def _overlay(paper: _Paper, curves: Sequence[Curve], x: Span, y: Span, palette: Palette, marks: Marks) -> None:
    """All that stands in a chart, what matters most last; where curves meet, both show in the later one's colour."""
    for curve in curves:
        _band(paper, curve, x, y, blended(curve.color, palette.ground, SHADE))
    _happenings(paper, marks.happenings, x, palette)
    behind = [curve for curve in curves if curve.raw]
    lines = [_line(curve.x, curve.raw, x, y) for curve in behind] + [_line(curve.x, curve.y, x, y) for curve in curves]
    drawn = rasters(lines, paper.columns, paper.rows)
    for curve, cells in zip(behind, drawn, strict=False):
        faint = blended(curve.color, palette.ground, FAINT)
        for (row, column), code in cells.items():
            paper.set(row, column, chr(code), faint)
    own: dict[tuple[int, int], int] = {}
    for curve, cells in zip(curves, drawn[len(behind) :], strict=True):
        for cell, code in cells.items():
            own[cell] = own.get(cell, 0) | code
            paper.set(*cell, chr(own[cell]), curve.color)
    _cursor(paper, marks.cursor, x, own.keys(), palette)
    for curve in curves:
        gaps = [a for a, b in zip(curve.x, curve.y, strict=True) if not math.isfinite(b)]
        for a in (*gaps, *curve.broken):
            if (gap := paper.column(x.place(a))) is not None:
                paper.set(paper.rows - 1, gap, "×", curve.color)
    if marks.best is not None:
        up, along = paper.row(y.place(marks.best[1])), paper.column(x.place(marks.best[0]))
        if up is not None and along is not None:
            paper.set(up, along, "★", palette.good)
    for curve in curves:
        at = _end(paper, curve, x, y) if curve.name else None
        if at is not None:
            initial = curve.name[0]
            paper.set(*at, initial if cell_len(initial) == 1 else "•", curve.color)  # a cell holds no wide character


def _band(paper: _Paper, curve: Curve, x: Span, y: Span, shade: str) -> None:
    """Shades the cells of which at least half lies between a bucket's extremes."""
    extremes: dict[int, tuple[float, float]] = {}
    for extent in curve.band:
        left, right = x.place(extent.left), x.place(extent.right)
        if right < 0 or left > 1:
            continue
        first, last = paper.column(max(0.0, left)), paper.column(min(1.0, right))
        for column in range(first or 0, (last or 0) + 1):
            low, high = extremes.get(column, (math.inf, -math.inf))
            extremes[column] = min(low, extent.minimum), max(high, extent.maximum)
    for column, (low, high) in extremes.items():
        top, bottom = (1 - y.place(high)) * paper.rows, (1 - y.place(low)) * paper.rows
        for row in range(max(0, math.floor(top)), min(paper.rows, math.ceil(bottom))):
            if min(bottom, row + 1) - max(top, row) >= 0.5:
                paper.shade(row, column, shade)


def _happenings(paper: _Paper, happenings: Sequence[Happening], x: Span, palette: Palette) -> None:
    """Thin verticals, with their signs below; where they stand close, the signs alone; where these would fill the line,
    all but the most frequent."""
    if paper.columns < 24 or paper.rows < 5:
        return
    found = [(column, h) for h in happenings if (column := paper.column(x.place(h.x))) is not None]
    if len({column for column, _ in found}) > paper.columns // 3:
        ((often, _),) = Counter(happening.sign for _, happening in found).most_common(1)
        found = [(column, happening) for column, happening in found if happening.sign != often]
    verticals = {column for column, _ in found} - {paper.columns - 1}  # where the frame would be
    if len(verticals) <= paper.columns // 8:
        for column in verticals:
            for row in range(paper.rows - 1):
                paper.set(row, column, "┊", palette.faint)
    for column, happening in found:
        paper.set(paper.rows - 1, column, happening.sign, happening.color)


def _cursor(paper: _Paper, cursor: float | None, x: Span, taken: Container[tuple[int, int]], palette: Palette) -> None:
    column = paper.column(x.place(cursor)) if cursor is not None else None
    if column is None:
        return
    for row in range(paper.rows):
        if (row, column) not in taken:
            paper.set(row, column, "│", palette.accent)


def _line(xs: Sequence[float], ys: Sequence[float], x: Span, y: Span) -> list[tuple[float, float]]:
    """A line in the unit square; what lies outside of it is cut off, not bent along its edge."""
    points = [
        (x.place(a), y.place(b) if math.isfinite(b) and (b > 0 or not y.log) else math.nan)
        for a, b in zip(xs, ys, strict=True)
    ]
    if all(0 <= a <= 1 and not (b < 0 or b > 1) for a, b in points):
        return points
    return list(clipped(points))


def clipped(points: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """The parts of a line that lie in the unit square, with a gap between them (Liang & Barsky 1984)."""
    gap = (math.nan, math.nan)
    before: tuple[float, float] | None = None
    for point in points:
        if not (math.isfinite(point[0]) and math.isfinite(point[1])):
            yield gap
            before = None
            continue
        if before is None:
            if _inside(point):
                yield point
        elif (part := _part(before, point)) is not None:
            start, end = part
            if start != before:
                yield gap
                yield start
            yield end
        before = point


def _inside(point: tuple[float, float]) -> bool:
    return 0 <= point[0] <= 1 and 0 <= point[1] <= 1


def _part(a: tuple[float, float], b: tuple[float, float]) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """The part of the stretch from a to b that lies in the unit square."""
    if _inside(a) and _inside(b):
        return a, b
    first, last = 0.0, 1.0
    for start, end in zip(a, b, strict=True):
        by = end - start
        if by == 0:
            if not 0 <= start <= 1:
                return None
            continue
        enters, leaves = sorted(((0 - start) / by, (1 - start) / by))
        first, last = max(first, enters), min(last, leaves)
    if first > last:
        return None

    def at(share: float) -> tuple[float, float]:
        return a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])

    return (a if first == 0 else at(first)), (b if last == 1 else at(last))


def _end(paper: _Paper, curve: Curve, x: Span, y: Span) -> tuple[int, int] | None:
    """A free cell after the curve's last point, for its initial: curves differ by more than colour."""
    for a, b in zip(reversed(curve.x), reversed(curve.y), strict=True):
        if 0 <= x.place(a) <= 1 and 0 <= y.place(b) <= 1:
            break
    else:
        return None
    column, row = min(paper.columns - 1, int(x.place(a) * paper.columns) + 1), _row(y.place(b), paper.rows)
    beside = (row, row - 1, row + 1)
    return next(((at, column) for at in beside if 0 <= at < paper.rows and paper.characters[at][column] == " "), None)


_UNITS: dict[Scale, str] = {"steps": "steps", "epochs": "epochs"}


def x_labels(x: Span, scale: Scale, gutter: int, columns: int, width: int) -> str:
    text = [" "] * width
    unit = _UNITS.get(scale, "")
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
