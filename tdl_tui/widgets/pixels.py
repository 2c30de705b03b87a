"""Which pictures lie on the terminal in pixels: those whose half blocks stand there, whole and undimmed.

The half blocks are always there. Pixels are laid over them and never stand alone: what is written over a picture, a
dialogue that dims it, another size of the window takes them away with the half blocks that it changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from rich.color import Color
from rich.style import Style

from . import kitty
from .canvas import Cell
from .graphics import Graphics
from .picture import Picture, marked
from .sixel import sixels
from .spans import CellUpdate, Span

if TYPE_CHECKING:
    from PIL.Image import Image

KEPT = 128
"""Pictures that are kept in code; with Kitty's protocol, that the terminal keeps."""


class Placement(NamedTuple):
    """A picture, and the column and line of its first cell."""

    picture: Picture
    x: int
    y: int

    @property
    def spans(self) -> list[Span]:
        """Its cells."""
        return [(self.y + row, self.x, self.x + self.picture.size[0]) for row in range(len(self.picture.strips))]


def standing(lines: Sequence[Sequence[Cell]]) -> Iterator[Placement]:
    """The pictures that stand in lines of cells, every half block in its own colours."""
    for y, line in enumerate(lines):
        before: Style | None = None
        picture: Picture | None = None
        for x, (_, style) in enumerate(line):
            if style is not before:
                before, picture = style, marked(style)
            if picture is not None and _whole(lines, picture, x, y):
                yield Placement(picture, x, y)


def _whole(lines: Sequence[Sequence[Cell]], picture: Picture, x: int, y: int) -> bool:
    rows, width = _colors(picture), picture.size[0]
    if y + len(rows) > len(lines) or x + width > len(lines[y]):
        return False
    return all(
        text == "▀" and style is not None and style.color == ink and ground in (None, style.bgcolor)
        for row, line in zip(rows, lines[y:], strict=False)
        for (ink, ground), (text, style) in zip(row, line[x : x + width], strict=True)
    )


@lru_cache(maxsize=256)
def _colors(picture: Picture) -> list[list[tuple[Color | None, Color | None]]]:
    """Above and below, cell by cell; none below the last line of pixels, where the panel's ground is seen."""
    return [
        [(style.color, style.bgcolor) for text, style, _ in strip if style is not None for _ in text]
        for strip in picture.strips
    ]


