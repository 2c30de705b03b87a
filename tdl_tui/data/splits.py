"""Which example is for training, which for validation, which for the test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from tdl_tui.sizes import part_sizes

from .dataset import DataError, Dataset
from .randomness import generator


@dataclass(frozen=True, eq=False)
class Splits:
    """Indices into the dataset, int64, ascending; each example is in exactly one part."""

    train: Tensor
    validation: Tensor
    test: Tensor

    def __iter__(self) -> Iterator[tuple[str, Tensor]]:
        yield from (("train", self.train), ("validation", self.validation), ("test", self.test))

    def sizes(self) -> dict[str, int]:
        return {name: len(indices) for name, indices in self}


def split(dataset: Dataset, shares: tuple[float, float, float], seed: int) -> Splits:
    """Parts of the sizes that `sizes.part_sizes` names, drawn at random by `seed` alone.

    In classification with one target an example they are stratified: of a class with n members, a part that takes k of
    the N examples to choose from holds n·k/N to within one. The dataset's own test part stays what it is; then the
    first two shares divide the rest, unless the training part is the dataset's own too. The test part depends on
    nothing but its own share and the seed. Raises DataError where a part whose share is above 0 would be empty.
    """
    fixed_train = dataset.shape.fixed_train
    try:
        sizes = part_sizes(len(dataset), shares, dataset.fixed_test, fixed_train)
    except ValueError as error:
        raise DataError(f"data.split: {error}") from None
    if fixed_train:
        return Splits(*torch.split(torch.arange(len(dataset)), list(sizes)))
    free = len(dataset) - dataset.fixed_test
    stratified = dataset.shape.task == "classification" and dataset.targets.ndim == 1
    pool = _by_class_at_random(dataset.targets[:free], stratified, seed)
    if dataset.fixed_test:
        test = torch.arange(free, len(dataset))
    else:
        test, pool = _take(pool, sizes.test)
    validation, train = _take(pool, sizes.validation)
    return Splits(train.sort().values, validation.sort().values, test.sort().values)


def stored(path: Path | None, dataset: Dataset, shares: tuple[float, float, float], seed: int) -> Splits:
    """The splits that the .npz file `path` holds; where it is not there yet, `split`'s, which are then written to it.

    Raises DataError where the file cannot be used, or is of another dataset.
    """
    if path is None:
        return split(dataset, shares, seed)
    if not path.exists():
        made = split(dataset, shares, seed)
        part = path.with_name(f".{path.name}")
        with part.open("wb") as file:
            np.savez(file, train=made.train, validation=made.validation, test=made.test)
            file.flush()
            os.fsync(file.fileno())  # else the name may outlive a crash of the machine, and the content not
        part.replace(path)
        return made
    try:
        with np.load(path, allow_pickle=False) as arrays:
            kept = Splits(*(torch.from_numpy(arrays[name]) for name in ("train", "validation", "test")))
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        raise DataError(f"{path} cannot be read ({error}); delete it, and the splits are drawn again") from None
    everything = torch.cat([indices for _, indices in kept]).sort().values
    if not torch.equal(everything, torch.arange(len(dataset))):
        raise DataError(f"{path} divides {len(everything)} examples, the data has {len(dataset)}")
    return kept


def _by_class_at_random(targets: Tensor, classes: bool, seed: int) -> Tensor:
    """All indices in random order; with `classes`, class by class."""
    order = torch.randperm(len(targets), generator=generator("split", seed))
    return order[targets[order].argsort(stable=True)] if classes else order


def _take(pool: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """`count` of the pool at even distances, and the rest; no stretch gets one more or less than its due."""
    chosen = torch.zeros(len(pool), dtype=torch.bool)
    if count:
        chosen[(2 * torch.arange(count) + 1) * len(pool) // (2 * count)] = True
    return pool[chosen], pool[~chosen]
