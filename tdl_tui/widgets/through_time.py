"""The gradient's way back through a recurrent network: how large it is the farther from the loss."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from textual.strip import Strip

from tdl_tui.runs.records import Matrix

from .axes import Span
from .chart import draw_chart
from .chart_view import View
from .curves import Curve, y_span
from .lines import Piece, ink
from .numbers import grouped, norm
from .palette import Palette

STATES = ("h", "c")


def curves_through_time(matrices: Sequence[Matrix], colors: Sequence[str]) -> Iterator[Curve]:
    """A curve for each state of each layer: x is the distance from the end of the layer's way through the sequence, in
    steps."""
    index = 0
    for matrix in matrices:
        layer = matrix.name.removeprefix("through_time/")
        for state, row in zip(STATES, matrix.rows, strict=False):
            values = row if layer.endswith("_reverse") else tuple(reversed(row))
            name = f"{state} {layer.replace('_reverse', ' ←')}"
            color = colors[index % len(colors)]
            yield Curve(name, color, tuple(map(float, range(len(values)))), tuple(values), values[-1])
            index += 1


def fading(values: Sequence[float]) -> float:
    """The last of the values that are above 0, of the first; NaN where there are no two."""
    known = [value for value in values if value > 0 and math.isfinite(value)]
    return known[-1] / known[0] if len(known) > 1 else math.nan


def draw_through_time(
    matrices: Sequence[Matrix], title: str, key: str, width: int, height: int, palette: Palette, *, chosen: bool
) -> list[Strip]:
    """‖∂L/∂h_t‖, and ‖∂L/∂c_t‖ of an LSTM, against T − t: how far the loss can reach back."""
    curves = list(curves_through_time(matrices, palette.curves))
    farthest = max((curve.x[-1] for curve in curves if curve.x), default=1.0)
    muted = ink(palette.muted)
    right: list[Piece] = []
    for curve in curves[:3] if width >= 60 else ():
        right += [(f"{curve.name} ", ink(curve.color)), (f"×{norm(fading(curve.y))}  ", ink(palette.text))]
    right += [("at step ", muted), (grouped(matrices[0].step), ink(palette.text))]
    return draw_chart(
        title,
        key,
        curves,
        x=Span(0.0, max(1.0, farthest)),
        y=y_span(curves, True),
        view=View(log=True),
        width=width,
        height=height,
        palette=palette,
        right=right,
        notes=("‖∂L/∂h‖ by T − t", "×: what is left of it"),
        chosen=chosen,
        unit="T − t",
    )
