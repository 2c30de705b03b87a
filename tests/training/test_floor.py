"""What a training is bound by: real ones of each kind are told apart, and looking at them changes nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from toy_training import CPU, Recording, merged, same, toy, trainer_for, weights

from tdl_tui.data.batches import Batch, MemoryBatches
from tdl_tui.runs.bottleneck import LEAST, MOST, PARTS, verdict
from tdl_tui.training.floor import floor, measure
from tdl_tui.training.loop import train
from tdl_tui.training.trainer import Trainer

TINY = {"data": {"batch_size": 4}, "training": {"epochs": 2}}
HEAVY = {
    "data": {"dataset": "digits", "batch_size": 512},
    "model": {"options": {"widths": [1024, 1024]}},
    "training": {"epochs": 1},
}


def bound_by(trainer: Trainer, recording: Recording) -> str:
    """The verdict on a whole training."""
    measure(trainer)
    train(trainer)
    series = {part: recording.values(f"time/{part}") for part in (*PARTS, LEAST, MOST)}
    found = verdict({part: sum(values) / len(values) for part, values in series.items()})
    assert found is not None
    return found.name


@pytest.mark.parametrize(("changes", "expected"), [(TINY, "overhead-bound"), (HEAVY, "compute-bound")])
def test_small_steps_and_large_ones_are_told_apart(changes: Mapping[str, Any], expected: str, tmp_path: Path) -> None:
    recording = Recording()
    chosen = toy(**merged(changes, {"telemetry": {"budget": 0.0}}))
    assert bound_by(trainer_for(chosen, tmp_path, recording), recording) == expected


def test_a_slow_source_of_data_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = MemoryBatches.epoch

    def slowly(self: MemoryBatches, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        for batch in plain(self, epoch, start_step):
            until = time.perf_counter() + 0.002
            while time.perf_counter() < until:  # what reads slowly
                pass
            yield batch

    monkeypatch.setattr(MemoryBatches, "epoch", slowly)
    recording = Recording()
    assert bound_by(trainer_for(toy(training={"epochs": 2}), tmp_path, recording), recording) == "data-bound"


def test_measuring_changes_nothing(tmp_path: Path) -> None:
    """No weight, buffer, gradient, mode or random state."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.ReLU(), nn.Linear(8, 3))
    model[2].eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    inputs, targets = torch.randn(6, 4), torch.arange(6) % 3
    random = torch.get_rng_state()
    found = floor(model, cross_entropy, inputs, targets, device=CPU, autocast=torch.enable_grad)
    assert torch.equal(torch.get_rng_state(), random)
    assert found.least > 0
    assert 0 < found.most < 1
    assert same(before, model.state_dict())
    assert all(p.grad is None for p in model.parameters())
    assert [module.training for module in model] == [True, True, False, True, True]


def test_more_operations_take_more(tmp_path: Path) -> None:
    def least(depth: int) -> float:
        model = nn.Sequential(*(nn.Linear(4, 4) for _ in range(depth)))
        inputs, targets = torch.randn(6, 4), torch.arange(6) % 3
        return floor(model, cross_entropy, inputs, targets, device=CPU, autocast=torch.enable_grad).least

    assert least(40) > 3 * least(4)


def test_a_model_that_takes_no_single_example_trains_all_the_same(tmp_path: Path) -> None:
    class Squeezing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if len(x) == 1:
                raise ValueError("more than one, please")
            return self.layer(x)  # type: ignore[no-any-return]  # torch's modules return anything

    recording = Recording()
    trainer = trainer_for(toy(telemetry={"budget": 0.0}), tmp_path, recording, model=Squeezing())
    measure(trainer)
    train(trainer)
    assert f"time/{LEAST}" not in recording.series
    assert recording.series["time/forward"]


def test_the_same_weights_with_and_without(tmp_path: Path) -> None:
    trained = []
    for measures in (True, False):
        trainer = trainer_for(toy(), tmp_path, Recording())
        if measures:
            measure(trainer)
        train(trainer)
        trained.append(weights(trainer))
    assert same(*trained)
