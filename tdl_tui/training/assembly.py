"""From an experiment to a model with its first weights, and the data it learns from, both on the device."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from tdl_tui.data.dataset import Report, ignore
from tdl_tui.data.prepare import Prepared, prepare
from tdl_tui.models.build import build
from tdl_tui.models.freeze import freeze
from tdl_tui.spec import Experiment

from . import devices


def assemble(
    experiment: Experiment,
    home: Path,
    device: torch.device,
    *,
    report: Report = ignore,
    splits_file: Path | None = None,
) -> tuple[nn.Module, Prepared]:
    """The model, drawn by the experiment's seed and laid out as suits the device, and its data.

    `home`, `report` and `splits_file` are as `prepare` takes them. Leaves the random states, torch's and Python's,
    behind the weights'. Raises DataError, and whatever the architecture
    raises.
    """
    random.seed(experiment.seed)  # a plugin may draw from it
    torch.manual_seed(experiment.seed)
    model = _network(experiment)
    layout = devices.memory_format(model, device, experiment.training.precision)
    model.to(device).to(memory_format=layout)  # type: ignore[call-overload]  # torch's overloads leave it out
    prepared = prepare(
        experiment,
        home,
        device,
        report=report,
        channels_last=layout is torch.channels_last,
        splits_file=splits_file,
    )
    introduce(model, prepared.context)
    return model, prepared


def outline(experiment: Experiment) -> nn.Module:
    """The model on the meta device: shapes alone, no weights."""
    with torch.device("meta"):
        return _network(experiment)


def _network(experiment: Experiment) -> nn.Module:
    model = build(experiment.model.architecture, experiment.shape, experiment.model.options)
    freeze(model, experiment.model.freeze)
    return model


def introduce(model: nn.Module, context: Mapping[str, Tensor]) -> None:
    """Shows what belongs to a whole dataset (`Dataset.context`) to every module that has a method `see`."""
    for module in model.modules():
        if callable(see := getattr(module, "see", None)):
            see(context)
