"""What a shell offers: names only, and nothing is imported before it asks. No torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

Offered = list[tuple[str, str]]
"""Names, each with a word on it."""


def run_names(incomplete: str) -> Offered:
    """Ids and names of runs that begin so; none that a terminal could not show."""
    from tdl_tui.runs.folders import find_home
    from tdl_tui.runs.table import RunTable

    summaries = RunTable(find_home()).refresh()
    found = [(s.id, f"{s.name}, {s.state}") for s in summaries]
    found += [(s.name, s.id) for s in summaries if s.name and " " not in s.name]
    found = [pair for pair in found if all(word.isprintable() for word in pair)]
    return [pair for pair in [*found, ("last", "the newest")] if pair[0].startswith(incomplete)]


def entries(
    table: Literal["DATASETS", "ARCHITECTURES", "LOSSES", "OPTIMIZERS", "SCHEDULES"],
) -> Callable[[str], Offered]:
    """What offers the names in a table of `tdl_tui.registry`."""

    def complete(incomplete: str) -> Offered:
        from tdl_tui import registry

        return [(entry.name, entry.help) for entry in getattr(registry, table) if entry.name.startswith(incomplete)]

    return complete


def devices(incomplete: str) -> list[str]:
    return [device for device in ("auto", "cpu", "cuda", "cuda:0", "mps") if device.startswith(incomplete)]
