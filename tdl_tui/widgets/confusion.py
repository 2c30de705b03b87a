"""Classes against classes: what was taken for what as a heat map, and each class's accuracy over the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from rich.cells import cell_len
from rich.style import Style
from textual.strip import Strip

from tdl_tui.runs.tallies import Rows, mistakes

from .bars import bar
from .lines import PLAIN, Piece, beside, blank, fit, ink, line
from .numbers import count, percent
from .palette import Palette
from .sparkline import sparkline
from .text import visible

SHADES = " ░▒▓█"
SIZES = ((12, 3), (8, 3), (6, 3), (5, 2), (4, 1), (3, 1), (2, 1), (1, 1))
"""Cells and lines for a number, the finest first; in three cells and fewer not all numbers may fit."""
STEPS = 16
"""Shades between the ground and a full colour."""


def name_of(names: Sequence[str], index: int) -> str:
    return visible(names[index]) if index < len(names) else str(index)


def in_words(rows: Rows, names: Sequence[str]) -> list[str]:
    """The mistakes in words: "4 taken for 9: 12"."""
    return [
        f"{name_of(names, one.right)} taken for {name_of(names, one.said)}: {one.count:,}" for one in mistakes(rows)
    ]


def shown_classes(rows: Rows, room: int) -> list[int]:
    """All classes where there is room for them, else those with most mistakes from or to them, in order."""
    if len(rows) <= room:
        return list(range(len(rows)))
    wrong = [0] * len(rows)
    for one in mistakes(rows):
        wrong[one.right] += one.count
        wrong[one.said] += one.count
    return sorted(sorted(range(len(rows)), key=lambda c: -wrong[c])[: max(0, room)])


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where a heat map's cells stand: the classes shown, cells for a name, and cells and lines for a number."""

    shown: tuple[int, ...]
    label: int
    cell: int
    tall: int
    whole: bool
    """Whether every number fits its cell."""

    @property
    def width(self) -> int:
        return self.label + 1 + self.cell * len(self.shown)


def draw_confusion(
    rows: Rows, names: Sequence[str], width: int, height: int, palette: Palette, *, shades: bool = False
) -> list[Strip]:
    """A row a class that is right, a column a class that was said: counts on a ground that is the stronger the larger
    their share of the row; right ones in one colour, mistakes in another. Beside it, or below where there is no room,
    the most frequent mistakes in words. Where not all classes fit, those that are confused most. `shades`: a terminal
    without colours.
    """
    if height < 3 or width < 12:
        return []
    words = in_words(rows, names)
    aside = max((cell_len(word) for word in words), default=12) + 3
    grid = _grid(rows, names, width - aside, height)
    if len(grid.shown) == len(rows) and grid.whole:
        drawn = _map(rows, names, grid, palette, shades)
        listed = [line([(word, ink(palette.muted))], aside - 3) for word in words or ["no mistakes"]]
        right = width - grid.width - 3
        return beside([(drawn, grid.width), ([], 3), ([s.extend_cell_length(right) for s in listed], right)], height)
    grid = _grid(rows, names, width, height - 1)
    if len(grid.shown) < len(rows):
        words.insert(0, f"{len(grid.shown)} of {len(rows)} classes, the most confused")
    drawn = [strip.extend_cell_length(width) for strip in _map(rows, names, grid, palette, shades)]
    return [*drawn, line([(_joined(words, width), ink(palette.muted))], width)]


