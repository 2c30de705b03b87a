"""The checkpoints of a run: which there are, and of which step. Opens none of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .reader import RunReader
from .records import Event
from .undone import all_events, is_rollback

FOLDER = "checkpoints"
LAST, PREVIOUS, BEST, ORIGIN = "last.pt", "previous.pt", "best.pt", "origin.pt"
_STEP = re.compile(r"step-(\d+)\.pt")


class UnknownCheckpoint(Exception):
    """A run has no such checkpoint; the message says what there is, in one line."""


@dataclass(frozen=True)
class Kept:
    """A checkpoint: its file's name, its step, when it was written (seconds since the epoch) and its size in bytes.

    `epochs` are behind it, its last `waited` validations found nothing better, and `values` are those in force that can
    be changed while training, by path; 0 and none where that is not known. One that is not `whole` has weights alone:
    neither an optimizer's state nor a random one.
    """

    name: str
    step: int
    time: float
    size: int
    epochs: int = 0
    values: dict[str, Any] = field(default_factory=dict)
    waited: int = 0

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
    known = _of_events(_checkpoints(reader))
    if isinstance(parent := facts.get("parent"), dict):
        known.setdefault(ORIGIN, (int(parent.get("step", 0)), {}))
    known.setdefault(BEST, (int((facts.get("best") or {}).get("step", 0)), {}))
    found = []
    for path in (folder / FOLDER).glob("*.pt"):
        if match := _STEP.fullmatch(path.name):
            known.setdefault(path.name, (int(match[1]), {}))
        if path.name in known and path.is_file() and not path.is_symlink():
            status = path.stat()
            step, said = known[path.name]
            epochs, values, waited = said.get("epochs"), said.get("settings"), said.get("waited")
            found.append(
                Kept(
                    path.name,
                    step,
                    status.st_mtime,
                    status.st_size,
                    epochs if isinstance(epochs, int) else 0,
                    values if isinstance(values, dict) else {},
                    waited if isinstance(waited, int) else 0,
                )
            )
    order = (LAST, BEST)
    return sorted(found, key=lambda one: (-one.step, order.index(one.name) if one.name in order else 2, one.name))


def same_examples(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Whether two experiments' documents have the same training, validation and test parts."""
    keys = ("dataset", "options", "split", "split_seed", "normalize")
    here, there = first.get("data", {}), second.get("data", {})
    return all(here.get(key) == there.get(key) for key in keys)


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
    return (event for event in all_events(reader) if event.kind == "checkpoint" or is_rollback(event))


def _of_events(events: Iterable[Event]) -> dict[str, tuple[int, dict[str, Any]]]:
    """The steps of checkpoints, and what else their events say, by name. (Before they said something, a run had a last
    one alone, and those whose names tell.)"""
    known: dict[str, tuple[int, dict[str, Any]]] = {}
    for event in events:
        if LAST in known:
            known[PREVIOUS] = known[LAST]
        if event.kind != "checkpoint":
            continue  # a roll back, which has put the same in both places
        for name in {LAST, str(event.data.get("name") or LAST)}:
            known[name] = event.step, event.data
        if isinstance(best := event.data.get("best"), int):
            known[BEST] = best, {"epochs": event.data.get("best_epoch")}
    return known
