"""Schedules: pure functions of the step, against torch's schedulers."""

from __future__ import annotations

import warnings
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn, optim
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR

from tdl_tui.registry import SCHEDULES, ScheduleEntry, UnknownName
from tdl_tui.training.schedules import Schedule, build, constant, cosine, with_warmup

totals = st.integers(1, 500)
shares = st.floats(0, 1)


def oracle(steps: int, optimizer: optim.Optimizer, scheduler: LRScheduler) -> list[float]:
    """The factors that a torch scheduler of base rate 1 uses at each step."""
    factors = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of SequentialLR's own use of a deprecated argument
        for _ in range(steps):
            factors.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    return factors


def of_rate_one() -> optim.Optimizer:
    return optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)


@pytest.mark.parametrize("entry", list(SCHEDULES), ids=lambda entry: entry.name)
@given(total=totals, warmup=st.integers(0, 600))
def test_factors_stay_within_zero_and_one_and_do_not_depend_on_what_was_asked_before(
    entry: ScheduleEntry, total: int, warmup: int
) -> None:
    schedule = build(entry.name, total, warmup)
    factors = [schedule(step) for step in range(1, total + 1)]
    assert all(0 <= factor <= 1 for factor in factors)
    assert factors == [build(entry.name, total, warmup)(step) for step in range(1, total + 1)]
    assert schedule(1) > 0


@pytest.mark.parametrize("entry", list(SCHEDULES), ids=lambda entry: entry.name)
@given(total=st.integers(2, 500), warmup=st.integers(1, 400))
def test_warmup_rises_evenly_and_meets_the_schedule(entry: ScheduleEntry, total: int, warmup: int) -> None:
    behind = entry.load()(total, **entry.defaults())
    schedule = with_warmup(behind, warmup)
    rise = [schedule(step) for step in range(1, warmup + 2)]
    steps = [after - before for before, after in pairwise([0.0, *rise])]
    assert steps == pytest.approx([behind(1) / (warmup + 1)] * (warmup + 1))
    assert rise[-1] == behind(1)
    assert [schedule(warmup + step) for step in (1, 2, total)] == [behind(step) for step in (1, 2, total)]


@given(total=st.integers(2, 500), final=shares)
def test_cosine_falls_from_one_to_its_final_share(total: int, final: float) -> None:
    factors = [cosine(total, final)(step) for step in range(1, total + 1)]
    assert factors[0] == 1
    assert factors[-1] == final
    assert all(before >= after for before, after in pairwise(factors))
    assert cosine(total, final)(total + 7) == final


@pytest.mark.parametrize("final", [0.0, 0.1, 1.0])
def test_cosine_is_torchs(final: float) -> None:
    optimizer = of_rate_one()
    expected = oracle(50, optimizer, CosineAnnealingLR(optimizer, T_max=49, eta_min=final))
    assert [cosine(50, final)(step) for step in range(1, 51)] == pytest.approx(expected, abs=1e-9)


def test_warmup_in_front_of_a_cosine_is_torchs() -> None:
    optimizer = of_rate_one()
    parts: list[LRScheduler] = [
        LinearLR(optimizer, start_factor=1 / 11, total_iters=10),
        CosineAnnealingLR(optimizer, T_max=39),
    ]
    scheduler = SequentialLR(optimizer, parts, milestones=[10])
    expected = oracle(50, optimizer, scheduler)
    schedule = build("cosine", 50, 10)
    assert [schedule(step) for step in range(1, 51)] == pytest.approx(expected, abs=1e-9)


@given(total=totals, warmup=st.integers(0, 100))
def test_warmup_counts_among_the_steps(total: int, warmup: int) -> None:
    schedule = build("cosine", total, warmup, {"final": 0.25})
    if total - warmup > 1:
        assert schedule(total) == 0.25
    assert build("constant", total, warmup)(warmup + 1) == 1


def test_one_step_is_taken_whole() -> None:
    schedules: list[Schedule] = [constant(1), cosine(1), with_warmup(cosine(1), 0)]
    assert [schedule(1) for schedule in schedules] == [1.0, 1.0, 1.0]


def test_unknown_schedule_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="cosine"):
        build("cosin", 10)
