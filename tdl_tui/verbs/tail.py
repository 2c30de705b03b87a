"""`tdl tail`: a run is followed, and nothing is done to it. Imports no torch."""

from __future__ import annotations

import sys

from tdl_tui.runs.home import find_home
from tdl_tui.runs.records import State

from .ending import ended
from .follow import Interrupts, Progressing, follow
from .options import Json, Run
from .queue import keep_moving
from .which_run import folder_of, summary_of


def tail(run: Run, as_json: Json = False) -> int:
    """Follow a run until it ends, in lines: progress, validations, events; Ctrl-C only lets go."""
    folder = folder_of(run)
    if summary_of(folder).state is State.QUEUED:
        keep_moving(find_home())
    progressing = Progressing(sys.stderr if as_json else sys.stdout, rewrites=False)
    return ended(folder, follow(folder, progressing, Interrupts(), happenings=not as_json), as_json)
