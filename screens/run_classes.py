"""The Run screen's classes: how well each is known over the run, and which is taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from textual.strip import Strip

from tdl_tui.runs.records import Matrix
from tdl_tui.runs.tallies import sound, tallies
from tdl_tui.widgets.chart_view import View
from tdl_tui.widgets.confusion import class_accuracies, draw_class_accuracies, draw_confusion
from tdl_tui.widgets.lines import Piece, ink, line
from tdl_tui.widgets.numbers import grouped, percent
from tdl_tui.widgets.palette import Palette

from .run_charts import x_axis
from .run_snapshot import Snapshot

ClassView = Literal["classes", "confusion", "test"]
CLASS_VIEWS: tuple[ClassView, ...] = ("classes", "confusion", "test")

EXPLAINED = 72
"""Columns from which on it is said what the rows and columns are."""


def matrices_of(view: ClassView) -> frozenset[str]:
    """The matrices that a view is drawn from."""
    return frozenset({"confusion/test", "classes/test"} if view == "test" else {"confusion", "classes"})


def draw_class_view(
    snapshot: Snapshot,
    view: ClassView,
    width: int,
    height: int,
    colors: Palette,
    *,
    ranked: bool = False,
    shades: bool = False,
) -> tuple[str, list[Piece], list[Strip]]:
    """A title, what stands at its right, and the lines below. In "test" the test's confusion, whatever the moment."""
    title = {"classes": "classes · validation", "confusion": "confusion · validation", "test": "confusion · test"}[view]
    names = snapshot.shape.classes if snapshot.shape else ()
    ending = "/test" if view == "test" else ""
    found = {name: matrix for name in matrices_of(view) if (matrix := _shown(snapshot, name, newest=bool(ending)))}
    if not found:
        live = snapshot.summary.state.live
        text = "waiting for the first validation" if live else "no validation was recorded"
        if snapshot.at is not None and any(snapshot.matrices.get(name) for name in matrices_of(view)):
            text = "no validation up to this step"
        return title, [], [line([(text, ink(colors.muted))], width)]
    square = f"confusion{ending}" in found
    matrix = found[f"confusion{ending}" if square else f"classes{ending}"]
    counts = tallies(matrix.rows, square=square)
    right: list[Piece] = [(percent(_accuracy(counts)), ink(colors.text))]
    if width >= 40:
        right += [(" at step ", ink(colors.muted)), (grouped(matrix.step), ink(colors.text))]
    by_class = view == "classes" or not square
    if width >= EXPLAINED:
        told = "right of all · over the run" if by_class else "target ↓  predicted →"
        right.insert(0, (f"{told}   ", ink(colors.muted)))
    if by_class:
        past = snapshot.matrices.get(matrix.name, ())
        history = [(one.step, tallies(one.rows, square=square)) for one in past if sound(one)]
        drawn = draw_class_accuracies(
            class_accuracies(history, None if ending else snapshot.at, names),
            width,
            height,
            colors,
            worst_first=ranked,
            at=snapshot.at,
            reach=x_axis(snapshot, View()).high if snapshot.reach else 1.0,
        )
    else:
        drawn = draw_confusion(matrix.rows, names, width, height, colors, shades=shades)
    return title, right, drawn


def _shown(snapshot: Snapshot, name: str, *, newest: bool) -> Matrix | None:
    past = snapshot.matrices.get(name, ())
    matrix = (past[-1] if past else None) if newest else snapshot.matrix(name)
    return matrix if matrix is not None and sound(matrix) else None


def _accuracy(counts: Sequence[tuple[int, int]]) -> float:
    total = sum(number for _, number in counts)
    return sum(right for right, _ in counts) / total if total else float("nan")
