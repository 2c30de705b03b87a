"""A run's events, and which of them a roll back has undone: what happened at the steps after the one gone back to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import inf
from typing import TYPE_CHECKING

from .records import Event

if TYPE_CHECKING:
    from .reader import RunReader

ROLLBACK = "rollback"
"""The verb of the command; its event is of the step that was gone back to."""


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
    """The ids of the events, oldest first, that lie after the step of a later roll back."""
    found: set[int] = set()
    back = inf
    for event in reversed(events):
        if event.step > back:
            found.add(event.id)
        elif is_rollback(event):
            back = event.step
    return frozenset(found)


def holding(events: Iterable[Event]) -> list[Event]:
    """The events that no roll back has undone, oldest first."""
    known = list(events)
    gone = undone(known)
    return [event for event in known if event.id not in gone]
