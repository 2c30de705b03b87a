"""The gradient table: one row a layer or parameter, its gradient now and over the run, and whether it looks healthy."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, TypeVar

from rich.cells import cell_len
from rich.style import Style
from textual.strip import Strip

from tdl_tui.runs.records import LAYER_COLUMNS

from .lines import PLAIN, Piece, fit, ink, line
from .numbers import norm, percent, scientific
from .palette import Palette
from .sparkline import sparkline

TOO_LOW, TOO_HIGH = 3e-5, 3e-2
"""Bounds of a plausible update ratio: one and a half orders of magnitude around the 1e-3 that Stanford's CS231n notes
("Neural Networks Part 3: Ratio of weights:updates") give as a rule of thumb."""
MANY = 0.4
"""The share of dead units, or of saturated values, from which on it is marked."""


SPARK = 13
"""What a history has at least, of a width that has room for it and for half of the longest name."""


class Health(Enum):
    """What a layer's numbers say: sign and word."""

    GOOD = ("✓", "")
    LOW = ("↓", "low")
    HIGH = ("↑", "high")
    ILL = ("✗", "not finite")
    UNKNOWN = (" ", "")


def health(gradient_norm: float, weight_norm: float, update_ratio: float) -> Health:
    """A layer's health by its update ratio; a norm that is not finite goes first. NaN as ratio means: none measured.

    A gradient of NaN has updates of NaN; where these are finite it is none at all, as of optimizers without one.
    """
    lost = math.isnan(gradient_norm) and math.isnan(update_ratio)
    if lost or not math.isfinite(weight_norm) or math.isinf(gradient_norm) or math.isinf(update_ratio):
        return Health.ILL
    if math.isnan(update_ratio):
        return Health.UNKNOWN
    if update_ratio < TOO_LOW:
        return Health.LOW
    return Health.HIGH if update_ratio > TOO_HIGH else Health.GOOD


class Sample(Protocol):
    """What was measured at a step: a row a layer or parameter, a column as in LAYER_COLUMNS, or the first of them."""

    @property
    def step(self) -> int: ...

    @property
    def rows(self) -> tuple[tuple[float, ...], ...]: ...


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table: its name in LAYER_COLUMNS, its title, its width, and the table's from which on it is
    shown. `log`: its values are compared by their orders of magnitude."""

    name: str
    title: str
    short: str
    width: int
    least: int
    log: bool = False

    @property
    def place(self) -> int:
        return LAYER_COLUMNS.index(self.name)


COLUMNS = (
    Column("gradient_norm", "gradient norm", "gradient", 9, 0, log=True),
    Column("weight_norm", "weight norm", "weight", 9, 52, log=True),
    Column("update_ratio", "update ratio", "update", 9, 0, log=True),
    Column("activation_mean", "activation mean", "act mean", 9, 84),
    Column("activation_deviation", "activation deviation", "act dev", 8, 84, log=True),
    Column("dead_share", "dead units", "dead", 7, 72),
    Column("saturated_share", "saturated values", "satur.", 7, 93),
)
BY_NAME = "name"
ORDERS = ("", BY_NAME, *(column.name for column in COLUMNS))
"""What a table can be sorted by; "" is the network's own order."""


@dataclass(frozen=True, slots=True)
class LayerTable:
    """Statistics over the run: names in order, samples ascending by step, how far the step axis reaches.

    `rested`: the learning rate is 0 by now, so that updates of 0 say nothing about the layers. `at` is the step whose
    figures are shown (None: the newest), those of the last sample at or before it. `what` a row is called.
    """

    names: tuple[str, ...]
    samples: Sequence[Sample]
    reach: float
    rested: bool = False
    at: int | None = None
    what: str = "layer"
    shown: Sample | None = field(init=False)
    """The sample whose figures are shown."""

    def __post_init__(self) -> None:
        found = (sample for sample in reversed(self.samples) if self.at is None or sample.step <= self.at)
        object.__setattr__(self, "shown", next(found, None))

    def columns(self) -> tuple[Column, ...]:
        """Those of which something was measured."""
        rows = self.shown.rows if self.shown is not None else ()
        wide = max(map(len, rows), default=0)
        return tuple(
            column
            for column in COLUMNS
            if column.place < wide
            and (column.name != "saturated_share" or any(math.isfinite(row[column.place]) for row in rows))
        )

    def value(self, row: int, column: Column) -> float:
        """The figure that is shown; NaN where there is none."""
        rows = self.shown.rows if self.shown is not None else ()
        return rows[row][column.place] if row < len(rows) and column.place < len(rows[row]) else math.nan


