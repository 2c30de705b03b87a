"""The estimate, against what is counted by hand and what a training is seen to take."""

from __future__ import annotations

import subprocess
import sys
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile
from toy_training import CPU, merged, new_run, toy

from tdl_tui.models.build import build
from tdl_tui.registry import ARCHITECTURES, OPTIMIZERS
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State
from tdl_tui.spec import Experiment, experiment
from tdl_tui.training import memory, session
from tdl_tui.training.assembly import assemble
from tdl_tui.training.control import CommandQueue
from tdl_tui.training.memory import Memory, NotEnoughMemory, estimate, in_words

GIB = 2**30
HUGE = {"model": {"architecture": "mlp", "options": {"widths": [60000, 60000]}}}


def estimated(chosen: Experiment) -> Memory:
    with torch.device("meta"):
        module = build(chosen.model.architecture, chosen.shape, chosen.model.options)
    return estimate(chosen, module, CPU)


def parameters(chosen: Experiment) -> int:
    return sum(p.numel() for p in build(chosen.model.architecture, chosen.shape, chosen.model.options).parameters())


def test_the_parts_of_an_mlp_are_those_counted_by_hand() -> None:
    chosen = toy(data={"batch_size": 2000}, model={"options": {"widths": [512, 256]}}, telemetry={"budget": 0.0})
    found, count = estimated(chosen), parameters(chosen)
    assert found.gradients == 4 * count
    assert found.weights == 2 * found.gradients  # and the best so far
    assert found.optimizer == 2 * found.gradients  # Adam's two moments
    kept = 2 + 512 + 256  # a linear layer's input, a ReLU's output
    assert found.activations == 4 * 2000 * (kept + 512)  # and the gradient of the largest
    assert found.data == 2 * 4 * chosen.shape.examples * 2  # as loaded, and as batches want them
    assert found.total == found.weights + found.gradients + found.optimizer + found.activations + found.data


@pytest.mark.parametrize(
    ("changes", "part", "share"),
    [
        ({"optimizer": {"name": "sgd"}}, "optimizer", 0.0),
        ({"telemetry": {"budget": 0.0}}, "weights", 2 / 3),
        ({"training": {"ema_decay": 0.99}}, "weights", 4 / 3),
        ({"training": {"accumulation": 2}}, "activations", 1 / 2),
        ({"training": {"precision": "bf16"}}, "activations", 1 / 2),
        ({"data": {"batch_size": 1500}}, "activations", 1 / 2),
        ({"data": {"batch_size": 100_000}}, "activations", 4000 / 3000),  # the training part has no more
    ],
)
def test_what_an_experiment_asks_for_changes_its_part(changes: dict[str, Any], part: str, share: float) -> None:
    base = {"data": {"batch_size": 3000, "options": {"examples": 8000}}, "model": {"options": {"widths": [64]}}}
    before, after = estimated(toy(**base)), estimated(toy(**merged(base, changes)))
    kept = getattr(before, part)
    assert getattr(after, part) == pytest.approx(share * kept, rel=0.01)


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_an_optimizers_state_is_what_it_keeps_after_steps(name: str) -> None:
    entry = OPTIMIZERS[name]
    if entry.closure or not entry.gradients:
        pytest.skip("its state grows with its history, or it is for small models alone")
    chosen = toy(optimizer={"name": name}, data={"batch_size": 0} if entry.full_batch else {})
    model = build("mlp", chosen.shape, chosen.model.options)
    optimizer = entry.load()(
        list(model.parameters()), chosen.optimizer.lr, chosen.optimizer.weight_decay, **chosen.optimizer.options
    )
    for _ in range(2):
        model(torch.randn(4, *chosen.shape.input)).sum().backward()
        optimizer.step()
    kept = sum(t.numel() * 4 for state in optimizer.state.values() for t in state.values() if t.dim())
    assert estimated(chosen).optimizer == pytest.approx(kept, rel=0.05, abs=4 * 64)


def test_evaluating_counts_where_it_takes_more_than_a_small_batch() -> None:
    small = estimated(toy(data={"batch_size": 2, "options": {"examples": 8000}}))
    assert small.activations + small.gradients == 4 * memory.EVALUATED * (16 + 16)  # a ReLU's input and output


