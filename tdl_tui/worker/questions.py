"""What the spare worker can be asked while a person is choosing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from tdl_tui.data.prepare import load
from tdl_tui.data.probes import choose_probes, probe
from tdl_tui.data.sizes import part_sizes, steps_per_epoch
from tdl_tui.data.splits import split
from tdl_tui.models.build import build
from tdl_tui.registry import DATASETS
from tdl_tui.spec import Experiment
from tdl_tui.training.summary import summarize

from .answers import LayerAnswer, SamplesAnswer, SummaryAnswer


def summary(experiment: Experiment, home: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """A SummaryAnswer. Allocates no weights and loads no data."""
    shape = experiment.shape
    with torch.device("meta"):
        module = build(experiment.model.architecture, shape, experiment.model.options)
    found = summarize(module, shape.input)
    sizes = part_sizes(shape.examples, experiment.data.split, shape.fixed_test)
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
    return SummaryAnswer(layers, found.parameters, found.macs, found.receptive_field, sizes.train, steps).to_json()


def samples(experiment: Experiment, home: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """A SamplesAnswer with up to `count` held-out examples. Downloads nothing."""
    if line := DATASETS[experiment.data.dataset].missing(experiment.data.options):
        raise FileNotFoundError(line)
    dataset = load(experiment, home)
    splits = split(dataset, experiment.data.split, experiment.data.split_seed)
    chosen = choose_probes(dataset, splits, int(request.get("count", 16)), experiment.data.split_seed)
    examples = tuple(probe(dataset, index) for index in chosen.tolist())
    return SamplesAnswer(examples, dataset.shape.classes).to_json()


QUESTIONS: Mapping[str, Callable[[Experiment, Path, Mapping[str, Any]], dict[str, Any]]] = {
    "summary": summary,
    "samples": samples,
}
