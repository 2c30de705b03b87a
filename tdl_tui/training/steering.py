"""What a person asks of a running training: a table from verb to what carries it out.

Each command is acknowledged by an event that says who asked, and what was before. Those in `history.REPEATED` are
carried out again by a resume, at their steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tdl_tui.data.dataset import DataError
from tdl_tui.runs.records import State
from tdl_tui.settables import SETTABLES, said

from . import checkpoints, settings, state, validation
from .control import Command
from .profiling import CannotProfile

if TYPE_CHECKING:
    from .trainer import Trainer

Arguments = Mapping[str, Any]
Carried = str | tuple[str, dict[str, Any]]
"""What was done, in words; and what else its event is to hold, beside the command's arguments."""


class Stopped(Exception):
    """A person asked for an end."""


class Refused(Exception):
    """Why a command is not carried out, in one line."""


class RollBack(Exception):
    """A person asked to go on from what the checkpoint `name` holds. `command` asked so, `rest` came after it."""

    def __init__(self, name: str, held: dict[str, Any]) -> None:
        super().__init__(name)
        self.name = name
        self.held = held
        self.command: Command | None = None
        self.rest: list[Command] = []


def carry_out(trainer: Trainer, commands: Iterable[Command]) -> None:
    """Carries commands out, between two steps, and acknowledges each by an event. Raises Stopped and RollBack."""
    waiting = list(commands)
    while waiting:
        command = waiting.pop(0)
        try:
            if command.verb not in VERBS:
                raise Refused(f'there is no command "{command.verb}"')
            carried = VERBS[command.verb](trainer, command.arguments)
        except (Refused, settings.Unusable) as refusal:
            acknowledge(trainer, command, f"refused: {refusal}", {"refused": True})
        except Stopped:  # heard while this one was carried out
            acknowledge(trainer, command, "refused: the training was stopped meanwhile", {"refused": True})
            raise
        except RollBack as wanted:
            if wanted.command is None:
                wanted.command, wanted.rest = command, waiting
            else:
                wanted.rest += waiting
                acknowledge(trainer, command, "refused: the training was rolled back meanwhile", {"refused": True})
            raise
        else:
            text, more = (carried, {}) if isinstance(carried, str) else carried
            acknowledge(trainer, command, text, {**command.arguments, **more})
        if command.verb == "stop":
            raise Stopped


def obey(trainer: Trainer) -> None:
    """Carries out the commands that wait; returns when training may go on. Raises Stopped and RollBack."""
    carry_out(trainer, trainer.control.take())
    rest(trainer)


def rest(trainer: Trainer) -> None:
    """Waits while the training is paused, and carries out what is asked meanwhile."""
    if not trainer.paused:
        return
    trainer.progress()
    with trainer.timers.measured("pause"):
        while trainer.paused:
            trainer.control.wait(1.0)
            carry_out(trainer, trainer.control.take())
    trainer.go_on()


def acknowledge(trainer: Trainer, command: Command, text: str, more: Mapping[str, Any]) -> None:
    """Records the event that answers a command."""
    step = trainer.position.step
    data = {"command": command.id, "verb": command.verb, **more}
    if command.who:
        data["who"] = command.who
    trainer.heard = {step: [*trainer.heard.get(step, ()), command.id]}
    trainer.recorder.event("command", text, step, data)
    trainer.recorder.flush()


def repeat(trainer: Trainer, commands: Iterable[Command]) -> None:
    """Carries commands out again that were acknowledged at this step before a resume, but for those that its checkpoint
    knows of."""
    step = trainer.position.step
    for command in commands:
        if command.id in trainer.heard.get(step, ()):
            continue
        try:
            VERBS[command.verb](trainer, command.arguments)
        except (Refused, settings.Unusable) as refusal:
            text = f"{command.verb} at step {step:,} could not be done again: {refusal}"
            trainer.recorder.event("warning", text, step)
        trainer.heard = {step: [*trainer.heard.get(step, ()), command.id]}


# ----------------------------------------------------------------------------------------------------- going and ending


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
    trainer.recorder.update(state=State.STOPPED, progress=trainer.progress(), stops_after=None)
    return f"stopped at step {trainer.position.step:,}, with a checkpoint"


def stop_at_epoch_end(trainer: Trainer, arguments: Arguments) -> str:
    _must_train(trainer)
    if trainer.stops_after_epoch:
        raise Refused("it stops at the end of this epoch already")
    epoch = trainer.position.epoch + 1
    trainer.stops_after_epoch = True
    trainer.recorder.update(stops_after=epoch)
    if epoch >= trainer.experiment.training.epochs:
        return f"epoch {epoch:,} is the last: training ends there anyway"
    return f"stops at the end of epoch {epoch:,}, after its validation"


