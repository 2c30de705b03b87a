"""What opens quickly imports nothing heavy, as it really runs; the contracts in pyproject.toml check the source."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = ("torch", "torchvision", "numpy", "sklearn")


def modules_in(folder: str, package: str) -> list[str]:
    names = [path.stem for path in sorted((ROOT / folder).glob("*.py")) if path.stem != "__init__"]
    return [f"{package}.{name}" for name in names]


LIGHT = [
    "tdl_tui.spec",
    "tdl_tui.registry",
    "tdl_tui.cli",
    "tdl_tui.models.catalog",
    "tdl_tui.data.catalog",
    "tdl_tui.training.catalog",
    "tdl_tui.diagnosis.rules",
    "tdl_tui.worker.launch",
    "tdl_tui.worker.queue_runner",
    "tdl_tui.worker.spare",
    "tdl_tui.worker.steer",
    *modules_in("tdl_tui/plugins", "tdl_tui.plugins"),
    *modules_in("tdl_tui/runs", "tdl_tui.runs"),
    *modules_in("tdl_tui/verbs", "tdl_tui.verbs"),
    *modules_in("tdl_tui/widgets", "tdl_tui.widgets"),
    *modules_in("screens", "tdl_tui.screens"),
]


@pytest.fixture(scope="module")
def imported() -> dict[str, list[str]]:
    """For each light module, in order: the heavy ones that came with it. One interpreter imports them all."""
    script = (
        "import importlib, json, sys\n"
        "found = {}\n"
        f"for name in {LIGHT!r}:\n"
        "    importlib.import_module(name)\n"
        f"    found[name] = [heavy for heavy in {HEAVY!r} if heavy in sys.modules]\n"
        "print(json.dumps(found))\n"
    )
    output = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    result: dict[str, list[str]] = json.loads(output)
    return result


@pytest.mark.parametrize("module", LIGHT)
def test_imports_nothing_heavy(module: str, imported: dict[str, list[str]]) -> None:
    assert imported[module] == []
