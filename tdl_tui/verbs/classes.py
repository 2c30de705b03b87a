"""How well a run's network knows each class, and what it takes for what; for people and as plain values. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.tallies import CLASSES, CONFUSION, OF_PART, is_square, mistakes, sound, tallies
from tdl_tui.runs.text import printable
from tdl_tui.widgets.numbers import grouped, percent

SHOWN = 3


def classes(reader: RunReader) -> dict[str, Any] | None:
    """As `tdl show --json` gives it: the classes' names where they have some, and of the newest validation and the
    test `right` and `number` by class, and `confusion`, a row a class that is right and a column a class that was said
    (None where there are too many classes for it); None where nothing was counted."""
    parts = {}
    for part, ending in OF_PART.items():
        matrix = reader.matrix(f"{CONFUSION}{ending}") or reader.matrix(f"{CLASSES}{ending}")
        if matrix is None or not sound(matrix):
            continue
        counts = tallies(matrix.rows, square=is_square(matrix))
        parts[part] = {
            "step": matrix.step,
            "right": [right for right, _ in counts],
            "number": [number for _, number in counts],
            "confusion": [[int(n) for n in row] for row in matrix.rows] if is_square(matrix) else None,
        }
    shape = reader.facts().get("data_shape")
    names = shape.get("classes") if isinstance(shape, dict) else None
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        names = []
    return {"names": names, **parts} if parts else None


def classes_rows(document: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """The same as lines of `tdl show`: the classes known worst, and the most frequent mistakes, in the test where there
    was one."""
    if document is None:
        return []
    part = "test" if "test" in document else "validation"
    found, names = document[part], document["names"]

    def name(place: int) -> str:
        return printable(names[place]) if place < len(names) else str(place)

    shares = [
        (right / number, at)
        for at, (right, number) in enumerate(zip(found["right"], found["number"], strict=True))
        if number
    ]
    worst = sorted(pair for pair in shares if pair[0] < 1)[:SHOWN]
    known = ", ".join(f"{name(at)}: {percent(share)}" for share, at in worst)
    rows = [("worst", f"{known} ({part})" if worst else "")]
    wrong = mistakes(found["confusion"] or ())[:SHOWN]
    said = ", ".join(f"{name(one.right)} taken for {name(one.said)} ({grouped(one.count)})" for one in wrong)
    return [*rows, ("mistakes", said)]
