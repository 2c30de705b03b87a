from __future__ import annotations

import math
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdl_tui.training.spacing import AHEAD, Spacing


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("tdl_tui.training.spacing.time.perf_counter", lambda: now[0])
    return now


def test_the_share_of_the_first_second_is_there_at_once(clock: list[float]) -> None:
    spacing = Spacing(0.01, 0.5)  # 0.01 seconds ahead
    assert spacing.due < clock[0]
    spacing.begin()
    assert math.isinf(spacing.due)
    spacing.paid(0.006)
    assert spacing.due == 100.5  # 0.004 are left
    clock[0] = 100.5
    spacing.paid(0.03)
    assert spacing.due == pytest.approx(101.4)  # 0.014 are owed by the median, but for what half a second has earned


def test_what_costs_more_than_that_is_earned_before_the_next(clock: list[float]) -> None:
    spacing = Spacing(0.01, 0.5)
    spacing.paid(0.2)
    assert spacing.due == pytest.approx(119.0)
    clock[0] = 119.0
    spacing.paid(0.4)
    assert spacing.due == pytest.approx(149.0)  # the median of both
    clock[0] = 200.0
    spacing.paid(0.5)
    assert spacing.due == pytest.approx(239.0)  # of a long wait no more is left than there was at first


@given(st.floats(0, 0.5), st.integers(1, 50), st.floats(0.001, 0.5))
def test_over_any_time_it_keeps_to_its_share(cost: float, times: int, share: float) -> None:
    now = 100.0
    with patch("tdl_tui.training.spacing.time.perf_counter", lambda: now):
        spacing = Spacing(share, 0.5)
        for done in range(times):
            now = max(now, spacing.due)
            spacing.paid(cost)
            assert done * cost <= share * (AHEAD + now - 100.0) + 1e-9  # all but the last are earned


def test_what_costs_little_keeps_its_distance(clock: list[float]) -> None:
    spacing = Spacing(0.5, 0.5)
    spacing.paid(0.001)
    assert spacing.due == 100.5


def test_another_share_counts_at_once(clock: list[float]) -> None:
    spacing = Spacing(0.01, 0.5)
    spacing.change(0.02)
    assert spacing.due < clock[0]  # nothing was paid yet
    spacing.paid(0.5)
    assert spacing.due == pytest.approx(124.5)
    spacing.change(0.1)
    assert spacing.due == pytest.approx(104.9)
