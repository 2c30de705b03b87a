"""The colours where a terminal has 256 of them, as in tmux."""

from __future__ import annotations

import pytest
from rich.color import Color, ColorSystem

from tdl_tui.widgets.palette import DARK, LIGHT, Palette


@pytest.mark.parametrize("palette", [DARK, LIGHT], ids=["dark", "light"])
def test_grounds_and_text_stay_grey_and_apart(palette: Palette) -> None:
    names = ("ground", "surface", "raised", "faint", "muted", "text")
    shades = {name: _of_256(getattr(palette, name)) for name in names}
    assert all(len(set(shade)) == 1 for shade in shades.values()), shades
    assert len(set(shades.values())) == len(shades), shades


def _of_256(color: str) -> tuple[int, int, int]:
    red, green, blue = Color.parse(color).downgrade(ColorSystem.EIGHT_BIT).get_truecolor()
    return red, green, blue
