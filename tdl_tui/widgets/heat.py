"""Heat maps over a horizontal axis: shades that differ in density and in colour, so that either alone is enough."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import groupby

from textual.strip import Strip

from .axes import TINY, Scale, Span, growing
from .chart import x_labels
from .gradients import fit_path, thinned
from .lines import PLAIN, Piece, fit, ink, line
from .numbers import brief
from .palette import Palette, blended

SHADES = "░▒▓█"
THICKEST = 3
"""Lines that a row has at most, where there are few rows."""
TONES = 4
"""Colours of each shade."""
FAINTEST = 0.35
"""How much of the colour the lowest values have."""
DECADES = 24
"""Orders of magnitude that a logarithmic scale shows at most: the upper ones."""


def scale_of(values: Sequence[float], *, log: bool) -> Span:
    """A scale with round ends for the finite values: decades, or from 0, or from minus to plus as far."""
    finite = [value if abs(value) > TINY else 0.0 for value in values if math.isfinite(value)]
    if log:
        sizes = list(filter(None, map(abs, finite)))
        if not sizes:
            return Span(0.1, 1.0, log=True)
        top = math.ceil(math.log10(max(sizes)) - 1e-9)
        bottom = max(math.floor(math.log10(min(sizes)) + 1e-9), top - DECADES)
        return Span(10.0**bottom, 10.0 ** max(top, bottom + 1), log=True)
    reach = growing(max(map(abs, finite), default=0.0)).high
    return Span(-reach if any(value < 0 for value in finite) else 0.0, reach)


def places(xs: Sequence[float], x: Span, columns: int) -> list[list[int]]:
    """Which of the places `xs` (ascending) fall into each column; a column between two has the one before, those beyond
    the last none."""
    found: list[list[int]] = [[] for _ in range(columns)]
    before: int | None = None
    last = -1
    for index, place in enumerate(map(x.place, xs)):
        if place < 0:
            before = index
        elif place <= 1:
            last = min(columns - 1, int(place * columns))
            found[last].append(index)
        elif before is not None or last >= 0:  # it goes on beyond the right end
            last = columns - 1
    held = [before] if before is not None else []
    for column in range(last + 1):
        held = found[column][-1:] or held
        found[column] = found[column] or held
    return found


def in_sight(xs: Sequence[float], x: Span, most: int) -> list[int]:
    """Which of the places `xs` (ascending) lie on the axis, and the ones before and behind: about `most` of them."""
    first = bisect_left(xs, x.low)
    last = bisect_right(xs, x.high)
    return list(thinned(range(max(0, first - 1), min(len(xs), last + 1)), most))


def shades(levels: Sequence[float | None], palette: Palette, *, on: str | None = None) -> list[Piece]:
    """A row of cells, from 0 to 1; NaN is a cross, None blank."""
    cells = [_cell(level, palette) for level in levels]
    return [
        ("".join(text for text, _ in run), ink(color, on=on) if color else ink(palette.text, on=on) if on else PLAIN)
        for color, group in groupby(cells, key=lambda cell: cell[1])
        for run in [list(group)]
    ]


def _cell(level: float | None, palette: Palette) -> tuple[str, str]:
    if level is None:
        return " ", ""
    if math.isnan(level):
        return "×", palette.bad
    level = min(1.0, max(0.0, level))
    steps = len(SHADES) * TONES
    tone = min(steps - 1, int(level * steps))
    share = FAINTEST + (1 - FAINTEST) * tone / (steps - 1)
    return SHADES[tone // TONES], blended(palette.accent, palette.ground, share)


def legend(scale: Span, palette: Palette) -> list[Piece]:
    """What the shades mean: the ends of the scale about a ramp."""
    ramp = shades([(i + 0.5) / 8 for i in range(8)], palette)
    muted = ink(palette.muted)
    return [(f"{brief(scale.low)} ", muted), *ramp, (f" {brief(scale.high)}", muted)]


def level(values: Sequence[float], scale: Span) -> float | None:
    """Where the mean of some values lies on the scale, from 0 to 1 (on a logarithmic one, of their magnitudes' logs);
    NaN where one is infinite, None where there is none: NaN stands for that."""
    if len(values) == 1 and 0 < abs(values[0]) < math.inf:
        return scale.place(abs(values[0]) if scale.log else values[0])
    if any(map(math.isinf, values)):
        return math.nan
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return None
    if not scale.log:
        return scale.place(sum(known) / len(known))
    sizes = [abs(value) for value in known if value]
    return scale.place(math.exp(math.fsum(map(math.log, sizes)) / len(sizes))) if sizes else 0.0


def draw_heat(
    names: Sequence[str],
    rows: Sequence[Sequence[float]],
    xs: Sequence[float],
    *,
    x: Span,
    along: Scale,
    scale: Span,
    width: int,
    height: int,
    palette: Palette,
    cursor: float | None = None,
    chosen: int | None = None,
) -> list[Strip]:
    """A row a name, its values at the places `xs` (ascending), as far as there is height; below the axis `x`, and where
    the cursor stands on it. `chosen` is a row that is marked."""
    if height < 2 or width < 16:
        return []
    gutter = max(6, min(24, width // 3, max((len(name) for name in names), default=0) + 1))
    columns = width - gutter - 1
    cells = places(xs, x, columns)
    thick = max(1, min(THICKEST, (height - 1) // max(1, len(names))))
    strips = []
    for index, (name, values) in enumerate(zip(names[: (height - 1) // thick], rows, strict=False)):
        on = palette.raised if index == chosen else None
        levels = _levels(cells, values, scale)
        drawn = [(" ", PLAIN), ("│", ink(palette.faint)), *shades(levels, palette)]
        strips.append(line([(fit_path(name, gutter - 1), ink(palette.text, on=on)), *drawn], width))
        strips += [line([(fit("", gutter - 1), PLAIN), *drawn], width)] * (thick - 1)
    strips.append(axis(x, along, gutter, columns, width, palette, cursor))
    return strips


def _levels(cells: Sequence[Sequence[int]], values: Sequence[float], scale: Span) -> list[float | None]:
    found: list[float | None] = []
    before: Sequence[int] = ()
    for cell in cells:
        if cell and cell is before:  # held
            found.append(found[-1])
        else:
            found.append(level([values[i] for i in cell], scale) if cell else None)
        before = cell
    return found


def axis(
    x: Span, along: Scale, gutter: int, columns: int, width: int, palette: Palette, cursor: float | None = None
) -> Strip:
    """The labels of a horizontal axis, with a mark where the cursor stands."""
    labels = x_labels(x, along, gutter, columns, width)
    place = x.place(cursor) if cursor is not None else -1.0
    if not 0 <= place <= 1:
        return line([(labels, ink(palette.muted))], width)
    at = gutter + 1 + min(columns - 1, int(place * columns))
    muted = ink(palette.muted)
    return line([(labels[:at], muted), ("▲", ink(palette.accent, bold=True)), (labels[at + 1 :], muted)], width)
