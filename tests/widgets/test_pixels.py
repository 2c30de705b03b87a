"""Pixels stand exactly where half blocks stand, whatever is painted, and each picture's are sent once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from rich.color import Color
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from tdl_tui.runs.records import Probe
from tdl_tui.widgets.canvas import cells
from tdl_tui.widgets.graphics import Graphics
from tdl_tui.widgets.lines import blank
from tdl_tui.widgets.picture import draw_picture, marked
from tdl_tui.widgets.pixels import KEPT, Pixels, coded, image_of, merged, standing
from tdl_tui.widgets.spans import CellUpdate, Shown

WIDTH, HEIGHT = 24, 8
GROUND = Style(bgcolor="#101010")
PROBES = tuple(
    Probe(number, "image", (channels, 6, 6), tuple((i * (number + 3)) % 17 / 16 for i in range(channels * 36)), 0.0)
    for number, channels in enumerate((1, 1, 3, 3))
)
KITTY, SIXEL = Graphics("kitty", (6, 12)), Graphics("sixel", (6, 12))
console = Console(force_terminal=True, color_system="truecolor", width=WIDTH)
Cells = frozenset[tuple[int, int]]


def dimmed(strip: Strip) -> Strip:
    """As it is seen below a dialogue: each colour half way to grey."""

    def half(color: Color | None) -> Color | None:
        return color and Color.from_rgb(*((part + 128) // 2 for part in color.get_truecolor()))

    return Strip(
        Segment(text, style and style + Style.from_color(half(style.color), half(style.bgcolor)))
        for text, style, _ in strip
    )


@dataclass(frozen=True)
class Scene:
    """Pictures (number of the probe, column, line, lines high), what is dimmed or blank above them from a line on."""

    pictures: tuple[tuple[int, int, int, int], ...]
    above: str = ""
    first: int = 0

    def lines(self) -> list[Strip]:
        lines = [blank(WIDTH)] * HEIGHT
        for number, x, y, high in self.pictures:
            for row, strip in enumerate(draw_picture(PROBES[number], 12, high)):
                if y + row < HEIGHT:
                    line = lines[y + row]
                    parts = [line.crop(0, x), strip, line.crop(x + strip.cell_length, WIDTH)]
                    lines[y + row] = Strip.join(parts).crop(0, WIDTH)
        lines = [line.apply_style(GROUND) for line in lines]
        for y in range(self.first, HEIGHT) if self.above else ():
            lines[y] = dimmed(lines[y]) if self.above == "dim" else blank(WIDTH).apply_style(GROUND)
        return lines

    def update(self) -> LayoutUpdate:
        return LayoutUpdate([[line] for line in self.lines()], Region(0, 0, WIDTH, HEIGHT))

    def whole(self, last: int) -> dict[tuple[int, int], tuple[int, int]]:
        """Where pictures stand whole, by their first cell: columns and lines. Told from the scene alone."""
        found = {}
        for place, (number, x, y, high) in enumerate(self.pictures):
            strips = draw_picture(PROBES[number], 12, high)
            wide, lines = strips[0].cell_length, len(strips)
            covered = self.above and y + lines > self.first
            later = [(ox, oy, draw_picture(PROBES[o], 12, oh)) for o, ox, oy, oh in self.pictures[place + 1 :]]
            over = any(
                ox < x + wide and x < ox + other[0].cell_length and oy < y + lines and y < oy + len(other)
                for ox, oy, other in later
            )
            if x + wide <= WIDTH and y + lines <= last and not covered and not over:
                found[x, y] = (wide, lines)
        return found


@dataclass
class Screen:
    """A terminal with pixels: which cells they cover, and what it was sent."""

    pixels: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    images: set[int] = field(default_factory=set)
    sent: list[str] = field(default_factory=list)

    def feed(self, text: str) -> None:
        x = y = 0
        token = r"\x1b\[(\d+);(\d+)H|\x1b_G([^;\x1b]*);?[^\x1b]*\x1b\\|(\x1bP[^\x1b]*\x1b\\)|\x1b\[[\d;]*m|\x1b[78]|(.)"
        for part in re.finditer(token, text, re.DOTALL):
            if part[1]:
                y, x = int(part[1]) - 1, int(part[2]) - 1
            elif part[3]:
                self.sent.append(part[0])
                self._kitty(dict(pair.split("=") for pair in part[3].split(",")), x, y)
            elif part[4]:
                self.sent.append(part[0])
                wide, high = map(int, re.findall(r'"1;1;(\d+);(\d+)', part[4])[0])
                assert y + -(-high // 12) < HEIGHT  # else the terminal would scroll
                self.pixels[x, y] = (wide // 6, -(-high // 12))
            elif part[5]:
                if not self.images:  # what is written takes Sixel's pixels away; Kitty's stay
                    self._write(x, y)
                x += 1

    def _kitty(self, keys: dict[str, str], x: int, y: int) -> None:
        number = int(keys.get("i", 0))
        match keys.get("a"):
            case "t":
                assert number not in self.images
                self.images.add(number)
            case "p":
                assert number in self.images
                place = (int(keys["p"]) - 1) % 10_000, (int(keys["p"]) - 1) // 10_000
                assert place == (x, y) and place not in self.pixels
                self.pixels[place] = (-1, number)
            case "d" if keys["d"] == "i":
                place = (int(keys["p"]) - 1) % 10_000, (int(keys["p"]) - 1) // 10_000
                assert self.pixels.pop(place) == (-1, number)
            case "d":
                self.images.discard(number)
                self.pixels = {at: what for at, what in self.pixels.items() if what != (-1, number)}

    def _write(self, x: int, y: int) -> None:
        self.pixels = {
            (left, top): (wide, high)
            for (left, top), (wide, high) in self.pixels.items()
            if not (left <= x < left + wide and top <= y < top + high)
        }


def code_all(pixels: Pixels) -> None:
    for picture, graphics in pixels.uncoded:
        pixels.take(picture, graphics, coded(picture, graphics))


scenes = st.builds(
    Scene,
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 16), st.integers(0, 6), st.sampled_from([2, 3])), max_size=3
    ).map(tuple),
    st.sampled_from(["", "dim", "blank"]),
    st.integers(0, HEIGHT),
)


@given(st.lists(st.tuples(scenes, st.sampled_from([0, 3000, 1_000_000]), st.booleans()), max_size=6), st.booleans())
@example([(Scene(((3, 3, 0, 2), (3, 4, 0, 2))), 1_000_000, False)], False)
def test_pixels_stand_exactly_where_half_blocks_stand(steps: list[tuple[Scene, int, bool]], is_kitty: bool) -> None:
    graphics = KITTY if is_kitty else SIXEL
    shown, pixels, screen = Shown(), Pixels(), Screen()
    screen.feed(pixels.use(graphics, shown.lines))
    for scene, room, lost in steps:
        if lost:
            shown.forget()
        update = shown.changes(scene.update())
        assert isinstance(update, CellUpdate)
        screen.feed(pixels.frame(update).render_segments(console))
        whole = scene.whole(HEIGHT if is_kitty else HEIGHT - 1)
        assert screen.pixels.keys() <= whole.keys()
        code_all(pixels)
        laid = pixels.lay(room)
        assert len(laid) <= room + 200
        screen.feed(laid)
        if room == 1_000_000:
            assert screen.pixels.keys() == whole.keys() and not pixels.missing
            assert is_kitty or screen.pixels == whole
    screen.feed(pixels.end())
    assert not is_kitty or not (screen.pixels or screen.images)


def frame(pixels: Pixels, shown: Shown, scene: Scene) -> str:
    update = shown.changes(scene.update())
    assert isinstance(update, CellUpdate)
    text = pixels.frame(update).render_segments(console)
    code_all(pixels)
    return text + pixels.lay(1_000_000)


def test_with_kitty_a_picture_is_sent_once_and_placed_again() -> None:
    shown, pixels = Shown(), Pixels()
    pixels.use(KITTY, [])
    scene = Scene(((0, 2, 1, 3),))
    first = frame(pixels, shown, scene)
    away = frame(pixels, shown, Scene((), "dim"))
    again = frame(pixels, shown, scene)
    assert "a=t" in first and "a=p" in first
    assert "a=d,d=i" in away and "a=t" not in again and "a=p" in again
    assert frame(pixels, shown, scene) == ""
    assert "a=d,d=I" in pixels.end()


def test_a_terminal_keeps_no_more_pictures_than_it_should() -> None:
    shown, pixels, screen = Shown(), Pixels(), Screen()
    pixels.use(KITTY, [])
    for number in range(KEPT + 20):
        probe = Probe(number, "image", (1, 2, 2), (number / 300, 0.0, 0.5, 1.0), 0.0)
        line = Strip.join([draw_picture(probe, 2, 1)[0], blank(WIDTH - 2)]).apply_style(GROUND)
        update = shown.changes(LayoutUpdate([[line], [blank(WIDTH)]], Region(0, 0, WIDTH, 2)))
        assert isinstance(update, CellUpdate)
        screen.feed(pixels.frame(update).render_segments(console))
        code_all(pixels)
        screen.feed(pixels.lay(10_000))
        assert list(screen.pixels) == [(0, 0)] and len(screen.images) <= KEPT


def test_other_cells_are_drawn_for_anew() -> None:
    shown, pixels = Shown(), Pixels()
    pixels.use(SIXEL, [])
    scene = Scene(((0, 2, 1, 3),))
    assert '"1;1;36;36' in frame(pixels, shown, scene)
    pixels.doubt()
    shown.forget()
    assert "\x1bP" not in frame(pixels, shown, scene)  # in cells that may be smaller by now it would stand out
    pixels.use(Graphics("sixel", (7, 14)), shown.lines)
    code_all(pixels)
    assert '"1;1;42;42' in pixels.lay(1_000_000)


def test_a_terminal_that_cannot_is_told_nothing() -> None:
    shown, pixels = Shown(), Pixels()
    assert "\x1bP" not in frame(pixels, shown, Scene(((0, 2, 1, 3),)))
    assert pixels.use(None, shown.lines) == "" and pixels.missing == []


@pytest.mark.parametrize("number", [0, 2])
def test_a_picture_is_as_large_as_its_half_blocks_and_sharp(number: int) -> None:
    probe = PROBES[number]
    (found,) = [
        picture
        for strip in draw_picture(probe, 6, 3)
        for _, style in cells(strip)
        if (picture := marked(style)) is not None
    ]
    image = image_of(found, (10, 20))
    assert image.size == (60, 60) and image.mode == ("L" if number == 0 else "RGB")
    small = image.resize((6, 6), Image.Resampling.NEAREST)
    assert small.resize((60, 60), Image.Resampling.NEAREST).tobytes() == image.tobytes()
    levels = list(small.tobytes())
    wanted = [round(value * 255) for value in probe.input]
    assert levels == (wanted if number == 0 else [wanted[c * 36 + i] for i in range(36) for c in range(3)])


def test_a_picture_that_is_cut_or_covered_does_not_stand() -> None:
    def found(scene: Scene) -> list[tuple[int, int]]:
        return [(one.x, one.y) for one in standing([cells(line) for line in scene.lines()])]

    assert found(Scene(((0, 2, 1, 3), (1, 14, 1, 3)))) == [(2, 1), (14, 1)]
    assert found(Scene(((0, 2, 1, 3), (1, 4, 2, 3)))) == [(4, 2)]
    assert found(Scene(((0, 2, 6, 3),))) == []
    assert found(Scene(((0, 2, 1, 3),), "dim", 3)) == []


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 8), st.integers(1, 6)).map(lambda s: (s[0], s[1], s[1] + s[2]))
    )
)
def test_merged_spans_are_the_same_cells_once(spans: list[tuple[int, int, int]]) -> None:
    together = [(y, x) for y, left, right in merged(spans) for x in range(left, right)]
    assert together == sorted({(y, x) for y, left, right in spans for x in range(left, right)})
