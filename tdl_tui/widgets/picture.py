"""A probe's input: a picture in half blocks, a trace for a sequence, the features of a table's row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tdl_tui.runs.records import Probe

from .axes import Span, covering
from .braille import dotted, raster
from .lines import fit, ink, line
from .numbers import real
from .palette import Palette

_SHADES = " ░▒▓█"
COVERED = 4
"""Pixels a new one is made of, along each side at most: a large picture takes no longer than a small one."""


def picture_size(shape: tuple[int, ...], width: int, height: int) -> tuple[int, int]:
    """Pixels (columns, rows) at which a (C, H, W) picture is shown in `width` x `height` cells of two pixels each.

    A whole multiple of its own size where it fits, else made smaller with its proportions kept.
    """
    _, rows, columns = shape
    scale = min(width // columns, 2 * height // rows)
    if scale >= 1:
        return columns * scale, rows * scale
    fraction = min(width / columns, 2 * height / rows)
    return max(1, int(columns * fraction)), max(1, int(rows * fraction))


def resample(plane: Sequence[float], size: tuple[int, int], wanted: tuple[int, int]) -> list[float]:
    """A plane of columns x rows values, row by row, at another size: each new pixel is the mean of those it covers, of
    many some that lie evenly among them."""
    columns, rows = size
    out: list[float] = []
    for y in range(wanted[1]):
        top = y * rows // wanted[1]
        bottom = max(top + 1, -(-(y + 1) * rows // wanted[1]))
        for x in range(wanted[0]):
            left = x * columns // wanted[0]
            right = max(left + 1, -(-(x + 1) * columns // wanted[0]))
            down, along = 1 + (bottom - top - 1) // COVERED, 1 + (right - left - 1) // COVERED
            covered = [plane[r * columns + c] for r in range(top, bottom, down) for c in range(left, right, along)]
            out.append(sum(covered) / len(covered))
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture in half blocks: of which probe, how large in pixels (columns, rows: two a cell), in which strips."""

    number: int
    probe: Probe
    size: tuple[int, int]
    strips: tuple[Strip, ...]


KEPT = 512
"""Pictures that were drawn last, and can be found by their numbers."""
_MARK = "picture"
_pictures: dict[int, Picture] = {}


def marked(style: Style | None) -> Picture | None:
    """The picture whose first cell has this style."""
    number = style.meta.get(_MARK) if style is not None else None
    return _pictures.get(number) if isinstance(number, int) else None


@lru_cache(maxsize=256)
def draw_picture(probe: Probe, width: int, height: int, shades: bool = False) -> list[Strip]:
    """A (C, H, W) picture with values 0 to 1, grey for one channel, RGB for three.

    Two pixels a cell: the upper half block's colour over its ground. With `shades`, for a terminal without colours,
    a cell's brightness in five characters instead. The strips are as wide as the picture, at most `width`. By the style
    of its first cell `marked` finds a picture again, wherever its strips were put.
    """
    channels, rows, columns = probe.shape
    size = picture_size((channels, rows, columns), width, height)
    area = rows * columns
    planes = [resample(probe.input[c * area : (c + 1) * area], (columns, rows), size) for c in range(channels)]
    wide, high = size
    strips: list[Strip] = []
    for top in range(0, high, 2):
        cells: list[Segment] = []
        for x in range(wide):
            upper = _rgb(planes, top * wide + x)
            lower = _rgb(planes, (top + 1) * wide + x) if top + 1 < high else None
            if shades:
                light = (sum(upper) + sum(lower or upper)) / (6 * 256)
                cells.append(Segment(_SHADES[min(4, int(light * 5))]))
            else:
                cells.append(Segment("▀", _half(upper, lower)))
        strips.append(Strip(cells, wide).simplify())
    return strips if shades else _remember(probe, size, strips)


def _remember(probe: Probe, size: tuple[int, int], strips: list[Strip]) -> list[Strip]:
    """The strips with the first cell marked."""
    number = hash((probe.input, probe.shape, size)) % (1 << 31) + 1
    (text, style, _), *others = strips[0]
    first = [Segment(text[0], (style or Style()) + Style(meta={_MARK: number}))]
    if text[1:]:
        first.append(Segment(text[1:], style))
    _pictures.pop(number, None)
    _pictures[number] = Picture(number, probe, size, tuple(strips))
    while len(_pictures) > KEPT:
        del _pictures[next(iter(_pictures))]
    return [Strip([*first, *others], size[0]), *strips[1:]]


def _rgb(planes: Sequence[Sequence[float]], index: int) -> tuple[int, int, int]:
    levels = [min(255, max(0, round(plane[index] * 255))) for plane in planes]
    return (levels[0], levels[1], levels[2]) if len(levels) >= 3 else (levels[0],) * 3


@lru_cache(maxsize=4096)
def _half(upper: tuple[int, int, int], lower: tuple[int, int, int] | None) -> Style:
    ground = f"#{lower[0]:02x}{lower[1]:02x}{lower[2]:02x}" if lower else None
    return Style(color=f"#{upper[0]:02x}{upper[1]:02x}{upper[2]:02x}", bgcolor=ground)


def draw_trace(probe: Probe, width: int, height: int, palette: Palette) -> list[Strip]:
    """A (T, F) sequence as lines over time, one a feature (the first three), on a common scale."""
    steps, features = probe.shape
    finite = [v for v in probe.input if math.isfinite(v)]
    span = covering(min(finite), max(finite)) if finite else Span(0.0, 1.0)
    grid = [[" "] * width for _ in range(height)]
    colors = [[""] * width for _ in range(height)]
    for feature in range(min(3, features)):
        along = [t / max(1, steps - 1) for t in range(steps)]
        up = [round(place, 4) for place in span.places(probe.input[feature::features])]
        for (y, x), code in raster(dotted(along, up, width, height), height).items():
            grid[y][x], colors[y][x] = chr(code), palette.curves[feature]
    return [
        line(
            [(c, ink(color) if color else ink(palette.faint)) for c, color in zip(row, hues, strict=True)], width
        ).simplify()
        for row, hues in zip(grid, colors, strict=True)
    ]


def draw_row(probe: Probe, names: Sequence[str], width: int, height: int, palette: Palette) -> list[Strip]:
    """A table's row: a feature a line, name and value; what is too much is counted."""
    values = probe.input
    shown = len(values) if len(values) <= height else height - 1
    figures = [real(value) for value in values[:shown]]
    wide = max(map(len, figures), default=0)
    out: list[Strip] = []
    for index in range(shown):
        name = names[index] if index < len(names) else f"x{index + 1}"
        out.append(
            line(
                [
                    (fit(name, max(1, width - wide - 1)) + " ", ink(palette.muted)),
                    (fit(figures[index], wide, "right"), ink(palette.text)),
                ],
                width,
            )
        )
    if shown < len(values) and height:
        out.append(line([(f"and {len(values) - shown} more", ink(palette.muted))], width))
    return out
