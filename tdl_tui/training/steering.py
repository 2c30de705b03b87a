"""What a person asks of a running training: a table from verb to what carries it out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tdl_tui.runs.records import State

from . import checkpoints
from .control import Command

if TYPE_CHECKING:
    from .loop import Trainer

Arguments = Mapping[str, Any]
Carried = str | tuple[str, dict[str, Any]]
"""What was done, in words; and what else its event is to hold, beside the command's arguments."""


class Stopped(Exception):
    """A person asked for an end."""


class Refused(Exception):
    """Why a command is not carried out, in one line."""


def carry_out(trainer: Trainer, commands: Iterable[Command]) -> None:
    """Carries commands out, between two steps, and acknowledges each by an event. Raises Stopped."""
    for command in commands:
        data: dict[str, Any] = {"command": command.id, "verb": command.verb}
        try:
            if command.verb not in VERBS:
                raise Refused(f'there is no command "{command.verb}"')
            carried = VERBS[command.verb](trainer, command.arguments)
            text, more = (carried, {}) if isinstance(carried, str) else carried
            data |= {**command.arguments, **more}
        except Refused as refusal:
            text = f"refused: {refusal}"
            data["refused"] = True
        trainer.recorder.event("command", text, trainer.position.step, data)
        trainer.recorder.flush()
        if command.verb == "stop":
            raise Stopped


def pause(trainer: Trainer, arguments: Arguments) -> str:
    trainer.paused = True
    trainer.recorder.update(state=State.PAUSED)
    return f"paused at step {trainer.position.step:,}"


def resume(trainer: Trainer, arguments: Arguments) -> str:
    trainer.paused = False
    trainer.recorder.update(state=State.RUNNING)
    return f"went on at step {trainer.position.step:,}"


def stop(trainer: Trainer, arguments: Arguments) -> str:
    trainer.checkpoint()
    trainer.recorder.update(state=State.STOPPED, progress=trainer.progress())
    return f"stopped at step {trainer.position.step:,}, with a checkpoint"


def checkpoint(trainer: Trainer, arguments: Arguments) -> str:
    if trainer.over:
        raise Refused(f"training has ended, its checkpoint is {checkpoints.LAST}")
    step = trainer.position.step
    trainer.checkpoint(f"step-{step}.pt")
    return f"checkpoint at step {step:,}"


def set_value(trainer: Trainer, arguments: Arguments) -> str:
    value = arguments.get("optimizer.lr")
    if set(arguments) != {"optimizer.lr"}:
        raise Refused("only optimizer.lr can be changed while training")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise Refused(f"optimizer.lr must be a number above 0, got {value}")
    step = trainer.position.step
    trainer.set_lr(float(value), step)
    return f"learning rate {value:g} from step {step + 1:,} on"


VERBS: Mapping[str, Callable[[Trainer, Arguments], Carried]] = {
    "pause": pause,
    "resume": resume,
    "stop": stop,
    "checkpoint": checkpoint,
    "set": set_value,
}
"""What carries out each of `runs.commands.COMMANDS`: between two steps, in the training's thread."""