def order(table: LayerTable, by: str, *, turned: bool = False) -> tuple[int, ...]:
    """The rows sorted by one of ORDERS: numbers the largest first, names in the order of their letters and numbers;
    `turned` the other way round. Rows without the number come last; equal ones are as in the network."""
    rows = range(len(table.names))
    column = next((column for column in COLUMNS if column.name == by), None)
    if column is None:
        named = sorted(rows, key=lambda row: _natural(table.names[row])) if by == BY_NAME else list(rows)
        return tuple(reversed(named) if turned else named)
    values = {row: table.value(row, column) for row in rows}
    known = [row for row in rows if not math.isnan(values[row])]
    known.sort(key=lambda row: values[row] if turned else -values[row])
    return (*known, *(row for row in rows if math.isnan(values[row])))


def _natural(name: str) -> list[tuple[int, int, str]]:
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"([0-9]+)", name)]


def window(top: int, place: int | None, count: int, lines: int) -> int:
    """The first of `count` rows to show in so many lines: as near to `top` as lets the row at `place` be seen, and
    leaves no line empty that could be filled."""
    if place is not None:
        top = min(max(top, place - lines + 1), place)
    return max(0, min(top, count - lines))


_Sample = TypeVar("_Sample")


def thinned(samples: Sequence[_Sample], most: int) -> Sequence[_Sample]:
    """Every sample, or every second, fourth, … so that there are few more than `most`, and the last: mostly the same
    ones when another comes."""
    every = 1
    while len(samples) > every * max(1, most):
        every *= 2
    return samples if every == 1 else [*samples[:-1:every], samples[-1]]


@dataclass(frozen=True, slots=True)
class Looks:
    """How a table is looked at: its rows in `order`, from the one at `top` on; sorted by one of ORDERS, perhaps
    `turned`; a row (an index of names) that is marked."""

    order: tuple[int, ...]
    top: int = 0
    by: str = ""
    turned: bool = False
    chosen: int | None = None


def fit_path(name: str, width: int) -> str:
    """A path in exactly `width` cells. Of the parts of one that is longer the letter and the number stay, from the left
    on as far as needed (stage1.block2.conv1, s1.b2.conv1); of what is then still longer the end."""
    parts = name.split(".")
    for place, part in enumerate(parts):
        if cell_len(".".join(parts)) <= width:
            break
        stem = part.rstrip("0123456789")
        parts[place] = stem[:1] + part[len(stem) :]
    name = ".".join(parts)
    while cell_len(name) > width > 0:
        name = "…" + name[1 + name.startswith("…") :]
    return fit(name, width)


def lines_for_rows(height: int) -> int:
    """How many rows a table of that height shows."""
    return max(0, height - 1)


