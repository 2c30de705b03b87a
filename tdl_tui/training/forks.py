"""A training that begins with what another run's checkpoint holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from tdl_tui.runs.kept import same_examples
from tdl_tui.runs.records import Best
from tdl_tui.spec import Experiment

from . import checkpoints

if TYPE_CHECKING:
    from .trainer import Trainer


class Misfit(ValueError):
    """The weights of a checkpoint are not those of a network. The message is one line for people."""


def adopt(trainer: Trainer, held: Mapping[str, Any], before: Experiment) -> list[str]:
    """Begins with what a checkpoint of a run with the experiment `before` holds, as far as it suits the trainer's, and
    returns in words what begins anew. With the same experiment it is what `state.restore` does.

    Raises Misfit.
    """
    now = trainer.experiment
    whole, same_data = "optimizer" in held, same_examples(now.document(), before.document())
    if reason := misfit(trainer.model.state_dict(), held["model"]):
        raise Misfit(reason)
    trainer.model.load_state_dict(held["model"], strict=whole)
    anew: list[str] = [] if whole else ["it has weights alone, so that the optimizer's state begins anew"]
    _go_to(trainer, held, before, anew)
    if whole:
        _take_optimizer(trainer, held["optimizer"], before, anew)
        if now.seed == before.seed:
            checkpoints.restore_random_states(held["random"], trainer.device)
    if same_data and now.objective == before.objective and _monitor(now) == _monitor(before):
        _take_best(trainer, held)
    else:
        anew.append("other data or another objective, so that the best so far counts anew")
    if trainer.average:
        average = held.get("average") if now.training.ema_decay == before.training.ema_decay else None
        trainer.average.restore(average or trainer.model.state_dict())
    if trainer.observer and whole and now.schedule == before.schedule and held["schedule"]:
        trainer.observer.restore(held["schedule"])
    if not same_data and now.data.dataset == before.data.dataset:  # of other data they have seen nothing
        anew.append("the data are split anew, so that what is held out may have been trained on")
    return anew


def misfit(wanted: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """In what weights are not those of a network (the two as `state_dict` gives them), "" where they are."""
    for name in wanted:
        here, there = wanted[name], found.get(name)
        if not isinstance(here, Tensor):
            continue
        if there is None:
            return f"the checkpoint has no {name}"
        if here.shape != there.shape:
            return f"{name} is {_shape(here)} in this network, {_shape(there)} in the checkpoint"
    left = [name for name in found if name not in wanted]
    return f"this network has no {left[0]}" if left else ""


def _shape(tensor: Tensor) -> str:
    return " × ".join(map(str, tensor.shape)) or "one number"


def _go_to(trainer: Trainer, held: Mapping[str, Any], before: Experiment, anew: list[str]) -> None:
    steps_per_epoch = trainer.batches.steps_per_epoch
    if "position" not in held:
        step = held["best"]["step"]
        trainer.go_to(step, held["best_epoch"] or step // steps_per_epoch, 0, 0.0)
        return
    at = dict(held["position"])
    now = trainer.experiment
    same_data = same_examples(now.document(), before.document())
    if same_data and now.data.batch_size == before.data.batch_size:
        trainer.go_to(**at)
        moments = held["moments"]
        trainer.blocks.moments = None if moments is None else moments.to(trainer.device), held["moments_count"]
        return
    if at["step_in_epoch"]:
        anew.append("an epoch is another one now, so that the one under way begins anew")
    trainer.go_to(at["step"], at["epoch"], 0, at["seconds"])


def _take_optimizer(trainer: Trainer, held: dict[str, Any], before: Experiment, anew: list[str]) -> None:
    now, parameters = trainer.experiment.optimizer, [len(group["params"]) for group in held["param_groups"]]
    same = (now.name, now.options, trainer.experiment.model.freeze) == (
        before.optimizer.name,
        before.optimizer.options,
        before.model.freeze,
    )
    if not same or parameters != [len(group["params"]) for group in trainer.optimizer.param_groups]:
        anew.append("another optimizer, so that its state begins anew")
        return
    trainer.optimizer.load_state_dict(held)
    for group in trainer.optimizer.param_groups:
        group["lr"], group["weight_decay"] = now.lr, now.weight_decay


def _take_best(trainer: Trainer, held: Mapping[str, Any]) -> None:
    if not held["best"]:
        return
    weights = held["best_weights"] if "position" in held else held["model"]
    trainer.monitor.best, trainer.monitor.epoch = Best(**held["best"]), held["best_epoch"]
    trainer.monitor.waited = held.get("waited", 0)
    trainer.best_weights = {name: tensor.to(trainer.device) for name, tensor in weights.items()}


def _monitor(experiment: Experiment) -> str:
    return experiment.training.early_stopping.monitor


def fits(module: nn.Module, held: Mapping[str, Any]) -> None:
    """Raises Misfit where a checkpoint's weights are not those of a network, which may be on the meta device."""
    if reason := misfit(module.state_dict(), held["model"]):
        raise Misfit(reason)
