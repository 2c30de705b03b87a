"""What the rules say of a training: each diagnosis with what is seen, what it means and what to try."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widgets import Static

from tdl_tui.diagnosis.told import Told, told
from tdl_tui.runs.records import Diagnosis
from tdl_tui.widgets.canvas import Canvas
from tdl_tui.widgets.diagnoses import draw_diagnoses

from .frame import KeyBar, palette
from .run_snapshot import Snapshot
from .run_steering import Steering

ROWS = 6
"""Diagnoses that are listed at once."""


class DiagnosisList(Canvas):
    """The list and the one under the cursor, in as many lines as it takes."""

    def __init__(self, known: Sequence[Told]) -> None:
        super().__init__()
        self.told = known
        self.cursor = 0

    @property
    def current(self) -> Diagnosis | None:
        return self.told[self.cursor].diagnosis if self.told else None

    def move(self, by: int) -> None:
        self.cursor = max(0, min(self.cursor + by, len(self.told) - 1))
        self.take_room(self.content_size.width)
        self.paint()

    def take_room(self, width: int) -> None:
        """Takes the lines that it needs."""
        self.styles.height = len(self._lines(max(width, 20)))

    def on_resize(self, event: events.Resize) -> None:
        self.take_room(event.size.width)
        super().on_resize(event)

    def draw(self, width: int, height: int) -> Sequence[Strip]:
        return self._lines(width)[:height]

    def _lines(self, width: int) -> list[Strip]:
        known = [(one.diagnosis, one.until) for one in self.told]
        return draw_diagnoses(known, self.cursor, width, ROWS, palette(self.app))


def show_diagnoses(screen: Steering, snapshot: Snapshot) -> None:
    """Lists the diagnoses of a run above its screen, and has the change of one tried out where that is wanted."""

    def answered(chosen: Diagnosis | None) -> None:
        if chosen is not None:
            screen.try_out(chosen.change)

    screen.app.push_screen(DiagnosesScreen(told(snapshot.summary.diagnoses, snapshot.events)), answered)


class DiagnosesScreen(ModalScreen[Diagnosis | None]):
    """Lists them; dismisses with the one whose change is wanted, or with None."""

    CSS_PATH = "confirm.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "next", key_display="↑ ↓"),
        Binding("up,k", "move(-1)", "before", show=False),
        Binding("enter,n", "try", "try it", tooltip="a new training with the change, filled into the form"),
        Binding("escape,q,d", "dismiss(None)", "close"),
    ]

    def __init__(self, known: Sequence[Told]) -> None:
        super().__init__()
        self._told = known

    def compose(self) -> ComposeResult:
        held = sum(one.until is None for one in self._told)
        title = f"{held} diagnos{'is holds' if held == 1 else 'es hold'}" if held else "No diagnosis"
        title += " holds now" if self._told and not held else ""
        with Vertical(id="dialogue", classes="wide"):
            yield Static(title, id="question", markup=False)
            yield DiagnosisList(self._told)
            yield Static("", id="answers")
        yield KeyBar()

    def on_mount(self) -> None:
        self._offer()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        match action:
            case "try":
                current = self.query_one(DiagnosisList).current if self.is_mounted else None
                return current is not None and bool(current.change)
            case "move":
                return len(self._told) > 1
            case _:
                return True

    def action_move(self, by: int) -> None:
        self.query_one(DiagnosisList).move(by)
        self._offer()

    def action_try(self) -> None:
        self.dismiss(self.query_one(DiagnosisList).current)

    def _offer(self) -> None:
        """Says what enter would do."""
        current = self.query_one(DiagnosisList).current
        offers = current is not None and bool(current.change)
        close = "[bold $accent]esc[/] close"
        attempt = "[bold $accent]enter[/] a new training with the first change     " if offers else ""
        self.query_one("#answers", Static).update(f"{attempt}{close}")
        self.refresh_bindings()
