"""Kitty's graphics protocol (https://sw.kovidgoyal.net/kitty/graphics-protocol/): pictures laid over cells."""

from __future__ import annotations

import io
from base64 import b64encode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

CHUNK = 4096
"""Characters of data that a command may carry."""


def transmission(number: int, image: Image) -> str:
    """Gives the terminal an image under a number (1 to 2³²-1), as PNG; nothing is shown yet, nothing answered."""
    png = io.BytesIO()
    image.save(png, "PNG")
    data = b64encode(png.getvalue()).decode()
    pieces = [data[start : start + CHUNK] for start in range(0, len(data), CHUNK)]
    return "".join(
        f"\x1b_G{f'a=t,f=100,i={number},q=2,' if place == 0 else ''}m={int(place < len(pieces) - 1)};{piece}\x1b\\"
        for place, piece in enumerate(pieces)
    )


def laid(number: int, place: int) -> str:
    """Shows an image at the cursor, which stays; `place` (1 to 2³²-1) names it there."""
    return f"\x1b_Ga=p,i={number},p={place},C=1,q=2\x1b\\"


def taken_away(number: int, place: int) -> str:
    """Shows it there no more; the terminal keeps the image."""
    return f"\x1b_Ga=d,d=i,i={number},p={place},q=2\x1b\\"


def freed(number: int) -> str:
    """Shows an image nowhere, and has the terminal forget it."""
    return f"\x1b_Ga=d,d=I,i={number},q=2\x1b\\"
