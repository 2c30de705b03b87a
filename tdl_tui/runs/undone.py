"""A run's events, and which of them a roll back has undone: what happened at the steps after the one gone back to, and
the changes of values at that step that its checkpoint knows nothing of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import inf
from typing import TYPE_CHECKING

from .records import Event

if TYPE_CHECKING:
    from .reader import RunReader

ROLLBACK = "rollback"
"""The verb of the command; its event is of the step that was gone back to."""
SETTING = ("set", "undo")
"""The verbs that change values."""


def all_events(reader: RunReader) -> Iterator[Event]:
    """All events, the oldest first."""
    after = 0
    while events := reader.events(after):
        yield from events
        after = events[-1].id


def is_rollback(event: Event) -> bool:
    """Whether a training went back to the event's step."""
    return event.data.get("verb") == ROLLBACK and not event.data.get("refused")


def undone(events: Sequence[Event]) -> frozenset[int]:
    """The ids of the events, oldest first, that a later roll back has undone. (Before a roll back's event said which
    commands its checkpoint had `heard`, none of its own step were taken to be.)"""
    found: set[int] = set()
    back: float = inf
    heard: object = None
    for event in reversed(events):
        data = event.data
        unknown = isinstance(heard, list) and data.get("verb") in SETTING and data.get("command") not in heard
        if event.step > back or (event.step == back and unknown):
            found.add(event.id)
        elif is_rollback(event) and event.step < back:
            back, heard = event.step, data.get("heard")
    return frozenset(found)


def holding(events: Iterable[Event]) -> list[Event]:
    """The events that no roll back has undone, oldest first."""
    known = list(events)
    gone = undone(known)
    return [event for event in known if event.id not in gone]
