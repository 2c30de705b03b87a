"""What a terminal can show, and how often: as it was asked for, else as the environment tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Glyphs = Literal["all", "console", "ascii"]
"""What the terminal has characters for: all that is drawn, the Linux console's few lines and blocks, or ASCII."""

RATE = 2.0
"""Refreshes a second where nothing else was asked for."""
RATES = (0.1, 30.0)
_COLORLESS = ("-m", "-mono")


@dataclass(frozen=True, slots=True)
class Display:
    """How the screens are to be shown. `fps`: how often a second they look for what is new, at most."""

    glyphs: Glyphs = "all"
    colors: bool = True
    fps: float = RATE

    @property
    def period(self) -> float:
        """Seconds between two looks."""
        return 1 / self.fps


EVERYTHING = Display()
"""A terminal that has it all."""


def display_of(
    environment: Mapping[str, str], *, fps: float = RATE, no_color: bool = False, ascii: bool = False
) -> Display:
    """The display for a terminal, by TERM, NO_COLOR (https://no-color.org) and the locale's character set."""
    terminal = environment.get("TERM", "").lower()
    colorless = terminal.startswith("vt") or terminal.endswith(_COLORLESS)
    glyphs: Glyphs = "ascii" if ascii or not _unicode(environment) else "console" if terminal == "linux" else "all"
    return Display(glyphs, not (no_color or environment.get("NO_COLOR") or colorless), fps)


def refused(environment: Mapping[str, str]) -> str:
    """Why the workbench cannot be shown in a terminal, in one line; "" where it can."""
    terminal = environment.get("TERM", "")
    if terminal.lower() not in ("dumb", "unknown"):
        return ""
    return (
        f"the workbench needs a terminal that can move its cursor, and TERM is {terminal}; "
        "tdl tail RUN follows a run in lines, tdl open RUN --once prints one frame"
    )


def _unicode(environment: Mapping[str, str]) -> bool:
    """Whether the locale's characters are Unicode's; one that names no character set is taken to be, C by name not."""
    name = next((named for key in ("LC_ALL", "LC_CTYPE", "LANG") if (named := environment.get(key, ""))), "")
    charset = name.partition(".")[2].partition("@")[0].lower().replace("-", "")
    return charset == "utf8" if charset else name not in ("C", "POSIX")
