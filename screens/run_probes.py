"""The Run screen's probes: held-out examples, and what the network makes of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from textual.strip import Strip

from tdl_tui.runs.records import Probe
from tdl_tui.widgets.bars import PREDICTED, RIGHT, TARGET, ClassBars, Prediction, draw_classes, draw_predictions
from tdl_tui.widgets.lines import Piece, beside, ink, line
from tdl_tui.widgets.numbers import grouped
from tdl_tui.widgets.picture import draw_picture, draw_row, draw_trace
from tdl_tui.widgets.text import draw_node, draw_text

from .frame import palette
from .run_panels import Panel
from .run_snapshot import Snapshot


class ProbePanel(Panel):
    """A held-out example and what the network makes of it."""

    def drawn(self, snapshot: Snapshot, width: int, height: int) -> Sequence[Strip]:
        colors = palette(self.app)
        if not snapshot.probes or snapshot.outputs is None:
            waits = "no probes are recorded" if not snapshot.summary.state.live else "waiting for the first sample"
            return [self.head([], width), line([(waits, ink(colors.muted))], width)]
        index = self.choices.probe % len(snapshot.probes)
        probe = snapshot.probes[index]
        outputs = snapshot.outputs.outputs
        room = height - 1
        right: list[Piece] = [(f"{index + 1}/{len(snapshot.probes)}", ink(colors.text))]
        if width >= 46:
            right += [(" at step ", ink(colors.muted)), (grouped(snapshot.outputs.step), ink(colors.text))]
        if snapshot.metric == "r2":
            body = self._regression(snapshot, index, width, room)
        else:
            bars = ClassBars(outputs[index], int(probe.target), snapshot.shape.classes if snapshot.shape else ())
            if width >= 76:
                signs = [(f"{TARGET} target  {PREDICTED} predicted  {RIGHT} both   ", ink(colors.muted))]
                right = [*signs, *right]
            left = self._input(probe, snapshot, width, room)
            used = left[0].cell_length if left else 0
            rest = width - used - 2
            body = beside(
                [(left, used), ([], 2), (draw_classes(bars, self.choices.logits, rest, room, colors), rest)], room
            )
        self.title = (
            f"probe · {'logits' if self.choices.logits else 'softmax'}" if snapshot.metric != "r2" else "probes"
        )
        return [self.head(right, width), *body]

    def _input(self, probe: Probe, snapshot: Snapshot, width: int, height: int) -> list[Strip]:
        """What the network sees, at most two fifths of the panel wide."""
        colors = palette(self.app)
        most = max(12, width * 2 // 5)
        if probe.kind == "image" and len(probe.shape) == 3:
            return draw_picture(probe, most, height, self.app.console.color_system is None)
        if probe.kind == "sequence" and len(probe.shape) == 2:
            return draw_trace(probe, most, min(height, 12), colors)
        if probe.kind == "text":
            return draw_text(probe.input, snapshot.shape.classes if snapshot.shape else (), most, height, colors)
        if probe.kind == "graph":
            return draw_node(probe, min(most, 16), colors)
        names = snapshot.shape.features if snapshot.shape else ()
        longest = max((len(name) for name in names), default=3)
        return draw_row(probe, names, min(width // 2, longest + 9), height, colors)

    def _regression(self, snapshot: Snapshot, index: int, width: int, height: int) -> list[Strip]:
        colors = palette(self.app)
        assert snapshot.outputs is not None
        pairs = [
            Prediction(probe.target, outputs[0] if outputs else math.nan)
            for probe, outputs in zip(snapshot.probes, snapshot.outputs.outputs, strict=False)
        ]
        if width < 64:
            return draw_predictions(pairs, index, width, height, colors)
        left = self._input(snapshot.probes[index], snapshot, width, height)
        used = left[0].cell_length if left else 0
        rest = width - used - 3
        return beside([(left, used), ([], 3), (draw_predictions(pairs, index, rest, height, colors), rest)], height)
