"""What stands around every screen: the banner above, the keys that work here below, and how keys are written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from textual import events
from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode
from textual.screen import Screen
from textual.strip import Strip

from tdl_tui.widgets.canvas import Canvas
from tdl_tui.widgets.lines import Piece, ink, line
from tdl_tui.widgets.palette import Palette, palette_of

if TYPE_CHECKING:
    from .app import Workbench

_WRITTEN = {
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
    "escape": "esc",
    "question_mark": "?",
    "slash": "/",
    "full_stop": ".",
    "comma": ",",
    "plus": "+",
    "minus": "-",
    "equals_sign": "=",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "left_curly_bracket": "{",
    "right_curly_bracket": "}",
    "left_parenthesis": "(",
    "right_parenthesis": ")",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "underscore": "_",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "delete": "del",
}


_TEXTUALS = ("app.focus_next", "app.focus_previous", "screen.copy_text")
"""Actions that every screen of Textual's has and that do nothing here."""


def workbench(node: DOMNode) -> Workbench:
    """The app that a widget or a screen belongs to."""
    from .app import Workbench

    assert isinstance(node.app, Workbench)
    return node.app


def written(key: str) -> str:
    """A key as it stands on a keyboard: "ctrl+l", "↑", "?", "F5"."""
    *modifiers, last = key.split("+")
    name = _WRITTEN.get(last, last.upper() if last[:1] == "f" and last[1:].isdigit() else last)
    if len(name) == 1 and name.isupper() and not modifiers:
        return name
    return "+".join([*modifiers, name])


@dataclass(frozen=True, slots=True)
class Hint:
    """A key that does something here. `group` is for the list of all keys."""

    keys: tuple[str, ...]
    what: str
    action: str
    node: DOMNode
    group: str
    shown: bool
    help: str = ""


def hints(screen: Screen[object]) -> list[Hint]:
    """Every key that works on a screen as it is now, one an action, in the order of the bindings."""
    found: dict[tuple[int, str], Hint] = {}
    for key, (node, binding, enabled, tooltip) in screen.active_bindings.items():
        if not enabled or not binding.description or binding.system or binding.action in _TEXTUALS:
            continue
        name = binding.key_display or written(key)
        place = (id(node), binding.action)
        if place in found:
            old = found[place]
            if name not in old.keys:
                found[place] = Hint(
                    (*old.keys, name), old.what, old.action, node, old.group, old.shown or binding.show, old.help
                )
            continue
        found[place] = Hint(
            (name,), binding.description, binding.action, node, _group(node, binding), binding.show, tooltip
        )
    return list(found.values())


def _group(node: DOMNode, binding: Binding) -> str:
    if binding.group is not None and binding.group.description:
        return binding.group.description
    return "Everywhere" if isinstance(node, App) else "Here"


def key_line(
    shown: Sequence[tuple[str, str]],
    last: Sequence[tuple[str, str]],
    width: int,
    palette: Palette,
    *,
    inner: Sequence[tuple[str, str]] = (),
) -> Strip:
    """Keys with what they do, as many as fit whole; `last` stands at the right end and is dropped last of all.

    `inner` are those of a part of the screen: they come after the others, which leave them half of the line.
    """
    key, word = ink(palette.accent), ink(palette.muted)

    def length(items: Sequence[tuple[str, str]]) -> int:
        return sum(len(k) + len(what) + 3 for k, what in items)

    def fitting(items: Sequence[tuple[str, str]], room: int) -> list[tuple[str, str]]:
        ends = accumulate(length([item]) for item in items)
        return [item for item, end in zip(items, ends, strict=True) if end <= room]

    end = list(last)
    while end and length(end) > width - 1:
        end.pop(0)
    room = width - 1 - length(end)
    start = fitting(shown, room - min(length(inner), room // 2))
    start += fitting(inner, room - length(start))

    def pieces(items: Iterable[tuple[str, str]]) -> Iterator[Piece]:
        for k, what in items:
            yield k, key
            yield f" {what}  ", word

    gap = width - 1 - length(start) - length(end)
    return line([(" ", word), *pieces(start), (" " * gap, word), *pieces(end)], width)


class KeyBar(Canvas):
    """The bottom line: the keys that work here, the screen's before those of what has the focus."""

    DEFAULT_CSS = """
    KeyBar { dock: bottom; height: 1; background: $surface; }
    """

    def on_mount(self) -> None:
        super().on_mount()
        self.screen.bindings_updated_signal.subscribe(self, lambda _: self.paint())

    def draw(self, width: int, height: int) -> Sequence[Strip]:
        shown: list[tuple[str, str]] = []
        inner: list[tuple[str, str]] = []
        last: list[tuple[str, str]] = []
        for hint in hints(self.screen):
            if hint.shown:
                place = last if isinstance(hint.node, App) else shown if isinstance(hint.node, Screen) else inner
                place.append((hint.keys[0], hint.what))
        return [key_line(shown, last, width, palette(self.app), inner=inner)]


class Banner(Canvas):
    """The top line: where one is, and at the right what is going on."""

    DEFAULT_CSS = """
    Banner { dock: top; height: 1; background: $surface; }
    """

    def __init__(self, title: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._title = title
        self._right: Callable[[Palette], Sequence[Piece]] | None = None

    def say(self, right: Callable[[Palette], Sequence[Piece]], title: str | None = None) -> None:
        """What stands at the right, made anew for each palette, and perhaps another title."""
        self._right = right
        if title is not None:
            self._title = title
        self.paint()

    def draw(self, width: int, height: int) -> Sequence[Strip]:
        colors = palette(self.app)
        left: list[Piece] = [(" tdl ", ink(colors.accent, bold=True)), (f" {self._title}", ink(colors.text, bold=True))]
        right = list(self._right(colors)) if self._right else []
        room = width - 1 - sum(len(text) for text, _ in left) - sum(len(text) for text, _ in right)
        if room < 2:
            return [line(left, width)]
        return [line([*left, (" " * room, ink(colors.text)), *right], width)]


def palette(app: App[Any]) -> Palette:
    """The colours of the app's theme."""
    return palette_of(app.theme, app.current_theme.dark)


class TooSmall(Screen[None]):
    """Stands before everything while the terminal is too small, and goes away by itself."""

    DEFAULT_CSS = """
    TooSmall { align: center middle; background: $background; }
    """

    def __init__(self, width: int, height: int) -> None:
        super().__init__()
        self._needed = (width, height)

    def render(self) -> str:
        width, height = self._needed
        return f"The terminal is {self.size.width}×{self.size.height}.\ntdl needs {width}×{height}: make it larger."

    def fits(self) -> bool:
        return self.app.size.width >= self._needed[0] and self.app.size.height >= self._needed[1]

    def on_resize(self, event: events.Resize) -> None:
        self.refresh()

    def on_screen_resume(self) -> None:
        if self.fits():
            self.dismiss()
