"""How the learning rate changes: pure functions of the step (from 1) to a factor within [0, 1]."""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi

from tdl_tui.registry import SCHEDULES, Options

Schedule = Callable[[int], float]


def build(name: str, total_steps: int, warmup_steps: int = 0, options: Options | None = None) -> Schedule:
    """The named schedule over the steps that the warm-up leaves, behind the warm-up."""
    entry = SCHEDULES[name]
    after = max(1, total_steps - warmup_steps)
    return with_warmup(entry.load()(after, **{**entry.defaults(), **(options or {})}), warmup_steps)


def constant(total_steps: int) -> Schedule:
    """1 at every step."""
    return lambda step: 1.0


def cosine(total_steps: int, final: float = 0.0) -> Schedule:
    """Half a cosine from 1 at the first step to `final` at `total_steps`, and there it stays.

    Loshchilov & Hutter 2017, equation 5, without restarts. A single step has the factor 1.
    """

    if total_steps <= 1:
        return constant(total_steps)

    def factor(step: int) -> float:
        if step >= total_steps:
            return final  # exactly, where rounding would miss it
        return final + (1 - final) * (1 + cos(pi * (step - 1) / (total_steps - 1))) / 2

    return factor


def with_warmup(schedule: Schedule, warmup_steps: int) -> Schedule:
    """A linear rise in front: step s of the warm-up has the share s / (warmup_steps + 1) of the schedule's first
    factor, and the schedule's first step follows the last of the warm-up (Goyal et al. 2017, section 2.2).
    """
    if warmup_steps <= 0:
        return schedule
    slope = schedule(1) / (warmup_steps + 1)
    return lambda step: step * slope if step <= warmup_steps else schedule(step - warmup_steps)
