"""What only a GPU can show, where there is one: trainings on it, its line of time, and what its driver says."""

from __future__ import annotations

import json
import math
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_training import Asked, merged, new_run

from tdl_tui.registry import ARCHITECTURES, ArchitectureEntry
from tdl_tui.runs.bottleneck import PARTS, shares, verdict
from tdl_tui.runs.profiles import profile_of
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import Event, State, Summary
from tdl_tui.spec import SpecError, experiment
from tdl_tui.training import checkpoints
from tdl_tui.training.control import CommandQueue
from tdl_tui.training.session import OUT_OF_MEMORY, run_training

pytestmark = [
    pytest.mark.usefixtures("rows_with_steps"),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]

GPU = "cuda:0"
PICTURES = {"dataset": "digits", "batch_size": 64, "options": {"image_size": 28}}
DATA: tuple[Mapping[str, Any], ...] = (
    {"dataset": "iris", "batch_size": 16},
    {"dataset": "digits", "batch_size": 64, "split": [0.2, 0.1, 0.7]},
    {**PICTURES, "split": [0.2, 0.1, 0.7]},
    {"dataset": "digits", "batch_size": 16, "split": [0.05, 0.02, 0.93], "options": {"image_size": 64}},
    {"dataset": "digits", "batch_size": 16, "split": [0.05, 0.02, 0.93], "options": {"image_size": 224}},
    {"dataset": "text", "batch_size": 32, "options": {"length": 16}},
    {"dataset": "copy_memory", "batch_size": 16, "options": {"length": 3, "examples": 100}},
    {"dataset": "mnist1d", "batch_size": 64, "split": [0.1, 0.05, 0.85]},
    {"dataset": "diabetes", "batch_size": 48},
    {"dataset": "karate"},
    {"dataset": "written", "batch_size": 16},
)
BASE: Mapping[str, Any] = {"training": {"device": GPU, "epochs": 2}}


