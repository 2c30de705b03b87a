"""The range test, on problems whose largest stable learning rate is known."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor, nn
from toy_training import CPU, prepared_for, toy

from tdl_tui.data.prepare import Prepared
from tdl_tui.models.build import build
from tdl_tui.registry import OPTIMIZERS
from tdl_tui.spec import Experiment
from tdl_tui.training.lr_range import HIGH, LOW, LrRange, NoRangeTest, range_test, suggestion


class Bowl(nn.Module):
    """Outputs whose mean square is ½·Σ λ·w², whatever goes in: gradient descent on it is stable below 2 / max λ."""

    def __init__(self, curvatures: Tensor) -> None:
        super().__init__()
        self.scale = (curvatures * len(curvatures) / 2).sqrt()
        self.weight = nn.Parameter(torch.ones(len(curvatures)))

    def forward(self, inputs: Tensor) -> Tensor:
        return (self.scale * self.weight).expand(len(inputs), -1)


class Nothing:
    """Batches of zeros to learn: two an epoch, so that a test goes through many."""

    def __init__(self, outputs: int) -> None:
        self.batch = torch.zeros(2, 1), torch.zeros(2, outputs)
        self.asked: list[int] = []

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        self.asked.append(epoch)
        yield from (self.batch, self.batch)


def bowl(curvatures: list[float], home: Path, **options: Any) -> LrRange:
    chosen = toy(data={"dataset": "diabetes"}, optimizer={"name": "sgd"})
    prepared = replace(prepared_for(chosen, home), batches=Nothing(len(curvatures)))  # type: ignore[arg-type]  # enough
    return range_test(chosen, prepared, Bowl(torch.tensor(curvatures)), device=CPU, **options)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> tuple[Experiment, Prepared, nn.Module]:
    chosen = toy(model={"options": {"dropout": 0.2}})
    prepared = prepared_for(chosen, tmp_path_factory.mktemp("home"))
    return chosen, prepared, build("mlp", prepared.shape, chosen.model.options)


@pytest.mark.parametrize("curvatures", [[1.0], [100.0], [0.01, 1.0], [1.0, 3.0, 50.0]])
def test_on_a_quadratic_the_suggestion_is_stable_and_divergence_ends_the_test(
    curvatures: list[float], tmp_path: Path
) -> None:
    stable = 2 / max(curvatures)
    found = bowl(curvatures, tmp_path, high=1e3)
    assert found.suggestion is not None
    assert 0.001 * stable < found.suggestion < stable
    assert stable < found.lr[-1] < 1e3  # it went beyond, noticed, and stopped
    assert found.loss[0] == pytest.approx(sum(curvatures) / 2)
    assert found.loss[-1] > min(found.loss)


def test_each_loss_is_the_one_before_the_update_at_its_rate(tmp_path: Path) -> None:
    found = bowl([1.0], tmp_path, low=0.01, high=0.1, steps=3)
    assert found.lr == pytest.approx((0.01, math.sqrt(0.001), 0.1))
    weight = 1 - found.lr[0]
    assert found.loss == pytest.approx((0.5, 0.5 * weight**2, 0.5 * (weight * (1 - found.lr[1])) ** 2))


def test_rates_are_the_same_number_a_power_of_ten(ready: tuple[Experiment, Prepared, nn.Module]) -> None:
    found = range_test(*ready, device=CPU, low=1e-6, high=1e-3, steps=31)
    ratios = [after / before for before, after in zip(found.lr, found.lr[1:], strict=False)]
    assert found.lr[0] == pytest.approx(1e-6)
    assert found.lr[-1] == pytest.approx(1e-3)
    assert ratios == pytest.approx([10**0.1] * 30)


def test_a_loss_that_is_not_finite_ends_the_test_and_is_left_out(tmp_path: Path) -> None:
    found = bowl([1e30], tmp_path, low=1e-3)
    assert found.loss == pytest.approx((5e29,), rel=1e-3)
    assert found.suggestion is None
    with pytest.raises(NoRangeTest, match="not finite at the first step"):
        bowl([math.inf], tmp_path)


def test_it_leaves_nothing_behind(ready: tuple[Experiment, Prepared, nn.Module]) -> None:
    _, _, model = ready
    model.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    first = range_test(*ready, device=CPU)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model.training
    torch.manual_seed(4)
    assert range_test(*ready, device=CPU) == first  # a function of the experiment alone


def test_a_network_gets_a_rate_at_which_it_learns(ready: tuple[Experiment, Prepared, nn.Module]) -> None:
    found = range_test(*ready, device=CPU)
    assert found.suggestion is not None
    assert 1e-4 < found.suggestion < 1  # Adam on points in the plane
    assert found.lr[0] == LOW
    assert found.lr[-1] <= HIGH * 1.001
    assert len(found.lr) == len(found.loss)


def test_rates_too_small_to_learn_suggest_nothing(ready: tuple[Experiment, Prepared, nn.Module]) -> None:
    found = range_test(*ready, device=CPU, low=1e-12, high=1e-9)
    assert len(found.loss) == 100
    assert found.suggestion is None


def test_it_can_be_given_up(ready: tuple[Experiment, Prepared, nn.Module]) -> None:
    def stop() -> None:
        raise TimeoutError("enough")

    random = torch.get_rng_state()
    with pytest.raises(TimeoutError, match="enough"):
        range_test(*ready, device=CPU, between=stop)
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("name", [entry.name for entry in OPTIMIZERS if entry.closure or not entry.gradients])
def test_an_optimizer_without_one_gradient_a_step_is_refused(
    name: str, ready: tuple[Experiment, Prepared, nn.Module]
) -> None:
    chosen, prepared, model = ready
    other = chosen.optimizer.model_copy(update={"name": name})
    with pytest.raises(NoRangeTest, match=f"optimizer.name: {name}") as refused:
        range_test(chosen.model_copy(update={"optimizer": other}), prepared, model, device=CPU)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("wrong", [{"low": 0.0}, {"low": 1.0, "high": 0.1}, {"high": math.inf}, {"steps": 1}])
def test_rates_that_make_no_range_are_refused(
    wrong: dict[str, Any], ready: tuple[Experiment, Prepared, nn.Module]
) -> None:
    with pytest.raises(ValueError, match="the rates must rise"):
        range_test(*ready, device=CPU, **wrong)


losses = st.lists(st.floats(0, 1e6), min_size=1, max_size=60)


@given(losses)
def test_a_suggestion_is_one_of_the_rates_before_the_lowest_loss(values: list[float]) -> None:
    rates = [10.0**step for step in range(len(values))]
    found = suggestion(rates, values)
    assert found is None or found in rates[:-1]


@given(losses, st.integers(-8, 8))
def test_a_suggestion_does_not_depend_on_the_losss_unit(values: list[float], power: int) -> None:
    falling = [100.0 - 4 * step for step in range(20)] + values
    rates = [float(step + 1) for step in range(len(falling))]
    assert suggestion(rates, falling) == suggestion(rates, [value * 2.0**power for value in falling])


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=40).map(sorted))
@example([0.4712645696588501] * 6)
def test_losses_that_only_rise_suggest_nothing(values: list[float]) -> None:
    assert suggestion([float(step + 1) for step in range(len(values))], values) is None


def test_the_steepest_descent_of_a_step_is_found_where_it_is() -> None:
    rates = [10.0**step for step in range(-40, 41)]
    values = [1 / (1 + math.exp(step)) for step in range(-40, 41)]  # falls fastest in the middle
    found = suggestion(rates, values)
    assert found is not None
    assert 0.1 <= found <= 1
