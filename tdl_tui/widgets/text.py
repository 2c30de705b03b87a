"""Texts as a network reads them: tokens put together, blanks and line ends visible, the end in sight."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence

from rich.cells import cell_len
from textual.strip import Strip

from tdl_tui.runs.records import Probe

from .lines import Piece, ink, line
from .palette import Palette

LINE_END = "↵"
_VISIBLE = str.maketrans({" ": "␣", "\n": LINE_END, "\t": "⇥", "\r": "␍"})


def visible(name: str) -> str:
    """The name of a class; one that is nothing but blanks and line ends, as a token may be, by signs for them."""
    return name if name.strip() else name.translate(_VISIBLE) or "∅"


def spelled(tokens: Sequence[float], names: Sequence[str]) -> str:
    """The text of numbered tokens: with blanks between them where most names are words, else as they follow."""
    words = 2 * sum(len(name) > 1 for name in names) > len(names)
    parts = [names[int(token)] if 0 <= token < len(names) else "�" for token in tokens]
    return (" " if words else "").join(parts)


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most `width` cells (at least 2), ends of lines marked; every character is kept."""
    lines: list[str] = []
    for part in text.replace("\r\n", "\n").replace("\n", f"{LINE_END}\n").split("\n"):
        taken, used = "", 0
        for character in part:
            cells = cell_len(character)
            if used + cells > width:
                lines.append(taken)
                taken, used = "", 0
            taken, used = taken + character, used + cells
        lines.append(taken)
    return lines


def draw_text(
    tokens: Sequence[float], names: Sequence[str], width: int, height: int, palette: Palette, *, following: str = ""
) -> list[Strip]:
    """The end of a text in at most `height` lines of `width` cells, then a mark and the token that follows it."""
    room = width - 1 - cell_len(following)
    if room < 2 or height < 1:
        return []
    text = spelled(tokens[-room * height :], names)
    kept = bisect(range(len(text)), height, key=lambda count: len(wrapped(text[-count - 1 :], room)))
    shown = wrapped(text[-kept:], room) if kept else [""]
    cut = kept < len(text) or len(tokens) > room * height
    out: list[Strip] = []
    for row, part in enumerate(shown):
        pieces: list[Piece] = [(part, ink(palette.text))]
        if row == 0 and cut:
            said = part if cell_len(part) < room else part[1:]
            pieces = [("…", ink(palette.muted)), (said, ink(palette.text))]
        if row == len(shown) - 1:
            pieces += [("▏", ink(palette.accent)), (following, ink(palette.target, bold=True))]
        out.append(line(pieces, width))
    return out


def draw_node(probe: Probe, width: int, palette: Palette) -> list[Strip]:
    """Which node of its graph an example is."""
    return [line([("node ", ink(palette.muted)), (str(int(probe.input[0])), ink(palette.text, bold=True))], width)]