def image_of(picture: Picture, cell: tuple[int, int]) -> Image:
    """The picture, grey (L) or RGB, as large as its half blocks where a cell is so many pixels wide and high.

    Made larger, its own pixels stay sharp; only where they could not be nearly equal in size, their edges are mixed.
    """
    from PIL import Image

    channels, rows, columns = picture.probe.shape
    area = rows * columns
    levels = bytes([min(255, max(0, round(value * 255))) for value in picture.probe.input])
    planes = [Image.frombytes("L", (columns, rows), levels[c * area : (c + 1) * area]) for c in range(channels)]
    whole = Image.merge("RGB", planes[:3]) if channels >= 3 else planes[0]
    size = picture.size[0] * cell[0], max(1, picture.size[1] * cell[1] // 2)
    larger = -(-size[0] // columns)
    if larger <= 4:
        whole = whole.resize((columns * larger, rows * larger), Image.Resampling.NEAREST)
        return whole.resize(size, Image.Resampling.HAMMING)
    return whole.resize(size, Image.Resampling.NEAREST)


def coded(picture: Picture, graphics: Graphics) -> str:
    """What brings a picture to a terminal. A large one in colour takes up to a second: for threads."""
    image = image_of(picture, graphics.cell)
    if graphics.protocol == "kitty":
        return kitty.transmission(picture.number, image)
    return sixels(image, graphics.colors)


class Pixels:
    """What lies on the terminal in pixels, and what it is to be told so that this stays true. Nothing until `use`."""

    def __init__(self) -> None:
        self._graphics: Graphics | None = None
        self._standing: list[Placement] = []
        self._laid: set[Placement] = set()
        self._doubted = False
        self._codes: dict[int, str] = {}
        """What is to be sent of a picture before it is shown; nothing, once a terminal with Kitty's protocol has it."""

    def use(self, graphics: Graphics | None, lines: Sequence[Sequence[Cell]]) -> str:
        """The terminal, which shows these lines, can do this from now on. What to tell it at once."""
        self._doubted = False
        if graphics == self._graphics:
            return ""
        said = self.end()
        self._graphics = graphics
        self._look(lines)
        return said

    def doubt(self) -> None:
        """The cells may be of another size: nothing is laid until `use` says of which."""
        self._doubted = True

    def frame(self, update: CellUpdate) -> CellUpdate:
        """A frame's update, with what takes the pixels away whose half blocks are others or are written anew."""
        if self._graphics is None:
            return update
        self._look(update.lines)
        gone = sorted(self._laid.difference(self._standing) | self._met(update.spans), key=_place)
        self._laid -= set(gone)
        if self._kitty:
            away = (kitty.taken_away(one.picture.number, _place(one)) for one in gone)
            return update.followed_by("".join(away))
        return replace(update, spans=merged([*update.spans, *(span for one in gone for span in one.spans)]))

    @property
    def missing(self) -> list[Placement]:
        """The pictures that stand there without their pixels, and could have them."""
        return [one for one in self._standing if one not in self._laid and not self._doubted]

    @property
    def uncoded(self) -> list[tuple[Picture, Graphics]]:
        """The missing ones that are not coded yet, and what for."""
        pictures = {one.picture.number: one.picture for one in self.missing}
        return [
            (picture, self._graphics)
            for number, picture in pictures.items()
            if self._graphics is not None and number not in self._codes
        ]

    def take(self, picture: Picture, graphics: Graphics, code: str) -> None:
        """A picture in code, as `coded` gives it."""
        if graphics == self._graphics:
            self._codes.setdefault(picture.number, code)

    def lay(self, room: int) -> str:
        """Pixels for pictures that are missing and in code, as many as go into `room` characters."""
        said: list[str] = []
        for one in self.missing:
            picture, x, y = one
            if picture.number not in self._codes:
                continue
            text = self._codes[picture.number] + (kitty.laid(picture.number, _place(one)) if self._kitty else "")
            if len(text) > room:
                continue
            room -= len(text)
            said.append(f"\x1b7\x1b[{y + 1};{x + 1}H{text}\x1b8")  # the cursor goes back where it was
            self._laid.add(one)
            if self._kitty:
                self._codes[picture.number] = ""
        return "".join([*said, *self._forgotten()])

    def end(self) -> str:
        """Takes all away, and begins anew. What to tell the terminal; Sixel's pixels stay until it is cleared."""
        said = "".join(map(kitty.freed, self._codes)) if self._kitty else ""
        self._graphics, self._standing, self._laid, self._codes = None, [], set(), {}
        return said

    @property
    def _kitty(self) -> bool:
        return self._graphics is not None and self._graphics.protocol == "kitty"

    def _look(self, lines: Sequence[Sequence[Cell]]) -> None:
        """At what stands there; Sixel on the last line would have the terminal scroll."""
        last = len(lines) if self._kitty else len(lines) - 1
        found = standing(lines) if self._graphics is not None else ()
        self._standing = [one for one in found if one.y + len(one.picture.strips) <= last]

    def _met(self, spans: Sequence[Span]) -> set[Placement]:
        """Those of which a cell is written."""
        lines: dict[int, list[Span]] = {}
        for span in spans:
            lines.setdefault(span[0], []).append(span)
        return {
            one
            for one in self._laid
            if any(left < b and a < right for y, a, b in one.spans for _, left, right in lines.get(y, ()))
        }

    def _forgotten(self) -> Iterator[str]:
        """Lets go of the pictures in code that were longest not shown, where there are too many."""
        shown = {one.picture.number for one in self._standing}
        for number in [number for number in self._codes if number not in shown][: max(0, len(self._codes) - KEPT)]:
            if not self._codes.pop(number) and self._kitty:
                yield kitty.freed(number)


def _place(one: Placement) -> int:
    """A number from 1 for where a picture is."""
    return one.y * 10_000 + one.x + 1


def merged(spans: Sequence[Span]) -> list[Span]:
    """The same cells in spans that do not overlap, line by line."""
    out: list[Span] = []
    for y, left, right in sorted(spans):
        if out and out[-1][0] == y and left <= out[-1][2]:
            out[-1] = (y, out[-1][1], max(right, out[-1][2]))
        else:
            out.append((y, left, right))
    return out
