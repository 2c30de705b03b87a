"""What a verb can raise, and how that is said. Imported only when something was raised."""

from __future__ import annotations

import typer

from tdl_tui.plugins.faults import PluginError
from tdl_tui.registry import UnknownName
from tdl_tui.runs.commands import CommandError
from tdl_tui.runs.home import HomeError
from tdl_tui.runs.schema import UnreadableRun
from tdl_tui.spec import SpecError
from tdl_tui.worker.checks import LaunchError
from tdl_tui.worker.steer import AskedWrongly, SteerError

REFUSALS = (
    typer.TyperException,
    SpecError,
    PluginError,
    UnknownName,
    HomeError,
    LaunchError,
    UnreadableRun,
    AskedWrongly,
)
"""Something was asked wrongly."""
FAILURES = (SteerError, CommandError)
"""What was asked was right, and failed."""


def in_one_line(error: Exception) -> str:
    """The message of a refusal."""
    text = error.format_message() if isinstance(error, typer.TyperException) else str(error)
    return " ".join(text.split())
