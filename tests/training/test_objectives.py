"""Losses: against their formulas, and torch's own functions."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tdl_tui.registry import LOSSES, LossEntry
from tdl_tui.training.objectives import cross_entropy, mean_squared_error


@pytest.mark.parametrize("entry", list(LOSSES), ids=lambda entry: entry.name)
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_each_is_a_differentiable_mean_over_the_batch(entry: LossEntry, task: str) -> None:
    if task not in entry.tasks:
        pytest.skip(f"not for {task}")
    torch.manual_seed(0)
    outputs = torch.randn(6, 3, requires_grad=True)
    targets = torch.tensor([0, 1, 2, 0, 1, 2]) if task == "classification" else torch.randn(6, 3)
    objective = entry.load()(**entry.defaults())
    loss = objective(outputs, targets)
    assert loss.shape == ()
    assert loss.item() > 0
    single = torch.stack([objective(outputs[n : n + 1], targets[n : n + 1]) for n in range(6)])
    torch.testing.assert_close(loss, single.mean())
    loss.backward()
    assert outputs.grad is not None
    assert bool(outputs.grad.any())


@given(st.integers(1, 8), st.integers(2, 6), st.integers(0, 2**31))
@settings(deadline=None, max_examples=50)
def test_cross_entropy_is_the_negative_log_of_the_targets_share(count: int, classes: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, classes, generator=generator)
    targets = torch.randint(classes, (count,), generator=generator)
    expected = [
        -math.log(math.exp(row[target]) / sum(map(math.exp, row)))
        for row, target in zip(logits.tolist(), targets.tolist(), strict=True)
    ]
    assert cross_entropy()(logits, targets).item() == pytest.approx(sum(expected) / count, rel=1e-5, abs=1e-6)


@given(st.integers(1, 8), st.integers(2, 6), st.integers(0, 2**31))
@settings(deadline=None, max_examples=50)
def test_squared_error_of_classes_is_to_their_one_hot_vectors(count: int, classes: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(count, classes, generator=generator, requires_grad=True)
    targets = torch.randint(classes, (count,), generator=generator)
    one_hot = torch.nn.functional.one_hot(targets, classes).float()
    loss, expected = mean_squared_error()(outputs, targets), (outputs - one_hot).square().mean()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(*(torch.autograd.grad(value, outputs)[0] for value in (loss, expected)))


def test_squared_error_of_numbers_is_torchs() -> None:
    outputs, targets = torch.randn(5, 2), torch.randn(5, 2)
    torch.testing.assert_close(mean_squared_error()(outputs, targets), (outputs - targets).square().mean())


@pytest.mark.parametrize("targets", [torch.zeros(5), torch.zeros(5, 1), torch.zeros(1, 2)])
def test_squared_error_refuses_targets_that_would_broadcast(targets: Tensor) -> None:
    with (
        warnings.catch_warnings(),
        pytest.raises(ValueError, match=r"outputs are \(5, 2\), targets \(.*must be the same"),
    ):
        warnings.simplefilter("error")
        mean_squared_error()(torch.zeros(5, 2), targets)


def test_half_precision_outputs_are_taken() -> None:
    outputs = torch.randn(4, 3).bfloat16()
    for objective in (cross_entropy(), mean_squared_error()):
        assert objective(outputs, torch.tensor([0, 1, 2, 0])).isfinite()
