"""`tdl fork`: a new run that begins with a checkpoint of another. Imports torch where a network must be asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from tdl_tui.plugins.named import refuse_unnamed
from tdl_tui.runs.home import find_home
from tdl_tui.spec import NAMED, assign_text, experiment
from tdl_tui.worker.checks import check_batch, check_device
from tdl_tui.worker.origin import origin

from .options import Assignments, Json, Plugins, Run
from .reports import tell
from .train import launch
from .which_run import folder_of


def fork(
    run: Run,
    *,
    start: Annotated[
        str, typer.Option("--from", metavar="STEP|last|best|NAME", help="a checkpoint, see tdl show; else the last")
    ] = "last",
    assignments: Assignments = None,
    name: Annotated[str | None, typer.Option("--name", help="what to call the new run")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="launch it and return at once")] = False,
    plugins: Plugins = None,
    as_json: Json = False,
) -> int:
    """Launch a new run that begins with a checkpoint of another, and follow it."""
    begun = origin(folder_of(run), start)
    refuse_unnamed(find_home(), begun.experiment)  # its plugins would be executed
    document = begun.document
    if name is not None:
        document["name"] = name
    change(document, assignments or ())
    made = experiment(document)
    begun.refuse(made, _asked_here)
    check_device(made.training.device)
    check_batch(made)
    tell(begun.line)
    return launch(made, detach, as_json, begun)


def change(document: dict[str, Any], assignments: Iterable[str]) -> None:
    """Changes an experiment's document as --set says: another entry does not have the options of the one before."""
    for assignment in assignments:
        path, _, text = (part.strip() for part in assignment.partition("="))
        for section, key, _ in NAMED:
            if path == f"{section}.{key}" and document[section][key] != text:
                document[section].pop("options", None)
        assign_text(document, assignment)


def _asked_here(request: Mapping[str, Any]) -> dict[str, Any]:
    """Answers what else a spare worker is asked."""
    import torch  # noqa: F401  # before what stands in for its compiler

    from tdl_tui.worker import compiler

    compiler.put_off()
    from tdl_tui.worker.questions import QUESTIONS

    return QUESTIONS[request["ask"]](experiment(request["experiment"]), find_home(), request)
