"""The table of verbs, and the command line that is made of it. A verb's module is imported when that verb is wanted."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Annotated

import typer

from tdl_tui.cli import DONE, WrongRequest, workbench

from .options import Ascii, Fps, NoColor, display, plugin_option, remember_plugins

VERBS = {
    "new": "workbench:new",
    "open": "workbench:open_run",
    "train": "train:train",
    "lr-find": "lr_find:find_lr",
    "tail": "tail:tail",
    "queue": "queue:queue",
    "check": "check:check",
    "profile": "profile:profile",
    "ls": "ls:ls",
    "show": "show:show",
    "metrics": "metrics:metrics",
    "pause": "steering:pause",
    "resume": "steering:resume",
    "stop": "steering:stop",
    "evaluate": "steering:evaluate",
    "rollback": "steering:rollback",
    "fork": "fork:fork",
    "undo": "steering:undo",
    "checkpoint": "steering:checkpoint",
    "probe": "steering:probe",
    "set": "steering:set_value",
    "rm": "rm:rm",
    "models": "catalogs:models",
    "datasets": "catalogs:datasets",
    "losses": "catalogs:losses",
    "optimizers": "catalogs:optimizers",
    "schedules": "catalogs:schedules",
    "summary": "summary:summary",
    "doctor": "doctor:doctor",
    "data": "data:data",
}
"""Each verb, in the order of `tdl --help`: a module of this package, and its function or group of verbs."""


def carry_out(arguments: list[str]) -> int:
    """Carries out a command line and returns its exit status. Raises what `refusals` names."""
    wanted = arguments[:1]
    if wanted and not wanted[0].startswith("-") and wanted[0] not in VERBS:
        from tdl_tui.registry import nearest, shown

        near = nearest(wanted[0], list(VERBS))
        hint = f'nearest: "{near}"' if near else f"there are: {', '.join(VERBS)}"
        raise WrongRequest(f"no verb {shown(wanted[0])}; {hint}")
    app = command_line(wanted if wanted and wanted[0] in VERBS else VERBS)
    return int(app(arguments, prog_name="tdl", standalone_mode=False) or DONE)


def command_line(verbs: Iterable[str]) -> typer.Typer:
    """The command line with these verbs."""
    app = typer.Typer(
        name="tdl",
        help="A training workbench that lives in a terminal. Without a verb: the workbench.",
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=False,
    )
    app.callback(invoke_without_command=True)(_tdl)
    for verb in verbs:
        module, _, name = VERBS[verb].partition(":")
        found = getattr(import_module(f"{__package__}.{module}"), name)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=verb)
        else:
            app.command(verb)(found)
    return app


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        from .reports import say

        say(f"tdl {version('tdl-tui')}")
        raise typer.Exit


def _tdl(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="which version this is")
    ] = False,
    fps: Fps = None,
    no_color: NoColor = False,
    ascii: Ascii = False,
    plugins: Annotated[list[str] | None, plugin_option(remember_plugins)] = None,
) -> None:
    if context.invoked_subcommand is None:
        workbench(display=display(fps, no_color, ascii))
    elif fps is not None or no_color or ascii:
        raise WrongRequest("--fps, --no-color and --ascii go behind the verb: tdl open RUN --ascii")
