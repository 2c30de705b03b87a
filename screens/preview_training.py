"""The learning rate over the steps and what a training takes, beside the form."""

from __future__ import annotations

import math

from textual.strip import Strip

from tdl_tui.registry import OptimizerEntry, ScheduleEntry
from tdl_tui.widgets.axes import Span, covering
from tdl_tui.widgets.bars import bar
from tdl_tui.widgets.chart import draw_chart
from tdl_tui.widgets.chart_view import View
from tdl_tui.widgets.curves import Curve
from tdl_tui.widgets.lines import Piece, ink, line
from tdl_tui.widgets.numbers import brief, count, grouped, size
from tdl_tui.widgets.palette import Palette
from tdl_tui.worker.answers import SummaryAnswer

from .preview_lines import headed, told
from .preview_objective import CHART


def obstacle(summary: SummaryAnswer, optimizer: OptimizerEntry | None) -> str:
    """Why such a training cannot be launched, in one line; "" where nothing stands in its way."""
    if summary.memory and not summary.fits:
        return f"needs {size(summary.memory)}, {size(summary.free)} free"
    most = optimizer.most_parameters if optimizer else 0
    if optimizer and 0 < most < summary.parameters:
        return f"{optimizer.name} takes {grouped(most)} parameters, not {grouped(summary.parameters)}"
    return ""


def draw_schedule(
    summary: SummaryAnswer | None,
    problem: str,
    schedule: ScheduleEntry | None,
    width: int,
    height: int,
    colors: Palette,
) -> list[Strip]:
    """The learning rate over the steps, as it will be."""
    if summary is None or not summary.schedule:
        return [headed("Learning rate", "", width, colors), *told(problem, colors.caution, width)][:height]
    steps = tuple(float(step) for step, _ in summary.schedule)
    rates = tuple(lr for _, lr in summary.schedule)
    below = []
    if schedule and schedule.observes:
        below = told(f"{schedule.name} goes by the monitored value, which may lower this", colors.muted, width)
    below += told("ctrl+f tries learning rates and suggests one", colors.muted, width)
    if height < CHART + len(below):
        below = []
    turns = [rates[0], *([max(rates)] if max(rates) > max(rates[0], rates[-1]) else []), rates[-1]]
    if min(rates) == max(rates):
        turns = [rates[0]]
    right: list[Piece] = []
    for rate in turns:
        right += [(" → " if right else "", ink(colors.muted)), (brief(rate), ink(colors.text))]
    chart = draw_chart(
        "Learning rate",
        "",
        [Curve("", colors.train, steps, rates, math.nan)],
        x=Span(0.0, steps[-1]),
        y=covering(0.0, 1.05 * max(rates)),
        view=View(),
        width=width,
        height=min(height - len(below), 14),
        palette=colors,
        right=right,
    )
    return [*chart, *below]


def draw_cost(
    summary: SummaryAnswer | None, problem: str, epochs: int, width: int, height: int, colors: Palette
) -> list[Strip]:
    """Steps, multiply-accumulates and memory."""
    head = headed("Training", "", width, colors)
    if summary is None:
        return [head, *told(problem, colors.caution, width)][:height] if problem else []
    text, muted = ink(colors.text), ink(colors.muted)
    steps, each = summary.steps_per_epoch, summary.training_examples * summary.macs
    rows: list[list[Piece]] = [
        [
            ("steps    ", muted),
            (f"{grouped(steps)} ", text),
            ("an epoch, ", muted),
            (f"{grouped(steps * epochs)} ", text),
            ("in all", muted),
        ],
        [("forward  ", muted), (f"{count(each)} ", text), ("MACs an epoch", muted)],
    ]
    if summary.memory:
        share = summary.memory / summary.free if summary.free else 1.0
        color = colors.accent if summary.fits else colors.bad
        rows.append(
            [
                ("memory   ", muted),
                (f"{size(summary.memory)} ", text if summary.fits else ink(color, bold=True)),
                ("of ", muted),
                (f"{size(summary.free)} ", text),
                ("free", muted),
                (f"  {bar(share, min(24, width - 42))}" if width > 46 else "", ink(color)),
            ]
        )
    out = [head, *(line(row, width) for row in rows)]
    if summary.memory and not summary.fits:
        out += told("It does not fit: take a smaller batch, a smaller network or another device.", colors.bad, width)
    return out[:height]
