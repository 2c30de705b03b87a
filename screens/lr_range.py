"""The learning-rate range test of the form: a spare worker tries rates from small to large; one key takes the best."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.strip import Strip

from tdl_tui.widgets.axes import HUGE, Span, covering
from tdl_tui.widgets.canvas import Canvas
from tdl_tui.widgets.chart import draw_chart
from tdl_tui.widgets.chart_view import View
from tdl_tui.widgets.curves import Curve
from tdl_tui.widgets.lines import Piece, height_of, ink, line
from tdl_tui.widgets.numbers import brief
from tdl_tui.widgets.palette import Palette
from tdl_tui.worker.answers import LrRangeAnswer

from .frame import KeyBar, palette
from .preview_lines import told

Ask = Callable[[Mapping[str, Any]], Mapping[str, Any]]
UNDER_WAY = "trying learning rates from small to large, a batch each …"


def rounded(lr: float) -> float:
    """A learning rate with the two digits that such a test can tell."""
    return float(f"{lr:.1e}")


def draw_lr_range(
    answer: LrRangeAnswer | None, problem: str, now: float, width: int, height: int, colors: Palette
) -> list[Strip]:
    """The loss over the learning rate on a logarithmic axis, with the rate suggested and the form's own marked."""
    if answer is None:
        text, color = (problem, colors.caution) if problem else (UNDER_WAY, colors.muted)
        return told(text, color, width)[:height]
    known = [(lr, loss) for lr, loss in zip(answer.lr, answer.loss, strict=True) if abs(loss) < HUGE]
    if len(known) < 2:
        return told("the loss was not finite at any learning rate", colors.caution, width)[:height]
    first, low = known[0][1], min(loss for _, loss in known)
    high = min(max(loss for _, loss in known), first + max(first - low, 0.1 * abs(first)))  # not where it flies away
    x, y = Span(known[0][0], known[-1][0], log=True), covering(low, high)
    best = answer.suggestion
    curves = []
    if x.low <= now <= x.high:
        curves.append(_mark("now", colors.muted, now, y))
    if best is not None:
        curves.append(_mark("suggested", colors.target, best, y))
    curves.append(Curve("", colors.train, tuple(lr for lr, _ in known), tuple(loss for _, loss in known), math.nan))
    right: list[Piece] = [("now ", ink(colors.muted)), (brief(now), ink(colors.text))]
    if best is not None:
        right += [("   suggested ", ink(colors.target)), (brief(rounded(best)), ink(colors.text, bold=True))]
    chart = draw_chart(
        "loss over the learning rate",
        "",
        curves,
        x=x,
        y=y,
        view=View(scale="value"),
        width=width,
        height=height - 1,
        palette=colors,
        right=right,
    )
    says = "the loss fell at no learning rate: nothing is suggested"
    if best is not None:
        says = f"enter takes {brief(rounded(best))}: there the loss falls fastest"
    below = line([(says, ink(colors.muted if best is not None else colors.caution))], width)
    return [*height_of(chart, width, height - 1), below]


def _mark(name: str, color: str, lr: float, y: Span) -> Curve:
    return Curve(name, color, (lr, lr), (y.low, y.high), math.nan)


class RangeChart(Canvas, can_focus=True):
    """What the test found."""

    def __init__(self, now: float) -> None:
        super().__init__(id="range")
        self.answer: LrRangeAnswer | None = None
        self.problem = ""
        self._now = now

    def take(self, answer: LrRangeAnswer | None, problem: str) -> None:
        self.answer, self.problem = answer, problem
        self.paint()

    def draw(self, width: int, height: int) -> Sequence[Strip]:
        return draw_lr_range(self.answer, self.problem, self._now, width, height, palette(self.app))


class LrRangeScreen(ModalScreen[float | None]):
    """Asks, draws what comes, and dismisses with the learning rate to take, or with None.

    `ask` blocks until the answer to "lr_range" is there; it raises an exception whose text says why there is none.
    """

    CSS_PATH = "lr_range.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "take", "take it over"),
        Binding("escape", "dismiss(None)", "leave"),
    ]

    def __init__(self, document: Mapping[str, Any], ask: Ask, now: float) -> None:
        super().__init__()
        self._document = document
        self._ask = ask
        self._chart = RangeChart(now)

    def compose(self) -> ComposeResult:
        self._chart.border_title = "find a learning rate"
        yield self._chart
        yield KeyBar()

    def on_mount(self) -> None:
        self._chart.focus()
        self.run_worker(self._test, thread=True, group="range")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """There is something to take once there is a suggestion."""
        return action != "take" or self._suggestion is not None

    @property
    def _suggestion(self) -> float | None:
        return self._chart.answer.suggestion if self._chart.answer is not None else None

    def _test(self) -> None:
        from tdl_tui.worker.spare import SpareError

        answer, problem = None, ""
        try:
            answer = LrRangeAnswer.from_json(self._ask({"ask": "lr_range", "experiment": dict(self._document)}))
        except SpareError as error:
            problem = str(error)
        self.app.call_from_thread(self._tested, answer, problem)

    def _tested(self, answer: LrRangeAnswer | None, problem: str) -> None:
        if self.is_mounted:
            self._chart.take(answer, problem)
            self.refresh_bindings()

    def action_take(self) -> None:
        if self._suggestion is not None:
            self.dismiss(rounded(self._suggestion))
