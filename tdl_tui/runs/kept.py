"""The checkpoints of a run: which there are, and of which step. Opens none of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .reader import RunReader
from .records import Event

FOLDER = "checkpoints"
LAST, PREVIOUS, BEST, ORIGIN = "last.pt", "previous.pt", "best.pt", "origin.pt"
_STEP = re.compile(r"step-(\d+)\.pt")


class UnknownCheckpoint(Exception):
    """A run has no such checkpoint; the message says what there is, in one line."""


@dataclass(frozen=True)
class Kept:
    """A checkpoint: its file's name, its step, when it was written (seconds since the epoch) and its size in bytes.

    `values` are those in force that can be changed while training, by path; none where that is not known. A checkpoint
    that is not `whole` has weights alone: neither an optimizer's state nor a random one.
    """

    name: str
    step: int
    time: float
    size: int
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        return self.name != BEST

    @property
    def short(self) -> str:
        """The name as people say it: "last", "best", "step-500"."""
        return self.name.removesuffix(".pt")


def kept(folder: Path, reader: RunReader) -> list[Kept]:
    """A run's checkpoints, of the latest step first. Raises schema.UnreadableRun."""
    facts = reader.facts()
    steps, values = _of_events(_checkpoints(reader))
    if isinstance(parent := facts.get("parent"), dict):
        steps.setdefault(ORIGIN, int(parent.get("step", 0)))
    best = facts.get("best") or {}
    steps.setdefault(BEST, int(best.get("step", 0)))
    found = []
    for path in (folder / FOLDER).glob("*.pt"):
        if match := _STEP.fullmatch(path.name):
            steps.setdefault(path.name, int(match[1]))
        if path.name in steps and path.is_file() and not path.is_symlink():
            status = path.stat()
            step = steps[path.name]
            found.append(Kept(path.name, step, status.st_mtime, status.st_size, values.get(path.name, {})))
    order = (LAST, BEST)
    return sorted(found, key=lambda one: (-one.step, order.index(one.name) if one.name in order else 2, one.name))


def choose(found: Iterable[Kept], text: str) -> Kept:
    """The checkpoint that a person means: "last", "best", "step-500", or 500. Raises UnknownCheckpoint."""
    there = list(found)
    names = (f"{text}.pt", text, f"step-{text}.pt")
    for one in there:
        if one.name in names:
            return one
    can = ", ".join(one.short for one in there)
    raise UnknownCheckpoint(f"there is no checkpoint {text}; there is {can}" if can else "there is no checkpoint yet")


def _checkpoints(reader: RunReader) -> Iterable[Event]:
    after = 0
    while events := reader.events(after):
        yield from (e for e in events if e.kind == "checkpoint" or e.data.get("verb") == "rollback")
        after = events[-1].id


def _of_events(events: Iterable[Event]) -> tuple[dict[str, int], dict[str, dict[str, Any]]]:
    """The steps and values of checkpoints by name, as their events say them. (Before they said so, a run had a last
    one alone, and those whose names tell.)"""
    steps: dict[str, int] = {}
    values: dict[str, dict[str, Any]] = {}
    for event in events:
        if event.kind != "checkpoint":  # a roll back puts the same in both places
            if LAST in steps:
                steps[PREVIOUS], values[PREVIOUS] = steps[LAST], values[LAST]
            continue
        if LAST in steps:
            steps[PREVIOUS], values[PREVIOUS] = steps[LAST], values[LAST]
        found = event.data.get("settings")
        now = found if isinstance(found, dict) else {}
        for name in {LAST, str(event.data.get("name") or LAST)}:
            steps[name], values[name] = event.step, now
        if isinstance(best := event.data.get("best"), int):
            steps[BEST] = best
    return steps, values
