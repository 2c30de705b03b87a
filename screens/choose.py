"""A list to choose one of: every choice with its line of help, and why one cannot be taken."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.strip import Strip

from tdl_tui.widgets.canvas import Canvas
from tdl_tui.widgets.lines import Piece, fit, height_of, ink, line
from tdl_tui.widgets.palette import Palette

from .frame import KeyBar, palette
from .runs_table import grounded

ABOVE = 2
"""Lines above the list: what was typed, and a rule."""
NARROWEST = 61
"""Cells of a line of help where the terminal is as small as it may be."""


@dataclass(frozen=True)
class Choice:
    """`refused` says why it cannot be taken, "" when it can."""

    name: str
    help: str = ""
    refused: str = ""


def matching(choices: Sequence[Choice], words: str) -> list[Choice]:
    """Those that have every word in their name or help; names that begin with the text come first."""
    wanted = words.lower().split()
    found = [c for c in choices if all(word in f"{c.name} {c.help}".lower() for word in wanted)]
    return sorted(found, key=lambda c: not c.name.lower().startswith(words.lower().strip()))


def about(choice: Choice) -> str:
    """All there is to say of a choice."""
    return f"✗ {choice.name} {choice.refused}" if choice.refused else choice.help


def told_lines(choices: Sequence[Choice]) -> int:
    """Lines below the list: a rule, and what is said of the choice under the cursor, whole for each of them."""
    return 1 + max((len(textwrap.wrap(about(choice), NARROWEST)) for choice in choices), default=0)


def draw_choices(
    choices: Sequence[Choice], at: int, words: str, *, width: int, height: int, below: int, colors: Palette
) -> list[Strip]:
    """What was typed, as many choices as fit with the one at `at` among them, and in `below` lines what that one is."""
    rows = height - ABOVE - below
    top = max(0, at - rows + 1)
    typed: list[Piece] = [(" / ", ink(colors.accent)), (words, ink(colors.text)), ("▏", ink(colors.accent))]
    if not words:
        typed.append(("type to search", ink(colors.faint)))
    out = [line(typed, width), line([("─" * width, ink(colors.faint))], width)]
    column = max((cell_len(choice.name) for choice in choices), default=0) + 2
    for index, choice in enumerate(choices[top : top + rows], top):
        here = index == at
        named = ink(colors.muted if choice.refused else colors.text, bold=here)
        pieces: list[Piece] = [
            (" ▸ " if here else "   ", ink(colors.accent, bold=True)),
            (fit(choice.name, column), named),
        ]
        if choice.refused:
            pieces.append((f"✗ {choice.refused}", ink(colors.caution)))
        else:
            pieces.append((choice.help, ink(colors.muted)))
        strip = line(pieces, width)
        out.append(grounded(strip, colors.surface) if here else strip)
    if not choices:
        out.append(line([("   nothing by that name", ink(colors.muted))], width))
    out = [*height_of(out, width, height - below), line([("─" * width, ink(colors.faint))], width)]
    if at < len(choices):
        color = colors.caution if choices[at].refused else colors.muted
        told = textwrap.wrap(about(choices[at]), width - 6)
        out += [line([(f"   {part}", ink(color))], width) for part in told[: below - 1]]
    return out


class Choices(Canvas, can_focus=True):
    """The list. Typing narrows it."""

    def __init__(self, choices: Sequence[Choice], chosen: str) -> None:
        super().__init__(id="choices")
        self._all = choices
        self._words = ""
        self._below = told_lines(choices)
        self._found = list(choices)
        self._at = next((i for i, choice in enumerate(choices) if choice.name == chosen), 0)

    @property
    def current(self) -> Choice | None:
        return self._found[self._at] if self._at < len(self._found) else None

    def move(self, by: int) -> None:
        count = len(self._found)
        if abs(by) == 1 and count:
            self._at = (self._at + by) % count
        else:
            self._at = max(0, min(self._at + by, count - 1))
        self.paint()

    def _narrow(self, words: str) -> None:
        current = self.current
        self._words = words
        self._found = matching(self._all, words)
        self._at = self._found.index(current) if current in self._found and not words else 0
        self.paint()

    def check_consume_key(self, key: str, character: str | None) -> bool:
        return character is not None and character.isprintable()

    def on_key(self, event: events.Key) -> None:
        if event.key == "backspace":
            self._narrow(self._words[:-1])
        elif event.is_printable and event.character and (event.character != " " or self._words):
            self._narrow(self._words + event.character)
        else:
            return
        event.stop()
        event.prevent_default()

    def on_click(self, event: events.Click) -> None:
        rows = self.content_size.height - ABOVE - self._below
        at = max(0, self._at - rows + 1) + event.y - ABOVE
        if ABOVE <= event.y < ABOVE + rows and at < len(self._found):
            self._at = at
            self.screen.dismiss(self._found[at].name)

    def draw(self, width: int, height: int) -> Sequence[Strip]:
        colors = palette(self.app)
        return draw_choices(
            self._found, self._at, self._words, width=width, height=height, below=self._below, colors=colors
        )


class ChooseScreen(ModalScreen[str | None]):
    """Dismisses with the name chosen, or None."""

    CSS_PATH = "choose.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "take", "take"),
        Binding("escape", "dismiss(None)", "never mind"),
        Binding("down", "move(1)", "down", show=False),
        Binding("up", "move(-1)", "up", show=False),
        Binding("pagedown", "move(10)", "a page down", show=False),
        Binding("pageup", "move(-10)", "a page up", show=False),
    ]

    def __init__(self, title: str, choices: Sequence[Choice], chosen: str) -> None:
        super().__init__()
        self._title = title
        self._choices = Choices(choices, chosen)
        self._rows = ABOVE + len(choices) + told_lines(choices)

    def compose(self) -> ComposeResult:
        self._choices.border_title = self._title
        self._choices.styles.height = self._rows + 2
        yield self._choices
        yield KeyBar()

    def on_mount(self) -> None:
        self._choices.focus()

    def action_move(self, by: int) -> None:
        self._choices.move(by)

    def action_take(self) -> None:
        if choice := self._choices.current:
            self.dismiss(choice.name)
