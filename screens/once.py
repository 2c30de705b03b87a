"""One frame of the Run screen, as text, SVG or HTML: for notes, mails and whoever has no terminal. Imports no torch."""

from __future__ import annotations

import asyncio
import html
import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from rich.color import Color
from rich.console import Console
from rich.segment import Segment, Segments
from rich.terminal_theme import TerminalTheme
from textual import work
from textual.pilot import Pilot
from textual.screen import Screen
from textual.strip import Strip

from tdl_tui.widgets.ascii import stand_ins
from tdl_tui.widgets.display import EVERYTHING, Display
from tdl_tui.widgets.palette import Palette

from .app import SMALLEST, Workbench
from .frame import palette
from .run import RunScreen
from .run_snapshot import Snapshot, Wants

_REMOTE_FONT = re.compile(r"@font-face \{.*?\}\n?", re.DOTALL)
_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="UTF-8">
<title>{title}</title>
<style>
body {{ margin: 0; padding: 1em; color: {foreground}; background-color: {background}; }}
pre {{ margin: 0; font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace; line-height: 1.16; }}
</style>
</head>
<body><pre>{code}</pre></body>
</html>
"""


class Frame(NamedTuple):
    """A picture of a run, and whether the run could be read: where it could not, the picture says why."""

    picture: str
    readable: bool


class _Still(RunScreen):
    """Reads the run until all that its panels want is on the screen, and then no more."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._last_read: Snapshot | None = None
        self._read_for: Wants | None = None

    @property
    def complete(self) -> bool:
        return self.snapshot is not None and self.snapshot is self._last_read and self._read_for == self._wants

    @work(thread=True, group="follow", exclusive=True)
    def _follow(self) -> None:
        source = self._make_source()
        try:
            while not self._ended.is_set():
                wants = self._wants
                if (snapshot := source.read(wants)) is not None:
                    self._last_read = snapshot
                    self._take(snapshot)
                self._read_for = wants
                self._wake.wait()
                self._wake.clear()
        finally:
            source.close()


class _Once(Workbench):
    """A workbench that shows one run and makes nothing ready for later."""

    def __init__(self, folder: Path, display: Display) -> None:
        super().__init__(folder.parent.parent, folder, spare=False, display=display)
        self._folder = folder

    def get_default_screen(self) -> Screen[Any]:
        return _Still(self._folder)

    def _after_first_paint(self) -> None:
        """There is no next thing that a person could want."""


LARGEST = (1000, 400)
"""Columns and lines of a frame, at most."""


def size_of(text: str) -> tuple[int, int]:
    """A size as written, "120x40". Raises ValueError saying what would be right."""
    columns, _, lines = text.lower().replace("×", "x").partition("x")
    if not all(number.isascii() and number.isdigit() and len(number) < 5 for number in (columns, lines)):
        raise ValueError(f'must be COLUMNSxLINES, such as 120x40, got "{text}"')
    size = int(columns), int(lines)
    if any(not least <= asked <= most for asked, least, most in zip(size, SMALLEST, LARGEST, strict=True)):
        bounds = " to ".join(f"{wide}x{high}" for wide, high in (SMALLEST, LARGEST))
        raise ValueError(f'must be {bounds}, got "{text}"')
    return size


def frame(folder: Path, size: tuple[int, int], format: str, display: Display = EVERYTHING) -> Frame:
    """The Run screen of a run as it is now, `size` columns and lines large, in the theme that TDL_THEME names.

    `format` is one of FORMATS. SVG and HTML load nothing from elsewhere. Text has no blanks at the ends of its lines,
    and shades for pictures.
    """
    if format == "text":
        display = replace(display, colors=False)
    app = _Once(folder, display)
    made: list[Frame] = []

    async def look(pilot: Pilot[object]) -> None:
        screen = app.screen
        assert isinstance(screen, _Still)
        while not screen.complete:
            await pilot.pause(0.005)
        await pilot.pause()  # until what came is laid out and painted
        assert screen.snapshot is not None
        readable = not (screen.snapshot.summary.damage or screen.snapshot.notice)
        strips = screen._compositor.render_strips()  # as Textual's own pictures are made
        made.append(
            Frame(FORMATS[format](strips, stand_ins(screen.snapshot.title, display.glyphs), palette(app)), readable)
        )
        app.exit()

    asyncio.run(app.run_async(headless=True, size=size, auto_pilot=look))
    return made[0]


def _text(strips: list[Strip], title: str, colors: Palette) -> str:
    return "\n".join(strip.text.rstrip() for strip in strips).rstrip()


def _svg(strips: list[Strip], title: str, colors: Palette) -> str:
    made = _recorded(strips).export_svg(title=title, theme=_theme(colors))
    return _REMOTE_FONT.sub("", made)  # a mail must not call anybody


def _html(strips: list[Strip], title: str, colors: Palette) -> str:
    page = _PAGE.replace("{title}", html.escape(title).replace("{", "{{").replace("}", "}}"))
    return _recorded(strips).export_html(theme=_theme(colors), code_format=page, inline_styles=True).rstrip()


FORMATS: dict[str, Callable[[list[Strip], str, Palette], str]] = {"text": _text, "svg": _svg, "html": _html}


def _recorded(strips: list[Strip]) -> Console:
    width = max(strip.cell_length for strip in strips)
    console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor", record=True)
    for strip in strips:
        console.print(Segments([*strip, Segment.line()]), end="")
    return console


def _theme(colors: Palette) -> TerminalTheme:
    """What has no colour of its own gets the palette's; the sixteen of a terminal are not drawn with."""
    ground, text = (Color.parse(color).get_truecolor() for color in (colors.ground, colors.text))
    return TerminalTheme(ground, text, [text] * 8)
