"""The gradient table: one row a layer, its gradient now and over the run, and whether its updates look healthy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from rich.cells import cell_len
from textual.strip import Strip

from tdl_tui.runs.records import LAYER_COLUMNS, LayerSample

from .lines import PLAIN, Piece, fit, ink, line
from .numbers import norm, percent, scientific
from .palette import Palette
from .sparkline import sparkline

TOO_LOW, TOO_HIGH = 3e-5, 3e-2
"""Bounds of a plausible update ratio: one and a half orders of magnitude around the 1e-3 that Stanford's CS231n notes
("Neural Networks Part 3: Ratio of weights:updates") give as a rule of thumb."""


class Health(Enum):
    """What a layer's numbers say: sign and word."""

    GOOD = ("✓", "")
    LOW = ("↓", "low")
    HIGH = ("↑", "high")
    ILL = ("✗", "not finite")
    UNKNOWN = (" ", "")


def health(gradient_norm: float, weight_norm: float, update_ratio: float) -> Health:
    """A layer's health by its update ratio; a norm that is not finite goes first. NaN as ratio means: none measured."""
    if (
        not math.isfinite(gradient_norm)
        or math.isinf(update_ratio)
        or math.isinf(weight_norm)
        or math.isnan(weight_norm)
    ):
        return Health.ILL
    if math.isnan(update_ratio):
        return Health.UNKNOWN
    if update_ratio < TOO_LOW:
        return Health.LOW
    return Health.HIGH if update_ratio > TOO_HIGH else Health.GOOD


@dataclass(frozen=True, slots=True)
class LayerTable:
    """Layer statistics over the run: names in order, samples ascending by step, how far the step axis reaches.

    `rested`: the learning rate is 0 by now, so that updates of 0 say nothing about the layers.
    """

    names: tuple[str, ...]
    samples: tuple[LayerSample, ...]
    reach: float
    rested: bool = False


def _color(mark: Health, palette: Palette) -> str:
    return {
        Health.GOOD: palette.good,
        Health.LOW: palette.caution,
        Health.HIGH: palette.caution,
        Health.ILL: palette.bad,
        Health.UNKNOWN: palette.muted,
    }[mark]


_OPTIONAL = (  # title, width, column, least table width at which it is shown
    ("act mean", 9, LAYER_COLUMNS.index("activation_mean"), 84),
    ("act dev", 8, LAYER_COLUMNS.index("activation_deviation"), 84),
    ("dead", 7, LAYER_COLUMNS.index("dead_share"), 72),
)


def draw_gradients(table: LayerTable, width: int, height: int, palette: Palette) -> list[Strip]:
    """A header and a row a layer; columns that do not fit are left out, layers that do not fit are counted."""
    muted, text = ink(palette.muted), ink(palette.text)
    if not table.names or not table.samples:
        return [line([("no layer statistics yet", muted)], width)][:height]
    weights = width >= 52
    extra = [column for column in _OPTIONAL if width >= column[3]]
    words = width >= 60
    fixed = 9 + (9 if weights else 0) + 9 + (13 if words else 2) + sum(c[1] for c in extra)
    longest = max(cell_len(name) for name in table.names)
    name_width = max(5, min(longest, (width - fixed) // 2, 24))
    spark = min(48, max(0, width - fixed - name_width - 1))
    head: list[Piece] = [(fit("layer", name_width), muted), (fit("gradient", 9, "right"), muted)]
    if spark >= 4:
        head.append((" " + fit("over the run" if spark >= 12 else "", spark), muted))
    if weights:
        head.append((fit("weight", 9, "right"), muted))
    head.append((fit("update", 9, "right"), muted))
    head.append((fit("", 13 if words else 2), PLAIN))
    head += [(fit(title, wide, "right"), muted) for title, wide, _, _ in extra]
    out = [line(head, width)]
    last = table.samples[-1]
    shown = len(table.names) if len(table.names) < height else max(0, height - 2)
    for index, name in enumerate(table.names[:shown]):
        row = last.rows[index] if index < len(last.rows) else (math.nan,) * len(LAYER_COLUMNS)
        mark = health(row[0], row[1], math.nan if table.rested and row[2] == 0 else row[2])
        hue = ink(_color(mark, palette))
        pieces: list[Piece] = [
            (fit(name, name_width), text),
            (
                fit("–" if math.isnan(row[0]) else norm(row[0]), 9, "right"),
                text if math.isfinite(row[0]) else ink(palette.bad, bold=True),
            ),
        ]
        if spark >= 4:
            points = [(s.step, s.rows[index][0]) for s in table.samples if index < len(s.rows)]
            pieces.append((" " + sparkline(points, spark, table.reach, log=True), ink(palette.accent)))
        if weights:
            pieces.append((fit("–" if math.isnan(row[1]) else norm(row[1]), 9, "right"), muted))
        pieces.append((fit(_figure(row[2]), 9, "right"), hue))
        sign, word = mark.value
        pieces.append((fit(f" {sign} {word}" if words else f" {sign}", 13 if words else 2), hue))
        pieces += [(fit(_extra(title, row, column), wide, "right"), muted) for title, wide, column, _ in extra]
        out.append(line(pieces, width))
    if shown < len(table.names):
        out.append(line([(f"and {len(table.names) - shown} more layers: enlarge with 4", muted)], width))
    return out[:height]


def _figure(value: float) -> str:
    return "–" if math.isnan(value) else scientific(value)


def _extra(title: str, row: Sequence[float], column: int) -> str:
    value = row[column] if column < len(row) else math.nan
    if math.isnan(value):
        return "–"
    return percent(value) if title == "dead" else f"{value:.2f}"