def cancel_stop(trainer: Trainer, arguments: Arguments) -> str:
    if not trainer.stops_after_epoch:
        raise Refused("no stop at the end of an epoch was asked for")
    trainer.stops_after_epoch = False
    trainer.recorder.update(stops_after=None)
    return "does not stop at the end of the epoch, and trains on"


def end_of_epoch(trainer: Trainer) -> None:
    """Ends the training between two epochs where that was asked for. Raises Stopped then."""
    at = trainer.position
    if not trainer.stops_after_epoch or trainer.done():
        return
    trainer.checkpoint()
    trainer.recorder.update(state=State.STOPPED, progress=trainer.progress(), stops_after=None)
    trainer.recorder.event("state", f"stopped at step {at.step:,}, the end of epoch {at.epoch:,}, as asked", at.step)
    trainer.recorder.flush()
    raise Stopped


# -------------------------------------------------------------------------------------------------- looking and keeping


def evaluate(trainer: Trainer, arguments: Arguments) -> str:
    """Validates at this step. Training feels nothing of it; early stopping, the best weights and schedules that go by
    validations do not count it."""
    _must_train(trainer)
    at = trainer.position
    if trainer.random is not None:
        raise Refused("a validation is under way")
    if not trainer.batches.sizes["validation"]:
        raise Refused("there is no validation part (data.split)")
    if at.step_in_epoch == trainer.batches.steps_per_epoch:
        raise Refused("the epoch ends at this step, and is validated now")
    if trainer.evaluated_at == at.step:
        raise Refused(f"step {at.step:,} was validated already")
    trainer.settle()
    started = time.perf_counter()
    found = validation.aside(trainer, obey)
    trainer.evaluated_at = at.step
    trainer.meters.leave_out(time.perf_counter() - started)
    figures = ", ".join(f"{name} {value:.4g}" for name, value in found.items())
    return f"validated at step {at.step:,}: {figures}; early stopping and best weights do not count it"


def checkpoint(trainer: Trainer, arguments: Arguments) -> Carried:
    if trainer.over:
        raise Refused(f"training has ended, its checkpoint is {checkpoints.LAST}")
    step = trainer.position.step
    name = f"step-{step}.pt"
    trainer.checkpoint(name)
    return f"checkpoint at step {step:,} kept as {name}", {"name": name}


def probe(trainer: Trainer, arguments: Arguments) -> str:
    """Follows more examples from here on."""
    _must_train(trainer)
    examples = arguments.get("examples")
    if not (isinstance(examples, list) and examples and all(type(index) is int for index in examples)):
        raise Refused(f"which examples? Their numbers are asked for, got {examples}")
    if not trainer.experiment.telemetry.budget:
        raise Refused("nothing is recorded of probes while telemetry.budget is 0: set that first")
    try:
        followed = trainer.following.add(examples)
    except DataError as error:
        raise Refused(str(error)) from None
    return f"{followed}, from step {trainer.position.step + 1:,} on"


def profile(trainer: Trainer, arguments: Arguments) -> str:
    """Has the next steps profiled; what was found is an event of its own."""
    _must_train(trainer)
    steps = arguments.get("steps")
    if type(steps) is not int:
        raise Refused(f"how many steps? A number is asked for, got {steps}")
    if trainer.paused:
        raise Refused("the training is paused: let it go on first")
    try:
        trainer.profiler.ask(steps)
    except CannotProfile as error:
        raise Refused(str(error)) from None
    return f"profiles {steps:,} steps"


# --------------------------------------------------------------------------------------------------------- other values


def set_value(trainer: Trainer, arguments: Arguments) -> Carried:
    _must_train(trainer)
    if not arguments:
        raise Refused("nothing to change")
    before = settings.in_force(trainer)
    follows = settings.put_into_force(trainer, arguments)
    trainer.changes.append({path: before[path] for path in arguments})
    return _changed(trainer, "", before, arguments, follows)


def undo(trainer: Trainer, arguments: Arguments) -> Carried:
    """Sets back what the last change of a value that was not undone yet has changed."""
    _must_train(trainer)
    if not trainer.changes:
        raise Refused("no value was changed that could be set back")
    back = trainer.changes[-1]
    if ROLLED_BACK in back:
        raise Refused(f"a roll back cannot be undone: what came after step {back[ROLLED_BACK]:,} is gone")
    before = settings.in_force(trainer)
    follows = settings.put_into_force(trainer, back)
    trainer.changes.pop()
    return _changed(trainer, "undone: ", before, back, follows)