def draw_gradients(
    table: LayerTable, width: int, height: int, palette: Palette, looks: Looks | None = None
) -> list[Strip]:
    """A header and a row a layer; columns that do not fit are left out, but not the one that rows are sorted by."""
    muted = ink(palette.muted)
    if not table.names or table.shown is None:
        return [line([(f"no {table.what} statistics yet", muted)], width)][:height]
    looks = looks or Looks(tuple(range(len(table.names))))
    columns = [column for column in table.columns() if width >= column.least or column.name == looks.by]
    words = width >= 60
    fixed = sum(column.width for column in columns) + (13 if words else 2)
    longest = max(len(table.what), *map(cell_len, table.names))
    room = width - fixed
    name_width = max(5, min(longest, max(room - SPARK, room // 2), 40))
    spark = min(48, max(0, width - fixed - name_width - 1))
    spark = spark if spark >= 4 else 0
    shown = looks.order[looks.top : looks.top + lines_for_rows(height)]
    out = [line(_head(table, columns, looks, name_width, spark, words, palette), width)]
    history = thinned(table.samples, 4 * spark)
    past = spark if table.at is None else min(spark, int(table.at / table.reach * spark) + 1)
    for index in shown:
        on = palette.raised if index == looks.chosen else None
        pieces = _row(table, index, columns, history, name_width, spark, past, words, palette, on)
        rest = " " * (width - sum(cell_len(text) for text, _ in pieces))
        out.append(line([*pieces, (rest, ink(palette.text, on=on) if on else PLAIN)], width))
    return out[:height]


def _head(
    table: LayerTable,
    columns: Sequence[Column],
    looks: Looks,
    name_width: int,
    spark: int,
    words: bool,
    palette: Palette,
) -> list[Piece]:
    def title(text: str, wide: int, name: str, align: str = "right") -> Piece:
        if looks.by != name or not name:
            return fit(text, wide, align), ink(palette.muted)
        down = looks.turned if name == BY_NAME else not looks.turned
        return fit(f"{'▾' if down else '▴'}{text}", wide, align), ink(palette.accent, bold=True)

    pieces: list[Piece] = [title(table.what, name_width, BY_NAME, "left")]
    for column in columns:
        pieces.append(title(column.short, column.width, column.name))
        if column.name == "gradient_norm" and spark:
            said = "over the run" if spark >= 12 else ""
            pieces.append((" " + fit(said, spark), ink(palette.muted)))
        if column.name == "update_ratio":
            pieces.append((fit("", 13 if words else 2), PLAIN))
    return pieces


def _row(
    table: LayerTable,
    index: int,
    columns: Sequence[Column],
    samples: Sequence[Sample],
    name_width: int,
    spark: int,
    past: int,
    words: bool,
    palette: Palette,
    on: str | None,
) -> list[Piece]:
    def written(color: str, *, bold: bool = False) -> Style:
        return ink(color, bold=bold, on=on)

    gradient, weight, update = (table.value(index, column) for column in COLUMNS[:3])
    mark = health(gradient, weight, math.nan if table.rested and update == 0 else update)
    if table.shown is not None and index >= len(table.shown.rows):
        mark = Health.UNKNOWN
    hue = written(_color(mark, palette))
    pieces: list[Piece] = [(fit_path(table.names[index], name_width), written(palette.text))]
    for column in columns:
        value = table.value(index, column)
        text = fit(_figure(column, value), column.width, "right")
        match column.name:
            case "gradient_norm":
                ill = math.isinf(value) or (math.isnan(value) and mark is Health.ILL)
                pieces.append((text, written(palette.bad, bold=True) if ill else written(palette.text)))
                if spark:
                    points = [(s.step, s.rows[index][column.place]) for s in samples if index < len(s.rows)]
                    if math.isnan(value) and not ill:
                        points = []
                    history = sparkline(points, spark, table.reach, log=True)
                    pieces.append((" " + history[:past], written(palette.accent)))
                    pieces.append((history[past:], written(palette.faint)))
            case "update_ratio":
                sign, word = mark.value
                pieces.append((text, hue))
                pieces.append((fit(f" {sign} {word}" if words else f" {sign}", 13 if words else 2), hue))
            case "dead_share" | "saturated_share" if value >= MANY:
                pieces.append((text, written(palette.caution)))
            case _:
                pieces.append((text, written(palette.muted)))
    return pieces


def _color(mark: Health, palette: Palette) -> str:
    return {
        Health.GOOD: palette.good,
        Health.LOW: palette.caution,
        Health.HIGH: palette.caution,
        Health.ILL: palette.bad,
        Health.UNKNOWN: palette.muted,
    }[mark]


def _figure(column: Column, value: float) -> str:
    if math.isnan(value):
        return "–"
    match column.name:
        case "dead_share" | "saturated_share":
            return percent(value)
        case "activation_mean" | "activation_deviation":
            return f"{value:.2f}" if abs(value) < 1e3 else scientific(value)
        case "update_ratio":
            return scientific(value)
        case _:
            return norm(value)
