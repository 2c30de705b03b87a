"""`tdl profile`: what a few steps of a training at work are made of. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tdl_tui.runs.profiles import MOST_STEPS, STEPS, Profile, profile_of
from tdl_tui.widgets.numbers import duration
from tdl_tui.worker import steer

from .options import Json, Run
from .reports import print_json, say, table
from .which_run import folder_of


def profile(
    run: Run,
    steps: Annotated[int, typer.Option("--steps", metavar="N", min=1, max=MOST_STEPS, help="how many")] = STEPS,
    as_json: Json = False,
) -> None:
    """Profile the next steps of a run: its operators, and a trace to look at."""
    folder = folder_of(run)
    found = profile_of(steer.profile(folder, steps).data)
    if as_json:
        print_json({"run": folder.name, **found.document(), "trace": str(folder / found.trace)})
    else:
        say(profile_text(found, folder))


def profile_text(found: Profile, folder: Path) -> str:
    """A profile on one screen: the dearest operators, and where the whole is."""
    rows = [
        (operator.name, f"{operator.calls:,}".rjust(7), duration_of(operator.seconds), f"{operator.share:6.1%}")
        for operator in found.operators
    ]
    each = duration_of(found.seconds / found.steps).strip()
    rest = max(0.0, 1 - sum(operator.share for operator in found.operators))
    return "\n".join(
        [
            f"{found.steps:,} steps from step {found.first:,}, {each} each",
            "",
            table(rows, ("OPERATOR", "  CALLS", "      OWN", " SHARE")),
            f"the rest, and between operators: {rest:.1%}",
            "",
            f"{folder / found.trace}: open it in ui.perfetto.dev or chrome://tracing",
        ]
    )


def duration_of(seconds: float) -> str:
    """A short time in nine cells: "  12.3 µs", " 4.56 ms"."""
    if seconds >= 1:
        return duration(seconds).rjust(9)
    value, unit = (seconds * 1e3, "ms") if seconds >= 1e-3 else (seconds * 1e6, "µs")
    return f"{value:.3g} {unit}".rjust(9)
