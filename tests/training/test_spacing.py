from __future__ import annotations

import math

import pytest

from tdl_tui.training.spacing import Spacing


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("tdl_tui.training.spacing.time.perf_counter", lambda: now[0])
    return now


def test_what_it_costs_is_saved_up_first(clock: list[float]) -> None:
    spacing = Spacing(0.01, 0.5)
    assert spacing.due < clock[0]
    spacing.begin()
    assert math.isinf(spacing.due)
    spacing.paid(0.02)
    assert spacing.due == pytest.approx(104.0)  # the first one's, and the next one's
    clock[0] = 104.0
    spacing.paid(0.04)
    assert spacing.due == pytest.approx(107.0)  # the median of both


def test_what_costs_little_keeps_its_distance(clock: list[float]) -> None:
    spacing = Spacing(0.5, 0.5)
    spacing.paid(0.001)
    assert spacing.due == 100.5


def test_another_share_counts_at_once(clock: list[float]) -> None:
    spacing = Spacing(0.01, 0.5)
    spacing.change(0.02)
    assert spacing.due < clock[0]  # nothing was paid yet
    spacing.paid(0.1)
    spacing.change(0.1)
    assert spacing.due == pytest.approx(101.0)
