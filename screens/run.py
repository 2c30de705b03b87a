"""A run, live: curves, a probe's outputs, the layers' gradients, events; and how it is steered. Imports no torch."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Protocol

from textual import events, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.timer import Timer

from tdl_tui.runs.records import State
from tdl_tui.widgets.chart_view import SMOOTHING, View, following, next_scale

from .chart_memory import kind_of
from .frame import KeyBar, workbench
from .run_charts import ChartPanel, Look
from .run_gradients import GradientPanel
from .run_machine import MachinePanel
from .run_panels import Choices, EventsPanel, HeaderPanel, NoticePanel, Panel
from .run_probes import AddProbes, NewWants, ProbePanel, example_numbers
from .run_series import SeriesPanel
from .run_snapshot import Snapshot, Wants
from .run_steering import Steering
from .run_time import MOMENTS_A_SECOND, first, moments, moved, played

PATIENCE = 0.5
"""Seconds for which another program may have it locked before that is said."""
SOON = 0.1
"""Seconds for which the first frame waits for what is read, so as to have it in it."""
SAID = 8.0
"""Seconds for which it is said what became of a command, which is then an event; what went wrong stays to be read."""
TIME = Binding.Group("Time")
LOOKING = Binding.Group("Look")
PANELS = Binding.Group("Panels")
_PANELS = {"1": "loss", "2": "metric", "3": "probe", "4": "gradients", "5": "events", "6": "series"}


class Reads(Protocol):
    """Where snapshots come from: None while nothing has changed."""

    def read(self, wants: Wants) -> Snapshot | None: ...

    def close(self) -> None: ...


class Fresh(Message):
    """A new snapshot; a later one takes the place of one that waits."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self.snapshot = snapshot

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, Fresh)


