"""What a step computes, put together once as an experiment asks for it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .closures import Closure
from .passes import Pass, forward_pass, l1_penalty, with_gradients, without_gradients
from .trainer import Trainer


def computing(trainer: Trainer) -> tuple[Pass, Closure | None]:
    """From a batch to its outputs, loss and gradients; and what an optimizer is given that asks for the loss more than
    once a step."""
    training, entry, lap = trainer.experiment.training, trainer.goes_by, trainer.timers.lap
    model: Callable[[Tensor], Tensor] = torch.compile(trainer.model) if training.compile else trainer.model
    forward = forward_pass(model, trainer.objective, trainer.autocast if training.precision == "bf16" else None)
    penalty = l1_penalty(trainer.parameters, trainer.experiment.objective.l1_penalty)
    if entry.gradients:
        compute = with_gradients(forward, training.accumulation, penalty, lap)
    else:
        compute = without_gradients(forward, lap)
    if not entry.closure:
        return compute, None

    def clip() -> None:
        if trainer.clip:  # as the experiment has it by then
            trainer.clip()

    closure = Closure(
        trainer.model, compute, trainer.device, gradients=entry.gradients, clip=clip, penalty=penalty, lap=lap
    )
    return closure.begin, closure
