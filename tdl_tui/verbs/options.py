"""The arguments and options that several verbs take."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from tdl_tui.cli import complain
from tdl_tui.widgets.display import RATE, RATES, Display, display_of

from .completion import devices, entries, run_names

BUILDING = ("tdl summary", "tdl lr-find", "tdl data show")
"""Verbs that import torch in this process."""


def use_plugins(context: typer.Context, plugins: list[str]) -> list[str]:
    """Makes known what plugins register, before a verb is carried out. Raises PluginError.

    One that was asked for must be right. One that a package brings along, unasked, is only complained of.
    """
    if context.resilient_parsing:
        return plugins
    from tdl_tui.plugins.faults import PluginError
    from tdl_tui.plugins.known import PLUGINS, ask_for, asked_for, installed

    PLUGINS.here = context.command_path in BUILDING
    for plugin in installed():
        try:
            PLUGINS.use([plugin])
        except PluginError as error:
            complain(str(error))
    ask_for(plugins or ())
    PLUGINS.use(asked_for())
    return plugins


def remember_plugins(context: typer.Context, plugins: list[str]) -> list[str]:
    """Has whoever needs them, here or in a process that is started, make known what plugins register."""
    if plugins and not context.resilient_parsing:
        from tdl_tui.plugins.known import ask_for

        ask_for(plugins)
    return plugins


def plugin_option(callback: Callable[[typer.Context, list[str]], list[str]]) -> Any:
    return typer.Option(
        "--plugin",
        metavar="FILE.py",
        callback=callback,
        help="your own architectures and data sets, see docs/plugins.md; also those in $TDL_PLUGINS",
    )


def display(fps: float | None, no_color: bool, ascii: bool) -> Display:
    """How the screens are to be shown."""
    return display_of(os.environ, fps=fps or RATE, no_color=no_color, ascii=ascii)


Plugins = Annotated[list[str] | None, plugin_option(use_plugins)]
Run = Annotated[
    str, typer.Argument(metavar="RUN", help="an id, the beginning of one, a name, or last", autocompletion=run_names)
]
Spec = Annotated[Path | None, typer.Argument(metavar="[SPEC.toml]", help="an experiment; see --dry-run")]
Json = Annotated[bool, typer.Option("--json", help="one JSON document on standard output")]
Dataset = Annotated[str | None, typer.Option("--dataset", help="see tdl datasets", autocompletion=entries("DATASETS"))]
Model = Annotated[str | None, typer.Option("--model", help="see tdl models", autocompletion=entries("ARCHITECTURES"))]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="any value by its TOML path: optimizer.lr=3e-4")
]
Device = Annotated[
    str | None, typer.Option("--device", help="auto, cpu, cuda, cuda:1, … or mps", autocompletion=devices)
]
Fps = Annotated[
    float | None, typer.Option("--fps", metavar="N", min=RATES[0], max=RATES[1], help="looks a second for what is new")
]
NoColor = Annotated[bool, typer.Option("--no-color", help="no colours, as with NO_COLOR in the environment")]
Ascii = Annotated[bool, typer.Option("--ascii", help="no character but ASCII")]
Seed = Annotated[str | None, typer.Option("--seed", metavar="N", help="decides weights, order and dropout")]
