"""Optimizers: torch's, fused, with a learning rate that may be changed at any step."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn, optim

from tdl_tui.registry import OPTIMIZERS, OptimizerEntry, Value
from tdl_tui.training.optimizers import adam, adamw, sgd

every = pytest.mark.parametrize("entry", list(OPTIMIZERS), ids=lambda entry: entry.name)


def parameter(*values: float) -> nn.Parameter:
    return nn.Parameter(torch.tensor(values))


@every
def test_learning_rate_may_be_changed_between_steps(entry: OptimizerEntry) -> None:
    weight = parameter(1.0, -2.0)
    optimizer = entry.load()([weight], 0.1, 0.0, **entry.defaults())
    for lr in (0.1, 0.01, 0.0):
        for group in optimizer.param_groups:
            group["lr"] = lr
        before = weight.detach().clone()
        weight.grad = torch.ones(2)
        optimizer.step()
        torch.testing.assert_close(before - weight.detach(), torch.full((2,), lr))  # both step by lr · 1 here


@every
def test_minimizes_a_parabola(entry: OptimizerEntry) -> None:
    weight = parameter(3.0, -2.0)
    optimizer = entry.load()(iter([weight]), 0.1, 0.0, **entry.defaults())
    for _ in range(300):
        optimizer.zero_grad()
        (weight * weight).sum().backward()
        optimizer.step()
    assert weight.detach().abs().max().item() < 0.05


@every
def test_state_goes_on_where_it_was(entry: OptimizerEntry) -> None:
    options: dict[str, Value] = {**entry.defaults(), **({"momentum": 0.9} if entry.name == "sgd" else {})}

    def step(weight: nn.Parameter, optimizer: optim.Optimizer) -> None:
        optimizer.zero_grad()
        (weight**4).sum().backward()
        optimizer.step()

    first = parameter(1.0, 2.0)
    run = entry.load()([first], 0.01, 0.1, **options)
    for _ in range(3):
        step(first, run)
    second = nn.Parameter(first.detach().clone())
    resumed = entry.load()([second], 0.5, 0.0, **options)
    resumed.load_state_dict(copy.deepcopy(run.state_dict()))  # as through a file: the tensors are their own
    for _ in range(3):
        step(first, run)
        step(second, resumed)
    assert first.equal(second)


@every
def test_is_fused_on_the_cpu_and_builds_where_torch_has_no_fused_one(entry: OptimizerEntry) -> None:
    assert entry.load()([parameter(1.0)], 0.1, 0.0, **entry.defaults()).defaults["fused"] is True
    ghost = nn.Parameter(torch.empty(2, device="meta"))
    assert entry.load()([ghost], 0.1, 0.0, **entry.defaults()).defaults["fused"] is None


def follow(optimizer: optim.Optimizer, weight: nn.Parameter, gradients: list[Tensor]) -> None:
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()


GRADIENTS = [torch.tensor([1.0, -0.5]), torch.tensor([0.2, 0.3]), torch.tensor([-2.0, 0.1])]


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_its_formula(nesterov: bool) -> None:
    weight = parameter(1.0, -2.0)
    follow(sgd([weight], 0.1, 0.01, momentum=0.9, nesterov=nesterov), weight, GRADIENTS)
    w, v = torch.tensor([1.0, -2.0]), torch.zeros(2)
    for gradient in GRADIENTS:
        g = gradient + 0.01 * w
        v = 0.9 * v + g
        w = w - 0.1 * (g + 0.9 * v if nesterov else v)
    torch.testing.assert_close(weight.detach(), w)


@pytest.mark.parametrize("decoupled", [False, True])
def test_adam_and_adamw_are_their_algorithms(decoupled: bool) -> None:
    weight = parameter(1.0, -2.0)
    factory = adamw if decoupled else adam
    follow(factory([weight], 0.1, 0.05, betas=(0.8, 0.95), eps=1e-6), weight, GRADIENTS)
    w, m, v = torch.tensor([1.0, -2.0]), torch.zeros(2), torch.zeros(2)
    for t, gradient in enumerate(GRADIENTS, start=1):
        g = gradient if decoupled else gradient + 0.05 * w
        w = w - 0.1 * 0.05 * w if decoupled else w
        m, v = 0.8 * m + 0.2 * g, 0.95 * v + 0.05 * g * g
        w = w - 0.1 * (m / (1 - 0.8**t)) / ((v / (1 - 0.95**t)).sqrt() + 1e-6)
    torch.testing.assert_close(weight.detach(), w)
