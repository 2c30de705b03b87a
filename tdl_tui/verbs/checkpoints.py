"""The checkpoints of a run that a fork or a roll back can name; for people and as plain values. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tdl_tui.runs.kept import PREVIOUS, kept
from tdl_tui.runs.reader import RunReader
from tdl_tui.widgets.numbers import grouped

SHOWN = 8


def checkpoints(reader: RunReader) -> list[dict[str, Any]]:
    """As `tdl show --json` gives them, of the latest step first: `name` as `--from` and `--to` take it, `step`, `time`
    (seconds since the epoch) and `bytes`. Raises schema.UnreadableRun."""
    found = [one for one in kept(reader.folder, reader) if one.name != PREVIOUS]
    return [{"name": one.short, "step": one.step, "time": one.time, "bytes": one.size} for one in found]


def checkpoints_rows(found: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """The same as a line of `tdl show`."""
    said = [
        one["name"] if one["name"] == f"step-{one['step']}" else f"{one['name']} (step {grouped(one['step'])})"
        for one in found[:SHOWN]
    ]
    more = [f"{len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return [("kept", ", ".join([*said, *more]))]
