"""The colours where a terminal has 256 of them, as in tmux."""

from __future__ import annotations

import pytest
from rich.color import Color, ColorSystem

from tdl_tui.widgets.palette import DARK, LIGHT, Palette


@pytest.mark.parametrize("palette", [DARK, LIGHT], ids=["dark", "light"])
def test_the_ground_of_a_dialogue_stays_grey_and_apart(palette: Palette) -> None:
    raised, ground = (_of_256(color) for color in (palette.raised, palette.ground))
    assert len(set(raised)) == 1 and raised != ground


def _of_256(color: str) -> tuple[int, int, int]:
    red, green, blue = Color.parse(color).downgrade(ColorSystem.EIGHT_BIT).get_truecolor()
    return red, green, blue
