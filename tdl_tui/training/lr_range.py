"""The learning-rate range test: a few steps with a rate that grows from far too small to too large.

Smith 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3 (arXiv 1506.01186, 2015); the rate grows
exponentially, so that every power of ten gets as many steps.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count

import torch
from torch import nn

from tdl_tui.data.batches import Batch, Batches
from tdl_tui.data.prepare import Prepared
from tdl_tui.registry import OPTIMIZERS
from tdl_tui.spec import Experiment

from . import objectives
from .evaluation import nothing
from .passes import clipping, forward_pass, l1_penalty, with_gradients

LOW, HIGH, STEPS = 1e-7, 10.0, 100
TOO_HIGH = 4.0
"""The test ends where the smoothed loss is above so many times its lowest."""
MEMORY = 0.8
"""Of the smoothed loss that decides about the end, the share that the next step keeps."""
REACH = 4
ROUNDING = 1e-12  # of a loss: what means of equal numbers may differ by
"""The loss whose descent is measured is smoothed over so many steps to either side."""


class NoRangeTest(ValueError):
    """The experiment cannot be tested so. The message is one line for people."""


@dataclass(frozen=True, slots=True)
class LrRange:
    """The learning rate of each step, ascending, and the loss of the batch before that step's update.

    `suggestion` is the learning rate of the steepest descent, None where the loss never fell.
    """

    lr: tuple[float, ...]
    loss: tuple[float, ...]
    suggestion: float | None


def range_test(
    experiment: Experiment,
    prepared: Prepared,
    model: nn.Module,
    *,
    device: torch.device,
    low: float = LOW,
    high: float = HIGH,
    steps: int = STEPS,
    between: Callable[[], None] = nothing,
) -> LrRange:
    """Trains a copy of `model`, which is on `device`, for up to `steps` updates at rates from `low` to `high`.

    Optimizer, objective, batches, clipping and precision are the experiment's; its schedule and learning rate are not
    used. It ends early where the loss is not finite (such a loss is left out) or the smoothed one is above TOO_HIGH
    times its lowest. Model, random states and data are left as they were. `between` is called after each update and
    may raise. Raises NoRangeTest for an optimizer that does not step on one gradient, and for a loss that is not finite
    at once; ValueError for rates and steps that make no range.
    """
    if not 0 < low < high < math.inf or steps < 2:
        raise ValueError(f"the rates must rise from above 0 in at least 2 steps, got {low:g} to {high:g} in {steps}")
    check(experiment)
    training, chosen, wanted = experiment.training, experiment.optimizer, experiment.objective
    rates = [low * (high / low) ** (step / (steps - 1)) for step in range(steps)]
    objective = objectives.build(wanted.loss, wanted.options, prepared.class_counts, device)
    autocast = partial(torch.autocast, device.type, torch.bfloat16) if training.precision == "bf16" else None
    losses: list[float] = []
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(experiment.seed)
        trained = copy.deepcopy(model).train()
        parameters = [p for p in trained.parameters() if p.requires_grad]
        optimizer: torch.optim.Optimizer = OPTIMIZERS[chosen.name].load()(
            parameters, low, chosen.weight_decay, **chosen.options
        )
        clip = clipping(parameters, training.gradient_clip_norm, training.gradient_clip_value)
        penalty = l1_penalty(parameters, wanted.l1_penalty)
        compute = with_gradients(forward_pass(trained, objective, autocast), training.accumulation, penalty)
        smoothed, lowest = _Average(MEMORY), math.inf
        for rate, (inputs, targets) in zip(rates, _batches(prepared.batches), strict=False):
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = float(compute(inputs, targets)[1].detach())
            if not math.isfinite(loss):
                break
            losses.append(loss)
            now = smoothed.take(loss)
            lowest = min(lowest, now)
            if now > TOO_HIGH * lowest:
                break
            if clip:
                clip()
            optimizer.step()
            optimizer.zero_grad()
            between()
    if not losses:
        raise NoRangeTest(f"the loss is not finite at the first step, before any update ({experiment.objective.loss})")
    tried = rates[: len(losses)]
    return LrRange(tuple(tried), tuple(losses), suggestion(tried, losses))


def check(experiment: Experiment) -> None:
    """Raises NoRangeTest for an optimizer that has no step for one gradient."""
    entry = OPTIMIZERS[experiment.optimizer.name]
    if entry.closure or not entry.gradients:
        how = "computes the loss several times a step" if entry.gradients else "takes no gradient"
        raise NoRangeTest(f"optimizer.name: {entry.name} {how}; a range test needs one like sgd or adam")


def suggestion(rates: Sequence[float], losses: Sequence[float]) -> float | None:
    """The learning rate whose update made the smoothed loss fall most.

    The rates are evenly spaced in log lr, so that is the steepest descent of the loss over log lr. The loss is
    smoothed twice by the mean of up to REACH steps to either side; what comes after its lowest value is divergence and
    does not count. None where the lowest lies within the scatter of the losses about the smoothed curve: then nothing
    was learned.
    """
    smooth = _smooth(_smooth(losses))  # once would leave the slope to the two losses at the window's ends
    lowest = min(range(len(smooth)), key=smooth.__getitem__)
    scatter = [(loss - mean) ** 2 for loss, mean in zip(losses[: lowest + 1], smooth, strict=False)]
    deviation = math.sqrt(sum(scatter) / len(scatter))
    if smooth[0] - smooth[lowest] <= max(deviation, ROUNDING * abs(smooth[0])):
        return None
    return rates[min(range(lowest), key=lambda step: smooth[step + 1] - smooth[step])]


def _smooth(values: Sequence[float]) -> list[float]:
    windows = (values[max(0, place - REACH) : place + REACH + 1] for place in range(len(values)))
    return [sum(window) / len(window) for window in windows]


class _Average:
    """An exponential average, without the pull of its beginning (Kingma & Ba 2015, section 3)."""

    def __init__(self, memory: float) -> None:
        self._memory = memory
        self._sum = 0.0
        self._weight = 0.0

    def take(self, value: float) -> float:
        """The average with one value more."""
        self._sum = self._memory * self._sum + (1 - self._memory) * value
        self._weight = self._memory * self._weight + (1 - self._memory)
        return self._sum / self._weight


def _batches(batches: Batches) -> Iterator[Batch]:
    """The training batches of one epoch after another."""
    for epoch in count():
        yield from batches.epoch(epoch)
