from __future__ import annotations

import math
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from toy_training import CPU, Recording, run_toy, toy

from tdl_tui.models.build import build
from tdl_tui.registry import DataShape
from tdl_tui.runs.records import LAYER_COLUMNS, PARAMETER_COLUMNS
from tdl_tui.training.histograms import LAYERS
from tdl_tui.training.spacing import AHEAD
from tdl_tui.training.telemetry import NO_GRADIENT, SAMPLES, Telemetry, _norm
from tdl_tui.training.through_time import gradients_through_time

TARGETS = torch.arange(6) % 3


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))


def telemetry_of(model: nn.Module, recording: Recording, **options: float) -> Telemetry:
    telemetry = Telemetry(
        model,
        recording,
        budget=options.get("budget", 0.02),
        device=CPU,
        probe_inputs=torch.randn(5, 4, generator=torch.Generator().manual_seed(1)),
        predictions=lambda outputs: outputs,
        autocast=nullcontext,
        objective=cross_entropy,
    )
    telemetry.until(int(options.get("total_steps", 100)), 0)
    return telemetry


def column(recording: Recording, name: str) -> list[float]:
    place = LAYER_COLUMNS.index(name)
    return [row[place] for row in recording.layer_samples[-1].rows]


def step(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: torch.Tensor) -> None:
    optimizer.zero_grad()
    cross_entropy(model(inputs), torch.arange(len(inputs)) % 3).backward()  # type: ignore[no-untyped-call]  # torch


def test_a_sample_says_what_was(tmp_path: Path) -> None:
    model, recording = net(), Recording()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    telemetry = telemetry_of(model, recording)
    inputs = torch.randn(6, 4)
    before = [p.detach().clone() for p in model.parameters()]
    step(model, optimizer, inputs)
    gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    telemetry.before_update()
    optimizer.step()
    telemetry.after_update(1, inputs, TARGETS)
    after = [p.detach() for p in model.parameters()]

    def norms(tensors: list[torch.Tensor]) -> list[float]:
        return [math.hypot(float(tensors[i].norm()), float(tensors[i + 1].norm())) for i in range(0, len(tensors), 2)]

    assert recording.layer_names == ["0", "3"]
    assert column(recording, "gradient_norm") == pytest.approx(norms(gradients), rel=1e-5)
    assert column(recording, "weight_norm") == pytest.approx(norms(after), rel=1e-5)
    changes = norms([a - b for a, b in zip(after, before, strict=True)])
    expected = [change / weight for change, weight in zip(changes, norms(after), strict=True)]
    assert column(recording, "update_ratio") == pytest.approx(expected, rel=1e-3)
    assert recording.values("grad/norm") == pytest.approx([math.hypot(*norms(gradients))], rel=1e-5)
    model.eval()
    with torch.no_grad():
        outputs = model(telemetry._probe_inputs)
        hidden = model[:2](torch.cat([telemetry._probe_inputs, inputs[:1]]))  # five and one: no more than the batch
    assert torch.tensor(recording.probe_samples[0].outputs).allclose(outputs, atol=1e-6)
    assert column(recording, "activation_mean")[0] == pytest.approx(float(hidden.mean()), rel=1e-5)
    assert column(recording, "dead_share")[0] == pytest.approx(float((hidden.amax(0) == 0).float().mean()))


def test_parameters_have_their_own_numbers() -> None:
    model, recording = net(), Recording()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    telemetry = telemetry_of(model, recording)
    inputs = torch.randn(6, 4)
    before = [p.detach().clone() for p in model.parameters()]
    step(model, optimizer, inputs)
    gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    telemetry.before_update()
    optimizer.step()
    telemetry.after_update(1, inputs, TARGETS)
    assert recording.facts["parameter_names"] == ["0.weight", "0.bias", "3.weight", "3.bias"]
    (matrix,) = (m for m in recording.matrices if m.name == "parameters")
    assert all(len(row) == len(PARAMETER_COLUMNS) for row in matrix.rows)
    for row, p, was, gradient in zip(matrix.rows, model.parameters(), before, gradients, strict=True):
        change = (p.detach() - was).norm() / p.detach().norm()
        assert row == pytest.approx((float(gradient.norm()), float(p.detach().norm()), float(change)), rel=1e-3)


