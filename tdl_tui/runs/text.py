"""Text from runs is data: what would steer a terminal is made visible before it is shown."""

from __future__ import annotations

import unicodedata

_KEPT = frozenset(" ")
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def printable(text: str) -> str:
    """One line of `text` with control and invisible formatting characters replaced: ESC as ␛, the others as �."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character in _KEPT or unicodedata.category(character) not in _HIDDEN:
        return character
    if character in "\n\t\r":
        return " "
    if ord(character) < 0x20:
        return chr(0x2400 + ord(character))
    return "\N{REPLACEMENT CHARACTER}"
