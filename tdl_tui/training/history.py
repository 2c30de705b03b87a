"""What a run's events say was done to its training, and what of that a resume does again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import Event
from tdl_tui.runs.undone import ROLLBACK, all_events, is_rollback
from tdl_tui.settables import PATHS

from .control import Command

REPEATED = ("set", "undo", "evaluate")
"""The verbs whose commands are carried out again, at their steps."""


@dataclass(frozen=True)
class Done:
    """A command that was carried out."""

    id: str
    verb: str
    arguments: Mapping[str, Any]
    who: str = ""


@dataclass(frozen=True)
class Replay:
    """What was done at steps that lie ahead again: at a step, the commands that hold for the steps after it, and the
    number of threads. Up to step `reached` nothing else was done."""

    commands: Mapping[int, Sequence[Command]] = field(default_factory=dict)
    threads: Mapping[int, int] = field(default_factory=dict)
    reached: int = 0


def read(reader: RunReader) -> list[Event]:
    """The events that changed how the run trained, oldest first, without those that a roll back has undone."""
    return standing(filter(_counts, all_events(reader)))


def standing(events: Iterable[Event]) -> list[Event]:
    """The events without those at or after the step of a roll back that came later: what was done at that step itself
    is in its checkpoint, or has gone with the steps after it."""
    left: list[Event] = []
    for event in events:
        if is_rollback(event):
            left = [earlier for earlier in left if earlier.step < event.step]
        else:
            left.append(event)
    return left


def replay(events: Iterable[Event], step: int, reached: int) -> Replay:
    """What was done from `step` on, where training goes on; it had come to step `reached`."""
    commands: dict[int, list[Command]] = {}
    threads: dict[int, int] = {}
    for event in events:
        data = event.data
        if event.step < step:
            continue
        if "threads" in data:
            threads[event.step] = int(data["threads"])
        if data.get("verb") in REPEATED:
            values = {path: data[path] for path in PATHS if path in data}
            commands.setdefault(event.step, []).append(Done(str(data.get("command")), str(data["verb"]), values))
    return Replay(commands, threads, reached)


def _counts(event: Event) -> bool:
    data = event.data
    return "threads" in data or (data.get("verb") in (*REPEATED, ROLLBACK) and not data.get("refused"))