def heights(available: int, rows: int, layers: int, *, drawn: bool = True) -> tuple[int, int, int]:
    """Lines for charts, for probe and gradients, and for events, out of those between header and keys.

    The middle gets what its rows need (the probe's and the layers, with their headings; more for a probe that is
    drawn) but leaves the charts two fifths.
    """
    happenings = 2 if available < 30 else max(4, available // 7)
    rest = available - happenings
    middle = min(max(rows + 1, layers + 2, 6 if not drawn else 11 if rest < 30 else 15), rest * 3 // 5)
    return rest - middle, middle, happenings


class RunScreen(Steering):
    """Watches one run, and steers it."""

    CSS_PATH = "run.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,end", "live", "live", group=TIME, tooltip="back to what happens now"),
        Binding("left", "moment(-1)", "past", group=TIME, tooltip="a moment earlier"),
        Binding("d", "diagnoses", "doctor", group=LOOKING, tooltip="what the rules say, and what to try"),
        Binding("right", "moment(1)", "a moment later", show=False, group=TIME, tooltip="after the newest: live"),
        Binding("shift+left", "moment(-10)", "ten moments earlier", show=False, group=TIME),
        Binding("shift+right", "moment(10)", "ten moments later", show=False, group=TIME),
        Binding("home", "first_moment", "the first moment", show=False, group=TIME),
        Binding("space", "play", "play", group=TIME, tooltip="from here, or from the first moment; or hold"),
        Binding("b", "best", "best", show=False, group=TIME, tooltip="the moment of the best value so far"),
        Binding("comma", "event(-1)", "the event before", show=False, group=TIME),
        Binding("full_stop", "event(1)", "the event after", show=False, group=TIME),
        Binding("escape,q", "back", "back", group=LOOKING),
        Binding("z", "zoom", "enlarge", group=PANELS, tooltip="a panel, the next, and back"),
        Binding("tab", "panel(1)", "next panel", show=False, group=PANELS, tooltip="its own keys stand below"),
        Binding("shift+tab", "panel(-1)", "panel before", show=False, group=PANELS),
        Binding("n", "probe(1)", "probe", group=LOOKING, tooltip="the next of the examples"),
        Binding("N", "probe(-1)", "previous probe", show=False, group=LOOKING),
        Binding("o", "outputs", "outputs", show=False, group=LOOKING, tooltip="softmax or logits"),
        Binding("y", "log", "log", show=False, group=LOOKING, tooltip="loss on a linear or a logarithmic axis"),
        Binding("x", "scale", "axis", show=False, group=LOOKING, tooltip="steps, epochs, seconds, time of day"),
        Binding("m", "smooth", "smooth", show=False, group=LOOKING, tooltip="average the curves: off, 0.6, 0.9, 0.97"),
        Binding("1", "enlarge('1')", "loss", show=False, group=PANELS, tooltip="enlarge it, and back"),
        Binding("2", "enlarge('2')", "accuracy", show=False, group=PANELS, tooltip="enlarge it, and back"),
        Binding("3", "enlarge('3')", "probe", show=False, group=PANELS, tooltip="enlarge it, and back"),
        Binding("4", "enlarge('4')", "gradients", show=False, group=PANELS, tooltip="enlarge it, and back"),
        Binding("5", "enlarge('5')", "events", show=False, group=PANELS, tooltip="enlarge it, and back"),
        Binding("6", "enlarge('6')", "series", show=False, group=PANELS, tooltip="a grid of any series, and back"),
    ]

    def __init__(self, folder: Path, source: Callable[[], Reads] | None = None) -> None:
        """`source` makes what is read from instead of the folder; it is called and read in a thread of its own."""
        super().__init__()
        self.folder = folder
        self.snapshot: Snapshot | None = None
        self.choices = Choices()
        self.enlarged = ""
        self._make_source = source or self._open
        self._wake = threading.Event()
        self._newest: Snapshot | None = None
        self._read = threading.Event()
        self._shown = threading.Event()
        self._ended = threading.Event()
        self._kind = ""
        self._looked = False
        self._remembering = threading.Lock()
        self._wants = Wants()
        self._wanted = (0, 0, True)
        self._said: Timer | None = None

    def compose(self) -> ComposeResult:
        yield HeaderPanel(id="header")
        yield MachinePanel(id="machine")
        with Vertical(id="panels"):
            with Horizontal(id="charts", classes="row"):
                yield ChartPanel("loss", "1", "loss", id="loss")
                yield ChartPanel("", "2", "", id="metric")
                yield SeriesPanel("series", "6", id="series")
            with Horizontal(id="middle", classes="row"):
                yield ProbePanel("probe", "3", id="probe")
                yield GradientPanel("gradients", "4", id="gradients")
            with Horizontal(id="below", classes="row"):
                yield EventsPanel("events", "5", id="events")
        yield NoticePanel(id="notice")
        yield KeyBar()

    async def on_mount(self) -> None:
        self._arrange()
        self._player = self.set_interval(1 / MOMENTS_A_SECOND, self._play_on, pause=True)
        self._follow()
        await asyncio.to_thread(self._read.wait, SOON)
        if self._newest is not None:
            self.on_fresh(Fresh(self._newest))

    def on_unmount(self) -> None:
        self._ended.set()
        self._wake.set()
        self._shown.set()

    def on_resize(self, event: events.Resize) -> None:
        self._arrange()

    @work(thread=True, group="follow", exclusive=True)
    def _follow(self) -> None:
        from .queue_watch import QueueWatch

        source, queue = self._make_source(), QueueWatch(self.folder.parent.parent)
        try:
            while not self._ended.is_set():
                snapshot = source.read(self._wants)
                if snapshot is not None:
                    self._shown.clear()
                    if not self._ended.is_set() and self._take(snapshot):
                        self._shown.wait()  # of what is wished for meanwhile, the last is read next
                    if snapshot.summary.state is State.QUEUED and (problem := queue.keep_moving()):
                        self.app.call_from_thread(self.say, problem, bad=True)
                self._wake.wait(self.period)
                self._wake.clear()
        finally:
            source.close()

    def _open(self) -> Reads:
        from tdl_tui.runs.reader import RunReader

        from .run_snapshot import Source

        return Source(RunReader(self.folder, PATIENCE))

    def _take(self, snapshot: Snapshot) -> bool:
        """Has what was read shown; whether anybody is there who could. For threads."""
        self._newest = snapshot
        self._read.set()
        return self.post_message(Fresh(snapshot))

    def on_fresh(self, message: Fresh) -> None:
        if message.snapshot is self.snapshot:  # the first one, when the screen was made
            return
        before, self.snapshot = self.snapshot, message.snapshot
        if before is None or before.title != self.snapshot.title:
            self.title = self.snapshot.title
        if not self._kind and (kind := kind_of(self.snapshot.shape)):
            self._kind = kind
            self._recall(kind)
        self._show()
        self._shown.set()
        if before is None or before.summary.state != self.snapshot.summary.state:
            self.refresh_bindings()

    def on_look(self, message: Look) -> None:
        self.look(message.view)

    def look(self, view: View) -> None:
        """Charts in another way, which is remembered for this kind of run."""
        before, self._looked = self.choices.view, True
        self._choose(replace(self.choices, view=view))
        if replace(view, window=before.window, follow=before.follow) != before:
            self._remember()

    @work(thread=True, group="recall")
    def _recall(self, kind: str) -> None:
        from .chart_memory import recall

        view = recall(workbench(self).home, kind)
        self.app.call_from_thread(self._recalled, view)

    def _recalled(self, view: View) -> None:
        if self.is_mounted and not self._looked and view != self.choices.view:
            self._choose(replace(self.choices, view=view))

    @work(thread=True, group="remember")
    def _remember(self) -> None:
        from .chart_memory import remember

        if not self._kind:
            return
        with self._remembering:
            try:
                remember(workbench(self).home, self._kind, self.choices.view)
            except OSError as error:
                said = f"how charts are shown is not remembered: {error.strerror}"
                self.app.call_from_thread(self.say, said, bad=True)

    def on_screen_resume(self) -> None:
        self._show()

    def _show(self) -> None:
        if not self.is_active:
            return  # what lies above covers it; it is shown when this screen is back
        # The whole screen goes to another moment at once: when that has been read.
        choices = replace(self.choices, at=self.snapshot.at if self.snapshot else None)
        notice = self.query_one(NoticePanel)
        noticed = notice.lines(self.size.width)
        notice.take(self.snapshot, choices)
        fits = self.query_one(MachinePanel).fits(self.snapshot, self.size)
        if _wants(self.snapshot) != self._wanted or not fits or notice.lines(self.size.width) != noticed:
            self._arrange()
        for panel in self.query(Panel):
            if panel.display:
                panel.take(self.snapshot, choices)
        self._want()

    def _want(self) -> None:
        """Tells the thread what the panels that are shown need, and lets it look at once where that is new."""
        wants = Wants(self._columns, self.choices.at)
        for panel in self.query(Panel):
            if panel.display:
                wants |= panel.wanted()
        if wants != self._wants:
            self._wants = wants
            self._wake.set()

    def _arrange(self) -> None:
        """Shares out the lines; where one panel is enlarged it has them all."""
        enlarged = _PANELS.get(self.enlarged, "")
        panels = self.query_one("#panels")
        machine = self.query_one(MachinePanel).fit(self.snapshot, self.size)
        available = self.size.height - 3 - machine
        rows, layers, drawn = self._wanted = _wants(self.snapshot)
        charts, middle, happenings = heights(available, rows, layers, drawn=drawn)
        notice = self.query_one(NoticePanel).lines(self.size.width)
        happenings = max(1, happenings - notice)  # it comes and goes: where it is short, nothing else moves for it
        for row, height in zip(panels.children, (charts, middle, happenings), strict=True):
            inside = [child.id for child in row.children]
            row.display = not enlarged or enlarged in inside
            row.styles.height = "1fr" if enlarged or row.id == "charts" else height
            for child in row.children:
                child.display = child.id == enlarged if enlarged else child.id != "series"
                child.set_class(not enlarged, "beside")
        self._want()

    @property
    def _columns(self) -> int:
        """Those of a chart, about."""
        width = self.size.width if _PANELS.get(self.enlarged) in ("loss", "metric") else self.size.width // 2
        return max(16, width - 8)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self._can_look(action) and super().check_action(action, parameters)

    def _can_look(self, action: str) -> bool:
        """Whether there is another moment to go to by an action."""
        match action, self.snapshot:
            case "live", _:
                return self.choices.at is not None
            case (("moment" | "first_moment" | "play" | "event" | "best"), None):
                return False
            case (("moment" | "first_moment" | "play"), Snapshot() as snapshot):
                return bool(moments(snapshot))
            case "event", Snapshot() as snapshot:
                return bool(snapshot.eventful)
            case "best", Snapshot() as snapshot:
                return snapshot.stood.best is not None
            case _:
                return True

    def action_log(self) -> None:
        view = self.choices.view
        self.look(replace(view, log=not view.log))

    def action_scale(self) -> None:
        self.look(next_scale(self.choices.view))

    def action_smooth(self) -> None:
        view = self.choices.view
        self.look(replace(view, smoothing=following(SMOOTHING, view.smoothing)))

    def action_outputs(self) -> None:
        self._choose(replace(self.choices, logits=not self.choices.logits))

    def action_probe(self, by: int) -> None:
        if self.snapshot is not None and self.snapshot.probes:
            self._choose(replace(self.choices, probe=self.query_one(ProbePanel).following(by)))

    def on_new_wants(self, message: NewWants) -> None:
        self._want()

    def on_add_probes(self, message: AddProbes) -> None:
        try:
            examples = example_numbers(message.text)
        except ValueError as error:
            self.say(str(error), bad=True)
            return
        self.carry_out("following more examples …", lambda steer, folder: str(steer.probe(folder, examples)))

    def action_moment(self, by: int) -> None:
        if self.snapshot is not None:
            self._look_at(moved(moments(self.snapshot), self.choices.at, by))

    def action_first_moment(self) -> None:
        if self.snapshot is not None:
            self._look_at(first(moments(self.snapshot)))

    def action_event(self, by: int) -> None:
        if self.snapshot is not None:
            self._look_at(moved(self.snapshot.eventful, self.choices.at, by))

    def action_best(self) -> None:
        if self.snapshot is not None and self.snapshot.stood.best is not None:
            self._look_at(self.snapshot.stood.best.step)

    def action_live(self) -> None:
        self._look_at(None)

    def action_play(self) -> None:
        if self.choices.playing:
            self._look_at(self.choices.at)
        elif self.snapshot is not None:
            at = self.choices.at
            self._look_at(first(moments(self.snapshot)) if at is None else at, playing=True)

    def _play_on(self) -> None:
        if self.snapshot is None or self.snapshot.at != self.choices.at or not self.is_active:
            return  # the moment before is still being read, or covered
        at = played(moments(self.snapshot), self.choices.at)
        self._look_at(at, playing=at is not None)

    def _look_at(self, at: int | None, *, playing: bool = False) -> None:
        """Has the screen show a step (None: live) as soon as that is read."""
        before, self.choices = self.choices, replace(self.choices, at=at, playing=playing)
        if playing != before.playing:
            (self._player.resume if playing else self._player.pause)()
            self._show()
        if (at is None) != (before.at is None):
            self.refresh_bindings()
        self._want()

    def _choose(self, choices: Choices) -> None:
        self.choices = choices
        self._show()

    def action_diagnoses(self) -> None:
        from .diagnoses import show_diagnoses

        if self.snapshot is not None:
            show_diagnoses(self, self.snapshot)

    def action_enlarge(self, key: str) -> None:
        self.enlarged = "" if self.enlarged == key else key
        self._arrange()
        panel = self.query_one(f"#{_PANELS[key]}")
        (panel if panel.display else self.query_one(ChartPanel)).focus()
        self._show()

    def action_panel(self, by: int) -> None:
        (self.focus_next if by > 0 else self.focus_previous)(Panel)

    def action_zoom(self) -> None:
        order = ("", *_PANELS)
        self.action_enlarge(order[(order.index(self.enlarged) + 1) % len(order)] or self.enlarged)

    def action_back(self) -> None:
        notice = self.query_one(NoticePanel)
        if notice.said and notice.bad:
            self.say("")
        elif self.enlarged:
            self.action_enlarge(self.enlarged)
        elif len(self.app.screen_stack) > 1:
            self.dismiss()
        else:
            workbench(self).show_runs(self.folder)

    def look_now(self) -> None:
        self._wake.set()

    def say(self, text: str, *, bad: bool = False) -> None:
        if self.is_mounted:
            self.query_one(NoticePanel).say(text, bad=bad)
            self._arrange()
            if self._said is not None:
                self._said.stop()
            self._said = self.set_timer(SAID, lambda: self.say("")) if text and not bad else None


def _wants(snapshot: Snapshot | None) -> tuple[int, int, bool]:
    """Rows that the probe and the gradients would like to have, and whether the probe is drawn (else it is a list)."""
    if snapshot is None or not snapshot.probes:
        return 10, 4, True
    rows = len(snapshot.outputs.outputs[0]) if snapshot.outputs and snapshot.outputs.outputs else 0
    if snapshot.metric == "r2":
        rows = len(snapshot.probes) + 1
    drawn = snapshot.probes[0].kind in ("image", "sequence", "text")
    if not drawn:
        rows = max(rows, len(snapshot.probes[0].input))
    return min(rows, 24), len(snapshot.layer_names), drawn
