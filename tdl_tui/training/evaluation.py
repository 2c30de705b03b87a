"""Looking at a model from outside of its training: modes, random state and gradients are left as they were."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from math import nan, sqrt

import torch
from torch import Tensor, nn

from tdl_tui.registry import Task

from . import metrics
from .confusion import Confusion
from .objectives import Objective


@contextmanager
def evaluating(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Evaluation mode without gradients. Afterwards every module's mode and every random state are as before."""
    modes = [(module, module.training) for module in model.modules()]
    devices = [device] if device.type == "cuda" else []
    state = torch.get_rng_state()
    on_device = [torch.cuda.get_rng_state(d) for d in devices]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training
        torch.set_rng_state(state)
        for d, held in zip(devices, on_device, strict=True):
            torch.cuda.set_rng_state(held, d)


def nothing() -> None:
    """What is done between two batches unless told otherwise."""


def evaluate(
    model: nn.Module,
    objective: Objective,
    batches: Iterable[tuple[Tensor, Tensor]],
    task: Task,
    *,
    device: torch.device,
    autocast: Callable[[], AbstractContextManager[object]],
    between: Callable[[], None] = nothing,
    confusion: Confusion | None = None,
) -> dict[str, float]:
    """The loss and the task's metric over all batches, each example counting the same, in one read.

    "loss" and "accuracy" (where each step has a target the share of right steps); in regression "loss", "r2" and
    "rmse", the last in the targets' units as the batches have them (standardised). NaN where there are no batches.
    `between` is called after each batch and may raise. `confusion` counts the classes that were said.
    """
    losses: list[Tensor] = []
    scores: list[Tensor] = []
    sizes: list[int] = []
    answers = 0
    with evaluating(model, device):
        for inputs, targets in batches:
            with autocast():
                outputs = model(inputs)
                losses.append(objective(outputs, targets).float())
            if task == "classification":
                said = outputs.argmax(1)
                scores.append((said == targets).sum().float())
                if confusion is not None:
                    confusion.count(said, targets)
            else:
                scores.append(metrics.moments(outputs.float(), targets))
            sizes.append(len(targets))
            answers += targets.numel()
            between()
        count = sum(sizes)
        if not count:
            return {"loss": nan, metrics.METRIC[task]: nan}
        weights = torch.tensor(sizes, dtype=torch.float64) / count
        loss = float(torch.stack(losses).cpu().double() @ weights)
        summed = torch.stack(scores).cpu().double().sum(0)
    if task == "classification":
        return {"loss": loss, "accuracy": float(summed) / answers}
    return {"loss": loss, "r2": metrics.r_squared(summed, count), "rmse": sqrt(float(summed[0].mean()) / count)}
