"""From an experiment to everything that training takes from its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import nan
from pathlib import Path
from typing import TypedDict

import torch
from torch import Tensor

from tdl_tui.registry import DATASETS, DataShape
from tdl_tui.runs.records import Probe
from tdl_tui.spec import Experiment

from . import conformity
from .batches import Batches, MemoryBatches
from .dataset import Dataset, Report, ignore
from .missing import fill
from .normalization import Normalization, fit, identity
from .probes import HeldOut, choose_probes, probe
from .splits import Splits, stored
from .storage import choose
from .streaming import StreamBatches


class Common(TypedDict):
    """What every kind of batches is told."""

    batch_size: int
    seed: int
    device: torch.device
    channels_last: bool


@dataclass(frozen=True, eq=False)
class Prepared:
    """The data, ready. `probe_inputs` (P, *shape) and `probe_targets` are on the device, as a batch's are; `held_out`
    has more examples to follow.

    `storage` is "memory" or "stream". `normalization` is on the device, and so is `context`, the dataset's own.
    `class_counts` says how many targets of the training part are of each class, empty in regression; `target_variance`
    is that of its targets as the loss takes them, the mean over the outputs, NaN in classification. `notes` are lines
    for people about what was left out of their files.
    """

    shape: DataShape
    splits: Splits
    batches: Batches
    normalization: Normalization
    probes: tuple[Probe, ...]
    probe_inputs: Tensor
    probe_targets: Tensor
    held_out: HeldOut
    storage: str
    context: Mapping[str, Tensor] = field(default_factory=dict)
    class_counts: tuple[int, ...] = ()
    target_variance: float = nan
    notes: tuple[str, ...] = ()


def load(experiment: Experiment, home: Path, report: Report = ignore) -> Dataset:
    """The experiment's dataset; what is downloaded is kept in `home`/data. Raises DataError.

    A plugin's is checked against what it describes: raises PluginError.
    """
    data = experiment.data
    entry = DATASETS[data.dataset]
    dataset: Dataset = entry.load()(data.options, home / "data", report)
    if entry.plugin:
        conformity.check(dataset, entry, data.options)
    return dataset


def prepare(
    experiment: Experiment,
    home: Path,
    device: torch.device,
    *,
    report: Report = ignore,
    channels_last: bool = False,
    splits_file: Path | None = None,
) -> Prepared:
    """Loads, splits, fills in what is missing, normalises and puts in batches. Raises DataError.

    `report` takes a line now and then while something is downloaded. With `channels_last` batches of pictures have
    that memory format. `splits_file` (.npz) keeps the splits: they are read from it where it is, else written to it.
    """
    data = experiment.data
    dataset = load(experiment, home, report)
    splits = stored(splits_file, dataset, data.split, data.split_seed)
    dataset = fill(dataset, splits.train)
    normalization = fit(dataset, splits.train) if data.normalize else identity(dataset)
    common: Common = {
        "batch_size": data.batch_size or len(splits.train),
        "seed": experiment.seed,
        "device": device,
        "channels_last": channels_last,
    }
    storage = choose(data.storage, dataset, device)
    batches: Batches
    if storage == "memory":
        batches = MemoryBatches(dataset, splits, normalization, **common)
    else:
        batches = StreamBatches(dataset, splits, normalization, workers=data.loader_workers, **common)
    chosen = choose_probes(dataset, splits, experiment.telemetry.probes, data.split_seed)
    on_device = normalization.to(device)
    return Prepared(
        shape=dataset.shape,
        splits=splits,
        batches=batches,
        normalization=on_device,
        probes=tuple(probe(dataset, index) for index in chosen.tolist()),
        probe_inputs=on_device.apply(dataset.inputs[chosen].to(device)),
        probe_targets=on_device.targets(dataset.targets[chosen].to(device)),
        held_out=HeldOut(dataset, splits, on_device, device),
        storage=storage,
        context={name: tensor.to(device) for name, tensor in dataset.context.items()},
        class_counts=_class_counts(dataset, splits),
        target_variance=_target_variance(dataset, splits, normalization),
        notes=dataset.notes,
    )


def _class_counts(dataset: Dataset, splits: Splits) -> tuple[int, ...]:
    if dataset.shape.task == "regression":
        return ()
    targets = dataset.targets[splits.train].flatten()
    return tuple(torch.bincount(targets, minlength=dataset.shape.outputs).tolist())


def _target_variance(dataset: Dataset, splits: Splits, normalization: Normalization) -> float:
    if dataset.shape.task == "classification":
        return nan
    return float(normalization.targets(dataset.targets[splits.train].double()).var(0, correction=0).mean())
