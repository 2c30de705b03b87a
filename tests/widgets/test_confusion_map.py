"""The heat map of what is taken for what, and the classes' accuracies: right, whole, in any size."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, recall_score

from tdl_tui.runs.tallies import mistakes, tallies
from tdl_tui.widgets.confusion import (
    class_accuracies,
    draw_class_accuracies,
    draw_confusion,
    in_words,
    mixed,
    shown_classes,
)
from tdl_tui.widgets.palette import DARK, LIGHT

TARGETS = [0, 0, 0, 1, 1, 2, 2, 2, 2, 2]
SAID = [0, 1, 0, 1, 1, 0, 0, 2, 2, 1]
ROWS = confusion_matrix(TARGETS, SAID).tolist()
NAMES = ("cat", "dog", "bird")


def test_mistakes_are_named_the_most_frequent_first() -> None:
    assert in_words(ROWS, NAMES) == ["bird taken for cat: 2", "cat taken for dog: 1", "bird taken for dog: 1"]
    assert in_words(np.eye(3).tolist(), NAMES) == []
    assert in_words([[0, 1200], [0, 0]], ()) == ["0 taken for 1: 1,200"]


def test_accuracies_are_those_of_scikit_learn() -> None:
    wanted = recall_score(TARGETS, SAID, average=None)
    classes = class_accuracies([(4, tallies(ROWS))], None, NAMES)
    assert np.allclose([one.accuracy for one in classes], wanted)
    assert [one.total for one in classes] == np.bincount(TARGETS).tolist()
    assert tallies([[3, 4], [0, 9]], square=False) == [(3, 4), (0, 9)]


def test_accuracies_are_those_at_the_moment_with_their_history() -> None:
    past = [(10, [(1, 4), (0, 0)]), (20, [(3, 4), (0, 0)])]
    first, unseen = class_accuracies(past, 15, NAMES)
    assert (first.right, first.history) == (1, ((10.0, 0.25), (20.0, 0.75)))
    assert (unseen.total, unseen.history) == (0, ())
    assert class_accuracies(past, None, NAMES)[0].right == 3
    assert class_accuracies(past, 5, NAMES) == []


def test_the_worst_come_first_where_asked_or_where_not_all_fit() -> None:
    classes = class_accuracies([(1, [(9, 10), (1, 10), (0, 0), (5, 10)])], None, ("a", "b", "c", "d"))

    def order(height: int, **how: bool) -> list[str]:
        return [
            strip.text.split()[0]
            for strip in draw_class_accuracies(classes, 50, height, DARK, **how)
            if strip.text.strip()
        ]

    assert order(4) == ["a", "b", "c", "d"]
    assert order(4, worst_first=True) == ["b", "d", "a", "c"]
    assert order(3) == ["b", "d", "and"]
    assert "and 2 more, of 90.0 % and above" in draw_class_accuracies(classes, 50, 3, DARK)[2].text
    perfect = class_accuracies([(1, [(9, 9)] * 4)], None, ("a", "b", "c", "d"))
    assert draw_class_accuracies(perfect, 50, 3, DARK)[2].text.strip() == "and 2 more, of 100 %"


@given(
    classes=st.integers(1, 60),
    largest=st.sampled_from([0, 3, 80, 12_000]),
    width=st.integers(12, 140),
    height=st.integers(3, 50),
    shades=st.booleans(),
)
def test_a_map_fills_its_room(classes: int, largest: int, width: int, height: int, shades: bool) -> None:
    rows = [[(i * 7 + j * 13) % (largest + 1) for j in range(classes)] for i in range(classes)]
    strips = draw_confusion(rows, (), width, height, DARK, shades=shades)
    assert len(strips) <= height
    assert {strip.cell_length for strip in strips} == {width}
    past = [(1, tallies(rows))]
    drawn = draw_class_accuracies(class_accuracies(past, None, ()), width, height, LIGHT)
    assert len(drawn) <= height
    assert {strip.cell_length for strip in drawn} == {width}


def test_every_count_stands_in_its_place() -> None:
    strips = draw_confusion(ROWS, NAMES, 20, 6, DARK)
    assert strips[0].text.split() == ["cat", "dog", "bir"]
    assert [strip.text.split()[1:] for strip in strips[1:4]] == [["2", "1", "·"], ["·", "2", "·"], ["2", "1", "2"]]
    assert strips[4].text.startswith("bird taken for cat:")


def test_where_not_all_fit_the_most_confused_are_shown() -> None:
    rows = np.diag([10] * 30)
    rows[4, 9], rows[9, 4], rows[20, 4] = 7, 5, 1
    assert shown_classes(rows.tolist(), 3) == [4, 9, 20]
    strips = draw_confusion(rows.tolist(), (), 16, 5, DARK)
    assert [strip.text.split()[0] for strip in strips[:4]] == ["4", "4", "9", "20"]
    assert mistakes(rows.tolist())[0].count == 7
    assert "3 of 30 classes" in draw_confusion(rows.tolist(), (), 40, 5, DARK)[-1].text


def test_a_larger_share_is_a_stronger_colour() -> None:
    def grounds(rows: list[list[int]]) -> list[str]:
        strips = draw_confusion(rows, (), 20, 5, DARK)
        return [s.style.bgcolor.name for s in strips[1] if s.style and s.style.bgcolor]

    rare, often = grounds([[9, 1], [0, 1]])[1], grounds([[1, 9], [0, 1]])[1]
    distance = [abs(int(color[1:3], 16) - int(DARK.bad[1:3], 16)) for color in (rare, often)]
    assert distance[1] < distance[0]
    assert mixed("#000000", "#ff8000", 0.5) == "#804000"
    assert not grounds([[0, 0], [0, 0]])
