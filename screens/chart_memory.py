"""How a person looked at charts, remembered in the home folder for each kind of run."""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tdl_tui.registry import DataShape
from tdl_tui.runs.durable import sync_folder
from tdl_tui.widgets.axes import Scale
from tdl_tui.widgets.chart_view import CLIPS, SCALES, SMOOTHING, Grid, View

NAME = "charts.json"
BYTES = 2**18
"""What is larger is not ours."""
KINDS = 64
MARKS = 2000
TEXT = 200
_FLAGS = ("log", "log_x", "band")


def kind_of(shape: DataShape | None) -> str:
    """The kind of a run: what its data are and what is learnt of them, "image classification"; "" where unknown."""
    return f"{shape.kind} {shape.task}" if shape is not None else ""


def recall(home: Path, kind: str) -> View:
    """The view that was remembered for a kind of run. What is missing, damaged or not ours counts as not chosen."""
    held = _read(home / NAME).get(kind)
    return view_of(held) if isinstance(held, dict) else View()


def remember(home: Path, kind: str, view: View) -> None:
    """Remembers a view, but not the window: that belongs to one run. Raises OSError."""
    kinds = _read(home / NAME)
    kinds.pop(kind, None)
    kinds[kind] = document(view)
    kept = dict(list(kinds.items())[-KINDS:])
    _write(home / NAME, json.dumps({"kinds": kept}, indent=1).encode())


def document(view: View) -> dict[str, Any]:
    """A view as it is written."""
    grid = view.grid
    return {
        **{name: getattr(view, name) for name in _FLAGS},
        "scale": view.scale,
        "smoothing": view.smoothing,
        "clip": view.clip,
        "grid": {
            "rows": grid.rows,
            "columns": grid.columns,
            "together": grid.together,
            "filter": grid.filter[:TEXT],
            "marks": dict(grid.marks[:MARKS]),
        },
    }


def view_of(held: Mapping[str, Any]) -> View:
    """The view that a document holds; a value that cannot be is left out."""
    own, grid = View(), held.get("grid")
    scale: Scale = next((known for known in SCALES if known == held.get("scale")), own.scale)
    return View(
        log=held.get("log") is True,
        log_x=held.get("log_x") is True,
        scale=scale,
        smoothing=next((known for known in SMOOTHING if known == held.get("smoothing")), own.smoothing),
        clip=next((known for known in CLIPS if known == held.get("clip")), own.clip),
        band=held.get("band") is True,
        grid=_grid(grid) if isinstance(grid, dict) else own.grid,
    )


def _grid(held: Mapping[str, Any]) -> Grid:
    def number(name: str) -> int:
        value = held.get(name)
        return value if type(value) is int and 0 <= value <= 8 else 0

    words, marks = held.get("filter"), held.get("marks")
    return Grid(
        number("rows"),
        number("columns"),
        held.get("together") is not False,
        words if isinstance(words, str) and len(words) <= TEXT and words.isprintable() else "",
        tuple(sorted((key, on) for key, on in marks.items() if isinstance(on, bool))[:MARKS])
        if isinstance(marks, dict)
        else (),
    )


def _read(path: Path) -> dict[str, Any]:
    """What is remembered by kind; nothing where the file is missing, a link, too large, or no such document."""
    with suppress(OSError, ValueError, AttributeError, RecursionError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            about = os.fstat(descriptor)
            if stat.S_ISREG(about.st_mode) and about.st_size <= BYTES:
                kinds = json.loads(file.read(BYTES)).get("kinds")
                return kinds if isinstance(kinds, dict) else {}
    return {}


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
