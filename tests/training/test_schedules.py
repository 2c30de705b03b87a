"""Schedules: pure functions of the step, against torch's schedulers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn, optim
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    ExponentialLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

from tdl_tui.registry import SCHEDULES, ScheduleEntry, UnknownName
from tdl_tui.training.schedules import (
    ReduceOnPlateau,
    build,
    cosine,
    curve,
    observer,
    with_warmup,
)

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


ORACLES: dict[str, tuple[str, dict[str, Any], Callable[[optim.Optimizer], LRScheduler]]] = {
    "steps": ("step", {"every": 7, "factor": 0.3}, lambda o: StepLR(o, 7, 0.3)),
    "steps, a share": ("step", {"every": 0.25, "factor": 0.3}, lambda o: StepLR(o, 15, 0.3)),
    "milestones": ("multi_step", {"milestones": [40, 10], "factor": 0.5}, lambda o: MultiStepLR(o, [10, 40], 0.5)),
    "milestones, shares": ("multi_step", {"milestones": [0.5, 0.75]}, lambda o: MultiStepLR(o, [30, 45], 0.1)),
    "exponential": ("exponential", {"final": 0.02}, lambda o: ExponentialLR(o, 0.02 ** (1 / 59))),
    "linear": ("linear", {"final": 0.1}, lambda o: LinearLR(o, 1.0, 0.1, total_iters=59)),
    "restarts": (
        "cosine_restarts",
        {"period": 9, "multiplier": 2, "final": 0.05},
        lambda o: CosineAnnealingWarmRestarts(o, 9, 2, eta_min=0.05),
    ),
    "even restarts": (
        "cosine_restarts",
        {"period": 0.2, "multiplier": 1},
        lambda o: CosineAnnealingWarmRestarts(o, 12),
    ),
    "one cycle": (
        "one_cycle",
        {"rise": 0.3, "start": 1 / 25, "final": 1 / 25 / 1e4},
        lambda o: OneCycleLR(o, 1.0, total_steps=60, pct_start=0.3, cycle_momentum=False),
    ),
    "one cycle, steep": (
        "one_cycle",
        {"rise": 0.05, "start": 0.5, "final": 0.05},
        lambda o: OneCycleLR(
            o, 1.0, total_steps=60, pct_start=0.05, div_factor=2, final_div_factor=10, cycle_momentum=False
        ),
    ),
}


@pytest.mark.parametrize("case", ORACLES)
def test_schedules_are_torchs(case: str) -> None:
    name, options, scheduler = ORACLES[case]
    optimizer = of_rate_one()
    expected = oracle(60, optimizer, scheduler(optimizer))
    schedule = build(name, 60, 0, options)
    assert [schedule(step) for step in range(1, 61)] == pytest.approx(expected, abs=1e-9)


VALUES = st.lists(st.floats(-2, 2, allow_subnormal=False) | st.just(float("nan")), max_size=40)


@given(VALUES, st.integers(0, 4), st.floats(0, 0.5), st.sampled_from([0.1, 0.5]), st.integers(0, 3))
def test_reducing_on_a_plateau_is_torchs(
    values: list[float], patience: int, threshold: float, factor: float, warmup: int
) -> None:
    optimizer = of_rate_one()
    torchs = ReduceLROnPlateau(
        optimizer, factor=factor, patience=patience, threshold=threshold, threshold_mode="abs", eps=0
    )
    options = {"factor": factor, "patience": patience, "threshold": threshold}
    schedule = build("reduce_on_plateau", 100, warmup, options)
    watching = observer(schedule)
    assert watching is not None
    for value in values:
        watching.observe(value)
        torchs.step(value)
        again = ReduceOnPlateau(100, **options)  # type: ignore[arg-type]  # a dictionary of both kinds of numbers
        again.restore(watching.state())
        assert schedule(warmup + 1) == pytest.approx(optimizer.param_groups[0]["lr"])
        assert (again(1), again.state()) == (schedule(warmup + 1), watching.state())


def test_only_some_schedules_observe() -> None:
    assert {entry.name for entry in SCHEDULES if observer(build(entry.name, 10, 2)) is not None} == {
        entry.name for entry in SCHEDULES if entry.observes
    }


@pytest.mark.parametrize("entry", list(SCHEDULES), ids=lambda entry: entry.name)
@given(total=totals, warmup=st.integers(0, 600), points=st.integers(1, 300))
def test_a_curve_is_the_schedule_at_some_steps(entry: ScheduleEntry, total: int, warmup: int, points: int) -> None:
    drawn = curve(entry.name, total, warmup, {}, points)
    schedule = build(entry.name, total, warmup)
    assert len(drawn) <= max(points, 2)
    assert drawn[0][0] == 1 and drawn[-1][0] == total
    assert all(before[0] < after[0] for before, after in pairwise(drawn))
    assert drawn == [(step, schedule(step)) for step, _ in drawn]


@pytest.mark.parametrize("entry", list(SCHEDULES), ids=lambda entry: entry.name)
def test_one_step_is_taken_whole(entry: ScheduleEntry) -> None:
    assert build(entry.name, 1)(1) == 1.0


def test_unknown_schedule_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="cosine"):
        build("cosin", 10)
