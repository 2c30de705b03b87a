"""`tdl ls`: all runs. Imports no torch."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size

from tdl_tui.data_name import data_name
from tdl_tui.runs.family import branches, in_families
from tdl_tui.runs.home import find_home, runs_folder
from tdl_tui.runs.records import Summary
from tdl_tui.runs.table import RunTable

from . import reports
from .options import Json
from .reports import age, best_text, progress_text, table

NAME_WIDTH = 32


def ls(as_json: Json = False) -> None:
    """All runs, the newest first, and forks below what they were forked from."""
    home = find_home()
    summaries = RunTable(home).refresh()
    if as_json:
        folder = runs_folder(home)
        reports.print_json([reports.run_document(summary, folder / summary.id) for summary in summaries])
    elif summaries:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        reports.say(runs_table(summaries, time.time(), width))
    else:
        reports.tell(f"no runs yet in {home}; tdl train makes one")


def runs_table(summaries: Sequence[Summary], now: float, width: int | None = None) -> str:
    """A line a run, forks below what they were forked from. Where that is wider than `width` it does without data and
    architecture: names mostly say them."""

    def row(summary: Summary, branch: str) -> list[str]:
        name = f"{branch} {summary.name}" if branch else summary.name
        name = name if cell_len(name) <= NAME_WIDTH else f"{set_cell_size(name, NAME_WIDTH - 1)}…"
        data, model = summary.experiment.get("data", {}), summary.experiment.get("model", {})
        facts = [data_name(data), model.get("architecture", ""), progress_text(summary), best_text(summary)]
        if summary.damage:
            facts = ["", "", "", summary.damage]
        return [summary.id, "damaged" if summary.damage else summary.state, name, *facts, age(summary.created, now)]

    ordered = in_families(summaries)
    rows = map(row, ordered, branches(ordered))
    lines = [["RUN", "STATE", "NAME", "DATA", "MODEL", "EPOCH", "BEST", "AGE"], *rows]
    whole = table(lines)
    if width is None or max(map(cell_len, whole.splitlines())) <= width:
        return whole
    return table([[*line[:3], *line[5:]] for line in lines])
