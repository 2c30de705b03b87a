"""What the worker's tests share: small experiments, and waiting for what a run says."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tdl_tui.runs import lock
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State, Summary
from tdl_tui.spec import Experiment, experiment


def wait_until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Returns when the condition holds; fails where that takes longer."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def summary_of(folder: Path) -> Summary:
    with RunReader(folder) as reader:
        return reader.summary()


def wait_for(folder: Path, *states: State) -> Summary:
    wait_until(lambda: summary_of(folder).state in states)
    return summary_of(folder)


def wait_for_end(folder: Path) -> Summary:
    wait_until(lambda: not lock.held(folder))
    return summary_of(folder)


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def document(epochs: int, **sections: Any) -> dict[str, Any]:
    return {
        "data": {"dataset": "digits"},
        "model": {"architecture": "mlp", "options": {"widths": [16]}},
        "training": {"epochs": epochs, "device": "cpu", "threads": 1},
        **sections,
    }


def short(**sections: Any) -> Experiment:
    """An experiment that ends by itself, soon."""
    return experiment(document(2, **sections))


def endless() -> Experiment:
    """An experiment that goes on until it is stopped."""
    return experiment(document(1_000_000))
