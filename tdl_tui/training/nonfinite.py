"""Losses that are NaN or infinite: noticed, said where, and the end of the training unless it is to go on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from .layers import layers

if TYPE_CHECKING:
    from .trainer import Trainer


class NotFinite(RuntimeError):
    """A loss was NaN or infinite. The message names the first such step, and the layers that are not finite."""


def check(trainer: Trainer, part: str, loss: float) -> None:
    """Notices by an evaluation's loss weights that the last steps broke. Raises NotFinite."""
    if not math.isfinite(loss):
        trainer.read_block(wait=True)  # where a step's own loss was not finite, that step is named
        step = trainer.position.step
        found(trainer, f"the {part} loss is not finite at step {step:,}", step)


def found(trainer: Trainer, what: str, step: int) -> None:
    """Raises NotFinite; where the experiment asks to go on, says so once."""
    if trainer.warned:
        return
    trainer.warned = True
    wrong = [
        layer.name
        for layer in layers(trainer.model)
        if not all(bool(torch.isfinite(p).all()) for p in layer.parameters)
    ]
    where = f"not finite at step {trainer.position.step:,}: {', '.join(wrong)}" if wrong else "all weights are finite"
    message = f"{what}; {where}"
    if trainer.experiment.training.stop_on_nonfinite:
        trainer.recorder.event("error", message, step)
        raise NotFinite(message)
    trainer.recorder.event("warning", message, step)
