"""Whether what a plugin's loader gives is what the plugin describes, said where it is not."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from tdl_tui.plugins.faults import wrong
from tdl_tui.registry import DatasetEntry, Options

from .dataset import Dataset

DTYPES = {"image": torch.uint8, "text": torch.int64, "graph": torch.int64}


def check(dataset: object, entry: DatasetEntry, options: Options) -> None:
    """Raises PluginError, naming the loader's line, for anything but the Dataset that `entry` describes."""
    if fault := next(_faults(dataset, entry, options), None):
        raise wrong(entry, fault)


def _faults(dataset: object, entry: DatasetEntry, options: Options) -> Iterator[str]:
    if not isinstance(dataset, Dataset):
        yield f"loads {type(dataset).__name__}, not a Dataset"
        return
    shape = entry.describe(options)
    if dataset.shape != shape:
        yield f"loads data whose shape is {dataset.shape}, and describes {shape}"
    for name in ("inputs", "targets"):
        if not isinstance(getattr(dataset, name), torch.Tensor):
            yield f"loads {name} that are {type(getattr(dataset, name)).__name__}, not a tensor"
            return
    classes = shape.task == "classification"
    targets = (shape.steps,) if shape.steps else () if classes else (shape.outputs,)
    for name, tensor, size, dtype in (
        ("inputs", dataset.inputs, shape.input, DTYPES.get(shape.kind, torch.float32)),
        ("targets", dataset.targets, targets, torch.int64 if classes else torch.float32),
    ):
        if tensor.dtype != dtype:
            yield f"loads {name} of {tensor.dtype}, they must be {dtype}"
        if tensor.shape != (shape.examples, *size):
            yield f"loads {name} {_size(tensor.shape)}, and describes {_size((shape.examples, *size))}"
    if classes and not 0 <= int(dataset.targets.min()) <= int(dataset.targets.max()) < shape.outputs:
        yield f"loads targets that are not all 0 to {shape.outputs - 1}, the numbers of its {shape.outputs} classes"


def _size(sizes: tuple[int, ...]) -> str:
    return "×".join(map(str, sizes))
