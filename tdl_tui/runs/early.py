"""Why a training that has finished made no more epochs. Imports no torch."""

from __future__ import annotations

from .reader import RunReader
from .records import State, Summary

NEWEST = 50
"""Events that are looked through: after early stopping come but the last checkpoint, the best weights and the like."""


def stopped_early(reader: RunReader, summary: Summary) -> str:
    """What early stopping said when it ended a training; "" where it did not. Raises schema.UnreadableRun."""
    if summary.state is not State.FINISHED or summary.damage:
        return ""
    newest = reader.events_before(step=summary.progress.step, limit=NEWEST)
    said = [event.text for event in newest if event.kind == "early_stopping" and event.step == summary.progress.step]
    return said[-1] if said else ""
