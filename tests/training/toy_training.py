"""A recorder that keeps everything in memory, a control that acts at exact steps, and trainings that take a moment."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tdl_tui.data.dataset import Dataset
from tdl_tui.data.prepare import Prepared, prepare
from tdl_tui.models.build import build
from tdl_tui.registry import DataShape
from tdl_tui.runs.home import create
from tdl_tui.runs.records import Event, LayerSample, Matrix, Probe, ProbeSample
from tdl_tui.spec import Experiment, experiment
from tdl_tui.training import devices, state
from tdl_tui.training.control import CommandQueue, Control
from tdl_tui.training.history import Replay
from tdl_tui.training.loop import Result, train
from tdl_tui.training.threads import Threads
from tdl_tui.training.trainer import Trainer

CPU = torch.device("cpu")


@dataclass
class Recording:
    """What was recorded, in order."""

    series: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    states: list[Any] = field(default_factory=list)
    layer_names: list[str] = field(default_factory=list)
    layer_samples: list[LayerSample] = field(default_factory=list)
    probe_samples: list[ProbeSample] = field(default_factory=list)
    matrices: list[Matrix] = field(default_factory=list)
    flushed: dict[str, int] = field(default_factory=dict)
    error: Exception | None = None

    def extend(
        self,
        name: str,
        first_step: int,
        stride: int,
        values: array[float],
        first_time: float,
        last_time: float,
    ) -> None:
        points = self.series.setdefault(name, [])
        assert not points or first_step > points[-1][0], f"{name}: {first_step} after {points[-1][0]}"
        assert first_time <= last_time
        points += [(first_step + i * stride, value) for i, value in enumerate(values)]

    def point(self, name: str, step: int, value: float, time: float | None = None) -> None:
        points = self.series.setdefault(name, [])
        assert not points or step >= points[-1][0], f"{name}: {step} after {points[-1][0]}"
        points.append((step, value))

    def layers(self, names: Sequence[str]) -> None:
        self.layer_names = list(names)

    def layer_sample(self, sample: LayerSample) -> None:
        self.layer_samples.append(sample)

    def probes(self, probes: Sequence[Probe]) -> None:
        pass

    def probe_sample(self, sample: ProbeSample) -> None:
        self.probe_samples.append(sample)

    def matrix(self, matrix: Matrix) -> None:
        self.matrices.append(matrix)

    def event(self, kind: str, text: str, step: int, data: dict[str, Any] | None = None) -> None:
        self.events.append(Event(len(self.events) + 1, 0.0, step, kind, text, data or {}))

    def update(self, **facts: Any) -> None:
        self.facts |= facts
        if "state" in facts:
            self.states.append(facts["state"])

    def steps(self) -> dict[str, int]:
        return {name: points[-1][0] for name, points in self.series.items() if points}

    def drop_after(self, step: int, again: Sequence[str] = ()) -> None:
        for name, points in self.series.items():
            points[:] = [point for point in points if point[0] <= step - (name in again)]

    def flush(self) -> None:
        self.flushed = self.steps()

    def check(self) -> None:
        if self.error is not None:
            raise self.error

    def values(self, name: str) -> list[float]:
        return [value for _, value in self.series[name]]

    def texts(self, kind: str) -> list[str]:
        return [event.text for event in self.events if event.kind == kind]


@dataclass(frozen=True)
class Asked:
    """A command."""

    verb: str
    arguments: dict[str, Any] = field(default_factory=dict)
    id: str = "asked"
    who: str = ""


class AtSteps:
    """A control whose commands come when given steps have been made; after a pause the next ones come at once."""

    def __init__(self, plan: Mapping[int, Sequence[Asked]]) -> None:
        self.plan = {step: list(commands) for step, commands in plan.items()}
        self.trainer: Trainer | None = None
        self.waits = 0

    @property
    def pending(self) -> bool:
        return self.trainer is not None and bool(self.plan.get(self.trainer.position.step))

    @pending.setter
    def pending(self, value: bool) -> None:
        raise AssertionError("nobody sets it")

    def take(self) -> list[Asked]:
        assert self.trainer is not None
        commands = self.plan.get(self.trainer.position.step, [])
        until = next((i + 1 for i, command in enumerate(commands) if command.verb == "pause"), len(commands))
        taken, commands[:] = commands[:until], commands[until:]
        return taken

    def wait(self, timeout: float | None = None) -> bool:
        self.waits += 1
        return self.pending


TOY: Mapping[str, Any] = {
    "data": {"dataset": "blobs", "batch_size": 32, "split": [0.5, 0.25, 0.25]},
    "model": {"architecture": "mlp", "options": {"widths": [16, 8]}},
    "training": {"epochs": 3, "threads": 1, "device": "cpu"},
}


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings, the second over the first."""
    result = dict(base)
    for key, value in changes.items():
        held = result.get(key)
        result[key] = merged(held, value) if isinstance(held, Mapping) and isinstance(value, Mapping) else value
    return result


def toy(**changes: Any) -> Experiment:
    return experiment(merged(TOY, changes))


def prepared_for(chosen: Experiment, home: Path, layout: torch.memory_format = torch.contiguous_format) -> Prepared:
    return prepare(chosen, home, CPU, channels_last=layout is torch.channels_last)


def trainer_for(
    chosen: Experiment,
    home: Path,
    recording: Recording,
    control: Control | AtSteps | None = None,
    *,
    folder: Path | None = None,
    model: nn.Module | None = None,
    content: dict[str, Any] | None = None,
    replay: Replay | None = None,
) -> Trainer:
    """A trainer made as a session makes it, optionally restored from a checkpoint."""
    torch.manual_seed(chosen.seed)
    made = model or build(chosen.model.architecture, chosen.shape, chosen.model.options)
    layout = devices.memory_format(made, CPU, chosen.training.precision)
    made.to(memory_format=layout)  # type: ignore[call-overload]  # torch's overloads leave it out
    data = prepared_for(chosen, home, layout)
    trainer = Trainer(
        chosen,
        data,
        made,
        recording,
        control if control is not None else CommandQueue(),  # type: ignore[arg-type]  # a property is an attribute
        device=CPU,
        threads=Threads(chosen.training.threads),
        folder=folder,
    )
    if isinstance(control, AtSteps):
        control.trainer = trainer
    if content is not None:
        state.restore(trainer, content, replay)
    return trainer


def weights(trainer: Trainer) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    """Whether two sets of weights are the same to the last bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def run_toy(chosen: Experiment, home: Path, **options: Any) -> tuple[Recording, Trainer, Result]:
    recording = Recording()
    trainer = trainer_for(chosen, home, recording, **options)
    return recording, trainer, train(trainer)


def new_run(home: Path, chosen: Experiment) -> Path:
    """A run's folder, whose lock this process does not need."""
    run = create(home, chosen.document(), title=chosen.title)
    os.close(run.lock_fd)
    return run.folder


def flattened(rows: Iterable[Iterable[float]]) -> list[float]:
    return [value for row in rows for value in row]


WRITTEN = DataShape("classification", "table", (6,), 3, ("a", "b", "c"), examples=90, steps=4)


def written(options: object, folder: Path, report: object = None) -> Dataset:
    """Rows with a target at each of four steps, which no data set that comes with tdl has."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(90, 6, generator=generator)
    return Dataset(rows, torch.randint(3, (90, 4), generator=generator), WRITTEN)
