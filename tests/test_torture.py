"""Each fault of `python -m torture` a few times, and the worker killed ten times: nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random

import pytest

from tdl_tui.registry import ARCHITECTURES
from torture import training
from torture.disk import Impossible
from torture.faults import FAULTS, Fault
from torture.kills import killed
from torture.training import Recovery

KILLS = 10
CHAIN = Fault("worker killed five times", KILLS, partial(killed, kills=5))
QUICK = (
    "disk full for two seconds (limit to the size of files)",
    "run.db cut off",
    "clock gone back by an hour",
)
"""The others are made to happen at a lower level too, or take long."""


@pytest.fixture(scope="module", autouse=True)
def without_the_plugin_afterwards() -> Iterator[None]:
    yield
    with suppress(KeyError):
        ARCHITECTURES.remove("brittle")


def endured(fault: Fault, seed: int, home: Path) -> Recovery:
    """What became of a training that was damaged. Fails with what was lost."""
    try:
        return fault.make(Random(seed), home)
    except Impossible as error:
        pytest.skip(str(error))
    finally:
        training.removed(home)


def test_ten_kills_lose_nothing(tmp_path: Path) -> None:
    times = seed = 0
    while times < KILLS:
        times += endured(CHAIN, seed, tmp_path / str(seed)).times
        seed += 1


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, id=fault.name, marks=[] if fault.name in QUICK else [pytest.mark.slow])
        for fault in FAULTS
        if fault.make is not killed
    ],
)
def test_a_fault_loses_nothing(fault: Fault, tmp_path: Path) -> None:
    assert endured(fault, 0, tmp_path / "home").times