def _grid(rows: Rows, names: Sequence[str], width: int, height: int) -> _Grid:
    """The largest cells of which all fit; where those that hold the numbers do not, narrow ones without; else the
    classes that are confused most."""
    label = min(max((cell_len(name_of(names, c)) for c in range(len(rows))), default=1), max(3, width // 4))
    least = max(3, *(len(f"{int(number):,}") + 1 for row in rows for number in row))
    room, lines = width - label - 1, height - 1
    for wide, tall in SIZES:
        cell = max(wide, least) if wide > 3 else wide
        if cell * len(rows) <= room and tall * len(rows) <= lines:
            return _Grid(tuple(range(len(rows))), label, cell, tall, cell >= least)
    return _Grid(tuple(shown_classes(rows, min(room // least, lines))), label, least, 1, True)


def _joined(words: Sequence[str], width: int) -> str:
    """As many of the words as fit whole."""
    text = words[0] if words else "no mistakes"
    for word in words[1:]:
        if cell_len(text) + cell_len(word) + 3 > width:
            break
        text += f" · {word}"
    return text


def _map(rows: Rows, names: Sequence[str], grid: _Grid, palette: Palette, shades: bool) -> list[Strip]:
    align = "center" if grid.cell > 4 else "right"
    head: list[Piece] = [(fit("", grid.label + 1), PLAIN)]
    head += [(fit(_short(name_of(names, c), grid.cell), grid.cell, align), ink(palette.muted)) for c in grid.shown]
    out = [line(head, grid.width)]
    for right in grid.shown:
        total = sum(rows[right])
        for level in range(grid.tall):
            middle = level == (grid.tall - 1) // 2
            name = fit(name_of(names, right) if middle else "", grid.label, "right")
            pieces: list[Piece] = [(name + " ", ink(palette.muted))]
            for said in grid.shown:
                number = int(rows[right][said])
                share = number / total if total else 0.0
                text = f"{number:,}" if number or right == said else "·"
                if len(text) >= grid.cell:
                    text = SHADES[round(share**0.5 * (len(SHADES) - 1))] * grid.cell if shades else ""
                style = _style(share, right == said, bool(number), palette, plain=shades)
                pieces.append((fit(text if middle else "", grid.cell, align), style))
            out.append(line(pieces, grid.width))
    return out


def _short(name: str, cell: int) -> str:
    return name if cell_len(name) < cell else name[: max(1, cell - 1)]


def _style(share: float, right: bool, there: bool, palette: Palette, *, plain: bool) -> Style:
    if not there:
        return ink(palette.faint)
    color = palette.good if right else palette.bad
    if plain:
        return ink(color, bold=right)
    # a few mistakes are to be seen: the root lifts small shares
    return _shade(color, round(share**0.5 * STEPS), palette)


@lru_cache(maxsize=256)
def _shade(color: str, step: int, palette: Palette) -> Style:
    on = mixed(palette.ground, color, 0.12 + 0.78 * step / STEPS)
    return ink(palette.ground if step > STEPS // 2 else palette.text, on=on)


def mixed(ground: str, color: str, share: float) -> str:
    """A colour between two ("#rrggbb"): `share` of the second."""
    pairs = [(int(ground[i : i + 2], 16), int(color[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


@dataclass(frozen=True, slots=True)
class ClassAccuracy:
    """A class: its right answers of how many, and its accuracy over the run as points (step, share)."""

    index: int
    name: str
    right: int
    total: int
    history: tuple[tuple[float, float], ...]

    @property
    def accuracy(self) -> float:
        return self.right / self.total if self.total else float("nan")


def class_accuracies(
    history: Sequence[tuple[int, Sequence[tuple[int, int]]]], at: int | None, names: Sequence[str]
) -> list[ClassAccuracy]:
    """Every class as it was at step `at` (None: the newest), from the tallies at several steps, ascending."""
    now = next((tally for step, tally in reversed(history) if at is None or step <= at), ())
    return [
        ClassAccuracy(
            index,
            name_of(names, index),
            right,
            total,
            tuple(
                (float(step), tally[index][0] / tally[index][1])
                for step, tally in history
                if index < len(tally) and tally[index][1]
            ),
        )
        for index, (right, total) in enumerate(now)
    ]


def draw_class_accuracies(
    classes: Sequence[ClassAccuracy],
    width: int,
    height: int,
    palette: Palette,
    *,
    worst_first: bool = False,
    at: int | None = None,
    reach: float = 1.0,
) -> list[Strip]:
    """A row a class: name, accuracy as a bar and a figure, right answers of how many, accuracy over the run. Where not
    all fit, the worst first, and how good the others are."""
    ordered = list(classes)
    if worst_first or len(classes) > height:
        ordered.sort(key=lambda one: (one.accuracy if one.total else 2.0, one.index))
    fitting = len(ordered) if len(ordered) <= height else max(0, height - 1)
    label = min(max((cell_len(one.name) for one in classes), default=1), max(3, width // 4))
    totals = max((len(f"{one.right:,}/{one.total:,}") for one in classes), default=3)
    rest = width - label - 1 - 7
    with_totals = rest - totals - 2 >= 12
    rest -= totals + 2 if with_totals else 0
    spark = rest // 2 if rest >= 24 else 0
    room = rest - spark - (1 if spark else 0)
    between = [blank(width)] if 2 * len(classes) <= height else []
    out: list[Strip] = []
    for one in ordered[:fitting]:
        known = one.total > 0
        pieces: list[Piece] = [(fit(one.name, label) + " ", ink(palette.text if known else palette.muted))]
        if room >= 3:
            pieces.append((bar(one.accuracy, room), ink(palette.accent)))
        pieces.append((fit(percent(one.accuracy) if known else "none", 7, "right"), ink(palette.text)))
        if with_totals:
            said = f"{one.right:,}/{one.total:,}" if known else ""
            pieces.append(("  " + fit(said, totals, "right"), ink(palette.muted)))
        if spark:
            drawn = sparkline(one.history, spark, reach, ends=(0.0, 1.0))
            cut = spark if at is None or reach <= 0 else min(spark, int(at / reach * spark) + 1)
            pieces += [(" ", PLAIN), (drawn[:cut], ink(palette.validation)), (drawn[cut:], ink(palette.faint))]
        out += [line(pieces, width), *between]
    if fitting < len(ordered) and height:
        best = ordered[fitting].accuracy if ordered[fitting].total else float("nan")
        above = " and above" if best < 1 else ""
        said = f"and {count(len(ordered) - fitting)} more, of {percent(best)}{above}"
        out.append(line([(said, ink(palette.muted))], width))
    return out
