"""The objective, beside the form: its formula and its shape."""

from __future__ import annotations

import math

from textual.strip import Strip

from tdl_tui.registry import LossEntry, Options
from tdl_tui.widgets.axes import HUGE, Span, covering
from tdl_tui.widgets.chart import draw_chart
from tdl_tui.widgets.chart_view import View
from tdl_tui.widgets.curves import Curve
from tdl_tui.widgets.lines import Piece, ink, line
from tdl_tui.widgets.palette import Palette

from .preview_lines import headed, told

POINTS = 120
SPREAD = 3.0
"""How far to either side of 0 an error or a margin is shown."""
CHART = 6
"""Lines below which a chart shows nothing."""


def domain(axis: str) -> Span:
    """What is shown of an axis: a probability or a share from 0 to 1, all else around 0."""
    return Span(0.0, 1.0) if axis.startswith(("probability", "share")) else Span(-SPREAD, SPREAD)


def draw_objective(loss: LossEntry | None, options: Options, width: int, height: int, colors: Palette) -> list[Strip]:
    """Its formula whole, then the loss of one example over the number it depends on."""
    if loss is None:
        return []
    head = [headed("Objective", "", width, colors), *told(f"{loss.name}  {loss.formula}", colors.text, width)]
    over: list[Piece] = [(f"over the {loss.axis}", ink(colors.muted))]
    if len(over[0][0]) + len("loss") + 4 > width:  # the heading has no room for it
        head.append(line(over, width))
        over = []
    room = height - len(head)
    if room < CHART:
        return head[:height]
    x = domain(loss.axis)
    points = [x.low + (x.high - x.low) * n / POINTS for n in range(POINTS + 1)]
    of = loss.curve(options)
    values = [value if abs(value := float(of(point))) < HUGE else math.nan for point in points]
    known = [(a, b) for a, b in zip(points, values, strict=True) if math.isfinite(b)]
    if not known:
        return head
    low, high = min(b for _, b in known), max(b for _, b in known)
    curve = Curve("", colors.train, tuple(a for a, _ in known), tuple(b for _, b in known), math.nan)
    chart = draw_chart(
        "loss",
        "",
        [curve],
        x=x,
        y=covering(min(0.0, low), high),
        view=View(scale="value"),
        width=width,
        height=room,
        palette=colors,
        right=over,
    )
    return [*head, *chart]
