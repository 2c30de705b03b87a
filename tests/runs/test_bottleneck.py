"""The verdict on where the time goes."""

from __future__ import annotations

from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdl_tui.runs.bottleneck import LEAST, MOST, PARTS, verdict

STEPS = {"data": 0.02, "forward": 0.3, "backward": 0.5, "optimizer": 0.1}


@pytest.mark.parametrize(
    ("changes", "name", "word"),
    [
        ({LEAST: 0.55, MOST: 0.9}, "overhead-bound", "55 %"),
        ({LEAST: 0.01, MOST: 0.1}, "compute-bound", "10 %"),
        ({LEAST: 0.05, MOST: 0.9}, "unclear", "90 %"),
        ({}, "unclear", "not known"),
        ({LEAST: nan, MOST: nan}, "unclear", "not known"),
        ({"data": 0.3, "forward": 0.2, LEAST: 0.6, MOST: 0.9}, "data-bound", "30 %"),
        ({"data": 0.15, "validation": 0.45, "forward": 0.1, "backward": 0.1}, "data-bound", "27 %"),
        ({"validation": 0.6, "forward": 0.1, "backward": 0.1}, "unclear", "validation"),
        ({"telemetry": 0.6, "forward": 0.1, "backward": 0.1}, "unclear", "telemetry"),
        ({"optimizer": 0.7, "forward": 0.1, "backward": 0.1, LEAST: 0.6, MOST: 0.9}, "unclear", "optimizer"),
    ],
)
def test_the_largest_obstacle_is_named(changes: dict[str, float], name: str, word: str) -> None:
    found = verdict({**STEPS, **changes})
    assert found is not None
    assert found.name == name
    assert word in found.seen
    assert found.advice


def test_without_figures_there_is_no_verdict() -> None:
    assert verdict({}) is None
    assert verdict({"forward": nan, "data": 0.5}) is None


@given(st.dictionaries(st.sampled_from([*PARTS, LEAST, MOST]), st.floats(0, 1)))
def test_any_shares_are_judged(shares: dict[str, float]) -> None:
    found = verdict(shares)
    assert (found is None) == ("forward" not in shares)
