"""The Run screen's gradients: the layers, what they learn with, and whether that looks healthy."""

from __future__ import annotations

from collections.abc import Sequence

from textual.strip import Strip

from tdl_tui.widgets.chart_view import View
from tdl_tui.widgets.gradients import LayerTable, draw_gradients
from tdl_tui.widgets.lines import Piece, ink
from tdl_tui.widgets.numbers import grouped

from .frame import palette
from .run_charts import x_axis
from .run_panels import Panel
from .run_snapshot import Snapshot


class GradientPanel(Panel):
    """The layers with their gradients, weights and updates."""

    def drawn(self, snapshot: Snapshot, width: int, height: int) -> Sequence[Strip]:
        colors = palette(self.app)
        reach = x_axis(snapshot, View()).high if snapshot.reach else 1.0
        rested = snapshot.latest.get("lr") == 0
        table = LayerTable(snapshot.layer_names, snapshot.layer_samples, reach, rested)
        right: list[Piece] = []
        if table.samples and width >= 40:
            right = [("lr 0 " if rested else "", ink(colors.muted)), ("at step ", ink(colors.muted))]
            right.append((grouped(table.samples[-1].step), ink(colors.text)))
        return [self.head(right, width), *draw_gradients(table, width, height - 1, colors)]
