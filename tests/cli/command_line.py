"""What the tests of the command line share: what a call gives back, and what a folder holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as the one JSON document that it must be."""
        return json.loads(self.out, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


Tdl = Callable[..., Result]
MakeRun = Callable[..., Path]


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Everything in a folder, with size and time of change."""
    if not folder.exists():
        return {}
    found = {}
    for path in folder.rglob("*"):
        status = path.stat()
        found[str(path)] = (status.st_size if path.is_file() else 0, status.st_mtime_ns if path.is_file() else 0)
    return found
