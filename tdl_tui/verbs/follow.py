"""Following a run to its end from the command line: progress for people, and what Ctrl-C means meanwhile. No torch."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

from rich.cells import cell_len, set_cell_size

from tdl_tui.runs import commands
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import Event, Progress, State, Summary
from tdl_tui.runs.text import printable

from .reports import count, duration, number

POLL_SECONDS = 0.1
METRICS = ("val/accuracy", "val/r2")
PAST = 20
"""Events from before that are told."""
_SELF_EVIDENT = frozenset({"state", "command", "checkpoint", "early_stopping", "best", "learning_rate", "schedule"})
"""Kinds of events whose texts say what they are."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a run shows: its summary and the last values of what people follow."""

    summary: Summary
    values: dict[str, float]
    validated: int

    def line(self, width: int | None = None) -> str:
        """Epoch, steps, time left, loss, validation, learning rate, throughput; the last go first to fit a width."""
        parts = self._parts()
        while width is not None and len(parts) > 1 and cell_len("  ".join(parts)) > width:
            parts.pop()
        line = "  ".join(parts)
        return line if width is None or cell_len(line) <= width else set_cell_size(line, width)

    def _parts(self) -> list[str]:
        summary, values = self.summary, self.values
        progress = summary.progress
        if not progress.step:
            waits = "queued, waits for its turn" if summary.state is State.QUEUED else str(summary.state)
            return [summary.message or waits]
        epochs = summary.experiment.get("training", {}).get("epochs", "?")
        of = f"/{count(progress.total_steps)}" if progress.total_steps else ""
        parts = [f"epoch {progress.epoch}/{epochs}", f"step {count(progress.step)}{of}"]
        if summary.state is State.PAUSED:
            parts.append("paused")
        elif (left := seconds_left(progress)) is not None:
            parts.append(f"{duration(left)} left")
        names = {"train/loss": "loss", "val/loss": "val", "val/accuracy": "accuracy", "val/r2": "R²", "lr": "lr"}
        parts += [f"{word} {number(values[name])}" for name, word in names.items() if name in values]
        if "speed/samples_per_s" in values:
            parts.append(f"{count(values['speed/samples_per_s'])} samples/s")
        return parts


def seconds_left(progress: Progress) -> float | None:
    """Training time to the last step at the speed so far; None where nothing can be said."""
    left = progress.total_steps - progress.step
    return progress.seconds / progress.step * left if progress.step and left > 0 else None


def look(reader: RunReader) -> Look:
    summary = reader.summary()
    values: dict[str, float] = {}
    validated = 0
    if summary.progress.step and not summary.damage:
        for name in ("train/loss", "val/loss", *METRICS, "lr", "speed/samples_per_s"):
            if (point := reader.last(name)) is not None:
                values[name] = point.value
                validated = point.step if name == "val/loss" else validated
    return Look(summary, values, validated)


class Progressing:
    """Shows looks: in one line that is written over, or in a line an epoch and at each new state."""

    def __init__(self, out: TextIO, *, rewrites: bool) -> None:
        self._out = out
        self._rewrites = rewrites
        self._shown = ""
        self._told: object = None

    def show(self, now: Look) -> None:
        if self._rewrites:
            line = printable(now.line(shutil.get_terminal_size().columns - 1))
            if line != self._shown:
                self._out.write(f"\r{line}\x1b[K")
                self._out.flush()
                self._shown = line
            return
        summary = now.summary
        news = (summary.state is State.PAUSED, now.validated or summary.progress.epoch)
        told = news if summary.progress.step else now.line()
        if told != self._told:
            self._told = told
            self.say(now.line())

    def say(self, line: str) -> None:
        """A line that stays."""
        line = printable(line)
        self._out.write(f"\r{line}\x1b[K\n" if self._rewrites else f"{line}\n")
        self._out.flush()
        self._shown = ""

    def clear(self) -> None:
        if self._shown:
            self._out.write("\r\x1b[K")
            self._out.flush()
            self._shown = ""


class Interrupts:
    """Counts Ctrl-C instead of being torn out of work by it."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def caught(self) -> Iterator[Interrupts]:
        def note(number: int, frame: FrameType | None) -> None:
            self.count += 1

        before = signal.signal(signal.SIGINT, note)
        try:
            yield self
        finally:
            signal.signal(signal.SIGINT, before)


class Happenings:
    """A run's events in lines, each told once: the newest PAST of those before, and all that come."""

    def __init__(self, reader: RunReader) -> None:
        self._reader = reader
        self._told = -1

    def fresh(self) -> list[str]:
        """A line for each event since the last time: time of day, step, what kind it is where that matters, text."""
        reader, told = self._reader, self._told
        events = reader.events(told) if told >= 0 else reader.events_before(limit=PAST)
        self._told = events[-1].id if events else max(0, told)
        return [in_words(event) for event in events]


def event_documents(reader: RunReader) -> list[dict[str, Any]]:
    """All of a run's events as values of JSON."""
    found: list[Event] = []
    while page := reader.events(found[-1].id if found else 0):
        found += page
    return [
        {"time": event.time, "step": event.step, "kind": event.kind, "text": event.text, "data": event.data}
        for event in found
    ]


def in_words(event: Event) -> str:
    """An event in one line, all of it: what a screen shows by a sign or a colour is said."""
    when = time.strftime("%H:%M:%S", time.localtime(event.time))
    kind = "" if event.kind in _SELF_EVIDENT else f"{event.kind.replace('_', ' ')}: "
    text = str(event.data.get("text", event.text)) if event.kind == "sample" else event.text
    return "  ".join(
        filter(None, (when, f"step {count(event.step)}" if event.step else "", kind + " ".join(text.split())))
    )


def follow(folder: Path, progressing: Progressing, interrupts: Interrupts, *, happenings: bool = False) -> Summary:
    """Shows a run's progress until it has ended, and returns how it stands then. With `happenings` its events too.

    The first Ctrl-C tells the run to stop with a checkpoint; a second one waits no longer, and its state may be a live
    one still.
    """
    stopping = False
    with RunReader(folder) as reader:
        followed = False
        events = Happenings(reader) if happenings else None
        while waits(reader.summary()):
            followed = True
            progressing.show(look(reader))
            _tell(events, progressing)
            if interrupts.count and not stopping:
                stopping = True
                commands.send(folder, "stop")
                progressing.say("stopping with a checkpoint; Ctrl-C again does not wait for it")
            if interrupts.count > 1:
                break
            time.sleep(POLL_SECONDS)
        last = look(reader)
        if followed and last.summary.progress.step:
            progressing.show(last)
        if not last.summary.damage:
            _tell(events, progressing)
        progressing.clear()
        return last.summary


def _tell(events: Happenings | None, progressing: Progressing) -> None:
    for line in events.fresh() if events else ():
        progressing.say(line)


def waits(summary: Summary) -> bool:
    """Whether there is more to come from this run."""
    return not summary.damage and (summary.state.live or summary.state is State.QUEUED)
