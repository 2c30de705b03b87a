"""What stands for characters and colours that a terminal lacks, and how it is found out which it lacks."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

import tdl_tui
from tdl_tui.widgets.ascii import ASCII, CONSOLE, StandIns, stand_ins
from tdl_tui.widgets.colorless import Colorless
from tdl_tui.widgets.display import Display, display_of, refused
from tdl_tui.widgets.palette import DARK, LIGHT

CORE = Path(tdl_tui.__file__).parent
DRAWN = [*CORE.glob("screens/*.py"), *CORE.glob("widgets/*.py"), *CORE.glob("verbs/*.py")]
TABLES = CORE / "widgets" / "ascii.py", CORE / "widgets" / "colorless.py"
ground = Color.parse(DARK.ground)


def said(path: Path) -> Iterator[str]:
    """The characters beyond ASCII in a file's strings, docstrings left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            yield from (character for character in node.value if not character.isascii())


def test_every_character_that_is_drawn_has_its_stand_in() -> None:
    drawn = {character for path in DRAWN if path not in TABLES for character in said(path)}
    assert not [character for character in drawn - {"�"} if stand_ins(character, "ascii") == "?"]
    assert all(character.isascii() and len(character) == 1 for character in ASCII.values())
    assert {chr(0x2800 + pattern) for pattern in range(256)} <= ASCII.keys() & CONSOLE.keys()


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])))
def test_stand_ins_are_ascii_and_as_wide(text: str) -> None:
    plain = stand_ins(text, "ascii")
    assert plain.isascii() and cell_len(plain) == sum(map(cell_len, text))


def test_a_letter_loses_its_accent_and_what_nothing_stands_for_is_marked() -> None:
    assert stand_ins("étude 雪 №", "ascii") == "etude ?? ?"


@pytest.mark.parametrize(
    ("braille", "character"), [("⠉", "'"), ("⣀", "_"), ("⡠⠊", ",'"), ("⠑⢄", "`."), ("⠒", "-"), ("⡇", "|"), ("⠀", " ")]
)
def test_a_curve_in_braille_keeps_its_direction(braille: str, character: str) -> None:
    assert stand_ins(braille, "ascii") == character


def test_heights_and_bars_stay_apart() -> None:
    levels = stand_ins("▁▂▃▄▅▆▇█", "ascii")
    assert len(set(levels)) == 8
    assert stand_ins("▁▂▃▄▅▆▇█", "console") == "___▄▄▄██"


def test_pixels_in_ascii_keep_their_colour_as_a_ground() -> None:
    (pixel,) = StandIns("ascii").apply([Segment("▀", Style(color="#ff0000", bgcolor="#0000ff"))], ground)
    assert pixel.text == " " and pixel.style is not None and pixel.style.bgcolor is not None
    assert pixel.style.bgcolor.get_truecolor().hex == "#7f007f"


@pytest.mark.parametrize("palette", [DARK, LIGHT])
def test_without_colours_a_picture_has_shades_and_what_is_marked_is_reversed(palette: object) -> None:
    colors = DARK if palette is DARK else LIGHT
    drawn = [
        Segment("▀▀", Style(color="#ffffff", bgcolor="#ffffff")),
        Segment("▀", Style(color="#000000", bgcolor="#000000")),
        Segment("chosen", Style(color=colors.text, bgcolor=colors.raised, bold=True)),
        Segment("plain", Style(color=colors.good, bgcolor=colors.ground)),
    ]
    plain = Colorless(lambda: colors).apply(drawn, ground)
    assert [segment.text for segment in plain[:2]] == (["██", " "] if colors.dark else ["  ", "█"])
    assert all(segment.style is None or segment.style.without_color == segment.style for segment in plain)
    styles = [segment.style or Style() for segment in plain]
    assert styles[2].reverse and styles[2].bold and not styles[3].reverse


@pytest.mark.parametrize(
    ("environment", "display"),
    [
        ({"TERM": "xterm-256color", "LANG": "en_US.UTF-8"}, Display()),
        ({"TERM": "xterm", "LANG": "de_DE.utf8@euro"}, Display()),
        ({"TERM": "screen"}, Display()),
        ({"TERM": "xterm", "LANG": "de_DE.ISO-8859-1"}, Display("ascii")),
        ({"TERM": "xterm", "LANG": "en_US.UTF-8", "LC_ALL": "C"}, Display("ascii")),
        ({"TERM": "linux", "LANG": "C.UTF-8"}, Display("console")),
        ({"TERM": "vt220", "LANG": "C.UTF-8"}, Display(colors=False)),
        ({"TERM": "xterm-mono"}, Display(colors=False)),
        ({"TERM": "xterm", "NO_COLOR": "1"}, Display(colors=False)),
        ({"TERM": "xterm", "NO_COLOR": ""}, Display()),
    ],
)
def test_the_environment_tells_what_a_terminal_has(environment: dict[str, str], display: Display) -> None:
    assert display_of(environment) == display
    assert not refused(environment)


def test_what_is_asked_for_goes_first() -> None:
    asked = display_of({"TERM": "xterm"}, fps=0.5, no_color=True, ascii=True)
    assert asked == Display("ascii", False, 0.5) and asked.period == 2
    assert "tdl tail" in refused({"TERM": "dumb"})
