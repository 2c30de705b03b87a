"""What is made of the items of a sequence one by one, kept while that only grows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


class Growing(Generic[Item, Made]):
    """A function of an item over sequences of them, of which the next mostly begins as the one before."""

    def __init__(self, make: Callable[[Item], Made]) -> None:
        self._make = make
        self._items: tuple[Item, ...] = ()
        self._made: tuple[Made, ...] = ()

    def over(self, items: tuple[Item, ...]) -> tuple[Made, ...]:
        """What is made of each of the items; anew only of those that were not there before."""
        known = len(self._items)
        if items[:known] != self._items:
            known = 0
        self._made = (*self._made[:known], *map(self._make, items[known:]))
        self._items = items
        return self._made
