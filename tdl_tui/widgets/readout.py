"""What the curves stand at: in a chart's heading while it has room for all of them, else in a list beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.cells import cell_len
from textual.strip import Strip

from .curves import Curve, Reading
from .lines import PLAIN, Piece, fit, ink, line
from .numbers import count, grouped, real, scientific
from .palette import Palette

FIGURE = 7
"""Cells of a value; a mean of several has a sign before it."""
LISTED = 26
"""Cells of a list."""
LARGE = 1e5
_MEAN = "≈"


def figure(curve: Curve, readings: Sequence[Reading | None] | None, index: int) -> str:
    """The curve's newest value, or what it stands at where the cursor is; "–" where there is none."""
    if readings is None:
        return _written(curve.latest) if curve.y else "–"
    found = readings[index]
    if found is None:
        return "–"
    return f"{_MEAN if found.mean and math.isfinite(found.value) else ''}{_written(found.value)}"


def _written(value: float) -> str:
    """A value with three digits, or two where three have no room; a large one in thousands, millions and so on, as the
    axis has it."""
    if LARGE <= abs(value) < math.inf:
        return count(value)
    said = real(value)
    return said if len(said) <= FIGURE else scientific(value)


def legend(
    curves: Sequence[Curve], readings: Sequence[Reading | None] | None, step: int | None, room: int, palette: Palette
) -> list[Piece]:
    """Each curve's name with its value in at most `room` cells: names are cut to what tells them apart, then values
    stand close, then are left out; where that is too long too, there are as many as there is room for. At a cursor its
    `step` comes first, if it fits."""
    wide = FIGURE + (1 if readings is not None else 0)
    names = [curve.name for curve in curves]
    figures = [fit(figure(curve, readings, index), wide) for index, curve in enumerate(curves)]
    said = _said(curves, names, figures, palette)
    if _length(said) > room:
        said = _said(curves, _shortest(names), figures, palette)
    if _length(said) > room:
        said = _said(curves, _shortest(names), [text.rstrip() for text in figures], palette)
    if _length(said) > room:
        said = _said(curves, names, [""] * len(names), palette)
    if _length(said) > room:
        more: list[Piece] = [("…", ink(palette.muted))]
        while said and _length([*said, more]) > room:
            said.pop()
        said += [more] if said else []
    at = [] if step is None else [[(f"step {grouped(step)}", ink(palette.accent))]]
    parts = [*at, *said] if _length([*at, *said]) <= room else said
    return [piece for n, part in enumerate(parts) for piece in ([("  ", PLAIN)] if n else []) + part]


def _shortest(names: Sequence[str]) -> list[str]:
    """The names' beginnings, as short as they can be told apart: half of a word is worse than a letter."""
    longest = max(map(len, names), default=0)
    enough = (cut for cut in range(1, longest) if len({name[:cut] for name in names}) == len(set(names)))
    cut = next(enough, longest)
    return [name[:cut] for name in names]


def _said(curves: Sequence[Curve], names: Sequence[str], figures: Sequence[str], palette: Palette) -> list[list[Piece]]:
    return [
        [(f"{name} " if name and said else name, ink(curve.color)), (said, ink(palette.text))]
        for curve, name, said in zip(curves, names, figures, strict=True)
    ]


def listed(
    curves: Sequence[Curve], readings: Sequence[Reading | None] | None, width: int, height: int, palette: Palette
) -> list[Strip]:
    """A line a curve, its name and its value; where there are too many lines, the last says how many are left out."""
    room = height if len(curves) <= height else height - 1
    out = []
    for index, curve in enumerate(curves[: max(0, room)]):
        said = figure(curve, readings, index)
        name = fit(curve.name, width - FIGURE - 4)
        out.append(
            line(
                [
                    ("━ ", ink(curve.color)),
                    (f"{name} ", ink(palette.muted)),
                    (fit(said, FIGURE + 1, "right"), ink(palette.text)),
                ],
                width,
            )
        )
    if len(curves) > len(out) < height:
        out.append(line([(f"  and {len(curves) - len(out)} more", ink(palette.muted))], width))
    return out


def _length(parts: Sequence[Sequence[Piece]]) -> int:
    return sum(cell_len(text) for part in parts for text, _ in part) + 2 * max(0, len(parts) - 1)
