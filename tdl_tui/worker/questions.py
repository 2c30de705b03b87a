"""What the spare worker can be asked while a person is choosing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tdl_tui.data.dataset import Report, ignore
from tdl_tui.data.overview import class_counts
from tdl_tui.data.prepare import load
from tdl_tui.data.probes import choose_probes, probe
from tdl_tui.data.splits import split
from tdl_tui.data.storage import free_bytes
from tdl_tui.registry import DATASETS
from tdl_tui.sizes import steps_per_epoch
from tdl_tui.spec import Experiment
from tdl_tui.training import checkpoints, devices, forks, memory, schedules
from tdl_tui.training.assembly import assemble, outline
from tdl_tui.training.lr_range import check as check_range_test
from tdl_tui.training.lr_range import range_test
from tdl_tui.training.summary import example_of, summarize
from tdl_tui.training.threads import Threads

from .answers import LayerAnswer, LrRangeAnswer, SamplesAnswer, SummaryAnswer

SCHEDULE_POINTS = 60
RANGE_SECONDS = 45.0  # before whoever asks stops waiting


def summary(experiment: Experiment, home: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """A SummaryAnswer. Allocates no weights and loads no data."""
    shape = experiment.shape
    module = outline(experiment)
    found = summarize(module, shape.input, example_of(shape).dtype)
    sizes = experiment.part_sizes
    layers = tuple(
        LayerAnswer(
            layer.name,
            layer.kind,
            layer.input_shape,
            layer.output_shape,
            layer.parameters,
            layer.macs,
            layer.receptive_field,
        )
        for layer in found.layers
    )
    steps = steps_per_epoch(sizes.train, experiment.data.batch_size)
    needed, free = _memory(experiment, module)
    return SummaryAnswer(
        layers,
        found.parameters,
        found.macs,
        found.receptive_field,
        sizes.train,
        steps,
        memory=needed,
        free=free,
        schedule=_schedule(experiment, steps * experiment.training.epochs),
    ).to_json()


def _memory(experiment: Experiment, module: nn.Module) -> tuple[int, int]:
    """The bytes that training takes and those that are free; none of either where the device is not there."""
    try:
        device = devices.resolve(experiment.training.device)
    except devices.DeviceError:
        return 0, 0
    return memory.estimate(experiment, module, device).total, free_bytes(device)


def _schedule(experiment: Experiment, total_steps: int) -> tuple[tuple[int, float], ...]:
    """The learning rate at up to SCHEDULE_POINTS steps, the first and the last among them."""
    chosen, lr = experiment.schedule, experiment.optimizer.lr
    curve = schedules.curve(chosen.name, total_steps, chosen.warmup_steps, chosen.options, SCHEDULE_POINTS)
    return tuple((step, lr * factor) for step, factor in curve)


def samples(experiment: Experiment, home: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """A SamplesAnswer with up to `count` held-out examples. Downloads nothing."""
    _check_here(experiment)
    return look(experiment, home, int(request.get("count", 16))).to_json()


def look(experiment: Experiment, home: Path, count: int, report: Report = ignore) -> SamplesAnswer:
    """Up to `count` held-out examples, and how many there are of each class. Raises DataError."""
    dataset = load(experiment, home, report)
    splits = split(dataset, experiment.data.split, experiment.data.split_seed)
    chosen = choose_probes(dataset, splits, count, experiment.data.split_seed)
    examples = tuple(probe(dataset, index) for index in chosen.tolist())
    return SamplesAnswer(examples, dataset.shape.classes, tuple(class_counts(dataset).values()))


def lr_range(experiment: Experiment, home: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """An LrRangeAnswer, on the experiment's device. Downloads nothing, and gives up after `seconds` (45)."""
    check_range_test(experiment)
    _check_here(experiment)
    deadline = time.monotonic() + float(request.get("seconds", RANGE_SECONDS))

    def between() -> None:
        if time.monotonic() > deadline:
            raise TimeoutError("the range test takes long with so much to compute a step: tdl lr-find has the time")

    device, threads = devices.resolve(experiment.training.device), torch.get_num_threads()
    memory.check(experiment, device)
    with torch.random.fork_rng():
        model, prepared = assemble(experiment, home, device)
    try:
        Threads(experiment.training.threads)
        found = range_test(experiment, prepared, model, device=device, between=between)
    finally:
        prepared.batches.close()
        torch.set_num_threads(threads)
    return LrRangeAnswer(found.lr, found.loss, found.suggestion).to_json()


def fits(experiment: Experiment, home: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing, where the weights of the `checkpoint` (a path) are those of the experiment's network. Raises Misfit."""
    forks.fits(outline(experiment), checkpoints.load(Path(request["checkpoint"])))
    return {}


def _check_here(experiment: Experiment) -> None:
    """Raises FileNotFoundError for data that would have to be downloaded."""
    if line := DATASETS[experiment.data.dataset].missing(experiment.data.options):
        raise FileNotFoundError(line)


QUESTIONS: Mapping[str, Callable[[Experiment, Path, Mapping[str, Any]], dict[str, Any]]] = {
    "summary": summary,
    "samples": samples,
    "lr_range": lr_range,
    "fits": fits,
}
