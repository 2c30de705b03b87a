"""A history in one row of cells."""

from __future__ import annotations

import math
from collections.abc import Sequence

LEVELS = "▁▂▃▄▅▆▇█"


def sparkline(
    points: Sequence[tuple[float, float]],
    width: int,
    reach: float,
    *,
    log: bool = False,
    ends: tuple[float, float] | None = None,
) -> str:
    """Points (x, y), x ascending from 0 to `reach`, as `width` cells: each cell is the mean of its points.

    A cell between points holds the one before, beyond the last it is blank; a value that is not finite shows as "×".
    With `log`, heights are orders of magnitude (at least one), and zeros stand at the bottom. The scale's ends are
    round, so that a new point seldom moves the others; or they are `ends`.
    """
    if width < 1:
        return ""
    columns: list[list[float]] = [[] for _ in range(width)]
    for x, y in points:
        columns[min(width - 1, max(0, int(x / reach * width) if reach > 0 else 0))].append(y)
    heights = _held([_height(values, log) for values in columns])
    finite = [h for h in heights if h is not None and math.isfinite(h)]
    low, high = ends or _ends(finite, log)
    return "".join(_cell(height, low, high) for height in heights)


def _held(heights: list[float | None]) -> list[float | None]:
    """Cells between points filled with what was before them."""
    last = max((i for i, height in enumerate(heights) if height is not None), default=-1)
    held: float | None = None
    for i in range(last + 1):
        held = heights[i] if heights[i] is not None else held
        heights[i] = held
    return heights


def _height(values: Sequence[float], log: bool) -> float | None:
    if not values:
        return None
    if not all(math.isfinite(value) for value in values):
        return math.nan
    if not log:
        return sum(values) / len(values)
    logs = [math.log10(abs(value)) for value in values if value]
    return sum(logs) / len(logs) if logs else -math.inf


def _ends(heights: Sequence[float], log: bool) -> tuple[float, float]:
    if not heights:
        return 0.0, 1.0
    low, high = min(heights), max(heights)
    if log:
        low, high = math.floor(low * 2) / 2, math.ceil(high * 2) / 2
        return low, max(high, low + 1)
    return (low, high) if high > low else (low - max(1.0, abs(low)), low + max(1.0, abs(low)))


def _cell(height: float | None, low: float, high: float) -> str:
    if height is None:
        return " "
    if height == -math.inf:
        return LEVELS[0]
    if not math.isfinite(height):
        return "×"
    return LEVELS[min(7, max(0, int((height / 8 - low / 8) / (high / 8 - low / 8) * 8)))]
