"""The least that the way through a network and back takes, however few examples go through at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from .evaluation import evaluating
from .objectives import Objective

if TYPE_CHECKING:
    from .trainer import Trainer

TRIES = 5
SECONDS = 0.05  # after which nothing is tried again
LENGTH = 16  # of the network by which an operation is timed


@dataclass(frozen=True)
class Floor:
    """Seconds between which lies what does not become less with smaller batches.

    `least`: to start as many operations as there are, by the time of those whose tensors hold one number. `most`: with
    a single example, which also reads every weight once.
    """

    least: float
    most: float


def measure(trainer: Trainer) -> None:
    """Lets a trainer's timers know the floor of its steps. Makes passes without any effect.

    Where steps are made of other operations (compiled ones, an optimizer's own evaluations), and where a model does not
    take a single example, it stays unknown.
    """
    training, goes_by = trainer.experiment.training, trainer.goes_by
    if training.compile or goes_by.closure or not goes_by.gradients:
        return
    inputs, targets = next(trainer.batches.epoch(0))
    try:
        one = floor(trainer.model, trainer.objective, inputs, targets, device=trainer.device, autocast=trainer.autocast)
    except Exception as error:  # noqa: BLE001  # whatever a model has against this, it may be trained all the same
        print(f"the least time of a step is not known: {error}")  # noqa: T201  # the worker's log
        return
    trainer.timers.floor = Floor(one.least * training.accumulation, one.most * training.accumulation)


def floor(
    model: nn.Module,
    objective: Objective,
    inputs: Tensor,
    targets: Tensor,
    *,
    device: torch.device,
    autocast: Callable[[], AbstractContextManager[object]],
) -> Floor:
    """That of a network for some of its examples; forward alone where none of its parameters learns. Changes nothing.

    Raises whatever the model raises for a single example in evaluation mode.
    """
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        row = nn.Sequential(*(nn.Linear(1, 1, device=device) for _ in range(LENGTH)))
    one, nothing = torch.ones(1, 1, device=device), torch.zeros(1, 1, device=device)
    of_row = _there_and_back(row, lambda outputs, targets: (outputs - targets).sum(), one, nothing, autocast)
    of_model = _there_and_back(model, objective, inputs[:1], targets[:1], autocast)
    with evaluating(model, device):
        operation = _seconds(of_row, device, waits=False) / _operations(of_row)
        return Floor(_operations(of_model) * operation, _seconds(of_model, device, waits=True))


def _there_and_back(
    model: nn.Module,
    objective: Objective,
    inputs: Tensor,
    targets: Tensor,
    autocast: Callable[[], AbstractContextManager[object]],
) -> Callable[[], object]:
    parameters = [p for p in model.parameters() if p.requires_grad]

    def go() -> None:
        with torch.set_grad_enabled(bool(parameters)), autocast():
            loss = objective(model(inputs), targets)
        if parameters:
            torch.autograd.grad(loss, parameters, allow_unused=True)

    return go


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it untyped
    """Counts the operations that arrive below autograd."""

    count = 0

    def __torch_dispatch__(
        self, operation: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        self.count += 1
        return operation(*args, **(kwargs or {}))


def _operations(go: Callable[[], object]) -> int:
    with _Counting() as counting:  # type: ignore[no-untyped-call]  # likewise
        go()
    return max(1, int(counting.count))


def _seconds(go: Callable[[], object], device: torch.device, *, waits: bool) -> float:
    """The middle one of a few tries; the time of the device too where it `waits`, else that of the host alone."""
    go()  # the first fills caches
    took: list[float] = []
    while not took or (len(took) < TRIES and sum(took) < SECONDS):
        _settle(device)
        started = time.perf_counter()
        go()
        if waits:
            _settle(device)
        took.append(time.perf_counter() - started)
    return median(took)


def _settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
