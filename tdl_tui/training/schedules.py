"""How the learning rate changes: pure functions of the step (from 1) to a factor within [0, 1]. Imports no torch.

A time within a training ("every", "milestones", "period") is a number of steps; up to 1 it is a share of all steps.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from math import cos, inf, pi
from typing import Any, Protocol, runtime_checkable

from tdl_tui.registry import SCHEDULES, Options

Schedule = Callable[[int], float]


@runtime_checkable
class Observer(Protocol):
    """A schedule that goes by what validations find."""

    def observe(self, value: float) -> None:
        """A validation found `value`, of which lower is better."""

    def state(self) -> dict[str, Any]:
        """What `restore` goes on from, as plain values."""

    def restore(self, state: Mapping[str, Any]) -> None: ...


def build(name: str, total_steps: int, warmup_steps: int = 0, options: Options | None = None) -> Schedule:
    """The named schedule over the steps that the warm-up leaves, behind the warm-up."""
    entry = SCHEDULES[name]
    after = max(1, total_steps - warmup_steps)
    return with_warmup(entry.load()(after, **{**entry.defaults(), **(options or {})}), warmup_steps)


def observer(schedule: Schedule) -> Observer | None:
    """The part of a schedule, behind its warm-up, that is to be told of validations; None where there is none."""
    behind = schedule.behind if isinstance(schedule, _Warmup) else schedule
    return behind if isinstance(behind, Observer) else None


def curve(
    name: str, total_steps: int, warmup_steps: int = 0, options: Options | None = None, points: int = 200
) -> list[tuple[int, float]]:
    """Up to `points` steps at even distances, the first and the last among them, and the factor at each, for drawing.

    Of a schedule that goes by what it observes, the factors while it has observed nothing.
    """
    factor = build(name, total_steps, warmup_steps, options)
    gaps = max(1, min(points, total_steps) - 1)
    steps = sorted({1 + (total_steps - 1) * gap // gaps for gap in range(gaps + 1)})
    return [(step, factor(step)) for step in steps]


def constant(total_steps: int) -> Schedule:
    """1 at every step."""
    return lambda step: 1.0


def step(total_steps: int, every: float = 0.25, factor: float = 0.1) -> Schedule:
    """Times `factor` after each `every` steps."""
    length = _steps(every, total_steps)
    return lambda step: _power(factor, (step - 1) // length)


def multi_step(total_steps: int, milestones: Sequence[float] = (0.5, 0.75), factor: float = 0.1) -> Schedule:
    """Times `factor` after each milestone (He et al. 2016, section 4.2)."""
    ends = sorted(_steps(milestone, total_steps) for milestone in milestones)
    return lambda step: _power(factor, bisect_right(ends, step - 1))


def exponential(total_steps: int, final: float = 0.01) -> Schedule:
    """From 1 at the first step to `final` at `total_steps`, by the same factor at each step; there it stays."""
    if total_steps <= 1:
        return constant(total_steps)
    return lambda step: final if step >= total_steps else final ** ((step - 1) / (total_steps - 1))


def linear(total_steps: int, final: float = 0.0) -> Schedule:
    """A straight line from 1 at the first step to `final` at `total_steps`, and there it stays."""
    if total_steps <= 1:
        return constant(total_steps)
    return lambda step: final if step >= total_steps else 1 - (1 - final) * (step - 1) / (total_steps - 1)


def cosine(total_steps: int, final: float = 0.0) -> Schedule:
    """Half a cosine from 1 at the first step to `final` at `total_steps`, and there it stays.

    Loshchilov & Hutter 2017, equation 5, without restarts. A single step has the factor 1.
    """
    if total_steps <= 1:
        return constant(total_steps)
    return lambda step: _half_cosine(1.0, final, (step - 1) / (total_steps - 1))


def cosine_restarts(total_steps: int, period: float = 0.1, multiplier: int = 2, final: float = 0.0) -> Schedule:
    """Half a cosine from 1 down to `final` over `period` steps, again and again, each time over `multiplier` times as
    many; `final` itself is where the next one begins with 1 (Loshchilov & Hutter 2017, equation 5, SGDR).
    """
    first = _steps(period, total_steps)

    def factor(step: int) -> float:
        done, length = step - 1, first
        if multiplier == 1:
            done %= length
        while done >= length:
            done -= length
            length *= multiplier
        return _half_cosine(1.0, final, done / length)

    return factor


def one_cycle(total_steps: int, rise: float = 0.3, start: float = 0.04, final: float = 4e-6) -> Schedule:
    """Half a cosine up from `start` to 1, which is reached after the share `rise` of the steps, and half a cosine down
    to `final` at `total_steps` (Smith & Topin 2018, section 3; the momentum stays as it is).
    """
    if total_steps <= 1:
        return constant(total_steps)
    top = rise * total_steps - 1

    def factor(step: int) -> float:
        done = step - 1
        if done < top:
            return _half_cosine(start, 1.0, done / top)
        if top >= total_steps - 1:
            return 1.0
        return _half_cosine(1.0, final, (done - top) / (total_steps - 1 - top))

    return factor


class ReduceOnPlateau:
    """Times `factor` after more than `patience` validations in a row of which none was better than the best so far by
    more than `threshold`. What is observed is the series that early stopping monitors.
    """

    def __init__(self, total_steps: int, factor: float = 0.1, patience: int = 3, threshold: float = 1e-4) -> None:
        self._factor = factor
        self._patience = patience
        self._threshold = threshold
        self._now = 1.0
        self._best = inf
        self._waited = 0

    def __call__(self, step: int) -> float:
        return self._now

    def observe(self, value: float) -> None:
        if value < self._best - self._threshold:  # never of a value that is not a number
            self._best, self._waited = value, 0
            return
        self._waited += 1
        if self._waited > self._patience:
            self._now, self._waited = self._now * self._factor, 0

    def state(self) -> dict[str, Any]:
        return {"factor": self._now, "best": self._best, "waited": self._waited}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._now, self._best, self._waited = state["factor"], state["best"], state["waited"]


class _Warmup:
    def __init__(self, behind: Schedule, steps: int) -> None:
        self.behind = behind
        self._steps = steps

    def __call__(self, step: int) -> float:
        if step > self._steps:
            return self.behind(step - self._steps)
        return step * (self.behind(1) / (self._steps + 1))


def with_warmup(schedule: Schedule, warmup_steps: int) -> Schedule:
    """A linear rise in front: step s of the warm-up has the share s / (warmup_steps + 1) of the schedule's first
    factor, and the schedule's first step follows the last of the warm-up (Goyal et al. 2017, section 2.2).
    """
    return _Warmup(schedule, warmup_steps) if warmup_steps > 0 else schedule


def _steps(time: float, total_steps: int) -> int:
    """A share of all steps up to 1, else a number of steps; a whole number, at least 1."""
    return max(1, round(time * total_steps if time <= 1 else time))


def _power(factor: float, times: int) -> float:
    return float(factor**times)


def _half_cosine(start: float, end: float, share: float) -> float:
    """From `start` at share 0 to `end` at 1, exactly there and beyond, where rounding would miss it."""
    if share >= 1:
        return end
    return end + (start - end) * (1 + cos(pi * share)) / 2
