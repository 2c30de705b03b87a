"""What is made of a sequence's items is what a comprehension makes, and made once while the sequence only grows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tdl_tui.widgets.growing import Growing

items = st.lists(st.integers(0, 3), max_size=8).map(tuple)


@given(st.lists(items, max_size=6))
def test_it_makes_what_would_be_made_anew(sequences: list[tuple[int, ...]]) -> None:
    doubled: Growing[int, int] = Growing(lambda item: 2 * item)
    for sequence in sequences:
        assert doubled.over(sequence) == tuple(2 * item for item in sequence)


def test_what_is_there_is_not_made_again() -> None:
    made: list[int] = []

    def make(item: int) -> int:
        made.append(item)
        return item

    kept: Growing[int, int] = Growing(make)
    for sequence in ((1, 2), (1, 2, 3), (1, 2, 3), (1, 2)):
        kept.over(sequence)
    assert made == [1, 2, 3, 1, 2]
