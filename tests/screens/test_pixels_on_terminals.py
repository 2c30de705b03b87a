"""Pictures in pixels on terminals that say that they can: the whole way, in a pseudo-terminal that answers so."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from made_runs import make_run
from terminal import DEADLINE, Terminal
from test_narrow_lines import TDL

from tdl_tui.runs.records import Probe, ProbeSample
from tdl_tui.runs.writer import RunWriter

ANSWERS = {
    "kitty": {b"a=q": "\x1b_Gi=31;OK\x1b\\", b"[16t": "\x1b[6;16;8t", b"[c": "\x1b[?62;c"},
    "sixel": {b"[16t": "\x1b[6;16;8t", b"1;1;0S": "\x1b[?1;0;256S", b"[c": "\x1b[?62;4;22c"},
    "silent": {},
}
QUESTION = re.compile(rb"\x1b_G[^\x1b]*(a=q)[^\x1b]*\x1b\\|\x1b(\[16t|\[c|\[6n)|\x1b\[\?(1;1;0S)")
GRAPHICS = re.compile(rb"\x1b_G[^\x1b]*\x1b\\|\x1bP[^\x1b]*\x1b\\")


class PixelTerminal(Terminal):
    """Answers as one that has Kitty's protocol, Sixel, or neither, a character at a time; keeps what it was sent."""

    def __init__(self, protocol: str, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.answers = {b"[6n": "\x1b[1;1R", **ANSWERS[protocol]}
        self._unread = b""
        self.graphics: list[str] = []

    def feed(self, data: bytes) -> None:
        data = self._unread + data
        begun = re.search(rb"\x1b([_P][^\x1b]*(\x1b)?)?\Z", data)
        self._unread = data[begun.start() :] if begun else b""
        whole = data[: begun.start()] if begun else data
        for asked in QUESTION.finditer(whole):
            for character in self.answers.get(asked[1] or asked[2] or asked[3], ""):
                self.type(character)
        self.graphics += [found.decode() for found in GRAPHICS.findall(whole)]
        super().feed(GRAPHICS.sub(b"", whole))

    def wait_until(self, holds: Callable[[], object]) -> None:
        end = monotonic() + DEADLINE
        while not holds():
            assert monotonic() < end, f"{self.graphics}\n{self.text}"
            self._read(0.1)

    def sent(self, part: str) -> list[str]:
        return [text for text in self.graphics if part in text]


@pytest.fixture
def terminal(home: Path, protocol: str) -> Iterator[PixelTerminal]:
    folder, _ = make_run(home, {"data": {"dataset": "digits"}})
    pictures = [tuple((i * (number + 3)) % 17 / 16 for i in range(64)) for number in range(3)]
    with RunWriter(folder) as writer:
        writer.probes([Probe(number, "image", (1, 8, 8), pixels, 0.0) for number, pixels in enumerate(pictures)])
        writer.probe_sample(ProbeSample(23, 1.0, ((2.0,) + (0.0,) * 9,) * 3))
    terminal = PixelTerminal(protocol, [TDL, "open", folder.name], {"TDL_HOME": str(home)}, 120, 40)
    terminal.wait_for("1/3")
    yield terminal
    terminal.close()


@pytest.mark.parametrize("protocol", ["kitty"])
def test_kitty_shows_a_picture_until_it_is_covered_and_nothing_is_left(terminal: PixelTerminal) -> None:
    terminal.wait_until(lambda: terminal.sent("a=p,"))
    terminal.type("n")
    terminal.wait_until(lambda: len(terminal.sent("a=p,")) == 2)
    terminal.type("?")
    terminal.wait_until(lambda: len(terminal.sent("d=i,")) == 2)
    terminal.type("?")
    terminal.wait_until(lambda: len(terminal.sent("a=p,")) == 3)
    assert len(terminal.sent("a=t,")) == 2  # each is sent once
    terminal.type("qq")
    assert terminal.wait_for_end() == 0
    assert len(terminal.sent("d=I,")) == 2


@pytest.mark.parametrize("protocol", ["sixel"])
def test_sixel_shows_a_picture_anew_when_it_was_covered(terminal: PixelTerminal) -> None:
    terminal.wait_until(lambda: len(terminal.sent("\x1bP")) == 1)
    terminal.type("?")
    terminal.wait_for("esc close")
    terminal.type("?")
    terminal.wait_until(lambda: len(terminal.sent("\x1bP")) == 2)
    first, again = terminal.sent("\x1bP")
    assert first == again
    wide, high = map(int, re.findall(r'"1;1;(\d+);(\d+)', first)[0])
    assert wide == high and wide % 64 == 0  # cells of 8 × 16, the picture's 8 × 8 pixels as often as they fit
    terminal.answers[b"[16t"] = "\x1b[6;32;16t"
    terminal.resize(120, 40, pixels=(1920, 1280))  # as many cells of a larger letter
    terminal.wait_until(lambda: len(terminal.sent("\x1bP")) == 3)
    assert f'"1;1;{2 * wide};{2 * high}' in terminal.sent("\x1bP")[-1]
    terminal.type("n")  # what is shown is known again
    terminal.wait_until(lambda: len(terminal.sent("\x1bP")) == 4)
    terminal.type("qq")
    assert terminal.wait_for_end() == 0


@pytest.mark.parametrize("protocol", ["silent"])
def test_a_terminal_that_says_nothing_keeps_half_blocks(terminal: PixelTerminal) -> None:
    terminal.wait_for("▀▀▀▀▀▀▀▀")
    terminal.type("n")
    terminal.wait_for("2/3")
    terminal.type("qq")
    assert terminal.wait_for_end() == 0
    assert terminal.graphics == terminal.sent("a=q")
