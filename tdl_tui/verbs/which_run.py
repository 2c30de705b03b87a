"""The run that RUN means."""

from __future__ import annotations

from pathlib import Path

from tdl_tui.runs.home import find_home, resolve
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import Summary


def folder_of(run: str) -> Path:
    """Its folder. Raises HomeError."""
    return resolve(find_home(), run)


def summary_of(folder: Path) -> Summary:
    """The run in short. Raises UnreadableRun."""
    with RunReader(folder) as reader:
        return reader.readable_summary()
