"""`tdl rm`: runs are removed for good. Imports no torch."""

from __future__ import annotations

from typing import Annotated

import typer

from tdl_tui.cli import WrongRequest
from tdl_tui.runs import lock
from tdl_tui.runs.home import delete, purge
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State

from .completion import run_names
from .options import Json
from .reports import print_json, say
from .which_run import folder_of


def rm(
    runs: Annotated[list[str], typer.Argument(metavar="RUN…", help="ids, names, or last", autocompletion=run_names)],
    force: Annotated[bool, typer.Option("--force", help="also a copy of a run that is at work elsewhere")] = False,
    as_json: Json = False,
) -> None:
    """Remove runs for good; none where one of them is at work."""
    folders = list(dict.fromkeys(folder_of(run) for run in runs))
    for folder in folders:
        with RunReader(folder) as reader:
            summary = reader.summary()
        if lock.held(folder) or summary.state.live:
            raise WrongRequest(f"{folder.name} is {summary.state}: stop it first (tdl stop {folder.name})")
        if summary.state is State.ELSEWHERE and not force:
            raise WrongRequest(
                f"{folder.name} runs on {summary.host or 'another machine'}: stop it there, or remove it with --force"
            )
    for folder in folders:
        purge(delete(folder))
    removed = [folder.name for folder in folders]
    if as_json:
        print_json({"removed": removed})
    else:
        say(f"removed {', '.join(removed)}")
