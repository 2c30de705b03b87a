"""The one place where torchvision is imported."""

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
    """The module torchvision.datasets.

    A torchvision whose compiled operators do not fit the installed torch (one built for CUDA beside a torch for the
    CPU) stops at import because it describes operators that are not there. The datasets need none of them, so they
    are declared, without a body, for the import to go through.
    """
    if not _compiled_operators_load():
        for name, schema in _OPERATORS.items():
            if not hasattr(torch.ops.torchvision, name.partition("::")[2]):
                torch.library.define(name, schema)
    return importlib.import_module("torchvision.datasets")


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
