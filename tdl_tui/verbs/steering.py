"""What is done to a run at work: pause, resume, stop, change a value, go back, … Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tdl_tui.cli import WrongRequest
from tdl_tui.registry import shown
from tdl_tui.settables import SETTABLES, settable
from tdl_tui.worker import steer

from . import reports
from .options import Json, Run, plugin_option, remember_plugins
from .which_run import folder_of, summary_of


def _steering(verb: Callable[[Path], str], run: str, as_json: bool) -> None:
    folder = folder_of(run)
    summary_of(folder)
    message = verb(folder)
    if as_json:
        reports.print_json({"run": folder.name, "state": str(summary_of(folder).state), "message": message})
    else:
        reports.say(message)


def pause(run: Run, as_json: Json = False) -> None:
    """Let a run wait after the step in progress."""
    _steering(steer.pause, run, as_json)


def resume(
    run: Run, plugins: Annotated[list[str] | None, plugin_option(remember_plugins)] = None, as_json: Json = False
) -> None:
    """Let a paused run go on, or restart one from its checkpoint."""
    _steering(steer.resume, run, as_json)


def stop(
    run: Run,
    at_epoch_end: Annotated[
        bool, typer.Option("--at-epoch-end", help="after the epoch under way and its validation")
    ] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="take back a stop at the epoch's end")] = False,
    as_json: Json = False,
) -> None:
    """End a run after the step in progress, with a checkpoint."""
    if at_epoch_end and cancel:
        raise WrongRequest("--at-epoch-end asks for a stop, --cancel takes it back: one of them")
    _steering(steer.cancel_stop if cancel else steer.stop_at_epoch_end if at_epoch_end else steer.stop, run, as_json)


def evaluate(run: Run, as_json: Json = False) -> None:
    """Validate a live run at the step that it has come to."""
    _steering(steer.evaluate, run, as_json)


def rollback(
    run: Run,
    to: Annotated[
        str, typer.Option("--to", metavar="STEP|last|best|NAME", help="a checkpoint, see tdl show; else the last")
    ] = "last",
    as_json: Json = False,
) -> None:
    """Take a live run back to a checkpoint; what came after it is dropped."""
    _steering(lambda folder: steer.rollback(folder, to), run, as_json)


def undo(run: Run, as_json: Json = False) -> None:
    """Set back the last value that was changed in a live run."""
    _steering(steer.undo, run, as_json)


def checkpoint(run: Run, as_json: Json = False) -> None:
    """Have a run write a checkpoint that is kept."""
    _steering(steer.checkpoint, run, as_json)


def probe(
    run: Run,
    examples: Annotated[list[int], typer.Argument(metavar="EXAMPLE…", help="numbers of held-out examples")],
    as_json: Json = False,
) -> None:
    """Follow more examples of the validation or test part while a run trains."""
    _steering(lambda folder: steer.probe(folder, examples), run, as_json)


def set_value(
    run: Run,
    assignments: Annotated[
        list[str], typer.Argument(metavar="NAME=VALUE…", help=", ".join(one.short for one in SETTABLES))
    ],
    as_json: Json = False,
) -> None:
    """Change values of a live run from the next step on."""
    values = {}
    for assignment in assignments:
        name, equals, text = (part.strip() for part in assignment.partition("="))
        if not equals or not text:
            raise WrongRequest(f"set takes NAME=VALUE, as lr=3e-4, got {shown(assignment)}")
        found = settable(name)
        values[found.path] = found.check(text, {})
    _steering(lambda folder: steer.set_value(folder, values), run, as_json)
