"""What a shell offers for RUN. Imports no torch."""

from __future__ import annotations

from tdl_tui.runs.folders import find_home
from tdl_tui.runs.table import RunTable


def run_names(incomplete: str) -> list[tuple[str, str]]:
    """Ids and names of runs that begin so, each with a word on it; none that a terminal could not show."""
    summaries = RunTable(find_home()).refresh()
    found = [(s.id, f"{s.name}, {s.state}") for s in summaries]
    found += [(s.name, s.id) for s in summaries if s.name and " " not in s.name]
    found = [pair for pair in found if all(word.isprintable() for word in pair)]
    return [pair for pair in [*found, ("last", "the newest")] if pair[0].startswith(incomplete)]
