"""Sixels against a decoder written from the manual's description alone."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tdl_tui.widgets.sixel import sixels

Color = tuple[int, ...]


def decoded(text: str) -> tuple[tuple[int, int], dict[tuple[int, int], Color]]:
    """The size that is announced, and the pixels (x, y) that are set, in percent of red, green and blue."""
    begun = re.match(r'\x1bP0;1;0q"1;1;(\d+);(\d+)', text)
    assert begun and text.endswith("\x1b\\")
    colors: dict[int, Color] = {}
    pixels: dict[tuple[int, int], Color] = {}
    x = y = chosen = 0
    for token in re.finditer(r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)([?-~])|([?-~])|([$-])", text[begun.end() : -2]):
        if token[1]:
            colors[int(token[1])] = tuple(map(int, token.groups()[1:4]))
        elif token[5]:
            chosen = int(token[5])
        elif token[9]:
            x, y = 0, y + 6 * (token[9] == "-")
        else:
            bits, end = ord(token[7] or token[8]) - 63, x + int(token[6] or 1)
            set_ones = [(at, y + row) for at in range(x, end) for row in range(6) if bits >> row & 1]
            pixels |= dict.fromkeys(set_ones, colors[chosen])
            x = end
    return (int(begun[1]), int(begun[2])), pixels


def percent(color: Color) -> Color:
    return tuple(round(part * 100 / 255) for part in color)


sizes = st.tuples(st.integers(1, 23), st.integers(1, 20))


@given(
    sizes.flatmap(
        lambda size: st.tuples(st.just(size), st.binary(min_size=size[0] * size[1], max_size=size[0] * size[1]))
    )
)
def test_greys_are_drawn_to_half_a_percent(drawn: tuple[tuple[int, int], bytes]) -> None:
    (wide, high), levels = drawn
    size, pixels = decoded(sixels(Image.frombytes("L", (wide, high), levels)))
    assert size == (wide, high)
    assert pixels == {(i % wide, i // wide): percent((level,) * 3) for i, level in enumerate(levels)}


@given(
    st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=12, unique_by=percent),
    sizes,
    st.randoms(use_true_random=False),
)
def test_few_colors_are_drawn_as_they_are(colors: list[Color], size: tuple[int, int], chance: object) -> None:
    image = Image.new("RGB", size)
    chosen = [chance.choice(colors) for _ in range(size[0] * size[1])]  # type: ignore[attr-defined]  # a Random
    image.putdata(chosen)
    assert decoded(sixels(image)) == (size, {(i % size[0], i // size[0]): percent(c) for i, c in enumerate(chosen)})


@pytest.mark.parametrize("colors", [2, 16, 256])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_no_more_colors_than_there_are_registers_and_no_pixel_without(mode: str, colors: int) -> None:
    ramp = Image.linear_gradient("L").resize((64, 64))
    image = ramp if mode == "L" else Image.merge("RGB", (ramp, ramp.rotate(90), ramp.rotate(180)))
    text = sixels(image, colors)
    _, pixels = decoded(text)
    assert len(pixels) == 64 * 64
    assert len(re.findall(r"#\d+;2;", text)) <= colors and max(map(int, re.findall(r"#(\d+)", text))) < 256
    wanted = image.convert("RGB").tobytes()
    errors = [
        abs(a - b)
        for (x, y), color in pixels.items()
        for a, b in zip(color, percent(tuple(wanted[3 * (64 * y + x) :][:3])), strict=True)
    ]
    assert max(errors) <= {2: 90, 16: 40, 256: 12}[colors]


def test_a_plain_picture_is_a_few_characters() -> None:
    assert sixels(Image.new("L", (300, 12))) == '\x1bP0;1;0q"1;1;300;12#0;2;0;0;0#0!300~-#0!300~\x1b\\'
