"""What every optimizer promises, whichever it is."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn, optim

from tdl_tui.data.prepare import prepare
from tdl_tui.registry import OPTIMIZERS, OptimizerEntry, Option, Value
from tdl_tui.spec import SpecError, experiment
from tdl_tui.training import checkpoints

every = pytest.mark.parametrize("entry", list(OPTIMIZERS), ids=lambda entry: entry.name)
every_option = pytest.mark.parametrize(
    ("entry", "option"),
    [(entry, option) for entry in OPTIMIZERS for option in entry.options],
    ids=lambda item: item.name,
)


class Fit:
    """Least squares with a matrix and a vector of weights, that an optimizer is to bring down."""

    def __init__(self, entry: OptimizerEntry, lr: float | None = None, decay: float = 0.0, **options: Value) -> None:
        draw = torch.Generator().manual_seed(3)
        self.entry = entry
        self.weights = [nn.Parameter(torch.randn(3, 2, generator=draw)), nn.Parameter(torch.randn(2, generator=draw))]
        self.inputs = torch.randn(16, 3, generator=draw)
        self.targets = self.inputs @ torch.randn(3, 2, generator=draw) + 0.5
        if lr is None:
            lr = 1.0 if entry.recipe.get("optimizer.lr") == 1.0 else 0.1  # where 1 is natural, a tenth is slow
        torch.manual_seed(7)  # a gradient-free optimizer takes its own seed from it
        self.optimizer: optim.Optimizer = entry.load()(iter(self.weights), lr, decay, **{**entry.defaults(), **options})

    def loss(self) -> Tensor:
        return (self.inputs @ self.weights[0] + self.weights[1] - self.targets).square().mean()

    def step(self, count: int = 1) -> None:
        for _ in range(count):
            if self.entry.closure:
                self.optimizer.step(self._closure)  # type: ignore[arg-type]  # torch's closures return tensors as well
            else:
                self._closure()
                self.optimizer.step()

    def _closure(self) -> Tensor:
        if not self.entry.gradients:
            return self.loss()
        with torch.enable_grad():
            self.optimizer.zero_grad()
            loss = self.loss()
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return loss

    def flat(self) -> Tensor:
        return torch.cat([weight.detach().flatten() for weight in self.weights])

    def set_lr(self, lr: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = lr


@every
def test_fits(entry: OptimizerEntry) -> None:
    fit = Fit(entry)
    before = fit.loss().item()
    fit.step(50 if entry.closure else 1000)
    assert fit.loss().item() < 0.05 * before


@every
def test_learning_rate_holds_from_the_next_step_on(entry: OptimizerEntry) -> None:
    fit = Fit(entry)
    lr = fit.optimizer.param_groups[0]["lr"]
    for rate in (0.0, lr, 0.0):
        fit.set_lr(rate)
        before = fit.flat()
        fit.step(3)
        assert fit.flat().equal(before) is (rate == 0)


@every
def test_weight_decay_pulls_towards_zero(entry: OptimizerEntry) -> None:
    free, pulled = Fit(entry), Fit(entry, decay=0.5)
    free.step(50)
    pulled.step(50)
    assert pulled.flat().norm() < free.flat().norm()


@every
def test_goes_on_bit_for_bit_from_a_checkpoint(entry: OptimizerEntry, tmp_path: Path) -> None:
    whole, first = Fit(entry, decay=0.01), Fit(entry, decay=0.01)
    whole.step(7)
    first.step(4)
    content = {"weights": [weight.detach() for weight in first.weights], "optimizer": first.optimizer.state_dict()}
    checkpoints.save(tmp_path / "last.pt", content)
    first.step(2)  # what was saved is not touched any more

    kept = checkpoints.load(tmp_path / "last.pt")
    resumed = Fit(entry, lr=0.7, decay=0.3)
    for weight, held in zip(resumed.weights, kept["weights"], strict=True):
        weight.data.copy_(held)
    resumed.optimizer.load_state_dict(kept["optimizer"])
    resumed.step(3)
    assert resumed.flat().equal(whole.flat())


@every
def test_leaves_the_random_streams_alone(entry: OptimizerEntry) -> None:
    fit = Fit(entry)
    before = torch.get_rng_state()
    fit.step(2)
    assert torch.get_rng_state().equal(before)


@every
def test_computes_a_gradient_only_where_it_says_so(entry: OptimizerEntry, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bool] = []
    backward: Callable[..., None] = Tensor.backward

    def noticed(tensor: Tensor, *arguments: Any, **named: Any) -> None:
        made.append(True)
        backward(tensor, *arguments, **named)

    monkeypatch.setattr(Tensor, "backward", noticed)
    fit = Fit(entry)
    plain = fit.loss
    enabled: list[bool] = []
    monkeypatch.setattr(fit, "loss", lambda: (enabled.append(torch.is_grad_enabled()), plain())[1])
    fit.step(2)
    assert enabled
    assert set(enabled) == {entry.gradients}
    assert bool(made) is entry.gradients
    assert all((weight.grad is not None) is entry.gradients for weight in fit.weights)


@every
def test_names_its_source(entry: OptimizerEntry) -> None:
    years = re.findall(r"\b(?:1[89]|20)\d\d\b", entry.source.partition(", arXiv")[0])
    assert years
    assert all(year in (entry.load().__doc__ or "") for year in years)


@every
def test_form_and_code_agree_about_options(entry: OptimizerEntry) -> None:
    known = {
        name: parameter.default
        for name, parameter in inspect.signature(entry.load()).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    assert entry.defaults() == known


@every_option
def test_takes_the_ends_of_an_option_and_refuses_what_is_beyond(entry: OptimizerEntry, option: Option) -> None:
    def with_value(value: Value) -> dict[str, Any]:
        return {"optimizer": {"name": entry.name, "options": {option.name: value}}}

    def all_of(number: float) -> Value:
        whole = isinstance(option.default, int)
        one = int(number) if whole else float(number)
        return tuple(one for _ in option.default) if isinstance(option.default, tuple) else one  # type: ignore[return-value]  # of one type

    wrong: list[Value] = []
    right: list[Value] = list(option.choices)
    if isinstance(option.default, bool):
        right, wrong = [False, True], [1]
    elif option.choices:
        wrong = ["none of these"]
    else:
        wrong = [all_of(edge + by) for edge, by in ((option.low, -1), (option.high, 1)) if edge is not None]
        wrong += [all_of(option.low)] if option.above and option.low is not None else []
        right = [all_of(edge) for edge in (None if option.above else option.low, option.high) if edge is not None]
    assert wrong
    for value in wrong:
        with pytest.raises(SpecError, match=rf"optimizer\.options\.{option.name}: must"):
            experiment(with_value(value))
    for value in right:
        kept = experiment(with_value(value)).optimizer.options[option.name]
        if isinstance(kept, int) and kept > 1000:
            continue  # so many candidates are allowed, but not quick
        fit = Fit(entry, **{option.name: kept})
        fit.step(2)
        assert fit.flat().isfinite().all()


@every
def test_only_a_gradient_free_one_bounds_the_model(entry: OptimizerEntry) -> None:
    assert (entry.most_parameters > 0) is not entry.gradients
    assert entry.closure or entry.gradients


@every
def test_its_recipe_goes_before_the_dataset_and_after_the_person(entry: OptimizerEntry) -> None:
    wanted = {"dataset": "mnist1d"}  # which has a learning rate, a batch size and epochs of its own
    document = experiment({"data": wanted, "optimizer": {"name": entry.name}}).document()
    for path, value in entry.recipe.items():
        section, _, key = path.partition(".")
        assert document[section][key] == value
    said = experiment({"data": wanted, "optimizer": {"name": entry.name, "lr": 0.123}})
    assert said.optimizer.lr == 0.123
    if "optimizer.lr" not in entry.recipe:
        assert document["optimizer"]["lr"] == 1e-2


@pytest.mark.parametrize("entry", [entry for entry in OPTIMIZERS if entry.full_batch], ids=lambda entry: entry.name)
def test_one_of_full_batches_takes_no_others(entry: OptimizerEntry) -> None:
    with pytest.raises(SpecError, match=rf"data\.batch_size: must be 0 for {entry.name}.*sgd takes batches; got 64"):
        experiment({"optimizer": {"name": entry.name}, "data": {"batch_size": 64}})


@pytest.mark.parametrize("storage", ["memory", "stream"])
def test_the_whole_training_part_is_one_batch(storage: str, tmp_path: Path) -> None:
    data = {"dataset": "blobs", "storage": storage, "loader_workers": 0, "split": [0.5, 0.25, 0.25]}
    chosen = experiment({"data": data, "optimizer": {"name": "gradient_descent"}})
    batches = prepare(chosen, tmp_path, torch.device("cpu")).batches
    try:
        assert batches.steps_per_epoch == 1
        assert [len(targets) for _, targets in batches.epoch(0)] == [chosen.shape.examples // 2]
    finally:
        batches.close()
