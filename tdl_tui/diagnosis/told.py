"""A run's diagnoses as they are told: those that hold and those that are over, from its events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tdl_tui.runs.reader import diagnosis
from tdl_tui.runs.records import Diagnosis, Event
from tdl_tui.runs.undone import holding

from .watch import KIND


@dataclass(frozen=True)
class Told:
    """A diagnosis, and the step at which it was over; None where it holds."""

    diagnosis: Diagnosis
    until: int | None = None


def told(held: Iterable[Diagnosis], events: Iterable[Event]) -> list[Told]:
    """The diagnoses that hold in their own order, then those that are over, the latest first; `events`, the oldest
    first, without what a roll back has undone. Events that say no diagnosis are passed over: a run may be somebody
    else's."""
    now = {found.rule: Told(found) for found in held}
    past: list[Told] = []
    began: dict[str, Diagnosis] = {}
    for event in holding(events):
        if event.kind != KIND:
            continue
        values = dict(event.data)
        over = values.pop("over", None)
        try:
            found = diagnosis(values)
        except (TypeError, ValueError):
            continue
        if not over:
            began[found.rule] = found
        elif first := began.pop(found.rule, None):
            past.append(Told(first, event.step))
    return [*now.values(), *reversed(past)]
