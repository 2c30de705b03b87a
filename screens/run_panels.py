"""The Run screen's panels: canvases that hold the newest snapshot and draw it with the widgets' pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from textual.strip import Strip

from tdl_tui.runs.records import Probe, State
from tdl_tui.widgets.axes import Span, growing
from tdl_tui.widgets.bars import PREDICTED, RIGHT, TARGET, ClassBars, Prediction, draw_classes, draw_predictions
from tdl_tui.widgets.canvas import Canvas
from tdl_tui.widgets.chart import Curve, View, curve_of, draw_chart, y_span
from tdl_tui.widgets.events import draw_events
from tdl_tui.widgets.gradients import LayerTable, draw_gradients
from tdl_tui.widgets.header import draw_header, said_of_state
from tdl_tui.widgets.lines import Piece, beside, fit, heading, ink, line
from tdl_tui.widgets.numbers import grouped
from tdl_tui.widgets.picture import draw_picture, draw_row, draw_trace
from tdl_tui.widgets.text import draw_node, draw_text

from .frame import palette
from .run_snapshot import Snapshot, pending

METRICS = {"accuracy": "accuracy", "r2": "R²"}


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person chose on the Run screen; `probe` counts from 0."""

    view: View = field(default_factory=View)
    logits: bool = False
    probe: int = 0


class Panel(Canvas):
    """A part of the screen that shows the snapshot in its own way. `key` enlarges it."""

    def __init__(self, title: str = "", key: str = "", *, id: str) -> None:
        super().__init__(id=id)
        self.title = title
        self.key = key
        self.snapshot: Snapshot | None = None
        self.choices = Choices()

    def take(self, snapshot: Snapshot | None, choices: Choices) -> None:
        """Takes what is to be shown and repaints what differs."""
        self.snapshot, self.choices = snapshot, choices
        self.paint()

    def draw(self, width: int, height: int) -> Sequence[Strip]:
        if self.snapshot is None:
            return []
        return self.drawn(self.snapshot, width, height)

    def drawn(self, snapshot: Snapshot, width: int, height: int) -> Sequence[Strip]:
        """The panel for a snapshot."""
        raise NotImplementedError

    def head(self, right: Sequence[Piece], width: int) -> Strip:
        colors = palette(self.app)
        return heading(self.title, self.key, right, width, rule=ink(colors.faint), name=ink(colors.text, bold=True))


class HeaderPanel(Panel):
    """Name, state, progress; device, speed, learning rate, system."""

    def drawn(self, snapshot: Snapshot, width: int, height: int) -> Sequence[Strip]:
        return draw_header(
            snapshot.summary, snapshot.title, snapshot.latest, width, palette(self.app), notes=_setting(snapshot)
        )


def _setting(snapshot: Snapshot) -> list[str]:
    experiment = snapshot.summary.experiment
    parts = [
        experiment.get(section, {}).get(name, "")
        for section, name in (("data", "dataset"), ("model", "architecture"), ("optimizer", "name"))
    ]
    return [" · ".join(part for part in parts if part)]


class NoticePanel(Panel):
    """One line: what went wrong with the run, or what became of the last command."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.said = ""
        self.bad = False

    def say(self, text: str, *, bad: bool = False) -> None:
        """Shows what became of a command until the next one."""
        self.said, self.bad = text, bad
        self._arrange()

    def take(self, snapshot: Snapshot | None, choices: Choices) -> None:
        super().take(snapshot, choices)
        self._arrange()

    def text(self) -> str:
        """What is to be said now, "" for nothing."""
        return self.said or (self.snapshot.notice or said_of_state(self.snapshot.summary) if self.snapshot else "")

    def _arrange(self) -> None:
        self.display = bool(self.text())
        self.paint()

    def draw(self, width: int, height: int) -> Sequence[Strip]:
        colors = palette(self.app)
        state = self.snapshot.summary.state if self.snapshot else State.RUNNING
        held = bool(self.snapshot and self.snapshot.notice)
        wrong = self.bad if self.said else (not held and state in (State.FAILED, State.LOST)) or self._damaged()
        color = colors.bad if wrong else colors.accent if self.said else colors.caution
        sign = "✗" if wrong else "›" if self.said else "!"
        return [line([(f" {sign} ", ink(color, bold=True)), (self.text(), ink(color))], width)]

    def _damaged(self) -> bool:
        return bool(self.snapshot and self.snapshot.summary.damage)


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


class EventsPanel(Panel):
    """What happened."""

    def drawn(self, snapshot: Snapshot, width: int, height: int) -> Sequence[Strip]:
        colors = palette(self.app)
        if height < 4:
            return draw_events(snapshot.events, width, height, colors)
        whole = not self.has_class("beside")
        drawn = draw_events(snapshot.events, width, height - 1, colors, dates=width >= 120, whole=whole)
        return [self.head([], width), *drawn]
