"""`tdl profile`: what a few steps of a training at work are made of. Imports no torch."""

from __future__ import annotations

from typing import Annotated

import typer

from tdl_tui.runs import home as runs_home
from tdl_tui.runs.profiles import MOST_STEPS, STEPS, profile_of
from tdl_tui.worker import steer

from . import costs, reports
from .completion import run_names


def profile(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="an id, the beginning of one, a name, or last", autocompletion=run_names),
    ],
    steps: Annotated[int, typer.Option("--steps", metavar="N", min=1, max=MOST_STEPS, help="how many")] = STEPS,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document on standard output")] = False,
) -> None:
    """Profile the next steps of a run: its operators, and a trace to look at."""
    folder = runs_home.resolve(runs_home.find_home(), run)
    found = profile_of(steer.profile(folder, steps).data)
    if as_json:
        reports.print_json({"run": folder.name, **found.document(), "trace": str(folder / found.trace)})
    else:
        reports.say(costs.profile_text(found, folder))
