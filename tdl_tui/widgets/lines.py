"""Lines of exact width from pieces of text: what every panel is put together from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tdl_tui.runs.text import printable

Piece = tuple[str, Style]
PLAIN = Style()


@lru_cache(maxsize=512)
def ink(color: str, bold: bool = False, on: str | None = None, underline: bool = False) -> Style:
    """A style: text in `color`, perhaps on a ground of its own."""
    return Style(color=color, bgcolor=on, bold=bold or None, underline=underline or None)


def fit(text: str, width: int, align: str = "left") -> str:
    """The text in exactly `width` cells: padded with blanks, or cut with "…". `align` is left, right or center."""
    length = len(text) if text.isascii() else cell_len(text)  # which would keep each figure that ever was shown
    if width <= 0:
        return ""
    if length > width:
        return set_cell_size(text, width - 1) + "…"
    if align == "right":
        return " " * (width - length) + text
    if align == "center":
        left = (width - length) // 2
        return " " * left + text + " " * (width - length - left)
    return text + " " * (width - length)


def line(pieces: Iterable[Piece], width: int) -> Strip:
    """A strip of exactly `width` cells; what does not fit is cut, what would steer a terminal made visible.

    Lines that come again are the same strip.
    """
    return _line(tuple(pieces), width)


@lru_cache(maxsize=256)
def _line(pieces: tuple[Piece, ...], width: int) -> Strip:
    segments: list[Segment] = []
    used = 0
    for said, style in pieces:
        text = said if said.isprintable() else printable(said)
        length = len(text) if text.isascii() else cell_len(text)
        if not length or used >= width:
            continue
        cut = fit(text, width - used) if used + length > width else text
        segments.append(Segment(cut, style))
        used += min(length, width - used)
    if used < width:
        segments.append(Segment(" " * (width - used), PLAIN))
    return Strip(segments, max(0, width))


def blank(width: int) -> Strip:
    """An empty line."""
    return line((), width)


def height_of(strips: Sequence[Strip], width: int, height: int) -> list[Strip]:
    """Exactly `height` lines: blank ones are added below, what is too much is left off."""
    return [*strips[:height], *(blank(width) for _ in range(height - len(strips)))]


def beside(columns: Sequence[tuple[Sequence[Strip], int]], height: int) -> list[Strip]:
    """Columns of strips, each with its width, set side by side in `height` lines."""
    padded = [height_of(strips, width, height) for strips, width in columns]
    return [Strip.join(row) for row in zip(*padded, strict=True)]


def heading(title: str, key: str, right: Sequence[Piece], width: int, *, rule: Style, name: Style) -> Strip:
    """A panel's top line: its key and title, a thin rule, and what is said at the right.

    What does not fit is left out: first what the title says after " · ", then the right side.
    """
    start = f"{key} " if key else ""
    length = sum(cell_len(text) for text, _ in right) + 1
    for shown, taken in ((title, length), (title.partition(" · ")[0], length), (title, 0)):
        room = width - cell_len(start) - cell_len(shown) - 1 - taken
        if room >= 1:
            break
    end: list[Piece] = [(" ", PLAIN), *right] if taken else []
    return line([(start, rule), (f"{shown} ", name), ("─" * room, rule), *end], width)
