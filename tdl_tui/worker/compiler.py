"""Training without torch's compiler stack, which an optimizer's first step would import. Imports no torch itself.

`torch.optim` imports `torch._dynamo` for two functions that do nothing outside compiled code (`graph_break` and
`disable`): some 800 modules, about as costly as importing torch. `put_off()` stands a module with these two in its
place. Whatever else is asked of it, `torch.compile` to begin with, brings the real one in.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

NAME = "torch._dynamo"


class _PutOff(ModuleType):
    def graph_break(self, msg: str = "") -> None:
        """Ends a compiled graph: there is none."""

    def disable(self, fn: Callable[..., Any], recursive: bool = True, **options: Any) -> Callable[..., Any]:
        """Keeps a function out of compiled graphs: there are none."""
        return fn

    def __getattr__(self, name: str) -> Any:
        # the import system asks for __path__ when a submodule is imported; inspect asks every module for __file__
        if name.startswith("__") and name != "__path__":
            raise AttributeError(name)
        if sys.modules.get(NAME) is self:
            del sys.modules[NAME]
        return getattr(importlib.import_module(NAME), name)


def put_off() -> None:
    """Puts off the compiler stack until it is needed. Does nothing where it was imported already.

    Call it after torch was imported, and not at all where a model is going to be compiled.
    """
    if NAME not in sys.modules:
        torch = sys.modules["torch"]
        module = _PutOff(NAME)
        sys.modules[NAME] = module
        setattr(torch, "_dynamo", module)  # noqa: B010  # mypy knows no such assignment