ROLLED_BACK = "rolled back to"


def _changed(trainer: Trainer, how: str, before: Arguments, values: Arguments, follows: str) -> Carried:
    """What is said of a change: what was before, and from which step on it holds."""
    trainer.tell_settings()
    labels = {settable.path: settable.label for settable in SETTABLES}
    changes = ", ".join(f"{labels[path]} {said(before[path])} → {said(value)}" for path, value in values.items())
    text = f"{how}{changes} from step {trainer.position.step + 1:,} on"
    data = {**values, "before": {path: before[path] for path in values}}
    return f"{text}: {follows}" if follows else text, data


# ----------------------------------------------------------------------------------------------------------- going back


def rollback(trainer: Trainer, arguments: Arguments) -> Carried:
    """Raises RollBack, so that whatever is under way at this step ends first."""
    _must_train(trainer)
    name = str(arguments.get("to", checkpoints.LAST))
    if trainer.kept is None or not checkpoints.NAME.fullmatch(name):
        raise Refused(f"there is no checkpoint {name}")
    try:
        held = checkpoints.load(trainer.kept.folder / name)
    except checkpoints.CheckpointError as error:
        raise Refused(str(error)) from None
    _must_be_behind(trainer, name, held)
    raise RollBack(name, held)


def roll_back(trainer: Trainer, wanted: RollBack) -> list[Command]:
    """Goes back to what a checkpoint holds, and returns the commands that came after the one that asked for it.

    First the checkpoint becomes the last one, of which a resume goes on; then all that was recorded after it is
    dropped. A worker that is killed between the two leaves a run that has not been rolled back yet. The event says
    which values are in force, and which commands of the step gone back to the checkpoint had heard.
    """
    assert wanted.command is not None
    assert trainer.kept is not None
    trainer.settle()
    came, left = trainer.position.step, ""
    if "optimizer" in wanted.held:
        state.restore(trainer, wanted.held)
        trainer.threads.use(wanted.held["threads"])
    else:
        state.restore_best(trainer, wanted.held)
        left = "; it holds weights alone: the optimizer's state starts anew, values stay as they are"
    step = trainer.position.step
    trainer.rollbacks.append(step)
    trainer.changes.append({ROLLED_BACK: step})
    trainer.stops_after_epoch = False
    trainer.kept.write_twice(state.content(trainer))
    steps_per_epoch = trainer.batches.steps_per_epoch
    again = state.made_again(state.content(trainer), steps_per_epoch, trainer.recorder.steps())
    trainer.recorder.drop_after(step, again)
    trainer.begin_again()
    text = f"rolled back from step {came:,} to step {step:,} ({wanted.name}): what came after is dropped{left}"
    more = {"to": wanted.name, "from_step": came, "settings": settings.in_force(trainer)}
    acknowledge(trainer, wanted.command, text, {**more, "heard": trainer.heard.get(step, [])})
    return wanted.rest


def _must_be_behind(trainer: Trainer, name: str, held: Mapping[str, Any]) -> None:
    """Refuses a checkpoint of what was rolled back over, or that lies ahead: the record does not lead there."""
    step, made_after = state.step_of(held), held.get("rollbacks", [])
    if step > trainer.position.step:
        raise Refused(f"{name} is of step {step:,}, which lies ahead; tdl fork goes on from it")
    since = trainer.rollbacks[len(made_after) :]
    if trainer.rollbacks[: len(made_after)] != made_after or any(step > back for back in since):
        raise Refused(f"{name} is of a course that was rolled back; tdl fork goes on from it")


def _must_train(trainer: Trainer) -> None:
    if trainer.over:
        raise Refused("training has ended, the test is under way")


VERBS: Mapping[str, Callable[[Trainer, Arguments], Carried]] = {
    "pause": pause,
    "resume": resume,
    "stop": stop,
    "stop_at_epoch_end": stop_at_epoch_end,
    "cancel_stop": cancel_stop,
    "checkpoint": checkpoint,
    "evaluate": evaluate,
    "profile": profile,
    "probe": probe,
    "set": set_value,
    "undo": undo,
    "rollback": rollback,
}
"""What carries out each of `runs.commands.COMMANDS`: between two steps, in the training's thread."""
