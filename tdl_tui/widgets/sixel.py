"""Sixel graphics, as DEC's VT340 has them (VT330/VT340 Programmer Reference, volume 2, chapter 14, 1988)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

BAND = 6
"""Lines of pixels that are written at once: a character says which of six pixels below each other have a colour."""
_PERCENT = 100
"""A colour's parts go from 0 to 100."""
_ONLY = [bytes(color) + b"\1" + bytes(255 - color) for color in range(256)]
"""For each colour the table that makes its pixels 1 and all others 0."""
_AS_TEXT = bytes(min(255, 63 + value) for value in range(256))
_RUN = re.compile(r"(.)\1{3,}", re.DOTALL)


def sixels(image: Image, colors: int = 256) -> str:
    """An image, grey (L) or RGB, in at most `colors` (2 to 256) colours, at the cursor.

    Greys are spread evenly over as many levels as there can be, 101 at most; of colours those are taken that the image
    has, or a median cut's (Heckbert 1982).
    """
    indices, palette = _indexed(image, colors)
    wide, high = image.size
    out = [f'\x1bP0;1;0q"1;1;{wide};{high}']
    out += [f"#{index};2;{red};{green};{blue}" for index, (red, green, blue) in palette.items()]
    lines = [indices[y * wide : (y + 1) * wide] for y in range(high)]
    out += ["-".join("$".join(_band(lines[top : top + BAND])) for top in range(0, high, BAND)), "\x1b\\"]
    return "".join(out)


def _indexed(image: Image, colors: int) -> tuple[bytes, dict[int, tuple[int, ...]]]:
    """A colour's number for each pixel, and the colours, in percent, that have one."""
    if image.mode == "L":
        levels = min(colors, _PERCENT + 1)
        indexed = image.point([round(value * (levels - 1) / 255) for value in range(256)])
        parts = [round(level * _PERCENT / (levels - 1)) for level in range(levels) for _ in "rgb"]
    else:
        from PIL.Image import Dither

        indexed = image.quantize(colors, dither=Dither.NONE)
        parts = [round(part * _PERCENT / 255) for part in indexed.getpalette() or ()]
    indices = indexed.tobytes()
    return indices, {index: tuple(parts[3 * index : 3 * index + 3]) for index in sorted(set(indices))}


def _band(lines: list[bytes]) -> Iterator[str]:
    """Six lines, colour by colour. The most frequent fills the band, and the others are set into it."""
    whole = b"".join(lines)
    first, *others = sorted(set(whole), key=whole.count, reverse=True)
    yield f"#{first}" + _shortened(chr(63 + (1 << len(lines)) - 1) * len(lines[0]))
    for color in others:
        rows = enumerate(line.translate(_ONLY[color]) for line in lines)
        sums = sum(int.from_bytes(line) << row for row, line in rows)
        sixels = sums.to_bytes(len(lines[0])).translate(_AS_TEXT).decode()
        yield f"#{color}" + _shortened(sixels.rstrip("?"))


def _shortened(sixels: str) -> str:
    """The same with runs as counts."""
    return _RUN.sub(lambda run: f"!{len(run[0])}{run[1]}", sixels)
