"""How often each class was told right, and what was taken for what: from the counts that a run records. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .records import Matrix

Rows = Sequence[Sequence[float]]
"""Of a confusion matrix: a row a class that is right, a column a class that was said."""
CONFUSION, CLASSES = "confusion", "classes"
"""Matrices of the validation; those of the test have "/test" behind. Of many classes there is only the second: by
class, how many were right and how many there are."""
OF_PART = {"validation": "", "test": "/test"}
LARGEST = 2.0**53
"""A count that a double holds exactly."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """So many of class `right` were taken for class `said`."""

    right: int
    said: int
    count: int


def mistakes(rows: Rows) -> list[Mistake]:
    """What was taken for something else, the most frequent first; the same number in the classes' order."""
    found = [
        Mistake(right, said, int(number))
        for right, row in enumerate(rows)
        for said, number in enumerate(row)
        if right != said and number > 0
    ]
    return sorted(found, key=lambda one: -one.count)


def tallies(rows: Rows, *, square: bool = True) -> list[tuple[int, int]]:
    """How many of each class were right, and how many there are: of a confusion matrix (its diagonal and the sums of
    its rows), or of rows that say just that."""
    if not square:
        return [(int(right), int(number)) for right, number in rows]
    return [(int(row[place]), int(sum(row))) for place, row in enumerate(rows)]


def sound(matrix: Matrix) -> bool:
    """Whether these are counts of classes, as somebody else's record may not have them."""
    rows = matrix.rows
    width = len(rows) if is_square(matrix) else 2
    return bool(rows) and all(len(row) == width and all(0 <= number < LARGEST for number in row) for row in rows)


def is_square(matrix: Matrix) -> bool:
    """Whether it says what was taken for what."""
    return matrix.name.startswith(CONFUSION)
