"""Profiles of trainings: what they hold, and that a training does not feel them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch._C._autograd import DeviceType
from torch.autograd.profiler_util import FunctionEventAvg
from toy_training import Asked, AtSteps, Recording, run_toy, same, toy, trainer_for, weights

from tdl_tui.runs.profiles import MOST_STEPS, profile_of
from tdl_tui.runs.records import State
from tdl_tui.training.loop import train
from tdl_tui.training.profiling import Profiler

CHOSEN: dict[str, Any] = {"training": {"epochs": 2}, "telemetry": {"budget": 0.0}}


def profiled(tmp_path: Path, plan: dict[int, list[Asked]]) -> tuple[Recording, dict[str, Any], State]:
    recording, control = Recording(), AtSteps(plan)
    (tmp_path / "run").mkdir(exist_ok=True)
    trainer = trainer_for(toy(**CHOSEN), tmp_path, recording, control, folder=tmp_path / "run" / "checkpoints")
    result = train(trainer)
    trainer.close()
    return recording, weights(trainer), result.state


def test_a_profile_holds_the_steps_that_were_asked_for(tmp_path: Path) -> None:
    recording, trained, state = profiled(tmp_path, {4: [Asked("profile", {"steps": 5})]})
    assert state is State.FINISHED
    (event,) = [event for event in recording.events if event.kind == "profile"]
    found = profile_of(event.data)
    assert (event.step, found.first, found.steps) == (9, 5, 5)
    assert found.trace == "profiles/step-9.json" and found.trace in event.text
    calls = {operator.name: operator.calls for operator in found.operators}
    assert calls["aten::addmm"] == 5 * 3  # a layer, a call a step
    assert 0 < sum(operator.share for operator in found.operators) <= 1
    assert [o.seconds for o in found.operators] == sorted((o.seconds for o in found.operators), reverse=True)
    trace = tmp_path / "run" / found.trace
    assert trace.stat().st_mode & 0o777 == 0o600
    assert trace.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in trace.parent.iterdir()] == [trace.name]
    names = [event.get("name") for event in json.loads(trace.read_text())["traceEvents"]]
    assert names.count("aten::addmm") == calls["aten::addmm"]
    _, other, _ = run_toy(toy(**CHOSEN), tmp_path)
    assert same(trained, weights(other))


def test_an_end_before_the_last_step_keeps_what_there_is(tmp_path: Path) -> None:
    recording, _, state = profiled(tmp_path, {4: [Asked("profile", {"steps": 50})], 7: [Asked("stop")]})
    assert state is State.STOPPED
    (event,) = [event for event in recording.events if event.kind == "profile"]
    assert profile_of(event.data).steps == 3


@pytest.mark.parametrize(
    ("commands", "why"),
    [
        ([Asked("profile", {"steps": 0})], f"1 to {MOST_STEPS} steps"),
        ([Asked("profile", {"steps": "ten"})], "A number"),
        ([Asked("profile", {})], "A number"),
        ([Asked("profile", {"steps": 9}), Asked("profile", {"steps": 9})], "already"),
        ([Asked("pause"), Asked("profile", {"steps": 9}), Asked("resume")], "paused"),
    ],
)
def test_what_cannot_be_profiled_is_refused_in_a_line(commands: list[Asked], why: str, tmp_path: Path) -> None:
    recording, _, _ = profiled(tmp_path, {3: commands})
    (refusal,) = [event for event in recording.events if event.data.get("refused")]
    assert why in refusal.text


def test_a_trace_that_cannot_be_written_leaves_the_training_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "profiles").write_text("in the way")
    recording, _, state = profiled(tmp_path, {3: [Asked("profile", {"steps": 2})]})
    assert state is State.FINISHED
    assert any("profile could not be written" in text for text in recording.texts("warning"))


def test_on_a_gpu_a_kernel_counts_once_for_the_operator_that_started_it(tmp_path: Path) -> None:
    def row(name: str, kind: DeviceType, microseconds: int) -> FunctionEventAvg:
        made = FunctionEventAvg()
        made.key, made.count, made.device_type, made.self_device_time_total = name, 3, kind, microseconds
        return made

    class AtWork(SimpleNamespace):
        def key_averages(self) -> list[FunctionEventAvg]:
            return [
                row("aten::mm", DeviceType.CPU, 600),
                row("ampere_sgemm_64x32", DeviceType.CUDA, 600),
                row("Optimizer.step#Adam.step", DeviceType.CUDA, 900),
                row("aten::add_", DeviceType.CPU, 200),
                row("cudaLaunchKernel", DeviceType.CPU, 0),
            ]

    profiler = Profiler(Recording(), torch.device("cuda:0"), tmp_path)
    found = profiler._dearest(AtWork(), 0.001)  # type: ignore[arg-type]  # what it asks of a profile
    assert [(o.name, o.share) for o in found] == [("aten::mm", pytest.approx(0.6)), ("aten::add_", pytest.approx(0.2))]
