"""The Run screen's panels: canvases that hold the newest snapshot and draw it with the widgets' pure functions."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from textual.strip import Strip

from tdl_tui.data_name import data_name
from tdl_tui.runs.records import State
from tdl_tui.widgets.canvas import Canvas
from tdl_tui.widgets.chart_view import View
from tdl_tui.widgets.events import draw_events
from tdl_tui.widgets.header import Moment, draw_header, said_of_state
from tdl_tui.widgets.lines import Piece, heading, ink, line
from tdl_tui.widgets.system import outside

from .frame import palette
from .run_snapshot import NOTHING, Snapshot, Wants
from .run_time import moments, moved


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person chose on the Run screen; `probe` counts from 0, `at` is the step that is looked at (None: the
    newest), and while `playing` the next ones follow."""

    at: int | None = None
    playing: bool = False
    view: View = field(default_factory=View)
    logits: bool = False
    probe: int = 0


class Panel(Canvas):
    """A part of the screen that shows the snapshot in its own way. `key` enlarges it."""

    def __init__(self, title: str = "", key: str = "", *, id: str) -> None:
        super().__init__(id=id)
        self.can_focus = bool(key)
        self.title = title
        self.key = key
        self.snapshot: Snapshot | None = None
        self.choices = Choices()

    def take(self, snapshot: Snapshot | None, choices: Choices) -> None:
        """Takes what is to be shown and repaints what differs."""
        self.snapshot, self.choices = snapshot, choices
        self.paint()

    def wanted(self) -> Wants:
        """What it needs in a snapshot beside what every one has."""
        return NOTHING

    def watch_has_focus(self, focused: bool) -> None:
        super().watch_has_focus(focused)
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
        name = ink(colors.accent if self.has_focus else colors.text, bold=True)
        return heading(self.title, self.key, right, width, rule=ink(colors.faint), name=name)


class HeaderPanel(Panel):
    """Name, state, progress; device, speed, learning rate, system."""

    def drawn(self, snapshot: Snapshot, width: int, height: int) -> Sequence[Strip]:
        moment = None
        if snapshot.at is not None:
            in_all = snapshot.summary.progress.total_steps or snapshot.reach
            moment = Moment(snapshot.at, in_all, snapshot.time - snapshot.started, self.choices.playing)
        return draw_header(
            replace(snapshot.summary, best=snapshot.stood.best),
            snapshot.title,
            outside(snapshot.latest, self.screen.size.height, snapshot.summary.gpus),
            width,
            palette(self.app),
            notes=_setting(snapshot),
            moment=moment,
        )


def _setting(snapshot: Snapshot) -> list[str]:
    experiment = snapshot.summary.experiment
    chosen = (experiment.get(section, {}).get(name, "") for section, name in _CHOSEN)
    parts = [data_name(experiment.get("data", {})), *chosen]
    return [" · ".join(part for part in parts if part)]


_CHOSEN = (("model", "architecture"), ("optimizer", "name"))


NOTICE_LINES = 3
"""The most that a notice takes."""


def noticed(text: str, width: int) -> list[str]:
    """A notice in lines beside its sign; what three do not hold is cut."""
    return textwrap.wrap(text, max(width - 4, 20), max_lines=NOTICE_LINES, placeholder=" …")


class NoticePanel(Panel):
    """What went wrong with the run, or what became of the last command: a line, of a narrow screen some more."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.said = ""
        self.bad = False

    def say(self, text: str, *, bad: bool = False) -> None:
        """Shows what became of a command."""
        self.said, self.bad = text, bad
        self._arrange()

    def take(self, snapshot: Snapshot | None, choices: Choices) -> None:
        super().take(snapshot, choices)
        self._arrange()

    def text(self) -> str:
        """What is to be said now, "" for nothing."""
        return self.said or (self.snapshot.notice or said_of_state(self.snapshot.summary) if self.snapshot else "")

    def lines(self, width: int) -> int:
        """How many lines it takes on a screen of that width, 0 where there is nothing to say."""
        return len(noticed(self.text(), width))

    def _arrange(self) -> None:
        lines = self.lines(self.app.size.width)
        self.display = lines > 0
        self.styles.height = lines
        self.paint()

    def draw(self, width: int, height: int) -> Sequence[Strip]:
        colors = palette(self.app)
        state = self.snapshot.summary.state if self.snapshot else State.RUNNING
        held = bool(self.snapshot and self.snapshot.notice)
        wrong = self.bad if self.said else (not held and state in (State.FAILED, State.LOST)) or self._damaged()
        usual = bool(self.said) or (not held and state in _USUAL)
        color = colors.bad if wrong else colors.accent if usual else colors.caution
        sign = "✗" if wrong else "›" if usual else "!"
        signs = (sign, *" " * NOTICE_LINES)
        return [
            line([(f" {sign} ", ink(color, bold=True)), (part, ink(color))], width)
            for sign, part in zip(signs, noticed(self.text(), width), strict=False)
        ]

    def _damaged(self) -> bool:
        return bool(self.snapshot and self.snapshot.summary.damage)


_USUAL = (State.QUEUED, State.STARTING, State.PAUSED)


class EventsPanel(Panel):
    """What happened, up to the moment that is looked at, with what happened since the moment before it marked."""

    def drawn(self, snapshot: Snapshot, width: int, height: int) -> Sequence[Strip]:
        colors, events = palette(self.app), snapshot.happened
        marked: frozenset[int] = frozenset()
        if snapshot.at is not None:
            before = moved(moments(snapshot), snapshot.at, -1) or 0
            marked = frozenset(event.id for event in events if before < event.step or event.step == snapshot.at)
        if height < 4:
            return draw_events(events, width, height, colors, marked=marked)
        whole = not self.has_class("beside")
        drawn = draw_events(events, width, height - 1, colors, dates=width >= 120, whole=whole, marked=marked)
        return [self.head([], width), *drawn]
