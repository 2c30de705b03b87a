"""Every value that can be changed while a run trains, as it is now, and one of them changed."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.strip import Strip

from tdl_tui.registry import Option
from tdl_tui.settables import Settable, settables, values_of
from tdl_tui.spec import SpecError
from tdl_tui.widgets.canvas import Canvas
from tdl_tui.widgets.lines import Piece, fit, height_of, ink, line
from tdl_tui.widgets.palette import Palette

from .form import text_of
from .frame import KeyBar, palette
from .line_editor import LineEditor
from .runs_table import grounded

BELOW = 4
"""Lines below the values: a rule, and what is said of the one under the cursor."""
LABEL, VALUE = 29, 14


@dataclass(frozen=True)
class Row:
    """A value that can be changed: what it is now, what it was at the launch, and its range in words."""

    settable: Settable
    now: Any
    launched: Any
    help: str
    range: str


def rows_of(document: Mapping[str, Any], settings: Mapping[str, Any]) -> list[Row]:
    """The values of an experiment that can be changed; `settings` are those that have been, by path."""
    launched, rows = values_of(document), []
    for settable in settables(document):
        option = settable.option(document) or Option(settable.path, 0.0, "")
        before = launched[settable.path]
        rows.append(Row(settable, settings.get(settable.path, before), before, option.help, option.wanted))
    return rows


def wrong(row: Row, text: str, document: Mapping[str, Any]) -> str:
    """What would be right in the place of a text, "" where it is."""
    try:
        row.settable.check(text, document)
    except SpecError as error:
        return error.problems[0].message
    return ""


def draw_values(
    rows: Sequence[Row], at: int, editor: LineEditor | None, problem: str, width: int, height: int, colors: Palette
) -> list[Strip]:
    """A line a value, the one at `at` with what is typed into it, and below what that one is, or what is wrong."""
    out = []
    for index, row in enumerate(rows):
        here = index == at
        pieces: list[Piece] = [
            (" ▸ " if here else "   ", ink(colors.accent, bold=True)),
            (fit(row.settable.label, LABEL), ink(colors.text, bold=here)),
        ]
        if here and editor is not None:
            typed = ink(colors.bad if problem else colors.text, bold=True)
            pieces += [
                (editor.text[: editor.cursor], typed),
                ("▏", ink(colors.accent)),
                (editor.text[editor.cursor :], typed),
            ]
        else:
            pieces.append((fit(text_of(row.now), VALUE), ink(colors.text)))
            if row.now != row.launched:
                pieces.append((f"launched with {text_of(row.launched)}", ink(colors.muted)))
        strip = line(pieces, width)
        out.append(grounded(strip, colors.surface) if here else strip)
    out = [*height_of(out, width, height - BELOW), line([("─" * width, ink(colors.faint))], width)]
    row = rows[at]
    told = [(f"✗ {problem}", colors.bad)] if problem else [(row.help, colors.muted), (row.range, colors.faint)]
    said = [(part, color) for text, color in told for part in textwrap.wrap(text, width - 6)]
    return height_of([*out, *(line([(f"   {part}", ink(color))], width) for part, color in said)], width, height)


class Values(Canvas, can_focus=True):
    """The values. Typing changes the one under the cursor."""

    def __init__(self, document: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        super().__init__(id="values")
        self.rows = rows_of(document, settings)
        self._document = document
        self._at = 0
        self._editor: LineEditor | None = None

    @property
    def editing(self) -> bool:
        return self._editor is not None

    @property
    def problem(self) -> str:
        """What is wrong with what was typed."""
        if self._editor is None or not self._editor.text.strip():
            return ""
        return wrong(self.rows[self._at], self._editor.text.strip(), self._document)

    @property
    def taken(self) -> dict[str, Any] | None:
        """The value that was typed, by its path; None where there is none, or it is wrong."""
        if self._editor is None or not self._editor.text.strip() or self.problem:
            return None
        row = self.rows[self._at]
        return {row.settable.path: row.settable.check(self._editor.text.strip(), self._document)}

    def move(self, by: int) -> None:
        self._at = (self._at + by) % len(self.rows)
        self._editor = None
        self.paint()

    def edit(self) -> None:
        """Begins with the value as it is."""
        self._editor = LineEditor.on(text_of(self.rows[self._at].now))
        self.paint()

    def leave(self) -> None:
        """Leaves the value as it was."""
        self._editor = None
        self.paint()

    def check_consume_key(self, key: str, character: str | None) -> bool:
        return character is not None and character.isprintable()

    def on_key(self, event: events.Key) -> None:
        if event.is_printable and event.character:
            self._editor = (self._editor or LineEditor()).insert(event.character)
        elif self._editor is not None and (edited := self._editor.press(event.key)) is not None:
            self._editor = edited
        else:
            return
        event.stop()
        event.prevent_default()
        self.paint()

    def draw(self, width: int, height: int) -> Sequence[Strip]:
        return draw_values(self.rows, self._at, self._editor, self.problem, width, height, palette(self.app))


class TuneScreen(ModalScreen[dict[str, Any] | None]):
    """Dismisses with the value that was changed, by its path, or with None."""

    CSS_PATH = "tune.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,tab", "move(1)", "choose", key_display="↑ ↓"),
        Binding("enter", "take", "change"),
        Binding("escape", "leave", "never mind"),
        Binding("up,shift+tab", "move(-1)", "previous", show=False),
    ]

    def __init__(self, document: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
        super().__init__()
        self._values = Values(document, settings)

    def compose(self) -> ComposeResult:
        self._values.border_title = "Change a value, from the next step on"
        self._values.styles.height = len(self._values.rows) + BELOW + 2
        yield self._values
        yield KeyBar()

    def on_mount(self) -> None:
        self._values.focus()

    def action_move(self, by: int) -> None:
        self._values.move(by)

    def action_take(self) -> None:
        if not self._values.editing:
            self._values.edit()
        elif (taken := self._values.taken) is not None:
            self.dismiss(taken)
        else:
            self.app.bell()

    def action_leave(self) -> None:
        if self._values.editing:
            self._values.leave()
        else:
            self.dismiss(None)
