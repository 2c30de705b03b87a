"""Images for Kitty's graphics protocol, put together again as its specification says."""

from __future__ import annotations

import io
import re
from base64 import b64decode

import pytest
from PIL import Image

from tdl_tui.widgets import kitty


@pytest.mark.parametrize("size", [(1, 1), (300, 300)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_an_image_arrives_as_it_was(mode: str, size: tuple[int, int]) -> None:
    image = Image.effect_noise(size, 60).convert(mode)
    commands = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", text := kitty.transmission(7, image))
    assert "".join(f"\x1b_G{keys};{data}\x1b\\" for keys, data in commands) == text
    first, *others = [keys.split(",") for keys, _ in commands]
    assert {"a=t", "f=100", "i=7", "q=2"} <= set(first)  # PNG, and no answer, which would be a key
    assert [keys[-1] for keys in (first, *others)] == ["m=1"] * len(others) + ["m=0"]
    assert all(len(data) <= 4096 and len(data) % 4 == 0 for _, data in commands)
    shown = Image.open(io.BytesIO(b64decode("".join(data for _, data in commands))))
    assert (shown.mode, shown.size, shown.tobytes()) == (mode, size, image.tobytes())
