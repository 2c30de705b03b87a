"""Line charts: curves in braille, with axes and labels that hold still and align, and what happened beside them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rich.cells import cell_len
from textual.strip import Strip

from .axes import Scale, Span, ticks, x_ticks
from .braille import Dots, Place, dotted
from .chart_view import View
from .curves import Curve, Reading
from .drawing import Drawing, Sign, inked
from .lines import Piece, fit, heading, ink, line
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
    unit: str = "",
) -> list[Strip]:
    """The chart with its heading, its vertical and its horizontal axis.

    At the right of the heading stands what is given, else the curves' names with their newest values, or with those
    at the cursor. A curve without a name has no letter at its end. `notes` say how it is drawn, as far as there is
    room; `unit` what the horizontal axis counts, where that is not what the view's does.
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
        return [*strips, *_body(curves, x, y, view, width, height - 1, palette, marks, unit)]
    beside = listed(curves, marks.readings, LISTED, height - 2, palette)
    beside += [line((), LISTED)] * (height - 1 - len(beside))
    drawn = _body(curves, x, y, view, width - LISTED - 2, height - 1, palette, marks, unit)
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
    curves: Sequence[Curve],
    x: Span,
    y: Span,
    view: View,
    width: int,
    height: int,
    palette: Palette,
    marks: Marks,
    unit: str,
) -> Sequence[Strip]:
    rows = height - 1
    labels = {_row(y.place(value), rows): label for value, label in ticks(y, max(2, rows // 3 + 1))}
    gutter = max(6, max((len(label) for label in labels.values()), default=0) + 1)
    columns = width - gutter - 1
    if columns < 4:
        return []
    drawing = _placed(curves, x, y, columns, rows, marks, palette)
    below = x_labels(x, view.scale, gutter, columns, width, unit)
    return _painted(drawing, tuple(labels.items()), below, gutter, palette)


@lru_cache(maxsize=128)
def _painted(
    drawing: Drawing, labels: tuple[tuple[int, str], ...], below: str, gutter: int, palette: Palette
) -> Sequence[Strip]:
    """The drawing with its axes. Most of what comes in moves no dot: then it is the one that was."""
    rule, muted = ink(palette.faint), ink(palette.muted)
    named, width = dict(labels), len(below)
    strips = []
    for row, pieces in enumerate(inked(drawing)):
        label = named.get(row)
        start: list[Piece] = [(fit(label or "", gutter, "right"), muted), ("┤" if label else "│", rule)]
        strips.append(line([*start, *pieces], width))
    strips.append(line([(below, muted)], width))
    return strips


def _row(place: float, rows: int) -> int:
    return min(rows - 1, max(0, round((1 - place) * (rows - 1))))


def _placed(
    curves: Sequence[Curve], x: Span, y: Span, columns: int, rows: int, marks: Marks, palette: Palette
) -> Drawing:
    """Where in the cells everything stands; what matters most in front."""
    cursor = _column(x.place(marks.cursor), columns) if marks.cursor is not None else None
    before = [
        ((rows - 1, gap), "×", curve.color)
        for curve in curves
        for a in (*_gaps(curve), *curve.broken)
        if (gap := _column(x.place(a), columns)) is not None
    ]
    if marks.best is not None:
        up, along = _dot_row(y.place(marks.best[1]), rows), _column(x.place(marks.best[0]), columns)
        if up is not None and along is not None:
            before.append(((up, along), "★", palette.good))
    return Drawing(
        columns,
        rows,
        shades=tuple(shade for curve in curves for shade in _band(curve, x, y, columns, rows, palette)),
        behind=tuple(_happenings(marks.happenings, x, columns, rows, palette)),
        faint=tuple(
            (_line(curve.x, curve.raw, x, y, columns, rows), blended(curve.color, palette.ground, FAINT))
            for curve in curves
            if curve.raw
        ),
        lines=tuple((_line(curve.x, curve.y, x, y, columns, rows), curve.color) for curve in curves),
        between=tuple(((row, cursor), "│", palette.accent) for row in range(rows)) if cursor is not None else (),
        before=tuple(before),
        ends=tuple(
            (end, curve.name[0] if cell_len(curve.name[0]) == 1 else "•", curve.color)  # a cell holds no wide character
            for curve in curves
            if curve.name and (end := _end(curve, x, y, columns, rows)) is not None
        ),
    )


def _gaps(curve: Curve) -> list[float]:
    """Where it has no value."""
    if math.isfinite(sum(curve.y)):
        return []
    return [a for a, b in zip(curve.x, curve.y, strict=True) if not math.isfinite(b)]


def _column(place: float, columns: int) -> int | None:
    """The column of a place from 0 to 1, as braille has it; None outside."""
    return round(place * (2 * columns - 1)) // 2 if 0 <= place <= 1 else None


def _dot_row(place: float, rows: int) -> int | None:
    """The row of a place from 0 (below) to 1, as braille has it; None outside."""
    return rows - 1 - round(place * (4 * rows - 1)) // 4 if 0 <= place <= 1 else None


def _band(curve: Curve, x: Span, y: Span, columns: int, rows: int, palette: Palette) -> Iterator[tuple[Place, str]]:
    """The cells of which at least half lies between a bucket's extremes, with the shade that they have."""
    shade = blended(curve.color, palette.ground, SHADE)
    extremes: dict[int, tuple[float, float]] = {}
    for extent in curve.band:
        left, right = x.place(extent.left), x.place(extent.right)
        if right < 0 or left > 1:
            continue
        first, last = _column(max(0.0, left), columns), _column(min(1.0, right), columns)
        for column in range(first or 0, (last or 0) + 1):
            low, high = extremes.get(column, (math.inf, -math.inf))
            extremes[column] = min(low, extent.minimum), max(high, extent.maximum)
    for column, (low, high) in extremes.items():
        top, bottom = (1 - y.place(high)) * rows, (1 - y.place(low)) * rows
        for row in range(max(0, math.floor(top)), min(rows, math.ceil(bottom))):
            if min(bottom, row + 1) - max(top, row) >= 0.5:
                yield (row, column), shade


def _happenings(happenings: Sequence[Happening], x: Span, columns: int, rows: int, palette: Palette) -> Iterator[Sign]:
    """Thin verticals, with their signs below; where they stand close, the signs alone; where these would fill the line,
    all but the most frequent."""
    if columns < 24 or rows < 5:
        return
    found = [(column, h) for h in happenings if (column := _column(x.place(h.x), columns)) is not None]
    if len({column for column, _ in found}) > columns // 3:
        ((often, _),) = Counter(happening.sign for _, happening in found).most_common(1)
        found = [(column, happening) for column, happening in found if happening.sign != often]
    verticals = {column for column, _ in found} - {columns - 1}  # where the frame would be
    if len(verticals) <= columns // 8:
        yield from (((row, column), "┊", palette.faint) for column in verticals for row in range(rows - 1))
    yield from (((rows - 1, column), happening.sign, happening.color) for column, happening in found)


def _line(xs: Sequence[float], ys: Sequence[float], x: Span, y: Span, columns: int, rows: int) -> tuple[Dots, ...]:
    """A line's dots; what lies outside of the axes is cut off, not bent along its edge."""
    along, up = x.places(xs), y.places(ys)
    if y.log:
        up = [math.nan if b <= 0 else place for b, place in zip(ys, up, strict=True)]
    if along and (along[0] < 0 or along[-1] > 1 or [place for place in up if place < 0 or place > 1]):
        cut = list(clipped(list(zip(along, up, strict=True))))
        along, up = [a for a, _ in cut], [b for _, b in cut]
    return dotted(along, up, columns, rows)


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


def _end(curve: Curve, x: Span, y: Span, columns: int, rows: int) -> Place | None:
    """The cell after the curve's last point, for its initial: curves differ by more than colour."""
    for a, b in zip(reversed(curve.x), reversed(curve.y), strict=True):
        if 0 <= x.place(a) <= 1 and 0 <= y.place(b) <= 1:
            return _row(y.place(b), rows), min(columns - 1, int(x.place(a) * columns) + 1)
    return None


_UNITS: dict[Scale, str] = {"steps": "steps", "epochs": "epochs"}


def x_labels(x: Span, scale: Scale, gutter: int, columns: int, width: int, unit: str = "") -> str:
    text = [" "] * width
    unit = unit or _UNITS.get(scale, "")
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
