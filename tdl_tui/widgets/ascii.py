"""What stands for a character that a terminal has none for: the one table, and the filter that puts it in.

Lines are drawn as if every terminal had everything; the filter comes last, over whatever was drawn. A stand-in takes
as many cells as what it stands for.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from rich.cells import cell_len
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.color import Color as Ground

from .canvas import TextFilter
from .display import Glyphs

ASCII: dict[str, str] = {
    **dict.fromkeys("─╌┄╴╶–—−‐‑", "-"),
    **dict.fromkeys("━═╸╺", "="),
    **dict(zip("╍┅", "~:", strict=True)),
    **dict.fromkeys("│┃║╎┆╷╵┊▕▏▎▐", "|"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯╔╗╚╝╠╣╦╩╬┏┓┗┛┣┫┳┻╋", "+"),
    **dict(zip("▁▂▃▄▅▆▇█", "_.:-=+*#", strict=True)),  # a sparkline's heights
    **dict(zip("▍▌▋▊▉", "-=+*#", strict=True)),  # the ends of bars
    **dict(zip("░▒▓", ".:*", strict=True)),
    **dict(zip("▀▔▖▗▘▝▚▞▙▛▜▟", "\"\"..''\\/####", strict=True)),
    **dict(zip("←→↑↓↔↕↗↘↵⇥␍␣⇧⏎⌫", "<>^v-|/\\$>$_^$<", strict=True)),
    **dict.fromkeys("▶►▸▹▷❯›»⏵", ">"),
    **dict.fromkeys("◀◄◂‹«", "<"),
    **dict.fromkeys("▲△▴▵", "^"),
    **dict.fromkeys("▼▽▾▿", "v"),
    **dict.fromkeys("●⬤◉◍▣■◼▪⏺", "*"),
    **dict.fromkeys("○◌◯□◻▫⏸◐◑◒◓⊙⊚", "o"),
    **dict.fromkeys("⚠❗", "!"),
    **dict.fromkeys("✚✛✢⊕", "+"),
    **dict.fromkeys("◆★✦✱", "*"),
    **dict.fromkeys("◇☆✧", "o"),
    **dict.fromkeys("·∙•⋅", "."),
    **dict.fromkeys("“”„″", '"'),
    **dict.fromkeys("‘’‚′", "'"),
    **dict(zip("✓✔✗✘×✕✖…⋯≈≤≥≠±∞∅÷√§¶°", "++xxxxx..~<>!~80/v$P'", strict=True)),
    **dict(zip("ηλμσβεαγδθκπρτφωΔΣ∂‖∇∑∥µ", "nlmsbeagdtkprtfwDSd|VS|u", strict=True)),
}
"""A character for each that the screens draw, braille apart."""

_CONSOLE_HAS = frozenset("─│┌┐└┘├┤┬┴┼█▄▌▐▀░▒▓·°±²¶§×÷«»")
CONSOLE: dict[str, str] = {
    **ASCII,
    **dict.fromkeys("▁▂▃", "_"),
    **dict.fromkeys("▅▆▖▗", "▄"),
    **dict.fromkeys("▇▙▛▜▟▊▉", "█"),
    **dict.fromkeys("▘▝▔", "▀"),
    **dict.fromkeys("▎▍▋▏", "▌"),
    **dict.fromkeys("╭┏╔", "┌"),
    **dict.fromkeys("╮┓╗", "┐"),
    **dict.fromkeys("╰┗╚", "└"),
    **dict.fromkeys("╯┛╝", "┘"),
    **dict.fromkeys("━═╌┄", "─"),
    **dict.fromkeys("┃║╎┆┊", "│"),
    **{character: character for character in _CONSOLE_HAS},
}
"""The same for the Linux console, whose font has the lines and blocks of code page 437 and no braille."""

_TABLES: dict[str, dict[str, str]] = {"ascii": ASCII, "console": CONSOLE}

_DOTS = (0x01, 0x02, 0x04, 0x40, 0x08, 0x10, 0x20, 0x80)
"""Braille's bits: the left column from above, then the right one."""
_SHAPES = (
    ("`", "10000000 11000000"),
    ("'", "00001000 00001100 10001000 11001100"),
    (".", "00010000 00000001 00110000 00000011"),
    (",", "00110010 00010010"),
    ("_", "00010001 00110011"),
    ("-", "01000100 00100010 01000000 00000100 00100000 00000010 01100110 01000010 00100100"),
    ("/", "00111100 00011100 00110100 00010110 00011110 00111000 00011000 00110110"),
    ("\\", "11000011 11000001 01000011 11100001 10000001 01100011 10000011 01100001"),
    ("|", "11110000 00001111 11111111 01100000 00000110 01110111 11101110"),
    (":", "10011001 10010000 00001001"),
    ("#", "11111110 11111101 11111011 11110111 11101111 11011111 10111111 01111111"),
)
"""Characters with dot patterns that look like them, each the left column from above, then the right one."""


def _stroke(pattern: int) -> str:
    """The character that looks most like a braille cell: the fewest dots are otherwise."""
    dots = [bool(pattern & bit) for bit in _DOTS]
    if not any(dots):
        return " "
    return min(
        (sum(dot != (mark == "1") for dot, mark in zip(dots, shape, strict=True)), place, character)
        for place, (character, shapes) in enumerate(_SHAPES)
        for shape in shapes.split()
    )[2]


for _pattern in range(256):
    ASCII[chr(0x2800 + _pattern)] = CONSOLE[chr(0x2800 + _pattern)] = _stroke(_pattern)


@lru_cache(maxsize=4096)
def stand_ins(text: str, glyphs: Glyphs) -> str:
    """The text in characters that the terminal has, of the same width in cells.

    A letter with an accent loses it; what nothing stands for becomes "?", once for each cell.
    """
    if glyphs == "all" or text.isascii():
        return text
    table = _TABLES[glyphs]
    return "".join(
        character if character.isascii() else table.get(character) or _other(character) for character in text
    )


def _other(character: str) -> str:
    width = cell_len(character)
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", character) if " " <= letter <= "~")
    return plain if len(plain) == width else "?" * width


class StandIns(TextFilter):
    """Puts stand-ins into lines for a terminal that lacks characters."""

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self._glyphs = glyphs

    def apply(self, segments: list[Segment], background: Ground) -> list[Segment]:
        """The segments, none of them wider or narrower than before."""
        return [
            segment
            if segment.control or segment.text.isascii()
            else Segment(stand_ins(segment.text, self._glyphs), segment.style)
            if self._glyphs == "console" or not _is_picture(segment)
            else Segment(" " * len(segment.text), Style(bgcolor=mixed(segment.style)))
            for segment in segments
        ]


def _is_picture(segment: Segment) -> bool:
    """Whether it is two pixels a cell: half blocks with a colour above and one below."""
    style = segment.style
    return set(segment.text) == {"▀"} and bool(style and style.color and style.bgcolor)


def mixed(style: Style | None) -> Color | None:
    """The colour half way between a style's ink and its ground."""
    if style is None or style.color is None or style.bgcolor is None:
        return None
    ink, ground = style.color.get_truecolor(), style.bgcolor.get_truecolor()
    return Color.from_rgb(*((a + b) // 2 for a, b in zip(ink, ground, strict=True)))
