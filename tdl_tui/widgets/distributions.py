"""How values are distributed over a run: a heat map of value against time, and one moment of it beside that."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from rich.cells import cell_len
from textual.strip import Strip

from tdl_tui.runs.records import HISTOGRAM_BINS, QUANTILES, Matrix

from .axes import Scale, Span, covering
from .bars import bar
from .heat import axis, places, shades
from .lines import Piece, fit, ink, line
from .numbers import grouped, norm, real
from .palette import Palette


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram as it was recorded (see `Matrix`): `edges` ascending, one more than `counts`."""

    step: int
    time: float
    edges: tuple[float, ...]
    counts: tuple[float, ...]
    others: int
    """How many values were not finite."""
    mean: float
    deviation: float
    quantiles: tuple[float, ...]

    @property
    def known(self) -> bool:
        """Whether any value was finite."""
        return sum(self.counts) > 0 and all(map(math.isfinite, self.edges))


def distribution(matrix: Matrix) -> Distribution | None:
    """The histogram in a matrix; None where it is of another form."""
    if len(matrix.rows) != 3 or len(matrix.rows[0]) != HISTOGRAM_BINS + 1:
        return None
    edges, counts, summary = matrix.rows
    others = int(counts[-1]) if math.isfinite(counts[-1]) else 0
    quantiles = summary[2 : 2 + len(QUANTILES)]
    return Distribution(matrix.step, matrix.time, edges, counts[:-1], others, summary[0], summary[1], quantiles)


@dataclass(frozen=True, slots=True)
class ValueAxis:
    """Values from low to high on the scale asinh(value / size): linear about 0, logarithmic far from it."""

    low: float
    high: float
    size: float

    def edges(self, rows: int) -> list[float]:
        """The ends of so many rows of one height, ascending."""
        low, high = math.asinh(self.low / self.size), math.asinh(self.high / self.size)
        return [self.size * math.sinh(low + (high - low) * row / rows) for row in range(rows + 1)]

    def middle(self, row: int, rows: int) -> float:
        low, high = math.asinh(self.low / self.size), math.asinh(self.high / self.size)
        return self.size * math.sinh(low + (high - low) * (row + 0.5) / rows)


def value_axis(history: Sequence[Distribution]) -> ValueAxis:
    """One with round ends that covers all."""
    known = [one for one in history if one.known]
    if not known:
        return ValueAxis(-1.0, 1.0, 1.0)
    span = covering(min(one.edges[0] for one in known), max(one.edges[-1] for one in known))
    size = median(math.hypot(one.mean, one.deviation) for one in known)
    return ValueAxis(span.low, span.high, max(size, 1e-3 * (span.high - span.low), 1e-300))


def shares(one: Distribution, edges: Sequence[float]) -> list[float]:
    """Which part of the values lies between each edge and the next; within a bin they are spread evenly."""
    whole = sum(one.counts)
    below = [0.0]
    for count in one.counts:
        below.append(below[-1] + count / whole)

    def under(value: float) -> float:
        if value >= one.edges[-1]:
            return 1.0
        at = bisect_right(one.edges, value) - 1
        if at < 0:
            return 0.0
        left, right = one.edges[at], one.edges[at + 1]
        return below[at] + (below[at + 1] - below[at]) * (value - left) / (right - left)

    heights = [under(edge) for edge in edges]
    return [after - before for before, after in pairwise(heights)]


def draw_distributions(
    history: Sequence[Distribution],
    now: Distribution | None,
    xs: Sequence[float],
    *,
    x: Span,
    along: Scale,
    width: int,
    height: int,
    palette: Palette,
    cursor: float | None = None,
) -> list[Strip]:
    """Value against time at the left, each column by itself; at the right `now`, on the same value axis; below, the
    axis of time and what `now` is in numbers. `xs` say where the history stands."""
    muted, rule = ink(palette.muted), ink(palette.faint)
    rows = height - 2
    if rows < 2 or width < 30:
        return [line([("no room for histograms: enlarge with 4", muted)], width)][:height]
    values = value_axis(history if now is None else [*history, now])
    edges = values.edges(rows)
    labels = _labels(values, rows)
    gutter = max(6, max(map(cell_len, labels.values()), default=0) + 1)
    side = min(40, max(10, (width - gutter) // 4))
    columns = width - gutter - 3 - side
    cells = [_column(history[found[-1]], edges) if found else [None] * rows for found in places(xs, x, columns)]
    bars = shares(now, edges) if now is not None and now.known else [0.0] * rows
    most = max(bars) or 1.0
    strips = []
    for row in reversed(range(rows)):
        label = labels.get(row, "")
        pieces: list[Piece] = [(fit(label, gutter, "right"), muted), ("┤" if label else "│", rule)]
        pieces += shades([column[row] for column in cells], palette)
        pieces += [(" │", rule), (bar(bars[row] / most, side), ink(palette.curves[1]))]
        strips.append(line(pieces, width))
    strips.append(axis(x, along, gutter, columns, width, palette, cursor))
    strips.append(line(_in_numbers(now, width, palette), width))
    return strips


def _column(one: Distribution, edges: Sequence[float]) -> list[float | None]:
    """Levels by row from below: the square roots of the shares, of the largest, so that tails are seen."""
    if not one.known:
        return [math.nan] + [None] * (len(edges) - 2)
    found = shares(one, edges)
    most = max(found) or 1.0
    return [math.sqrt(share / most) if share > 0 else None for share in found]


def _labels(values: ValueAxis, rows: int) -> dict[int, str]:
    """Labels by row from below: the ends, 0, and some between."""
    edges = values.edges(rows)
    zero = next((row for row in range(rows) if edges[row] <= 0 < edges[row + 1]), None)
    found = {row: norm(values.middle(row, rows)) for row in range(0, rows, max(2, rows // 5))}
    if zero is not None:
        found = {row: text for row, text in found.items() if abs(row - zero) > 1}
        found[zero] = "0"
    return found


def _in_numbers(now: Distribution | None, width: int, palette: Palette) -> list[Piece]:
    muted, text = ink(palette.muted), ink(palette.text)
    if now is None:
        return [("none at this step", muted)]
    if not now.known:
        return [(f"✗ none of {grouped(now.others)} values is finite", ink(palette.bad))]
    ill: list[Piece] = [(f"✗ {grouped(now.others)} not finite  ", ink(palette.bad))] if now.others else []
    middle = len(QUANTILES) // 2
    for deviation, chosen in (
        ("deviation", range(len(QUANTILES))),
        ("dev", range(0, len(QUANTILES), 2)),
        ("dev", range(middle, middle + 1)),
    ):
        said = [("mean", now.mean), (deviation, now.deviation)]
        said += [(f"{100 * QUANTILES[i]:g} %", now.quantiles[i]) for i in chosen]
        pieces = [*ill, *(piece for name, value in said for piece in ((f"{name} ", muted), (f"{real(value)}  ", text)))]
        if sum(cell_len(part) for part, _ in pieces) <= width + 2:
            break
    return pieces
