"""`tdl new` and `tdl open`: the workbench at the form or at a run, or one frame of it. Imports no torch."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from tdl_tui.cli import DONE, FAILED, WrongRequest, workbench

from .options import Ascii, Fps, NoColor, Plugins, Run, Spec, display
from .which_run import folder_of


def new(
    spec: Spec = None, fps: Fps = None, no_color: NoColor = False, ascii: Ascii = False, plugins: Plugins = None
) -> None:
    """The workbench, at the form for a new training."""
    workbench(new_document=_document(spec) if spec else {}, display=display(fps, no_color, ascii))


def _document(spec: Path) -> dict[str, Any]:
    from tdl_tui.spec import read

    return read(spec)


def open_run(
    run: Run,
    *,
    once: Annotated[bool, typer.Option("--once", help="print one frame of the screen, and end")] = False,
    size: Annotated[str | None, typer.Option("--size", metavar="WxH", help="of the frame; else 120x40")] = None,
    format: Annotated[str | None, typer.Option("--format", metavar="text|svg|html", help="of the frame")] = None,
    fps: Fps = None,
    no_color: NoColor = False,
    ascii: Ascii = False,
) -> int:
    """The workbench, at a run; or one frame of it."""
    folder = folder_of(run)
    if once:
        if fps is not None:
            raise WrongRequest("--fps: one frame has no refreshes; leave it out with --once")
        return _print_frame(folder, size or "120x40", format or "text", no_color, ascii)
    if size is not None or format is not None:
        raise WrongRequest("--size and --format are those of a frame: they go with --once")
    workbench(open_folder=folder, display=display(fps, no_color, ascii))
    return DONE


def _print_frame(folder: Path, size: str, format: str, no_color: bool, ascii: bool) -> int:
    from tdl_tui.screens.once import FORMATS, frame, size_of

    if format not in FORMATS:
        from tdl_tui.registry import shown

        raise WrongRequest(f"--format: must be {', '.join(FORMATS)}, got {shown(format)}")
    try:
        wanted = size_of(size)
    except ValueError as error:
        raise WrongRequest(f"--size: {error}") from None
    shown_on = display(None, no_color, ascii)
    if format != "text" and not ascii:
        shown_on = replace(shown_on, glyphs="all")  # it is not for this terminal
    made = frame(folder, wanted, format, shown_on)
    sys.stdout.write(f"{made.picture}\n")
    return DONE if made.readable else FAILED
