"""What a model comes to on data that it does not train on, and what follows from that."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

import torch

from tdl_tui.runs.records import Best

from . import checkpoints, metrics, nonfinite, text_samples
from .confusion import Confusion
from .evaluation import evaluate
from .trainer import Monitor, Trainer

Obey = Callable[[Trainer], None]
"""Does what was asked meanwhile, between two batches: `steering.obey`."""


def validate(trainer: Trainer, obey: Obey) -> None:
    """At the end of an epoch. Early stopping, the best weights and schedules go by it. Raises NotFinite."""
    step, started = trainer.position.step, time.perf_counter()
    if trainer.task == "regression":
        trainer.read_block()
        moments, count = trainer.blocks.moments
        if moments is not None and count:
            trainer.recorder.point("train/r2", step, metrics.r_squared(moments.cpu(), count))
    if trainer.batches.sizes["validation"]:
        found = aside(trainer, obey)
        nonfinite.check(trainer, "validation", found["loss"])
        _compare(trainer, found)
        observe(trainer, found)
        if _writes(trainer):
            _write_text(trainer)
    trainer.blocks.moments = None, 0
    trainer.meters.leave_out(time.perf_counter() - started)


def aside(trainer: Trainer, obey: Obey) -> dict[str, float]:
    """Validates, and records what was found; nothing goes by it. Loss and metric."""
    found = evaluated(trainer, "validation", obey)
    kept = {name: found[name] for name in ("loss", trainer.metric)}
    for name, value in kept.items():
        trainer.recorder.point(f"val/{name}", trainer.position.step, value)
    return kept


def test(trainer: Trainer, obey: Obey) -> dict[str, float] | None:
    """Of a training that has ended, with the weights that were taken. None without a test part. Raises NotFinite."""
    if not trainer.batches.sizes["test"]:
        return None
    found = evaluated(trainer, "test", obey)
    nonfinite.check(trainer, "test", found["loss"])
    deviation = trainer.normalization.target_deviation
    if "rmse" in found and deviation is not None:
        if len(deviation) == 1:
            found["rmse"] *= float(deviation)
        else:
            del found["rmse"]  # there is no one unit
    return found


def evaluated(trainer: Trainer, part: str, obey: Obey) -> dict[str, float]:
    """What `evaluation.evaluate` finds of a part; records which classes were said. Training feels nothing of it."""

    def between() -> None:
        if trainer.control.pending:
            obey(trainer)

    trainer.random = checkpoints.random_states(trainer.device)  # they will be so again, whatever a model draws here
    counts = Confusion(trainer.shape.outputs, trainer.device) if trainer.task == "classification" else None
    try:
        found = evaluate(
            trainer.evaluated,
            trainer.objective,
            trainer.batches.part(part),
            trainer.task,
            device=trainer.device,
            autocast=trainer.autocast,
            between=between,
            confusion=counts,
        )
    finally:
        trainer.random = None
    if counts is not None:
        trainer.recorder.matrix(counts.matrix(part, trainer.position.step))
    return found


def _compare(trainer: Trainer, found: Mapping[str, float]) -> None:
    """Keeps the weights if they are the best so far."""
    series = trainer.experiment.training.early_stopping.monitor
    name = series.removeprefix("val/")
    value, best = found[name], trainer.monitor.best
    better = best is None or (value < best.value if name == "loss" else value > best.value)
    if math.isnan(value) or not better:
        trainer.monitor.waited += 1
        return
    trainer.monitor = Monitor(Best(series, trainer.position.step, value), trainer.position.epoch + 1)
    held = trainer.evaluated.state_dict()
    if trainer.best_weights is None:
        trainer.best_weights = checkpoints.weights(trainer.evaluated)
    else:
        for key, kept in trainer.best_weights.items():
            kept.copy_(held[key])
    trainer.recorder.update(best=trainer.monitor.best)


def observe(trainer: Trainer, found: Mapping[str, float]) -> None:
    """Tells a schedule that goes by it what early stopping goes by."""
    if trainer.observer is None:
        return
    step, name = trainer.position.step, trainer.experiment.training.early_stopping.monitor.removeprefix("val/")
    before = trainer.schedule(step + 1)
    trainer.observer.observe(found[name] if name == "loss" else -found[name])
    factor = trainer.schedule(step + 1)
    if factor < before:
        text = f"val/{name} stands still: {factor:.3g} of the learning rate from step {step + 1:,} on"
        trainer.recorder.event("schedule", text, step, {"factor": factor})


def _writes(trainer: Trainer) -> bool:
    """Whether the targets are the next tokens of a text."""
    if trainer.shape.kind != "text" or not trainer.shape.steps:
        return False
    inputs, targets = next(iter(trainer.batches.part("validation", 1)))
    return torch.equal(inputs[:, 1:], targets[:, :-1])


def _write_text(trainer: Trainer) -> None:
    """Of a model of text, what it would write by now."""
    step = trainer.position.step
    text = text_samples.written(trainer.evaluated, trainer.shape, trainer.device, trainer.experiment.seed, step)
    if text is not None:
        trainer.recorder.event("sample", text_samples.printable(text), step, {"text": text})
