"""Searches without a gradient: what they find, how they walk, that they go on as they were."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from cmaes import CMA, SepCMA
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_moons
from torch import Tensor, nn, optim

from tdl_tui.registry import OPTIMIZERS
from tdl_tui.training.gradient_free import FULL_COVARIANCE, EvolutionStrategy, RandomSearch, SimulatedAnnealing

SEARCHES = [entry.name for entry in OPTIMIZERS if not entry.gradients]
every = pytest.mark.parametrize("name", SEARCHES)


def made(name: str, weights: list[nn.Parameter], lr: float = 0.1, seed: int = 0, **options: Any) -> optim.Optimizer:
    torch.manual_seed(seed)
    entry = OPTIMIZERS[name]
    optimizer: optim.Optimizer = entry.load()(weights, lr, 0.0, **{**entry.defaults(), **options})
    return optimizer


def bowl(weights: list[nn.Parameter], seen: list[Tensor] | None = None) -> Callable[[], Any]:
    """The closure of f(w) = ‖w − 1‖²/2, which notes where it was asked."""

    def closure() -> Tensor:
        flat = torch.cat([weight.detach().flatten() for weight in weights])
        if seen is not None:
            seen.append(flat.clone())
        return (flat - 1).square().sum() / 2

    return closure


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@every
def test_separates_the_moons(name: str, one_thread: None) -> None:
    points, labels = make_moons(1200, noise=0.2, random_state=0)
    inputs, targets = torch.tensor(points, dtype=torch.float32), torch.tensor(labels)
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = made(name, [*model.parameters()])
    optimizer_step: Callable[..., Any] = optimizer.step
    for _ in range(2500 // (20 if name == "evolution_strategy" else 50)):  # each asks for some 2,500 losses
        optimizer_step(lambda: nn.functional.cross_entropy(model(inputs[:400]), targets[:400]))
    with torch.no_grad():
        accuracy = (model(inputs[400:]).argmax(1) == targets[400:]).float().mean().item()
    assert accuracy >= 0.95
    assert all(weight.grad is None for weight in model.parameters())


@every
def test_is_a_function_of_torchs_seed_and_of_no_stream(name: str) -> None:
    def walked(seed: int) -> Tensor:
        weights = [nn.Parameter(torch.zeros(2, 3)), nn.Parameter(torch.zeros(2))]
        optimizer = made(name, weights, seed=seed)
        torch.rand(seed + 3)
        np.random.rand(3)  # the global stream is what is meant
        for _ in range(3):
            optimizer.step(bowl(weights))
        return torch.cat([weight.detach().flatten() for weight in weights])

    assert walked(5).equal(walked(5))
    assert not walked(5).equal(walked(6))


@every
def test_returns_the_least_loss_it_saw(name: str) -> None:
    weights, seen = [nn.Parameter(torch.zeros(4))], []
    returned = made(name, weights).step(bowl(weights, seen))
    assert returned == pytest.approx(min(((point - 1).square().sum() / 2).item() for point in seen))


@every
def test_asks_as_often_as_its_option_says(name: str) -> None:
    option = "population" if name == "evolution_strategy" else "evaluations"
    weights, seen = [nn.Parameter(torch.zeros(4))], []
    made(name, weights, **{option: 7}).step(bowl(weights, seen))
    assert len(seen) == 7 + (name != "evolution_strategy")  # the walks compare with where they stand


@every
def test_never_goes_where_the_loss_is_not_a_number(name: str) -> None:
    weight = nn.Parameter(torch.zeros(3))

    def closure() -> float:
        return math.nan if weight[0] > 0.05 else (weight.detach() - 1).square().sum().item()

    optimizer = made(name, [weight])
    for _ in range(5):
        optimizer.step(closure)
    assert weight.isfinite().all()
    assert weight[0] < 0.2
    assert (weight[1:] > 0.2).all()


# ----------------------------------------------------------------------------------------------------------- the walks


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.001, 10))
def test_random_search_never_climbs(seed: int, lr: float) -> None:
    weights = [nn.Parameter(torch.zeros(3))]
    optimizer = made("random_search", weights, lr, seed, evaluations=5)
    losses = [float(optimizer.step(bowl(weights))) for _ in range(5)]  # type: ignore[arg-type]  # a step returns its loss
    assert losses == sorted(losses, reverse=True)


def test_at_one_temperature_annealing_draws_from_boltzmanns_distribution() -> None:
    weights, seen = [nn.Parameter(torch.zeros(1))], []
    optimizer = SimulatedAnnealing(weights, 1.5, evaluations=1, temperature=0.5, cooling=1.0, share=1.0)
    for _ in range(4000):
        optimizer.step(bowl(weights))
        seen.append(weights[0].item())
    assert np.mean(seen) == pytest.approx(1.0, abs=0.1)  # exp(−(w − 1)²/2T): normal around 1 with variance T
    assert np.var(seen) == pytest.approx(0.5, rel=0.15)


def test_annealing_cools_step_by_step() -> None:
    def climbs(steps_before: int) -> bool:
        weights = [nn.Parameter(torch.ones(2))]
        optimizer = made("simulated_annealing", weights, 0.1, evaluations=200, temperature=1.0, cooling=0.5)
        optimizer.param_groups[0]["steps"] = steps_before
        optimizer.step(bowl(weights))
        return not weights[0].equal(torch.ones(2))

    assert climbs(0)
    assert not climbs(60)  # from the lowest point no walk leaves any more


@pytest.mark.parametrize("share", [0.001, 0.3, 1.0])
def test_a_candidate_changes_a_share_of_the_weights(share: float) -> None:
    weights, seen = [nn.Parameter(torch.ones(50))], []  # the lowest point: no candidate is taken
    RandomSearch(weights, 0.1, evaluations=200, share=share).step(bowl(weights, seen))
    changed = torch.stack([(point != 1).float().mean() for point in seen[1:]])
    assert changed.min() >= 1 / 50
    assert changed.mean().item() == pytest.approx(max(share, 1 / 50), abs=0.03)


# ----------------------------------------------------------------------------------------------- the evolution strategy


@pytest.mark.parametrize(("covariance", "own"), [("full", CMA), ("diagonal", SepCMA)])
def test_the_evolution_strategy_is_the_librarys(covariance: Any, own: Any) -> None:
    weight = nn.Parameter(torch.full((5,), 3.0, dtype=torch.float64))
    torch.manual_seed(4)
    ours = EvolutionStrategy([weight], 0.3, population=8, covariance=covariance)
    theirs = own(mean=np.full(5, 3.0), sigma=0.3, population_size=8)
    scale = np.arange(1, 6)
    for _ in range(30):
        theirs.reseed_rng(ours._seed())
        points = [theirs.ask() for _ in range(8)]
        theirs.tell([(point, float((scale * (point - 1) ** 2).sum())) for point in points])
        ours.step(lambda: float((scale * (weight.detach().numpy() - 1) ** 2).sum()))
    np.testing.assert_allclose(weight.detach().numpy(), theirs.mean, rtol=1e-9)


def test_a_changed_learning_rate_scales_the_candidates_deviations() -> None:
    def deviations(lr: float) -> Tensor:
        weights, seen = [nn.Parameter(torch.zeros(4))], []
        optimizer = made("evolution_strategy", weights)
        optimizer.step(bowl(weights))
        optimizer.param_groups[0]["lr"] = lr
        centre = weights[0].detach().clone()
        optimizer.step(bowl(weights, seen))
        return torch.stack(seen) - centre

    torch.testing.assert_close(deviations(0.3), 3 * deviations(0.1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("count", "held"), [(FULL_COVARIANCE, 2), (FULL_COVARIANCE + 1, 1), (1, 2)])
def test_learns_a_full_covariance_for_few_weights_alone(count: int, held: int) -> None:
    weights = [nn.Parameter(torch.zeros(count))]
    optimizer = made("evolution_strategy", weights)
    optimizer.step(bowl(weights))
    assert optimizer.state_dict()["distribution"]["_C"].ndim == held
