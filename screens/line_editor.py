"""One line of text being edited: a value that every key turns into another. No widget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class LineEditor:
    """`cursor` stands before the character of that index. With `selected` the next character replaces the whole."""

    text: str = ""
    cursor: int = 0
    selected: bool = False

    @classmethod
    def on(cls, text: str) -> LineEditor:
        """As it is when one comes to a field: all of it selected."""
        return cls(text, len(text), selected=bool(text))

    def insert(self, typed: str) -> LineEditor:
        typed = "".join(c for c in typed.partition("\n")[0] if c.isprintable())
        if self.selected:
            return LineEditor(typed, len(typed))
        return LineEditor(self.text[: self.cursor] + typed + self.text[self.cursor :], self.cursor + len(typed))

    def press(self, key: str) -> LineEditor | None:
        """The editor after a key (named as Textual names them), or None for a key that edits nothing."""
        if key == "ctrl+a":
            return replace(self, cursor=len(self.text), selected=bool(self.text))
        if key in _PLACES:
            return LineEditor(self.text, _PLACES[key](self))
        if key in _CUTS:
            start, stop = (0, len(self.text)) if self.selected else _CUTS[key](self)
            return LineEditor(self.text[:start] + self.text[stop:], start)
        return None

    @property
    def _word_before(self) -> int:
        """Where the word before the cursor begins."""
        return self.text[: self.cursor].rstrip().rfind(" ") + 1

    @property
    def _word_after(self) -> int:
        """Where the word after the next begins."""
        rest = self.text[self.cursor :]
        return self.cursor + len(rest) - len(rest.lstrip().partition(" ")[2])


# where a key puts the cursor
_PLACES: dict[str, Callable[[LineEditor], int]] = {
    "left": lambda e: 0 if e.selected else max(0, e.cursor - 1),
    "right": lambda e: len(e.text) if e.selected else min(len(e.text), e.cursor + 1),
    "ctrl+left": lambda e: e._word_before,
    "ctrl+right": lambda e: e._word_after,
    "home": lambda e: 0,
    "end": lambda e: len(e.text),
}
# what a key cuts out: start and stop
_CUTS: dict[str, Callable[[LineEditor], tuple[int, int]]] = {
    "backspace": lambda e: (max(0, e.cursor - 1), e.cursor),
    "ctrl+h": lambda e: (max(0, e.cursor - 1), e.cursor),
    "delete": lambda e: (e.cursor, e.cursor + 1),
    "ctrl+u": lambda e: (0, e.cursor),
    "ctrl+k": lambda e: (e.cursor, len(e.text)),
    "ctrl+w": lambda e: (e._word_before, e.cursor),
}
