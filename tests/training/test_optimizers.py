"""The optimizers that go by gradients, against torch's own, their formulas and closed forms."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn, optim

from tdl_tui.registry import OPTIMIZERS
from tdl_tui.training.optimizers import LBFGS, Muon, adam, adamw, momentum, nesterov

Make = Callable[[list[nn.Parameter]], optim.Optimizer]


def parameter(*values: float) -> nn.Parameter:
    return nn.Parameter(torch.tensor(values))


GRADIENTS = [torch.tensor([1.0, -0.5]), torch.tensor([0.2, 0.3]), torch.tensor([-2.0, 0.1])]


def follow(optimizer: optim.Optimizer, weight: nn.Parameter, gradients: list[Tensor] = GRADIENTS) -> None:
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()


@pytest.mark.parametrize("name", ["gradient_descent", "sgd", "momentum", "nesterov", "adagrad", "adam", "adamw"])
def test_is_fused_on_the_cpu_and_builds_where_torch_has_no_fused_one(name: str) -> None:
    entry = OPTIMIZERS[name]
    assert entry.load()([parameter(1.0)], 0.1, 0.0, **entry.defaults()).defaults["fused"] is True
    ghost = nn.Parameter(torch.empty(2, device="meta"))
    assert entry.load()([ghost], 0.1, 0.0, **entry.defaults()).defaults["fused"] is None


# torch's own with the options that the entries have by default
OWN: dict[str, Callable[..., optim.Optimizer]] = {
    "gradient_descent": optim.SGD,
    "sgd": optim.SGD,
    "momentum": partial(optim.SGD, momentum=0.9),
    "nesterov": partial(optim.SGD, momentum=0.9, nesterov=True),
    "adagrad": optim.Adagrad,
    "adadelta": optim.Adadelta,
    "rmsprop": optim.RMSprop,
    "adam": optim.Adam,
    "adamw": optim.AdamW,
    "adamax": optim.Adamax,
    "nadam": optim.NAdam,
    "radam": optim.RAdam,
    "adafactor": optim.Adafactor,
}


@pytest.mark.parametrize("name", OWN)
def test_is_torchs_own(name: str) -> None:
    entry = OPTIMIZERS[name]
    ours, theirs = parameter(1.0, -2.0), parameter(1.0, -2.0)
    follow(entry.load()([ours], 0.1, 0.03, **entry.defaults()), ours)
    follow(OWN[name]([theirs], lr=0.1, weight_decay=0.03), theirs)
    torch.testing.assert_close(ours, theirs)


def test_every_optimizer_with_gradients_is_compared() -> None:
    assert {entry.name for entry in OPTIMIZERS if entry.gradients} == {*OWN, "muon", "lbfgs"}


@pytest.mark.parametrize("factory", [momentum, nesterov])
def test_momentum_is_its_formula(factory: Callable[..., optim.Optimizer]) -> None:
    weight = parameter(1.0, -2.0)
    follow(factory([weight], 0.1, 0.01, momentum=0.9), weight)
    w, v = torch.tensor([1.0, -2.0]), torch.zeros(2)
    for gradient in GRADIENTS:
        g = gradient + 0.01 * w
        v = 0.9 * v + g
        w = w - 0.1 * (g + 0.9 * v if factory is nesterov else v)
    torch.testing.assert_close(weight.detach(), w)


@pytest.mark.parametrize("decoupled", [False, True])
def test_adam_and_adamw_are_their_algorithms(decoupled: bool) -> None:
    weight = parameter(1.0, -2.0)
    factory = adamw if decoupled else adam
    follow(factory([weight], 0.1, 0.05, betas=(0.8, 0.95), eps=1e-6), weight)
    w, m, v = torch.tensor([1.0, -2.0]), torch.zeros(2), torch.zeros(2)
    for t, gradient in enumerate(GRADIENTS, start=1):
        g = gradient if decoupled else gradient + 0.05 * w
        w = w - 0.1 * 0.05 * w if decoupled else w
        m, v = 0.8 * m + 0.2 * g, 0.95 * v + 0.05 * g * g
        w = w - 0.1 * (m / (1 - 0.8**t)) / ((v / (1 - 0.95**t)).sqrt() + 1e-6)
    torch.testing.assert_close(weight.detach(), w)


# ------------------------------------------------------------------------------------------------------------- Muon


def matrix(rows: int, columns: int, seed: int = 0) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (1, 6)])
def test_muon_moves_matrices_as_torchs_does(shape: tuple[int, int]) -> None:
    def moved(make: Make) -> Tensor:
        weight = nn.Parameter(torch.zeros(shape))
        optimizer = make([weight])
        follow(optimizer, weight, [matrix(*shape, seed=seed) for seed in range(3)])
        return weight.detach()

    ours = moved(lambda weights: Muon(weights, 0.1, 0.2, momentum=0.9))
    theirs = moved(
        lambda weights: optim.Muon(weights, lr=0.1, weight_decay=0.2, momentum=0.9, adjust_lr_fn="match_rms_adamw")
    )
    assert (ours - theirs).norm() < 0.02 * theirs.norm()  # theirs is in bfloat16, of 8 bits


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 12), st.integers(2, 12), st.integers(0, 1000))
def test_muons_first_step_is_nearly_orthogonal_along_the_gradient(rows: int, columns: int, seed: int) -> None:
    weight, gradient = nn.Parameter(torch.zeros(rows, columns)), matrix(rows, columns, seed)
    follow(Muon([weight], 1.0, momentum=0.9), weight, [gradient])
    left, values, right = torch.linalg.svd(gradient, full_matrices=False)
    step = -weight.detach() / (0.2 * max(rows, columns) ** 0.5)
    taken = left.T @ step @ right.T
    large = values > 0.05 * values.norm()
    assert ((taken.diagonal()[large] > 0.65) & (taken.diagonal()[large] < 1.25)).all()
    assert (taken - taken.diagonal().diag()).abs().max() < 1e-3


def test_muon_leaves_all_that_are_no_matrices_to_adamw() -> None:
    weights = [nn.Parameter(matrix(3, 2)), parameter(1.0, -2.0), nn.Parameter(torch.ones(1, 2, 2, 2))]
    alone = [nn.Parameter(weight.detach().clone()) for weight in weights[1:]]
    optimizer = Muon(weights, 0.1, 0.05)
    other = optim.AdamW(alone, lr=0.1, betas=(0.9, 0.95), weight_decay=0.05)
    for rate in (0.1, 0.01):
        for group in [*optimizer.param_groups, *other.param_groups]:
            group["lr"] = rate
        for weight in [*weights, *alone]:
            weight.grad = torch.ones_like(weight)
        optimizer.step()
        other.step()
    for ours, theirs in zip(weights[1:], alone, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_muon_needs_a_matrix_and_a_gradient_for_what_it_moves() -> None:
    with pytest.raises(ValueError, match=r"^optimizer\.name: muon is for weights that are matrices.*take adamw$"):
        Muon([parameter(1.0)], 0.1)
    still = nn.Parameter(matrix(2, 2))
    Muon([still], 0.1, 0.1).step()
    assert still.equal(matrix(2, 2))


# ------------------------------------------------------------------------------------------------------------ L-BFGS


def regression(decay: float) -> tuple[nn.Parameter, Callable[[], Tensor], Tensor]:
    """A weight, the closure of its least squares with its gradient, and the solution of the normal equations."""
    inputs, targets = matrix(20, 3), matrix(20, 1, seed=1)
    weight = nn.Parameter(torch.zeros(3, 1))

    def closure() -> Tensor:
        with torch.enable_grad():
            weight.grad = None
            loss = 0.5 * (inputs @ weight - targets).square().sum()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return loss

    return weight, closure, torch.linalg.solve(inputs.T @ inputs + decay * torch.eye(3), inputs.T @ targets)


@pytest.mark.parametrize("decay", [0.0, 3.0])
def test_lbfgs_solves_a_ridge_regression_in_one_step(decay: float) -> None:
    weight, closure, solution = regression(decay)
    first = LBFGS([weight], 1.0, decay).step(closure)
    assert first.item() == pytest.approx(0.5 * matrix(20, 1, seed=1).square().sum().item())
    torch.testing.assert_close(weight.detach(), solution, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("search", ["strong_wolfe", "none"])
def test_lbfgs_is_torchs_own(search: Any) -> None:
    ours, ours_closure, _ = regression(0.0)
    theirs, theirs_closure, _ = regression(0.0)
    own = optim.LBFGS([theirs], lr=0.1, max_iter=4, history_size=3, line_search_fn=None if search == "none" else search)
    optimizer = LBFGS([ours], 0.1, iterations=4, history=3, line_search=search)
    for _ in range(3):
        optimizer.step(ours_closure)
        own.step(theirs_closure)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert ours.equal(theirs)