@dataclass
class Trained:
    """A run that has ended."""

    folder: Path
    summary: Summary
    series: dict[str, list[float]]
    events: list[Event]

    def mean(self, name: str) -> float:
        """Of the second half: what was before tells of the start."""
        values = self.series[name][len(self.series[name]) // 2 :]
        return sum(values) / len(values)

    def rules(self) -> set[str]:
        """Of the doctor, those that spoke."""
        return {event.data["rule"] for event in self.events if event.kind == "diagnosis"}


def trained(home: Path, *documents: Mapping[str, Any], control: CommandQueue | None = None) -> Trained:
    document: Mapping[str, Any] = BASE
    for changes in documents:
        document = merged(document, changes)
    folder = new_run(home, experiment(document))
    run_training(folder, control or CommandQueue())
    with RunReader(folder) as reader:
        series = {name: list(reader.columns(name)[2]) for name in reader.series_names()}
        return Trained(folder, reader.summary(), series, reader.events())


def fitting(entry: ArchitectureEntry) -> Mapping[str, Any]:
    """The first data that an architecture's tiny member takes."""
    for data in DATA:
        document = {"data": data, "model": {"architecture": entry.name, "options": entry.tiny}}
        try:
            experiment(merged(BASE, document))
        except SpecError:
            continue
        return document
    raise AssertionError(f"{entry.name} takes none of the data")


def test_every_architecture_has_data() -> None:
    assert all(fitting(entry) for entry in ARCHITECTURES)


@pytest.mark.parametrize("entry", list(ARCHITECTURES), ids=lambda entry: entry.name)
def test_every_architecture_trains(entry: ArchitectureEntry, tmp_path: Path) -> None:
    run = trained(tmp_path, fitting(entry))
    assert run.summary.state is State.FINISHED, run.summary.message
    assert run.summary.device == f"{GPU} {torch.cuda.get_device_name(0)}"
    assert all(map(math.isfinite, run.series["train/loss"]))
    assert len(run.series["train/loss"]) == run.summary.progress.step
    weights = checkpoints.load(run.folder / "checkpoints" / "last.pt")["model"].values()
    assert all(bool(tensor.isfinite().all()) for tensor in weights if tensor.is_floating_point())
    assert all(0 <= share <= 1 for part in PARTS for share in run.series.get(f"time/{part}", ()))


TRAININGS: Mapping[str, Mapping[str, Any]] = {
    "fp32": {},
    "bf16": {"training": {"precision": "bf16"}},
    "compiled": {"training": {"compile": True}},
    "streamed": {"data": {"storage": "stream", "loader_workers": 2}},
    "held by the host": {"data": {"storage": "stream", "loader_workers": 0}},
    "with all a step may have": {
        "training": {"accumulation": 2, "gradient_clip_norm": 1.0, "ema_decay": 0.9},
        "objective": {"options": {"label_smoothing": 0.1, "class_weights": "balanced"}},
        "schedule": {"name": "cosine", "warmup_steps": 10},
    },
}


@pytest.mark.parametrize("name", TRAININGS)
def test_a_network_learns(name: str, tmp_path: Path) -> None:
    chosen = {"data": PICTURES, "model": {"architecture": "lenet5"}, "training": {"epochs": 8}}
    run = trained(tmp_path, chosen, TRAININGS[name])
    assert run.summary.state is State.FINISHED, run.summary.message
    assert run.summary.test is not None
    assert run.summary.test["accuracy"] > 0.9


@pytest.mark.parametrize("architecture", ["mlp", "lstm"])
def test_to_be_looked_at_changes_nothing(architecture: str, tmp_path: Path) -> None:
    options = {"mlp": {"dropout": 0.2, "norm": "batch"}, "lstm": {"hidden_size": 32}}[architecture]
    chosen = {"data": {"dataset": "digits"}, "model": {"architecture": architecture, "options": options}}
    looks = [trained(tmp_path, chosen, {"telemetry": {"budget": budget}}) for budget in (0.0, 1.0)]
    models = [checkpoints.load(run.folder / "checkpoints" / "last.pt")["model"] for run in looks]
    assert "grad/norm" not in looks[0].series
    assert looks[1].series["grad/norm"]
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])


# ---------------------------------------------------------------------------------------------------- the line of time

LARGE = {
    "data": {"dataset": "digits", "batch_size": 1024, "options": {"image_size": 64}},
    "model": {"architecture": "mlp", "options": {"widths": [8192, 8192, 8192]}},
    "training": {"epochs": 60},
}
SMALL = {
    "data": {"dataset": "digits", "batch_size": 16},
    "model": {"architecture": "mlp", "options": {"widths": [64, 64, 64, 64]}},
    "training": {"epochs": 30},
}


@pytest.mark.parametrize(("chosen", "name"), [(LARGE, "compute-bound"), (SMALL, "overhead-bound")])
def test_what_a_training_is_bound_by(chosen: Mapping[str, Any], name: str, tmp_path: Path) -> None:
    run = trained(tmp_path, chosen)
    with RunReader(run.folder) as reader:
        found = shares(reader)
    judged = verdict(found)
    assert judged is not None
    assert judged.name == name, (judged, found)
    assert sum(found[part] for part in PARTS if part in found) <= 1.001


def test_shares_are_what_the_profiler_sees(tmp_path: Path) -> None:
    """Forward against backward, of kernels alone: large enough to leave no gaps between them."""
    model = torch.nn.Sequential(*(torch.nn.Linear(8192, 8192, device=GPU) for _ in range(3)))
    inputs = torch.randn(1024, 8192, device=GPU)
    seconds: dict[str, float] = {}
    for _ in range(3):
        marks = [torch.cuda.Event(enable_timing=True) for _ in range(3)]
        marks[0].record()
        loss = model(inputs).square().mean()
        marks[1].record()
        loss.backward()
        marks[2].record()
        torch.cuda.synchronize()
        seconds = {"forward": marks[0].elapsed_time(marks[1]), "backward": marks[1].elapsed_time(marks[2])}
    run = trained(tmp_path, LARGE, {"model": {"options": {"widths": [8192] * 4}}})
    wanted = seconds["backward"] / seconds["forward"]
    assert run.mean("time/backward") / run.mean("time/forward") == pytest.approx(wanted, rel=0.4)


