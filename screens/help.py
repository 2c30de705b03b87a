"""Every key of the screen beneath, by group."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.strip import Strip

from tdl_tui.widgets.canvas import Canvas
from tdl_tui.widgets.lines import Piece, ink, line
from tdl_tui.widgets.palette import Palette

from .frame import Hint, KeyBar, hints, palette

NARROWEST = 12
"""Columns that what is said of a key has at least."""


def key_table(keys: Sequence[Hint], width: int, colors: Palette) -> list[Strip]:
    """The keys under their groups' headings, in one column that never cuts a key, and what is said of each, in as many
    lines as it takes."""
    groups: dict[str, list[Hint]] = {}
    for hint in keys:
        groups.setdefault(hint.group, []).append(hint)
    everywhere = groups.pop("Everywhere", None)
    if everywhere:
        groups["Everywhere"] = everywhere
    column = max((cell_len("  ".join(hint.keys)) for hint in keys), default=0) + 3
    described = max((cell_len(hint.what) for hint in keys if hint.help), default=0) + 3
    out: list[Strip] = []
    for group, members in groups.items():
        if out:
            out.append(line((), width))
        out.append(line([(group, ink(colors.text, bold=True))], width))
        for hint in members:
            names = "  ".join(hint.keys)
            told = textwrap.wrap(hint.help, max(width - column - described, NARROWEST)) or [""]
            pieces: list[Piece] = [
                (names + " " * (column - cell_len(names)), ink(colors.accent)),
                (hint.what + " " * (described - cell_len(hint.what)), ink(colors.text)),
                (told[0], ink(colors.muted)),
            ]
            out.append(line(pieces, width))
            out += [line([(" " * (column + described) + part, ink(colors.muted))], width) for part in told[1:]]
    return out


class KeyTable(Canvas):
    """The keys as a canvas of its full height, to be scrolled."""

    def __init__(self, keys: Sequence[Hint]) -> None:
        super().__init__()
        self._keys = keys

    def on_mount(self) -> None:
        super().on_mount()
        self.take_room(self.app.size.width)

    def on_resize(self, event: events.Resize) -> None:
        self.take_room(event.size.width)
        super().on_resize(event)

    def take_room(self, width: int) -> None:
        """Takes the lines that it needs."""
        self.styles.height = len(key_table(self._keys, width, palette(self.app)))

    def draw(self, width: int, height: int) -> Sequence[Strip]:
        return key_table(self._keys, width, palette(self.app))


class HelpScreen(ModalScreen[None]):
    """Lists the keys that work on a screen."""

    CSS_PATH = "help.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q,f1,enter", "dismiss", "close"),
        Binding("down,j", "scroll(1)", "scroll", key_display="↑ ↓"),
        Binding("up,k", "scroll(-1)", "up", show=False),
        Binding("pagedown,space", "page(1)", "page", key_display="pgup pgdn"),
        Binding("pageup", "page(-1)", "page before", show=False),
        Binding("home", "page(-100)", "the first", show=False),
        Binding("end", "page(100)", "the last", show=False),
    ]

    def __init__(self, screen: Screen[object]) -> None:
        super().__init__()
        self._keys = hints(screen)
        self._of = screen.title or ""

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="keys") as box:
            box.border_title = f"Keys · {self._of}" if self._of else "Keys"
            box.can_focus = False
            yield KeyTable(self._keys)
        yield KeyBar()

    def action_scroll(self, lines: int) -> None:
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)

    def action_page(self, by: int) -> None:
        box = self.query_one(VerticalScroll)
        box.scroll_relative(y=by * max(1, box.scrollable_content_region.height - 1), animate=False)
