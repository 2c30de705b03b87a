"""The queue on the command line: what waits for which device, and how many may be at work. Imports no torch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from tdl_tui.cli import FailedRequest
from tdl_tui.runs import queue as runs_queue
from tdl_tui.runs.folders import find_home
from tdl_tui.runs.records import State, Summary
from tdl_tui.runs.table import RunTable
from tdl_tui.spec import Experiment
from tdl_tui.worker import launch
from tdl_tui.worker.checks import auto_device

from . import reports
from .options import Json


def queue(
    at_most: Annotated[
        int | None, typer.Option("--at-most", metavar="N", min=1, help="let so many be at work on a device at a time")
    ] = None,
    as_json: Json = False,
) -> None:
    """What is at work and what waits, device by device."""
    home = find_home()
    if at_most is not None:
        runs_queue.set_at_most(home, at_most)
    limit = runs_queue.at_most(home)
    runs = RunTable(home).refresh()
    waits = runs_queue.waiting(runs)
    rows = _rows([run for run in reversed(runs) if run.state.live] + waits, auto_device())
    if as_json:
        reports.print_json({"at_most": limit, "runs": rows})
    else:
        if rows:
            reports.say(_text(rows))
        said = f"{len(waits) or 'no'} run{'' if len(waits) == 1 else 's'} waiting"
        reports.tell(f"{said}; at most {limit} at work on a device (tdl queue --at-most N)")
    if waits:
        keep_moving(home)


def enqueue(made: Experiment, as_json: bool) -> None:
    """Has an experiment wait for its turn, and says which place it has."""
    queued = launch.enqueue(made, find_home())
    if as_json:
        reports.print_json({"run": queued.folder.name, "place": queued.place})
        return
    place = f"place {queued.place} in the queue" if queued.place else "its turn has come"
    reports.say(f"{queued.folder.name}  {made.title}  ({place} for {queued.device}; tdl queue shows all)")


def keep_moving(home: Path) -> None:
    """Sees to it that somebody starts what waits. Raises FailedRequest."""
    try:
        launch.ensure_runner(home)
    except OSError as error:
        raise FailedRequest(f"no runner can be started for the queue: {error.strerror}") from None


def _rows(runs: Sequence[Summary], auto: str) -> list[dict[str, Any]]:
    """A row a run, by device; in each the runs at work, then those that wait, in their order."""
    places = runs_queue.places(runs, auto)
    rows = [
        {
            "device": runs_queue.device_of(run, auto),
            "place": places.get(run.id),
            "run": run.id,
            "name": run.name,
            "state": str(run.state),
            "created": run.created,
        }
        for run in runs
    ]
    return sorted(rows, key=lambda row: str(row["device"]))


def _text(rows: Sequence[dict[str, Any]]) -> str:
    now = time.time()
    lines = [
        (
            row["device"],
            row["run"],
            row["state"] if row["state"] != State.QUEUED else f"{State.QUEUED} {row['place']}",
            row["name"],
            reports.age(row["created"], now),
        )
        for row in rows
    ]
    return reports.table(lines, ("DEVICE", "RUN", "STATE", "NAME", "AGE"))