def test_a_profile_has_the_kernels(tmp_path: Path) -> None:
    control = CommandQueue()
    control.put(Asked("profile", {"steps": 3}))
    run = trained(tmp_path, SMALL, {"training": {"epochs": 5}}, control=control)
    (event,) = [event for event in run.events if event.kind == "profile"]
    found = profile_of(event.data)
    assert found.steps == 3
    events = json.loads((run.folder / found.trace).read_text())["traceEvents"]
    kernels = [entry["name"] for entry in events if entry.get("cat") == "kernel"]
    assert any("gemm" in name or "gemv" in name or "sm90" in name or "cutlass" in name for name in kernels), kernels


# ------------------------------------------------------------------------------------------------- what its driver says


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Some seconds of much work."""
    chosen = merged(LARGE, {"training": {"epochs": 400}, "telemetry": {"grid_intensity": 400}})
    return trained(tmp_path_factory.mktemp("busy"), chosen)


def test_the_driver_is_asked(busy: Trained) -> None:
    asked = ["nvidia-smi", "--query-gpu=memory.total,temperature.gpu", "--format=csv,noheader,nounits", "--id=0"]
    told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split(",")
    memory, temperature = (float(figure) for figure in told)
    assert all(0 <= share <= 100 for share in busy.series["system/gpu"])
    assert busy.mean("system/gpu") > 50
    assert 1e9 < busy.mean("system/gpu_memory") < memory * 2**20
    assert busy.mean("system/gpu_temperature") == pytest.approx(temperature, abs=25)


def test_energy_is_power_over_time(busy: Trained) -> None:
    with RunReader(busy.folder) as reader:
        _, times, joules = reader.columns("system/energy/gpu")
        _, _, watts = reader.columns("system/gpu_power")
    assert list(joules) == sorted(joules)
    used, seconds = joules[-1] - joules[0], times[-1] - times[0]
    assert used / seconds == pytest.approx(sum(watts) / len(watts), rel=0.5)


def test_a_gpu_with_next_to_nothing_to_do_is_not_said_to_wait_for_data(tmp_path: Path) -> None:
    run = trained(tmp_path, SMALL, {"training": {"epochs": 150}})
    assert run.mean("system/gpu") < 60
    assert not run.rules() & {"data_bound", "does_not_fit"}


# ----------------------------------------------------------------------------------------------------------- its memory


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Two hundredths of the GPU's for this process."""
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(0.01)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.mark.usefixtures("little_memory")
def test_what_does_not_fit_fails_in_one_line_and_the_doctor_says_what_would_help(tmp_path: Path) -> None:
    run = trained(tmp_path, LARGE)
    assert run.summary.state is State.FAILED
    assert run.summary.message.startswith(f"{OUT_OF_MEMORY} (CUDA out of memory. Tried to allocate ")
    assert len(run.summary.message) < 160
    assert "does_not_fit" in run.rules()
    again = trained(tmp_path, SMALL, {"training": {"epochs": 1}})  # and what does, trains
    assert again.summary.state is State.FINISHED


def test_a_checkpoint_is_copied_beside_the_training(tmp_path: Path) -> None:
    """What is kept is the state of one step, though the training goes on while it is copied and written."""
    run = trained(tmp_path, LARGE, {"training": {"epochs": 200, "checkpoint_seconds": 1.0}})
    assert run.summary.state is State.FINISHED, run.summary.message
    kept = checkpoints.load(run.folder / "checkpoints" / "last.pt")
    assert kept["position"]["step"] == run.summary.progress.step


def test_no_second_is_counted_twice(tmp_path: Path) -> None:
    started = time.perf_counter()
    run = trained(tmp_path, SMALL)
    assert run.summary.progress.seconds <= time.perf_counter() - started
