"""All that a training is at a step: what a checkpoint holds, and how training goes on from one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from tdl_tui.runs.records import Best

from . import checkpoints, settings
from .history import Replay

if TYPE_CHECKING:
    from .trainer import Trainer

Content = dict[str, Any]


def content(trainer: Trainer) -> Content:
    """What a checkpoint holds: tensors (the training's own, not copies) and plain values."""
    best = trainer.monitor.best
    moments, count = trainer.blocks.moments
    return {
        "model": trainer.model.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "position": asdict(trainer.position),
        "settings": settings.in_force(trainer),
        "changes": trainer.changes,
        "heard": trainer.heard,
        "rollbacks": trainer.rollbacks,
        "threads": trainer.threads.count,
        "random": trainer.random or checkpoints.random_states(trainer.device),
        "best": asdict(best) if best else None,
        "best_epoch": trainer.monitor.epoch,
        "waited": trainer.monitor.waited,
        "best_weights": trainer.best_weights,
        "average": trainer.average.model.state_dict() if trainer.average else None,
        "schedule": trainer.observer.state() if trainer.observer else None,
        "moments": moments,
        "moments_count": count,
    }


def restore(trainer: Trainer, held: Mapping[str, Any], replay: Replay | None = None) -> None:
    """Goes on from what a checkpoint held. `replay` is what the run's history says was done from there on."""
    trainer.replay = replay or Replay()
    trainer.model.load_state_dict(held["model"])
    trainer.optimizer.load_state_dict(held["optimizer"])
    trainer.go_to(**held["position"])
    settings.put_into_force(trainer, settings.differing(trainer, held["settings"]))
    trainer.changes = [dict(change) for change in held["changes"]]
    trainer.heard = {step: list(ids) for step, ids in held["heard"].items()}
    trainer.rollbacks = list(held["rollbacks"])
    trainer.monitor.best = Best(**held["best"]) if held["best"] else None
    trainer.monitor.epoch, trainer.monitor.waited = held["best_epoch"], held["waited"]
    best = held["best_weights"]
    trainer.best_weights = None if best is None else {key: value.to(trainer.device) for key, value in best.items()}
    if trainer.average:
        trainer.average.restore(held["average"])
    if trainer.observer:
        trainer.observer.restore(held["schedule"])
    moments = held["moments"]
    trainer.blocks.moments = None if moments is None else moments.to(trainer.device), held["moments_count"]
    checkpoints.restore_random_states(held["random"], trainer.device)


def made_again(held: Mapping[str, Any], steps_per_epoch: int | None, series: Iterable[str]) -> list[str]:
    """The series of a validation that is made again: the checkpoint was taken between an epoch's last step and it."""
    if held["position"]["step_in_epoch"] != steps_per_epoch:
        return []
    return [name for name in series if name == "train/r2" or name.startswith("val/")]


def step_of(held: Mapping[str, Any]) -> int:
    """The step that a checkpoint is of; one of the best weights knows no other position."""
    place = held["position"] if "position" in held else held["best"]
    return int(place["step"])


def restore_best(trainer: Trainer, held: Mapping[str, Any]) -> None:
    """Goes on from the best weights, which are all that such a checkpoint has: what else a training is starts anew, the
    values in force stay."""
    trainer.replay = Replay()
    trainer.model.load_state_dict(held["model"], strict=False)  # the weights of all that has some
    trainer.make_optimizer()
    trainer.go_to(held["best"]["step"], held["best_epoch"], 0, trainer.position.seconds)
    trainer.heard = {}
    trainer.monitor.best, trainer.monitor.epoch, trainer.monitor.waited = Best(**held["best"]), held["best_epoch"], 0
    trainer.best_weights = {key: value.to(trainer.device) for key, value in held["model"].items()}
    if trainer.average:
        trainer.average.restore(held["model"])
    trainer.blocks.moments = None, 0
