"""A terminal's driver that knows how far the terminal is behind, so that frames are left out and never queued.

What a program writes is taken by the system, by ssh, by tmux, long before a slow line has carried it. So the terminal
is asked for its cursor's place behind every few hundred bytes (DSR 6, ECMA-48 § 8.3.35): it answers when it has come
to there. One question is open at a time, since an answer does not say to which it belongs. A terminal that never
answers is behind only while the system takes no more.

When it begins, the terminal is also asked which pixels it can show; what it answers is taken out of the input.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
import termios
import threading
import time
from codecs import getincrementaldecoder
from collections.abc import Callable
from typing import IO, Any

from textual import events
from textual._xterm_parser import XTermParser  # what Textual's driver, too, hands its input to
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from .display import EVERYTHING
from .graphics import Answers, Graphics, graphics_of, questions

ASK = "\x1b[6n"
EVERY = 512
"""Bytes after which the terminal is asked."""
AHEAD = 1024
"""Bytes that may be under way when the next frame is written: a tenth of a second at 9,600 a second."""
PATIENCE = 5.0
"""Seconds after which an answer counts as lost."""
PARTING = 1.0
"""Seconds for which the answer is waited for at the end: one that comes later would stand behind the shell's prompt."""
BRIEF = 0.2
"""Seconds for which a picture may keep the line."""


class Pace:
    """How much was written and how much of it has arrived. Characters count as bytes. For any threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._written = self._taken = self._arrived = self._asked = 0
        self._asked_at = 0.0
        self._large = self._asked_after = (0, 0.0)
        self._rate = 0.0
        self._open = False
        self._answers = False
        self._answered = threading.Event()

    def write(self, length: int) -> None:
        """So much is on its way to the system."""
        if length >= EVERY:
            self._large = (length, self._clock())
        self._written += length

    def take(self, length: int) -> None:
        """So much has been taken by the system."""
        self._taken += length

    def ask(self) -> bool:
        """Whether to ask the terminal now; it then counts as asked."""
        if self._open or self._written - self._asked < EVERY:
            return False
        self._asked_after, self._large = self._large, (0, 0.0)
        self._asked, self._asked_at = self._written, self._clock()
        self._open = True
        self._answered.clear()
        return True

    def answer(self) -> bool:
        """The terminal has said where its cursor is; False where it was not asked."""
        if not self._open:
            return False
        self._open, self._answers, self._arrived = False, True, self._asked
        length, began = self._asked_after
        self._rate = max(self._rate, length / max(1e-6, self._clock() - began))
        self._answered.set()
        return True

    @property
    def behind(self) -> bool:
        """Whether so much is under way that the next frame should wait."""
        if self._taken < self._written:
            return True
        if not self._answers or self._written - self._arrived <= AHEAD:
            return False
        if self._clock() - self._asked_at < PATIENCE:
            return self._open
        self._open, self._arrived = False, self._written
        return False

    @property
    def idle(self) -> bool:
        """Whether nothing is under way, and no answer is to come that would tell of more room."""
        return not self.behind and not (self._open and self._clock() - self._asked_at < PATIENCE)

    @property
    def room(self) -> int:
        """Bytes that may be written now for what is not urgent: those that the line carries in a moment, and none while
        it is not idle. The line is taken to be as fast as the fastest answer to a large piece was."""
        if self.behind or not self._answers:
            return 0
        return max(0, int(self._rate * BRIEF) - (self._written - self._arrived))

    def part(self) -> None:
        """Waits for the answer that is still to come, where any ever came."""
        if self._answers and self._open:
            self._answered.wait(PARTING)


class _Outlet:
    """The file that Textual's writing thread writes to; tells the pace what the system has taken."""

    def __init__(self, file: IO[str], pace: Pace) -> None:
        self._file = file
        self._pace = pace
        self._length = 0

    def write(self, text: str) -> None:
        self._file.write(text)
        self._length += len(text)

    def flush(self) -> None:
        self._file.flush()
        self._pace.take(self._length)
        self._length = 0

    def fileno(self) -> int:
        return self._file.fileno()


class GraphicsKnown(Message):
    """A terminal has said which pixels it can show."""

    def __init__(self, graphics: Graphics | None) -> None:
        super().__init__()
        self.graphics = graphics


class PacedDriver(LinuxDriver):
    """Textual's own, which counts, and asks what the terminal can show. `parting` gives what is said at the end."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.pace = Pace()
        self.parting: Callable[[], str] = str
        self._file: Any = _Outlet(self._file, self.pace)
        self._questions = questions(os.environ, getattr(self._app, "shown_on", EVERYTHING))
        self._answers = Answers(self._understand)

    def start_application_mode(self) -> None:
        """Takes the terminal over."""
        super().start_application_mode()  # type: ignore[no-untyped-call]  # Textual says no types here
        self.ask_for_graphics()

    def ask_for_graphics(self) -> None:
        """Asks which pixels the terminal can show: a GraphicsKnown is the answer, if any comes."""
        if self._questions:
            self._answers.ask()
            self.write(self._questions)

    def _understand(self, answers: list[str]) -> None:
        lines, columns, wide, high = struct.unpack("HHHH", fcntl.ioctl(self.fileno, termios.TIOCGWINSZ, bytes(8)))
        cell = (wide // columns, high // lines) if columns and lines else (0, 0)
        self.process_message(GraphicsKnown(graphics_of(answers, cell)))

    def stop_application_mode(self) -> None:
        """Gives the terminal back."""
        self.write(self.parting())
        super().stop_application_mode()

    def write(self, data: str) -> None:
        """Hands over to the thread that writes."""
        self.pace.write(len(data))
        super().write(data)

    def flush(self) -> None:
        """A frame is whole: the terminal is asked where it is, if that was long ago."""
        self._ask()
        super().flush()

    def _ask(self) -> None:
        if self.pace.ask():
            self.write(ASK)

    def run_input_thread(self) -> None:
        """Reads what is typed, without the answers to what was asked, until the app ends."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")("replace").decode
        while not self.exit_event.is_set():
            ready, _, _ = select.select([self.fileno], [], [], 0.1)
            data = os.read(self.fileno, 4096) if ready else None
            if data == b"":  # the terminal is gone, and no signal came
                self._app.call_later(self._app.exit)
                return
            text = decode(data) if data else ""
            typed = self._answers.take(text) if text else self._answers.wait()
            for message in parser.feed(typed) if typed else ():
                self.process_message(message)
            for message in parser.tick():
                self.process_message(message)

    def process_message(self, message: Message) -> None:
        """Takes the answers; all else goes to the app."""
        if isinstance(message, events.CursorPosition) and self.pace.answer():
            self._ask()
        else:
            super().process_message(message)

    def disable_input(self) -> None:
        """Reads no more keys."""
        if not self.exit_event.is_set():
            self.pace.part()
        super().disable_input()