def test_histograms_are_of_gradients_weights_and_activations() -> None:
    model, recording = net(), Recording()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    telemetry = telemetry_of(model, recording)
    inputs = torch.randn(6, 4)
    step(model, optimizer, inputs)
    gradients = torch.cat([p.grad.flatten() for p in model[3].parameters() if p.grad is not None])
    telemetry.before_update()
    optimizer.step()
    telemetry.after_update(1, inputs, TARGETS)
    weights = torch.cat([p.detach().flatten() for p in model[3].parameters()])
    with torch.no_grad():
        outputs = model.eval()(torch.cat([telemetry._probe_inputs, inputs[:1]]))
    found = {m.name: m.rows for m in recording.matrices if m.name.startswith("histogram/")}
    assert set(found) == {
        f"histogram/{kind}/{layer}" for kind in ("gradient", "weight", "activation") for layer in "03"
    }
    for kind, values in (("gradient", gradients), ("weight", weights), ("activation", outputs.flatten())):
        edges, counts, summary = map(torch.tensor, found[f"histogram/{kind}/3"])
        assert torch.equal(counts[:-1].float(), torch.histogram(values, edges.float()).hist)
        assert float(counts[-1]) == 0
        assert summary[0].item() == pytest.approx(float(values.mean()), rel=1e-3, abs=1e-6)


def test_layers_have_their_histograms_in_turn() -> None:
    model, recording = nn.Sequential(*(nn.Linear(4, 4) for _ in range(LAYERS + 3))), Recording()
    telemetry = telemetry_of(model, recording)
    inputs = torch.randn(6, 4)
    step(model, torch.optim.SGD(model.parameters(), lr=0.1), inputs)
    found = []
    for number in (1, 2):
        telemetry._histograms.due = 0.0
        telemetry.before_update()
        telemetry.after_update(number, inputs, TARGETS)
        found.append(
            [m.name for m in recording.matrices if m.step == number and m.name.startswith("histogram/weight/")]
        )
    places = [int(name.rsplit("/", 1)[1]) for names in found for name in names]
    assert places == [n % (LAYERS + 3) for n in range(2 * LAYERS)]


def test_of_a_recurrent_network_the_gradient_through_time_is_known() -> None:
    shape = DataShape("classification", "sequence", (7, 4), 3)
    model, recording = build("lstm", shape, {"hidden_size": 5, "layers": 2}), Recording()
    telemetry = telemetry_of(model, recording)
    telemetry._probe_inputs = torch.randn(5, 7, 4)
    inputs = torch.randn(6, 7, 4)
    step(model, torch.optim.SGD(model.parameters(), lr=0.1), inputs)
    telemetry.before_update()
    telemetry.after_update(1, inputs, TARGETS)
    expected = dict(gradients_through_time(model, inputs, TARGETS, cross_entropy))
    found = {m.name: m.rows for m in recording.matrices if m.name.startswith("through_time/")}
    assert list(found) == ["through_time/l0", "through_time/l1"]
    for name, rows in found.items():
        torch.testing.assert_close(torch.tensor(rows), expected[name.removeprefix("through_time/")])


