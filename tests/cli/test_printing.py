"""What the workbench draws, as it is printed."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tdl_tui.runs.records import Probe
from tdl_tui.verbs.printing import printed
from tdl_tui.widgets.lines import ink, line
from tdl_tui.widgets.palette import DARK
from tdl_tui.widgets.picture import draw_picture

PICTURE = Probe(0, "image", (1, 2, 5), (0.0, 0.3, 0.5, 0.7, 1.0) * 2, 0.0)


def test_without_colours_a_picture_is_shades_and_a_text_is_itself() -> None:
    assert printed(draw_picture(PICTURE, 5, 1), None) == " ░▒▓█"
    said = line([("name ", ink(DARK.muted)), ("value", ink(DARK.target, bold=True))], 20)
    assert printed([said, line((), 20)], None) == "name value"


def test_with_colours_a_picture_keeps_them_and_a_text_takes_the_terminals() -> None:
    (strip,) = draw_picture(PICTURE, 1, 1)[:1]
    assert printed([strip], "truecolor").count("▀") == 1
    assert "38;2;" in printed([strip], "truecolor")
    assert "38;5;" in printed([Strip([Segment("▀", Style(color="#a05010"))])], "256")
    assert printed([line([("text", ink(DARK.text))], 6)], "truecolor") == "text"
    assert printed([line([("text", ink(DARK.muted))], 6)], "truecolor") == "\x1b[2mtext\x1b[0m"
    assert "\x1b[38;2;" in printed([Strip([Segment("x", Style(color=DARK.target))])], "truecolor")
