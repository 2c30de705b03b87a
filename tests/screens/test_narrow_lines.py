"""A line that carries less than the screens could say: what is sent is little, whole, and the newest."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from made_runs import make_run
from synthetic import Playing, snapshot
from terminal import DEADLINE, Terminal

from tdl_tui.screens.app import Workbench
from tdl_tui.screens.run import RunScreen
from tdl_tui.widgets.paced_driver import Pace

Bench = Callable[..., Workbench]
Until = Any
TDL = str(Path(sys.executable).with_name("tdl"))


async def test_frames_are_left_out_while_the_line_is_full_and_then_the_newest_is_shown(
    bench: Bench, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = bench()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = RunScreen(Path("unused"), lambda: Playing(snapshot("image")))
        await app.push_screen(screen)
        await until(pilot, lambda: screen.snapshot is not None)
        await pilot.pause()
        pace = Pace()
        monkeypatch.setattr(app._driver, "pace", pace, raising=False)
        frames: list[str] = []
        monkeypatch.setattr(app, "_display", lambda _, update: frames.append(update.render_segments(app.console)))
        pace.write(1)  # which the system does not take
        for _ in range(7):
            await pilot.press("o")
        assert not frames and screen.choices.logits
        pace.take(1)
        await until(pilot, lambda: frames)
        assert len(frames) == 1 and "logits" in frames[0]


class Answering(Terminal):
    """A terminal that tells where its cursor is and has synchronised output (mode 2026)."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.received = b""

    def _read(self, seconds: float) -> bool:
        before = len(self.received)
        more = super()._read(seconds)
        for asked in re.finditer(rb"\x1b\[(6n|\?2026\$p)", self.received[before:]):
            self.type("\x1b[1;1R" if asked[1] == b"6n" else "\x1b[?2026;2$y")
        return more

    def feed(self, data: bytes) -> None:
        self.received += data
        super().feed(data)


@pytest.fixture
def terminal(home: Path) -> Iterator[Answering]:
    folder, _ = make_run(home, {"data": {"dataset": "digits"}})
    terminal = Answering([TDL, "open", folder.name, "--fps", "10"], {"TDL_HOME": str(home)}, 80, 24)
    terminal.wait_for("? help")
    yield terminal
    terminal.close()


def test_updates_are_synchronised_asked_after_and_leave_nothing_behind(terminal: Answering) -> None:
    terminal.wait_for("nothing has happened yet")
    terminal.wait_for("esc back")
    before = len(terminal.received)
    terminal.type("y")
    terminal.wait_for("0.1┤")
    painted = terminal.received[before:].partition(b"\x1b[?2026h")[2]
    outside = re.sub(rb"\x1b\[\?2026h.*?(\x1b\[\?2026l|\Z)|\x1b\[6n", b"", b"\x1b[?2026h" + painted, flags=re.DOTALL)
    assert outside == b""
    assert len(painted) < 4000  # of the cells that changed: all would be three times as many
    assert b"\x1b[6n" in terminal.received
    terminal.type("qq")
    assert terminal.wait_for_end() == 0


def test_it_ends_where_a_terminal_that_is_not_its_own_goes_away(home: Path) -> None:
    """No signal tells then: only what it reads does."""
    folder, _ = make_run(home, {"data": {"dataset": "digits"}})
    mine, its = pty.openpty()
    fcntl.ioctl(mine, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "TDL_HOME": str(home)}
    command = [TDL, "open", folder.name]
    with subprocess.Popen(command, stdin=its, stdout=its, stderr=its, env=environment, start_new_session=True) as app:
        os.close(its)
        received = b""
        while b"help" not in received:
            received += os.read(mine, 65536)
        os.close(mine)
        try:
            assert app.wait(DEADLINE) == 0
        finally:
            app.kill()


def test_no_byte_beyond_ascii_leaves_the_program(home: Path) -> None:
    folder, _ = make_run(home, {"name": "étude ✓"})
    terminal = Answering([TDL, "open", folder.name, "--ascii", "--no-color"], {"TDL_HOME": str(home)}, 80, 24)
    terminal.wait_for("1 loss")
    terminal.type("y?")
    terminal.wait_for("esc close")
    terminal.type("?q")
    terminal.wait_for("enter open")
    terminal.type("q")
    assert terminal.wait_for_end() == 0
    terminal.close()
    assert terminal.received.isascii() and b"etude +" in terminal.received
    assert not re.search(rb"\x1b\[[\d;]*\b[34]8;[25]", terminal.received)


@pytest.mark.parametrize("terminal_type", ["dumb", "unknown"])
def test_a_terminal_that_cannot_move_its_cursor_is_refused_in_one_line(home: Path, terminal_type: str) -> None:
    terminal = Terminal([TDL], {"TDL_HOME": str(home), "TERM": terminal_type}, 200, 24)
    assert terminal.wait_for_end() == 2
    terminal.wait_for("tdl tail RUN follows a run in lines")
    assert "TERM is " + terminal_type in terminal.text and os.linesep not in terminal.text.strip()
    terminal.close()