def test_what_has_no_gradient_or_was_not_used_is_left_out() -> None:
    class Partly(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unused = nn.Linear(4, 4)
            self.used = nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.used(x)  # type: ignore[no-any-return]  # modules are untyped

    model, recording = Partly(), Recording()
    telemetry = telemetry_of(model, recording)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    step(model, optimizer, torch.randn(6, 4))
    telemetry.before_update()
    optimizer.step()
    telemetry.after_update(1, torch.randn(6, 4), TARGETS)
    assert recording.layer_names == ["used", "unused"]  # in the order of the pass
    assert math.isnan(column(recording, "gradient_norm")[1])
    assert column(recording, "update_ratio")[1] == 0
    assert math.isnan(column(recording, "activation_mean")[1])
    assert math.isfinite(recording.values("grad/norm")[0])


def test_weights_of_zero_have_no_update_ratio() -> None:
    model, recording = nn.Linear(4, 3), Recording()
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    telemetry = telemetry_of(model, recording)
    step(model, torch.optim.SGD(model.parameters(), lr=0.0), torch.randn(6, 4))
    telemetry.before_update()
    telemetry.after_update(1, torch.randn(6, 4), TARGETS)
    assert math.isnan(column(recording, "update_ratio")[0])


class Clock:
    """Time that passes when told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("tdl_tui.training.telemetry.time.perf_counter", lambda: self.now)


def drive(
    telemetry: Telemetry, clock: Clock, steps: int, *, step_seconds: float, cost: float, histograms: float = 0.0
) -> tuple[list[int], list[int]]:
    """Steps that take so long each, samples that cost so much each, and histograms that cost so many times as much; the
    steps that were sampled, and those with histograms."""
    inputs = torch.randn(6, 4)
    sampled = []
    look, finish = telemetry._look, telemetry._turns.finish

    def dear(batch: torch.Tensor) -> object:
        clock.now += cost
        return look(batch)

    def dearer(heard: Any) -> Any:
        clock.now += histograms * cost
        made.append(number)
        return finish(heard)

    made: list[int] = []
    telemetry._look = dear  # type: ignore[method-assign, assignment]  # a look that takes its time
    telemetry._turns.finish = dearer  # type: ignore[method-assign]  # likewise
    for number in range(1, steps + 1):
        clock.now += step_seconds
        if number == telemetry.next_step:
            telemetry.before_update()
            telemetry.after_update(number, inputs, TARGETS)
            sampled.append(number)
        telemetry.plan(number)
    return sampled, made


@pytest.mark.parametrize("histograms", [0.0, 0.3, 2.0])
@pytest.mark.parametrize(("budget", "cost"), [(0.02, 0.05), (0.02, 0.001), (0.5, 0.3), (1.0, 5.0)])
def test_it_stays_within_its_budget_and_below_two_a_second(
    budget: float, cost: float, histograms: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, recording, clock = net(), Recording(), Clock(monkeypatch)
    step(model, torch.optim.SGD(model.parameters(), lr=0.1), torch.randn(6, 4))
    telemetry = telemetry_of(model, recording, budget=budget, total_steps=0)
    sampled, made = drive(telemetry, clock, 3000, step_seconds=0.01, cost=cost, histograms=histograms)
    assert len(sampled) >= 2 and len(made) >= 1
    most = budget * (AHEAD + clock.now) + (1 + histograms) * cost  # all but the last are earned
    assert (len(sampled) + histograms * len(made)) * cost <= most + 1e-9
    assert len(sampled) - 1 <= 2 * clock.now
    assert recording.series["telemetry/spacing"] == [(later, later - earlier) for earlier, later in pairwise(sampled)]


def test_a_long_run_is_sampled_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    model, clock = net(), Clock(monkeypatch)
    step(model, torch.optim.SGD(model.parameters(), lr=0.1), torch.randn(6, 4))
    telemetry = telemetry_of(model, Recording(), total_steps=20 * SAMPLES)
    sampled, _ = drive(telemetry, clock, 2000, step_seconds=10.0, cost=0.0)
    assert {later - earlier for earlier, later in pairwise(sampled)} == {20}


def test_first_and_last_step_are_looked_at(tmp_path: Path) -> None:
    recording, _, result = run_toy(toy(), tmp_path)
    steps = [sample.step for sample in recording.layer_samples]
    assert (steps[0], steps[-1]) == (1, result.step)
    assert [sample.step for sample in recording.probe_samples] == steps


def test_no_budget_no_look(tmp_path: Path) -> None:
    recording, _, _ = run_toy(toy(telemetry={"budget": 0}), tmp_path)
    assert not recording.layer_samples
    assert not recording.probe_samples
    assert "grad/norm" not in recording.series


def test_a_norm_that_is_not_a_number_is_not_hidden_by_its_sibling() -> None:
    assert math.isnan(_norm([math.nan, 1.0]))
    assert _norm([3.0, NO_GRADIENT, 4.0]) == 5.0
    assert math.isnan(_norm([NO_GRADIENT]))
