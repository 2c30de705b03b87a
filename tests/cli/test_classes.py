"""How well each class is known, as `tdl show` says it: counts that scikit-learn agrees with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import MakeRun, Tdl
from sklearn.metrics import confusion_matrix, recall_score

from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import Matrix
from tdl_tui.runs.text import printable
from tdl_tui.runs.writer import RunWriter
from tdl_tui.verbs.classes import classes, classes_rows

TARGETS = [0, 0, 0, 1, 1, 2, 2, 2, 2, 2]
SAID = [0, 1, 0, 1, 1, 0, 0, 2, 2, 1]
ROWS = tuple(map(tuple, confusion_matrix(TARGETS, SAID).astype(float).tolist()))
NAMES = ["cat", "dog", "bird\x1b[31m"]


def read(folder: Path) -> dict[str, Any] | None:
    with RunReader(folder) as reader:
        return classes(reader)


def recorded(folder: Path, *matrices: Matrix, names: Any = NAMES) -> Path:
    with RunWriter(folder) as writer:
        writer.update(data_shape={"classes": names})
        for matrix in matrices:
            writer.matrix(matrix)
    return folder


def test_the_newest_validation_and_the_test_are_told(make_run: MakeRun, tdl: Tdl) -> None:
    perfect = tuple(map(tuple, (np.eye(3) * 4).tolist()))
    folder = recorded(
        make_run("named"),
        Matrix("confusion", 10, 0.0, perfect),
        Matrix("confusion", 20, 0.0, ROWS),
        Matrix("confusion/test", 20, 0.0, perfect),
    )
    found = tdl("show", folder.name, "--json").document["classes"]
    assert found["names"] == NAMES
    validation = found["validation"]
    assert validation["step"] == 20
    shares = np.array(validation["right"]) / np.array(validation["number"])
    assert shares == pytest.approx(recall_score(TARGETS, SAID, average=None))
    assert validation["confusion"] == confusion_matrix(TARGETS, SAID).tolist()
    assert found["test"]["right"] == found["test"]["number"] == [4, 4, 4]
    assert classes_rows(found) == [("worst", ""), ("mistakes", "")]  # nothing was wrong in the test


def test_the_worst_and_the_mistakes_come_first(make_run: MakeRun, tdl: Tdl) -> None:
    folder = recorded(make_run("named"), Matrix("confusion", 20, 0.0, ROWS))
    shown = tdl("show", folder.name).out
    bird = printable(NAMES[2])
    assert f"worst     {bird}: 40.0 %, cat: 66.7 % (validation)" in shown
    assert f"mistakes  {bird} taken for cat (2), cat taken for dog (1), {bird} taken for dog (1)" in shown
    assert "\x1b" not in shown


def test_of_many_classes_there_is_no_confusion(make_run: MakeRun) -> None:
    folder = recorded(make_run("named"), Matrix("classes", 5, 0.0, ((1.0, 4.0), (0.0, 0.0), (2.0, 2.0))), names=None)
    found = read(folder)
    assert found is not None
    assert found["validation"] == {"step": 5, "right": [1, 0, 2], "number": [4, 0, 2], "confusion": None}
    assert classes_rows(found) == [("worst", "0: 25.0 % (validation)"), ("mistakes", "")]


@pytest.mark.parametrize("rows", [((1.0, 2.0, 3.0),), ((-1.0,),), ((float("nan"), 1.0), (0.0, 1.0)), ()])
def test_what_is_no_count_is_left_out(rows: tuple[tuple[float, ...], ...], make_run: MakeRun) -> None:
    assert read(recorded(make_run("strange"), Matrix("confusion", 1, 0.0, rows))) is None
    assert classes_rows(None) == []
