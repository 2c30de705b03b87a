"""How a value is changed while a model trains: for each of `tdl_tui.settables` what puts it into force.

A change holds for the steps after the one that it was made at. Checkpoints hold the values in force, and a resume makes
the changes that came after its checkpoint again, at their steps (`steering.repeat`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from tdl_tui.settables import DROPOUT, changed, values_of
from tdl_tui.spec import SpecError

from .passes import clipping

if TYPE_CHECKING:
    from .trainer import Trainer


class Unusable(Exception):
    """Why a value is not put into force, in one line."""


@dataclass(frozen=True)
class Way:
    """What a training does when a value was changed: `use` puts into force what the experiment says by now, and returns
    what follows from it, in words; before that, `refuse` says why a value cannot be. Either may have nothing to do."""

    use: Callable[[Trainer], str] = lambda trainer: ""
    refuse: Callable[[Trainer, Any], str] = lambda trainer, value: ""


def put_into_force(trainer: Trainer, values: Mapping[str, Any]) -> str:
    """Changes values, by path, for the steps after the one just made, and returns what follows, in words ("": nothing
    else). Raises Unusable, and changes nothing then."""
    try:
        experiment = changed(trainer.experiment, values)
    except SpecError as error:
        raise Unusable(str(error)) from None
    for path, value in values.items():
        if reason := WAYS[path].refuse(trainer, value):
            raise Unusable(f"{path}: {reason}")
    trainer.settle()  # figures of the steps before are of the values before
    trainer.experiment = experiment
    return "; ".join(filter(None, [WAYS[path].use(trainer) for path in values]))


def in_force(trainer: Trainer) -> dict[str, Any]:
    """Every value that could be changed, by path, as it is now."""
    return values_of(trainer.experiment.document())


def differing(trainer: Trainer, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that are not in force."""
    now = in_force(trainer)
    return {path: value for path, value in values.items() if now.get(path) != value}


def _learning_rate(trainer: Trainer) -> str:
    trainer.base_lr = trainer.experiment.optimizer.lr
    return ""


def _weight_decay(trainer: Trainer) -> str:
    for group in trainer.optimizer.param_groups:
        group["weight_decay"] = trainer.experiment.optimizer.weight_decay
    return ""


def _clipping(trainer: Trainer) -> str:
    training = trainer.experiment.training
    trainer.clip = clipping(trainer.parameters, training.gradient_clip_norm, training.gradient_clip_value)
    trainer.telemetry.total_norm = trainer.goes_by.gradients and trainer.clip is None
    return ""


def _dropout(trainer: Trainer) -> str:
    share = float(trainer.experiment.model.options["dropout"])  # type: ignore[arg-type]  # the option is a number
    for layer in _dropping(trainer.model):
        if isinstance(layer, nn.RNNBase):
            layer.dropout = share
        else:
            layer.p = share
    return ""


def _nothing_drops(trainer: Trainer, value: Any) -> str:
    if next(iter(_dropping(trainer.model)), None) is not None:
        return ""
    return "this network was built without dropout, and has no layers for it; a fork with it has"


def _dropping(model: nn.Module) -> list[Any]:
    """The layers with a dropout of their own: between the layers of recurrent ones, or as a layer by itself."""
    return [
        layer
        for layer in model.modules()
        if isinstance(layer, nn.modules.dropout._DropoutNd) or (isinstance(layer, nn.RNNBase) and layer.num_layers > 1)
    ]


def _epochs(trainer: Trainer) -> str:
    """Schedules that go by all steps, and telemetry's plan, follow."""
    following = trainer.position.step + 1
    before, observed = trainer.schedule(following), trainer.observer.state() if trainer.observer else None
    trainer.plan()
    if trainer.observer and observed is not None:
        trainer.observer.restore(observed)
    after, said = trainer.schedule(following), f"{trainer.total_steps:,} steps in all"
    if after != before:
        said += f"; the schedule {trainer.experiment.schedule.name} goes by them"
    if f"{after:.3g}" != f"{before:.3g}":
        said += f", its factor at step {following:,} is {after:.3g}, not {before:.3g}"
    return said


def _too_few_epochs(trainer: Trainer, value: int) -> str:
    at = trainer.position
    least = at.epoch + (1 if at.step_in_epoch else 0)
    return f"epoch {least} is under way: must be at least {least}, got {value}" if value < least else ""


def _checkpoint_seconds(trainer: Trainer) -> str:
    trainer.put_checkpoint_off()
    return ""


def _telemetry(trainer: Trainer) -> str:
    trainer.telemetry.share(trainer.experiment.telemetry.budget, trainer.position.step)
    return ""


WAYS: Mapping[str, Way] = {
    "optimizer.lr": Way(_learning_rate),
    "optimizer.weight_decay": Way(_weight_decay),
    "training.gradient_clip_norm": Way(_clipping),
    "training.gradient_clip_value": Way(_clipping),
    DROPOUT: Way(_dropout, _nothing_drops),
    "training.epochs": Way(_epochs, _too_few_epochs),
    "training.early_stopping.patience": Way(),
    "training.checkpoint_seconds": Way(_checkpoint_seconds),
    "telemetry.budget": Way(_telemetry),
}
