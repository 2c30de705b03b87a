"""What every dataset is once it is loaded: two tensors and their shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from torch import Tensor

from tdl_tui.registry import DataShape, Options

from .augmentation import Augmentation

Report = Callable[[str], None]
"""Takes one line about how loading goes, such as how far a download is."""


class DataError(Exception):
    """Data that cannot be used. The message is one line for people: what, where, and what would be right."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """N examples.

    `inputs` is (N, *shape.input), uint8 from 0 to 255 for pictures, int64 for text and graphs, float32 for all else.
    `targets` is int64 (N,) in classification, (N, steps) where each step has a target, float32 (N, outputs) in
    regression. The first `shape.fixed_train` examples are the set's own training part, the last `fixed_test` its own
    test part. `context` is what belongs to the whole set and not to one example (of a graph "adjacency", float32
    (nodes, nodes) of edge weights, and "features", float32 (nodes, features)); a module that has a method
    `see(context)` is given it once, before it is trained or asked. `notes` are lines that tell people what of their
    files was left out. `augmentation` changes pictures in training; `on_disk` says that the inputs are mapped from a
    file, as they would not fit into memory.
    """

    inputs: Tensor
    targets: Tensor
    shape: DataShape
    fixed_test: int = 0
    context: Mapping[str, Tensor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    augmentation: Augmentation | None = None
    on_disk: bool = False

    def __len__(self) -> int:
        return len(self.inputs)


class Loader(Protocol):
    """What a dataset entry's target is. `folder` is where downloaded files live. Raises DataError."""

    def __call__(self, options: Options, folder: Path, report: Report = ...) -> Dataset: ...


def ignore(line: str) -> None:
    """A report that nobody reads."""
