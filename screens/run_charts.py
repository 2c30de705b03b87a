"""The Run screen's charts: curves of the recorded series."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from textual.strip import Strip

from tdl_tui.widgets.axes import Span, growing
from tdl_tui.widgets.chart import Curve, View, curve_of, draw_chart, y_span
from tdl_tui.widgets.lines import fit, ink, line

from .frame import palette
from .run_panels import Panel
from .run_snapshot import Snapshot, pending

METRICS = {"accuracy": "accuracy", "r2": "R²"}


class ChartPanel(Panel):
    """Training and validation curves of one figure."""

    def __init__(self, title: str, key: str, figure: str, *, id: str) -> None:
        super().__init__(title, key, id=id)
        self.figure = figure
        self._y: Span | None = None

    def drawn(self, snapshot: Snapshot, width: int, height: int) -> Sequence[Strip]:
        colors, view = palette(self.app), self.choices.view
        figure = self.figure or snapshot.metric
        title = self.title or METRICS[figure]
        if figure != "loss":
            view = replace(view, log=False)
        if self.choices.view.smoothing:
            title += f" · smooth {self.choices.view.smoothing:g}"
        if view.log:
            title += " · log"
        curves = chart_curves(snapshot, figure, view, (colors.train, colors.validation))
        bounds = (0.0, 1.0) if figure == "accuracy" else None
        y = self._y = y_span(curves, view.log, self._y, bounds)
        x = x_axis(snapshot, view)
        strips = draw_chart(title, self.key, curves, x=x, y=y, view=view, width=width, height=height, palette=colors)
        if waiting := pending(snapshot):
            middle = len(strips) // 2
            strips[middle] = line([(fit(waiting, width, "center"), ink(colors.muted))], width)
        return strips


def chart_curves(snapshot: Snapshot, figure: str, view: View, colors: tuple[str, str]) -> list[Curve]:
    """Training's and validation's curve of a figure."""
    each = snapshot.summary.progress.steps_per_epoch
    return [
        curve_of(
            part,
            color,
            snapshot.series.get(f"{part}/{figure}", ()),
            view,
            steps_per_epoch=each,
            start=snapshot.started,
            latest=snapshot.latest.get(f"{part}/{figure}", math.nan),
        )
        for part, color in zip(("train", "val"), colors, strict=True)
    ]


def x_axis(snapshot: Snapshot, view: View) -> Span:
    """The horizontal axis: as far as the run is planned once that is near, round numbers before."""
    progress = snapshot.summary.progress
    if view.scale == "time":
        # the latest of all: a clock may have been moved back
        ends = [bucket.time - snapshot.started for buckets in snapshot.series.values() for bucket in buckets]
        return growing(max(ends, default=0.0))
    each = (progress.steps_per_epoch or 1) if view.scale == "epochs" else 1
    if not snapshot.summary.state.live and snapshot.reach:
        return Span(0.0, snapshot.reach / each)
    return growing(snapshot.reach / each, progress.total_steps / each)
