"""The one place where torchvision is imported. That takes about as long as importing torch: only where it is needed."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import torch

_OPERATORS = {
    "torchvision::nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "torchvision::qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def datasets() -> Any:
    """The module torchvision.datasets."""
    return _module("torchvision.datasets")


def models() -> Any:
    """The module torchvision.models."""
    return _module("torchvision.models")


def transforms() -> Any:
    """The module torchvision.transforms.v2.functional."""
    return _module("torchvision.transforms.v2.functional")


def _module(name: str) -> Any:
    """That module of torchvision. Raises ModuleNotFoundError where torchvision is not installed.

    A torchvision whose compiled operators do not fit the installed torch (one built for CUDA beside a torch for the
    CPU) stops at import because it describes operators that are not there. Nothing here needs them, so they are
    declared, without a body, for the import to go through.
    """
    if not _compiled_operators_load():
        for operator, schema in _OPERATORS.items():
            if not hasattr(torch.ops.torchvision, operator.partition("::")[2]):
                torch.library.define(operator, schema)
    return importlib.import_module(name)


def _compiled_operators_load() -> bool:
    package = importlib.util.find_spec("torchvision")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("torchvision is not installed")
    libraries = [p for p in Path(package.origin).parent.glob("_C*") if p.suffix in (".so", ".dylib", ".pyd")]
    try:
        for library in libraries:
            torch.ops.load_library(library)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    except OSError:
        return False
    return bool(libraries)
