"""The Run screen's probes: held-out examples, and what the network makes of them and of their classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from tdl_tui.runs.records import Probe, ProbeSample
from tdl_tui.widgets.bars import PREDICTED, RIGHT, TARGET, ClassBars, Prediction, draw_classes, draw_predictions
from tdl_tui.widgets.chart_view import View
from tdl_tui.widgets.lines import Piece, beside, ink, line
from tdl_tui.widgets.numbers import grouped
from tdl_tui.widgets.picture import draw_picture, draw_row, draw_trace
from tdl_tui.widgets.probe_list import (
    FILTERS,
    Filter,
    Moment,
    Overview,
    chosen_probes,
    draw_history,
    draw_list,
    draw_tiles,
    moment,
)
from tdl_tui.widgets.text import draw_node, draw_text

from .confirm import AskScreen
from .frame import palette
from .run_charts import x_axis
from .run_classes import CLASS_VIEWS, ClassView, draw_class_view, matrices_of
from .run_panels import Panel
from .run_snapshot import Snapshot, Wants

PROBES = Binding.Group("The probes")
TEMPERATURES = (0.1, 0.2, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
HISTORY = 120
"""Samples of the probes over the run: more than a sparkline has cells."""
_ProbeView = Literal["probe"] | ClassView
_VIEWS: tuple[_ProbeView, ...] = ("probe", *CLASS_VIEWS)


class NewWants(Message):
    """A panel is to show something that has to be read first."""


class AddProbes(Message):
    """A person wants these examples followed: their numbers as typed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class ProbePanel(Panel):
    """A held-out example and what the network makes of it; all of them where the panel is enlarged; the classes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "view", "classes", group=PROBES, tooltip="the probes, accuracy by class, what is taken for what"),
        Binding("f", "filter", "filter", group=PROBES, tooltip="all, wrong, the surest wrong, flipped lately"),
        Binding("a", "order", "order", group=PROBES, tooltip="in the classes' order, or ranked"),
        Binding("plus,equals_sign", "temperature(1)", "T", group=PROBES, tooltip="softmax at a higher temperature"),
        Binding("minus", "temperature(-1)", "lower T", show=False, group=PROBES, tooltip="… at a lower one"),
        Binding("0", "temperature(0)", "T 1", show=False, group=PROBES, tooltip="… as the network means it"),
        Binding("A", "add", "add", group=PROBES, tooltip="follow another example while the run trains"),
    ]

    def __init__(self, title: str = "", key: str = "", *, id: str) -> None:
        super().__init__(title, key, id=id)
        self.view: _ProbeView = "probe"
        self.filter: Filter = "all"
        self.ranked = False
        self.temperature = 1.0
        self._moments: dict[int, tuple[ProbeSample, Moment]] = {}
        self._pictures: dict[tuple[int, int, int], Sequence[Strip]] = {}

    # ------------------------------------------------------------------------------------------------------- choices

    def wanted(self) -> Wants:
        if self.view == "probe":
            return Wants(probe_samples=HISTORY)
        return Wants(matrices=matrices_of(self.view))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        classes = self.snapshot is not None and self.snapshot.metric != "r2"
        match action:
            case "view":
                return classes
            case "filter" | "temperature":
                return classes and self.view == "probe"
            case "order":
                return classes and self.view in ("probe", "classes")
            case "add":
                return self.view == "probe" and self.snapshot is not None and self.snapshot.summary.state.live
            case _:
                return super().check_action(action, parameters)

    def action_view(self) -> None:
        self.view = _VIEWS[(_VIEWS.index(self.view) + 1) % len(_VIEWS)]
        names = self.snapshot.matrix_names if self.snapshot else ()
        if self.view == "test" and not matrices_of("test").intersection(names):
            self.view = "probe"
        self.post_message(NewWants())
        self._changed()

    def action_filter(self) -> None:
        order = list(FILTERS)
        self.filter = order[(order.index(self.filter) + 1) % len(order)]
        self._changed()

    def action_order(self) -> None:
        self.ranked = not self.ranked
        self._changed()

    def action_temperature(self, by: int) -> None:
        place = TEMPERATURES.index(self.temperature) + by if by else TEMPERATURES.index(1.0)
        self.temperature = TEMPERATURES[min(len(TEMPERATURES) - 1, max(0, place))]
        self._moments.clear()
        self._changed()

    def action_add(self) -> None:
        examples = self.snapshot.shape.examples if self.snapshot and self.snapshot.shape else 0
        where = f"0 to {grouped(examples - 1)}" if examples else "A number"

        def answered(text: str | None) -> None:
            if text is not None:
                self.post_message(AddProbes(text))

        hint = f"{where}, of the validation or test part; several with blanks between them."
        self.app.push_screen(AskScreen("Follow which example?", "", hint), answered)

    def _changed(self) -> None:
        self.paint()
        self.refresh_bindings()

    def following(self, by: int) -> int:
        """The number of the probe that comes `by` after the one shown, among those that are."""
        assert self.snapshot is not None
        shown = self._shown(self.snapshot)
        if not shown:
            return self.choices.probe
        return shown[(shown.index(self._chosen(self.snapshot, shown)) + by) % len(shown)]

    # ------------------------------------------------------------------------------------------------- what is shown

    def _history(self, snapshot: Snapshot) -> list[Moment]:
        """The samples of the run as moments; those known are kept."""
        targets = [_class_of(probe) for probe in snapshot.probes]
        known = self._moments
        self._moments = {}
        for sample in snapshot.probe_samples:
            kept = known.get(sample.step)
            if kept is None or kept[0] is not sample:
                kept = sample, moment(sample, targets, self.temperature)
            self._moments[sample.step] = kept
        return [one for _, one in self._moments.values()]

    def _bars(self, snapshot: Snapshot) -> list[ClassBars]:
        """Of the probes that have outputs at this moment."""
        names = snapshot.shape.classes if snapshot.shape else ()
        outputs = snapshot.outputs.outputs if snapshot.outputs else ()
        pairs = zip(snapshot.probes, outputs, strict=False)
        return [ClassBars(logits, _class_of(probe), names) for probe, logits in pairs]

    def _shown(self, snapshot: Snapshot) -> list[int]:
        """The probes that the filter leaves."""
        if snapshot.metric == "r2" or self.filter == "all":
            return list(range(len(snapshot.probes)))
        before = [one for one in self._history(snapshot) if snapshot.outputs and one.step <= snapshot.outputs.step]
        return chosen_probes(self.filter, self._bars(snapshot), before)

    def _chosen(self, snapshot: Snapshot, shown: Sequence[int]) -> int:
        """The probe that was chosen, or the first of those shown where it is not among them."""
        probe = self.choices.probe % len(snapshot.probes)
        return probe if probe in shown or not shown else shown[0]

    def drawn(self, snapshot: Snapshot, width: int, height: int) -> Sequence[Strip]:
        colors = palette(self.app)
        if self.view != "probe":
            self.title, right, body = draw_class_view(
                snapshot, self.view, width, height - 1, colors, ranked=self.ranked, shades=self._colorless()
            )
            return [self.head(right, width), *body]
        if not snapshot.probes or snapshot.outputs is None:
            waits = "no probes are recorded" if not snapshot.summary.state.live else "waiting for the first sample"
            return [self.head([], width), line([(waits, ink(colors.muted))], width)]
        regression = snapshot.metric == "r2"
        shown = self._shown(snapshot)
        index = self._chosen(snapshot, shown)
        room = height - 1
        if regression:
            body = self._regression(snapshot, index, width, room)
        else:
            body = self._classification(snapshot, shown, index, width, room)
        self.title = "probes" if regression else f"probe · {'logits' if self.choices.logits else 'softmax'}"
        return [self.head(self._heading(snapshot, shown, index, width), width), *body]

    def _heading(self, snapshot: Snapshot, shown: Sequence[int], index: int, width: int) -> list[Piece]:
        colors = palette(self.app)
        place, of, what = index + 1, len(snapshot.probes), FILTERS[self.filter] if snapshot.metric != "r2" else ""
        if what:
            place, of = (shown.index(index) + 1 if index in shown else 0), len(shown)
            what = what if width >= 60 else what.partition(",")[0]
        right: list[Piece] = [(f"{what} ", ink(colors.caution))] if what else []
        if self.temperature != 1 and not self.choices.logits and snapshot.metric != "r2":
            right.insert(0, (f"T {self.temperature:.1f}  ", ink(colors.caution)))
        right.append((f"{place}/{of}", ink(colors.text)))
        if width >= 46 and snapshot.outputs is not None:
            right += [(" at step ", ink(colors.muted)), (grouped(snapshot.outputs.step), ink(colors.text))]
        if width >= 90 and snapshot.metric != "r2":
            signs = f"{TARGET} target  {PREDICTED} predicted  {RIGHT} both   "
            example = f"example {grouped(snapshot.probes[index].index)}   "
            right = [(signs, ink(colors.muted)), (example, ink(colors.muted)), *right]
        return right

    def _classification(
        self, snapshot: Snapshot, shown: Sequence[int], index: int, width: int, height: int
    ) -> list[Strip]:
        """The chosen probe with its bars; where the panel is enlarged, all that are shown beside it."""
        if self.has_class("beside"):
            return self._one(snapshot, index, width, height)
        left = width - 3 - max(44, width * 2 // 5)
        parts = [
            (self._all(snapshot, shown, index, left, height), left),
            ([], 3),
            (self._one(snapshot, index, width - left - 3, height), width - left - 3),
        ]
        return beside(parts, height)

    def _all(self, snapshot: Snapshot, shown: Sequence[int], index: int, width: int, height: int) -> list[Strip]:
        colors = palette(self.app)
        bars = self._bars(snapshot)
        numbers = tuple(number for number in shown if number < len(bars))
        if not numbers:
            said = f"none is {FILTERS[self.filter].partition(',')[0]}" if self.filter != "all" else "none yet"
            return [line([(said, ink(colors.muted))], width)]
        history = tuple(self._history(snapshot))
        probes = Overview(numbers, tuple(bars), index, self.temperature, history, snapshot.at, self._reach(snapshot))
        probe = snapshot.probes[0]
        if probe.kind == "image" and len(probe.shape) == 3:
            return draw_tiles(
                probes, probe.shape, lambda n, w, h: self._picture(snapshot.probes[n], w, h), width, height, colors
            )
        return draw_list(probes, width, height, colors)

    def _one(self, snapshot: Snapshot, index: int, width: int, height: int) -> list[Strip]:
        """A probe, its bars, and below them the history of its target where there is a line to spare."""
        colors = palette(self.app)
        left = self._input(snapshot.probes[index], snapshot, width, height)
        used = left[0].cell_length if left else 0
        rest = width - used - 2
        bars = self._bars(snapshot)
        if index >= len(bars):
            text = "not followed yet" if snapshot.at is not None else "waiting for its first sample"
            return beside([(left, used), ([], 2), ([line([(text, ink(colors.muted))], rest)], rest)], height)
        one = bars[index]
        columns = 2 if rest >= 44 else 1
        with_history = bool(snapshot.probe_samples) and height >= 3 and len(one.logits) <= columns * (height - 1)
        with_history |= bool(snapshot.probe_samples) and height >= 12
        drawn = draw_classes(
            one,
            self.choices.logits,
            rest,
            height - with_history,
            colors,
            ranked=self.ranked,
            temperature=self.temperature,
        )
        if with_history:
            drawn.append(draw_history(self._history(snapshot), index, snapshot.at, self._reach(snapshot), rest, colors))
        return beside([(left, used), ([], 2), (drawn, rest)], height)

    def _reach(self, snapshot: Snapshot) -> float:
        return x_axis(snapshot, View()).high if snapshot.reach else 1.0

    def _colorless(self) -> bool:
        return self.app.console.color_system is None

    def _picture(self, probe: Probe, width: int, height: int) -> Sequence[Strip]:
        """A small picture, drawn once."""
        key = probe.index, width, height
        if key not in self._pictures:
            if len(self._pictures) > 256:
                self._pictures.clear()
            self._pictures[key] = draw_picture(probe, width, height, self._colorless())
        return self._pictures[key]

    def _input(self, probe: Probe, snapshot: Snapshot, width: int, height: int) -> list[Strip]:
        """What the network sees, at most two fifths of the panel wide."""
        colors = palette(self.app)
        most = max(12, width * 2 // 5)
        if probe.kind == "image" and len(probe.shape) == 3:
            return draw_picture(probe, most, height, self._colorless())
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


def _class_of(probe: Probe) -> int:
    """The class that is right; -1 where somebody else's record has none."""
    return int(probe.target) if math.isfinite(probe.target) else -1


def example_numbers(text: str) -> list[int]:
    """Numbers of examples as typed, blanks or commas between them. Raises ValueError saying what would be right."""
    try:
        return [int(word) for word in text.replace(",", " ").split()]
    except ValueError:
        raise ValueError(f'an example is named by its whole number, got "{text}"') from None
