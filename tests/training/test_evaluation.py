from __future__ import annotations

import math
import random
from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from tdl_tui.training.evaluation import evaluate, evaluating

CPU = torch.device("cpu")


class Noisy(nn.Module):
    """Draws at random in evaluation too."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Dropout(0.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) + 0 * torch.rand(())  # type: ignore[no-any-return]  # modules are untyped


def test_modes_buffers_and_random_state_are_as_before() -> None:
    model = Noisy()
    model.inner[1].eval()  # frozen on purpose
    modes = [module.training for module in model.modules()]
    held = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    with evaluating(model, CPU):
        assert not any(module.training for module in model.modules())
        assert not model(torch.randn(4, 3)).requires_grad
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(held[name], tensor) for name, tensor in model.state_dict().items())


def test_modes_come_back_when_evaluation_fails() -> None:
    model = Noisy()
    with pytest.raises(ZeroDivisionError), evaluating(model, CPU):
        raise ZeroDivisionError
    assert model.training


def test_every_example_counts_the_same() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 4)
    inputs, targets = torch.randn(11, 3), torch.randint(4, (11,))
    parts = list(zip(inputs.split(4), targets.split(4), strict=True))
    found = evaluate(model, cross_entropy, parts, "classification", device=CPU, autocast=nullcontext)
    outputs = model(inputs).detach()
    assert found["loss"] == pytest.approx(float(cross_entropy(outputs, targets)), rel=1e-6)
    assert found["accuracy"] == pytest.approx(float((outputs.argmax(1) == targets).float().mean()))


def test_every_step_with_a_target_counts_the_same() -> None:
    torch.manual_seed(0)
    model = nn.Conv1d(3, 4, 1)
    inputs, targets = torch.randn(11, 3, 5), torch.randint(4, (11, 5))
    parts = list(zip(inputs.split(4), targets.split(4), strict=True))
    found = evaluate(model, cross_entropy, parts, "classification", device=CPU, autocast=nullcontext)
    outputs = model(inputs).detach()
    assert found["loss"] == pytest.approx(float(cross_entropy(outputs, targets)), rel=1e-6)
    assert found["accuracy"] == pytest.approx(float((outputs.argmax(1) == targets).float().mean()))


def test_regression() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 1)
    inputs, targets = torch.randn(11, 3), torch.randn(11, 1)
    parts = list(zip(inputs.split(4), targets.split(4), strict=True))
    found = evaluate(model, mse_loss, parts, "regression", device=CPU, autocast=nullcontext)
    squared = (model(inputs).detach() - targets).square()
    assert found["rmse"] == pytest.approx(math.sqrt(float(squared.mean())), rel=1e-5)
    total = (targets - targets.mean()).square().sum()
    assert found["r2"] == pytest.approx(float(1 - squared.sum() / total), rel=1e-4)


def test_nothing_to_evaluate() -> None:
    found = evaluate(nn.Linear(1, 1), mse_loss, [], "regression", device=CPU, autocast=nullcontext)
    assert all(map(math.isnan, found.values()))


def test_somebody_may_interrupt_between_batches() -> None:
    calls = random.Random(0)

    def between() -> None:
        calls.random()
        raise KeyboardInterrupt

    parts = [(torch.randn(2, 3), torch.tensor([0, 1]))] * 2
    model = nn.Linear(3, 2)
    with pytest.raises(KeyboardInterrupt):
        evaluate(model, cross_entropy, parts, "classification", device=CPU, autocast=nullcontext, between=between)
    assert model.training
