"""A workbench without a spare process, on a home of its own, at a fixed time."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from made_runs import NOW, make_runs
from textual.pilot import Pilot

from tdl_tui.screens.app import Workbench

DEADLINE = 20.0


async def until(pilot: Pilot[Any], holds: Callable[[], object]) -> None:
    """Lets the app run until a condition holds."""
    end = monotonic() + DEADLINE
    while not holds():
        assert monotonic() < end, "it did not come to hold"
        await pilot.pause(0.01)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TDL_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TDL_THEME", raising=False)
    monkeypatch.delenv("COLORFGBG", raising=False)
    return tmp_path / "home"


@pytest.fixture
def runs(home: Path) -> Iterator[Path]:
    """A home with ten runs of every sort."""
    held = make_runs(home, 10)
    yield home
    for descriptor in held:
        os.close(descriptor)


@pytest.fixture
def bench(home: Path) -> Callable[..., Workbench]:
    def make(**options: Any) -> Workbench:
        return Workbench(home, **{"clock": lambda: NOW, "spare": False, **options})

    return make


Until = Callable[[Pilot[Any], Callable[[], object]], Awaitable[None]]


@pytest.fixture(name="until")
def until_fixture() -> Until:
    return until
