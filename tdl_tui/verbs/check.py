"""`tdl check`: whether runs are as they should be, and mending them. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tdl_tui.cli import DONE, FAILED
from tdl_tui.runs.check import Finding, check_home, check_run
from tdl_tui.runs.home import find_home, resolve, run_folders

from .completion import run_names
from .options import Json
from .reports import print_json, say, tell


def check(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]", help="an id, the beginning of one, a name, or last; all without", autocompletion=run_names
        ),
    ] = None,
    repair: Annotated[bool, typer.Option("--repair", help="mend what can be mended")] = False,
    as_json: Json = False,
) -> int:
    """Look whether runs are whole: their record, checkpoints, permissions, files.

    Ends with 0 where all is well (or is now), with 1 where something is wrong.
    """
    home = find_home()
    folders = sorted(run_folders(home)) if run is None else [resolve(home, run)]
    found: dict[str, list[Finding]] = {}
    if run is None:
        found[""] = check_home(home, repair=repair)
    for folder in folders:
        found[folder.name] = findings = check_run(folder, repair=repair)
        if not as_json:
            _say(folder, findings)
    if as_json:
        print_json(
            {
                "home": [finding.document() for finding in found.pop("", [])],
                "runs": [
                    {"run": name, "findings": [finding.document() for finding in findings]}
                    for name, findings in found.items()
                ],
            }
        )
    else:
        _say(home, found.get("", []))
        tell(_in_all(len(folders), [finding for findings in found.values() for finding in findings]))
    return DONE if all(finding.mended for findings in found.values() for finding in findings) else FAILED


def _say(folder: Path, findings: list[Finding]) -> None:
    for finding in findings:
        say(f"{folder.name}: {finding}")


def _in_all(runs: int, findings: list[Finding]) -> str:
    looked = f"{runs} run{'' if runs == 1 else 's'} looked at"
    if not findings:
        return f"{looked}, all well"
    left = sum(not finding.mended for finding in findings)
    words = f"{len(findings)} finding{'' if len(findings) == 1 else 's'}"
    return f"{looked}, {words}, {f'{left} not mended' if left else 'all mended'}"
