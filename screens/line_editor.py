"""One line of text being edited: a value that every key turns into another. No widget."""

from __future__ import annotations

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
        text, cursor = self.text, self.cursor
        match key:
            case "backspace" | "ctrl+h":
                if self.selected:
                    return LineEditor()
                return LineEditor(text[: max(0, cursor - 1)] + text[cursor:], max(0, cursor - 1))
            case "delete":
                return LineEditor() if self.selected else LineEditor(text[:cursor] + text[cursor + 1 :], cursor)
            case "left":
                return self._at(0 if self.selected else cursor - 1)
            case "right":
                return self._at(len(text) if self.selected else cursor + 1)
            case "ctrl+left":
                return self._at(len(text[:cursor].rstrip().rpartition(" ")[0]))
            case "ctrl+right":
                rest = text[cursor:]
                return self._at(cursor + len(rest) - len(rest.lstrip().partition(" ")[2]))
            case "home":
                return self._at(0)
            case "end":
                return self._at(len(text))
            case "ctrl+a":
                return replace(self, cursor=len(text), selected=bool(text))
            case "ctrl+u":
                return LineEditor("" if self.selected else text[cursor:], 0)
            case "ctrl+k":
                return LineEditor() if self.selected else LineEditor(text[:cursor], cursor)
            case "ctrl+w":
                start = len(text[:cursor].rstrip().rpartition(" ")[0]) if not self.selected else 0
                return LineEditor(text[:start] + ("" if self.selected else text[cursor:]), start)
            case _:
                return None

    def _at(self, cursor: int) -> LineEditor:
        return LineEditor(self.text, max(0, min(cursor, len(self.text))))