@pytest.mark.parametrize("name", ARCHITECTURES.names())
def test_every_architecture_is_estimated_without_its_weights(name: str) -> None:
    entry = ARCHITECTURES[name]
    for data in ({"dataset": "digits", "options": {"image_size": 32}}, {"dataset": "mnist1d"}, {"dataset": "iris"}):
        document = {"data": data, "model": {"architecture": name, "options": dict(entry.tiny)}}
        try:
            chosen = experiment(document)
        except ValueError:
            continue
        found = estimated(chosen)
        assert found.gradients > 0
        assert found.activations > 0


def test_what_cannot_fit_ends_as_failed_before_it_is_allocated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device: 8 * GIB)

    def allocate(*_: Any, **__: Any) -> None:
        raise AssertionError("it went on")

    monkeypatch.setattr(session, "assemble", allocate)
    folder = new_run(tmp_path, toy(**HUGE))
    assert session.run_training(folder, CommandQueue()) is State.FAILED
    with RunReader(folder) as reader:
        message = reader.summary().message
    assert message.startswith("too little memory: training takes about 80.5 GiB (")
    assert "8 GiB are free on cpu" in message
    assert "a smaller model would help" in message
    assert "\n" not in message


def test_the_refusal_names_what_would_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device: 2**17)
    with pytest.raises(NotEnoughMemory, match=r"a smaller data\.batch_size or a smaller model would help"):
        memory.check(toy(data={"batch_size": 2000, "options": {"examples": 8000}}), CPU)
    with pytest.raises(NotEnoughMemory, match=r"data\.storage=stream"):
        memory.check(toy(data={"options": {"examples": 1_000_000}}), CPU)
    monkeypatch.setattr(memory, "free_bytes", lambda device: GIB)
    memory.check(toy(), CPU)


def test_what_is_frozen_has_no_gradient_and_no_state(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = {"model": {"options": {"widths": [512, 512]}}}
    free = estimated(toy(**wide)).total - 1
    monkeypatch.setattr(memory, "free_bytes", lambda device: free)
    with pytest.raises(NotEnoughMemory):
        memory.check(toy(**wide), CPU)
    memory.check(toy(**merged(wide, {"model": {"freeze": "hidden2"}})), CPU)


def test_sizes_in_words() -> None:
    assert [in_words(n) for n in (0, 1023, 1024, 1.5 * GIB, 3 * 2**40)] == [
        "0 bytes",
        "1.02e+03 bytes",
        "1 KiB",
        "1.5 GiB",
        "3 TiB",
    ]


def test_the_compiler_stays_out() -> None:
    code = """
import sys, torch
from tdl_tui.worker import compiler
compiler.put_off()
from tdl_tui.spec import experiment
from tdl_tui.training.memory import check
check(experiment({"model": {"options": {"dropout": 0.1}}}), torch.device("cpu"))
print([name for name in ("torch._inductor", "sympy") if name in sys.modules])
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def allocated(chosen: Experiment, home: Path) -> int:
    """The most that torch's allocator holds at once in two steps of training, beyond the weights and the data."""
    model, prepared = assemble(chosen, home, CPU)
    optimizer = OPTIMIZERS[chosen.optimizer.name].load()(
        list(model.parameters()), chosen.optimizer.lr, chosen.optimizer.weight_decay, **chosen.optimizer.options
    )
    inputs, targets = next(prepared.batches.epoch(0))
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        for _ in range(2):
            functional.cross_entropy(model(inputs), targets).backward()
            optimizer.step()
            optimizer.zero_grad()
    assert profiler.profiler is not None
    assert profiler.profiler.kineto_results is not None
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    return max(accumulate(event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())))


@pytest.mark.parametrize(
    "document",
    [
        {"data": {"batch_size": 256}, "model": {"architecture": "mlp", "options": {"widths": [1024, 1024]}}},
        {"data": {"batch_size": 1400}, "model": {"architecture": "mlp", "options": {"widths": [512, 512, 512]}}},
        {"data": {"batch_size": 512, "options": {"image_size": 28}}, "model": {"architecture": "lenet5"}},
    ],
    ids=["weights", "activations", "convolutions"],
)
def test_the_estimate_is_what_torch_allocates_to_a_tenth(document: dict[str, Any], tmp_path: Path) -> None:
    chosen = experiment(document)
    found = estimated(chosen)
    mine = found.gradients + found.optimizer + found.activations
    assert mine == pytest.approx(allocated(chosen, tmp_path), rel=0.1)
