"""Which class was taken for which: counted as others count it, at each validation and at the test."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, recall_score
from torch import nn
from torch.nn.functional import cross_entropy
from toy_training import run_toy, toy

from tdl_tui.training import confusion as counting
from tdl_tui.training.confusion import Confusion
from tdl_tui.training.evaluation import evaluate

CPU = torch.device("cpu")


@pytest.mark.parametrize("steps", [(), (5,)])
def test_pairs_are_counted_as_scikit_learn_counts_them(steps: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    model = nn.Conv1d(3, 7, 1) if steps else nn.Linear(3, 7)
    inputs, targets = torch.randn(50, 3, *steps), torch.randint(7, (50, *steps))
    parts = list(zip(inputs.split(16), targets.split(16), strict=True))
    confusion = Confusion(7, CPU)
    evaluate(model, cross_entropy, parts, "classification", device=CPU, autocast=nullcontext, confusion=confusion)
    said = model(inputs).argmax(1).flatten().numpy()
    matrix = confusion.matrix("validation", 3)
    assert (matrix.name, matrix.step) == ("confusion", 3)
    assert np.array_equal(matrix.rows, confusion_matrix(targets.flatten().numpy(), said, labels=range(7)))


def test_of_many_classes_right_answers_and_targets_are_counted() -> None:
    torch.manual_seed(0)
    classes = counting.LARGEST + 1
    said, targets = torch.randint(classes, (4000,)), torch.randint(classes, (4000,))
    said[:2000] = targets[:2000]
    confusion = Confusion(classes, CPU)
    for one, other in zip(said.split(999), targets.split(999), strict=True):
        confusion.count(one, other)
    matrix = confusion.matrix("test", 1)
    assert matrix.name == "classes/test"
    right, there = np.array(matrix.rows).T
    assert there.sum() == 4000
    assert right / there == pytest.approx(recall_score(targets, said, average=None, labels=range(classes)))


def test_a_training_records_one_a_validation_and_one_of_the_test(tmp_path: Path) -> None:
    recording, trainer, result = run_toy(toy(), tmp_path)
    validations = [matrix for matrix in recording.matrices if matrix.name == "confusion"]
    assert [matrix.step for matrix in validations] == [step for step, _ in recording.series["val/accuracy"]]
    for matrix, accuracy in zip(validations, recording.values("val/accuracy"), strict=True):
        rows = np.array(matrix.rows)
        assert rows.sum() == trainer.batches.sizes["validation"]
        assert rows.trace() / rows.sum() == pytest.approx(accuracy)
    (test,) = [np.array(matrix.rows) for matrix in recording.matrices if matrix.name == "confusion/test"]
    assert result.test is not None
    assert test.trace() / test.sum() == pytest.approx(result.test["accuracy"])


def test_in_regression_there_is_none(tmp_path: Path) -> None:
    recording, _, _ = run_toy(
        toy(data={"dataset": "diabetes"}, objective={"loss": "mse"}, training={"epochs": 1}), tmp_path
    )
    assert not [matrix for matrix in recording.matrices if matrix.name.startswith(("confusion", "classes"))]
