"""`tdl metrics`: every point of a run's series. Imports no torch."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Annotated

import typer

from tdl_tui.cli import FailedRequest, WrongRequest
from tdl_tui.registry import nearest
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.text import printable

from .options import Json, Run
from .reports import finite
from .which_run import folder_of


def metrics(
    run: Run,
    series: Annotated[list[str] | None, typer.Argument(metavar="[SERIES]…", help="train/loss, …; all without")] = None,
    as_json: Json = False,
) -> None:
    """Every point that was recorded: series, step, time, value."""
    folder = folder_of(run)
    with RunReader(folder) as reader:
        there = reader.series_names()
        for name in series or ():
            if name not in there:
                near = nearest(name, there)
                hint = f'nearest: "{near}"' if near else f"it has {', '.join(there) or 'none yet'}"
                raise WrongRequest(f'{folder.name} has no series "{name}"; {hint}')
        if as_json:
            _write_json(reader, series or there)
            return
        for name in series or there:
            shown_name = printable(name)
            for point in reader.points(name):
                sys.stdout.write(f"{shown_name}\t{point.step}\t{point.time!r}\t{point.value!r}\n")


def _write_json(reader: RunReader, names: Iterable[str]) -> None:
    """The document, written as it is read: a page of points is in memory at a time, however long the run."""
    out = sys.stdout
    out.write(f'{{"run": {json.dumps(reader.folder.name)}, "series": {{')
    for position, name in enumerate(names):
        extent = reader.extent(name)
        count = extent[2] if extent else 0
        out.write(f"{', ' if position else ''}{json.dumps(name)}: {{")
        for column, key in enumerate(("step", "time", "value")):
            out.write(f'{", " if column else ""}"{key}": [')
            written = 0
            for page in reader.pages(name, count):
                numbers = json.dumps(finite(page[column].tolist()), allow_nan=False)[1:-1]
                out.write(f"{', ' if written else ''}{numbers}")
                written += len(page[column])
            out.write("]")
            if written < count:
                raise FailedRequest(f"{reader.folder.name} was resumed from an earlier step meanwhile; ask again")
        out.write("}")
    out.write("}}\n")
