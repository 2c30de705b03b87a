"""What a terminal says of the pixels that it can show: the questions, and its answers taken out of what is typed.

The last question is one that every terminal answers (DA1, ECMA-48 § 8.3.24), so that it is known when no more comes.
Kitty's graphics protocol is asked for with its own query, the cell's size in pixels with XTWINOPS 16, the number of
colours that Sixel has with XTSMGRAPHICS; DA1 itself tells of Sixel (4, DEC's VT340).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from .display import Display

KITTY = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
CELL = "\x1b[16t"
COLORS = "\x1b[?1;1;0S"
LAST = "\x1b[c"

_WHOLE = re.compile(r"\x1b_G[^\x1b]{0,200}\x1b\\|\x1b\[\?[\d;]*[cS]|\x1b\[6;\d+;\d+t")
_BEGUN = re.compile(r"\x1b(?:_(?:G[^\x1b]{0,200}\x1b?)?|\[(?:\?[\d;]*|6(?:;\d*){0,2})?)?\Z")
PATIENCE = 10
"""Times that nothing comes after which an answer that was begun is none."""


@dataclass(frozen=True, slots=True)
class Graphics:
    """How a terminal shows pixels. `cell`: a cell's width and height in pixels; `colors`: as many as Sixel has."""

    protocol: Literal["kitty", "sixel"]
    cell: tuple[int, int]
    colors: int = 256


def questions(environment: Mapping[str, str], display: Display) -> str:
    """What to ask a terminal; "" for one that shows no pictures in colour, or would print a question that it does not
    know. tmux and screen would take Kitty's for a title."""
    if display.glyphs != "all" or not display.colors or environment.get("TERM_PROGRAM") == "Apple_Terminal":
        return ""
    inside = "TMUX" in environment or environment.get("TERM", "").startswith(("screen", "tmux"))
    return f"{'' if inside else KITTY}{CELL}{COLORS}{LAST}"


def graphics_of(answers: Sequence[str], cell: tuple[int, int]) -> Graphics | None:
    """What a terminal can do that has answered so; None for one that shows no pixels. `cell` is a cell's size as far as
    the system knows it (zero where it does not), for a terminal that does not tell it itself, as xterm."""
    told: dict[str, list[str]] = {
        answer[-1]: answer[2:-1].lstrip("?").split(";") for answer in answers if answer.startswith("\x1b[")
    }
    _, high, wide = map(int, told.get("t", ["6", str(cell[1]), str(cell[0])]))
    if not (high and wide):
        return None
    if any(re.match(r"\x1b_G(.*,)?i=31[,;].*;?OK", answer) for answer in answers):
        return Graphics("kitty", (wide, high))
    if "4" not in told.get("c", [])[1:]:
        return None
    colors = told.get("S", [])
    return Graphics("sixel", (wide, high), min(256, int(colors[2])) if colors[:2] == ["1", "0"] else 256)


class Answers:
    """Takes answers out of what comes from a terminal, wherever it is cut; keys go on as they were typed.

    `tell` is called with the answers each time that there are all.
    """

    def __init__(self, tell: Callable[[list[str]], None]) -> None:
        self._tell = tell
        self._open = 0
        self._idle = 0
        self._held = ""
        self._heard: list[str] = []

    def ask(self) -> None:
        """The questions have been put."""
        self._open += 1

    def take(self, text: str) -> str:
        """Of what has come what was typed; what may be the beginning of an answer is held back while one is awaited."""
        text, self._held, self._idle = self._held + text, "", 0
        typed = _WHOLE.sub(self._hear, text)
        if self._open and (begun := _BEGUN.search(typed)):
            self._held = begun[0]
            return typed[: begun.start()]
        return typed

    def wait(self) -> str:
        """Nothing has come for a moment: what was held back and is none, since escape alone is a key."""
        self._idle += 1
        if self._held != "\x1b" and self._idle < PATIENCE:
            return ""
        held, self._held = self._held, ""
        return held

    def _hear(self, answer: re.Match[str]) -> str:
        self._heard.append(answer[0])
        if answer[0].endswith("c"):
            heard, self._heard = self._heard, []
            if self._open:
                self._open -= 1
                self._tell(heard)
        return ""
