"""The training loop. It knows data, a model and a recorder, and nothing of screens, files of runs or processes."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from tdl_tui.runs.records import Best, State

from . import steering, validation
from .closures import Closure
from .computing import computing
from .control import Command
from .passes import Pass
from .steering import RollBack, Stopped
from .threads import in_words
from .trainer import Trainer


@dataclass(frozen=True)
class Result:
    """How training ended: `state` is FINISHED or STOPPED, `test` is None where no test was made."""

    state: State
    step: int
    epochs: int
    seconds: float
    best: Best | None
    test: dict[str, float] | None


def train(trainer: Trainer) -> Result:
    """Trains from the trainer's position to the end, tests, and says how it ended.

    Raises NotFinite, and whatever the model, the data or the recorder raise.
    """
    _begin(trainer)
    compute, closure = computing(trainer)
    rest: list[Command] = []
    try:
        while True:
            try:
                steering.carry_out(trainer, rest)
                _epochs(trainer, compute, closure)
                break
            except RollBack as wanted:  # trains on, from an earlier step
                rest = steering.roll_back(trainer, wanted)
        _end(trainer)
        test = validation.test(trainer, steering.obey)
    except Stopped:
        return _result(trainer, State.STOPPED, None)
    return _result(trainer, State.FINISHED, test)


def _begin(trainer: Trainer) -> None:
    at = trainer.position
    trainer.blocks.start(at.step + 1)
    trainer.begin_again()
    trainer.put_checkpoint_off()
    again = f"from step {at.step:,} " if at.step else ""
    threads = f", {in_words(trainer.threads.count)}" if trainer.device.type == "cpu" else ""
    text = f"training {again}on {trainer.device}{threads}"
    trainer.recorder.update(state=State.RUNNING, message="", stops_after=None)
    trainer.recorder.event("state", text, at.step, {"threads": trainer.threads.count})


def _epochs(trainer: Trainer, compute: Pass, closure: Closure | None) -> None:
    """Trains and validates from the position to the end of the last epoch.

    A small network makes a step in 100 µs: what is done in each is kept to what must be, and its figures stay where
    they were computed until a block of steps is read.
    """
    steering.rest(trainer)
    repeated = trainer.replay.commands
    steering.repeat(trainer, repeated.get(trainer.position.step, ()))
    at, blocks, telemetry, timers = trainer.position, trainer.blocks, trainer.telemetry, trainer.timers
    control, profiler, average, parameters = trainer.control, trainer.profiler, trainer.average, trainer.parameters
    optimizer, groups, clock, lr = trainer.optimizer, trainer.optimizer.param_groups, time.perf_counter, math.nan
    while not trainer.done():
        _choose_threads(trainer)
        trainer.model.train()
        limit = blocks.limit()
        for inputs, targets in timers.steps(trainer.batches.epoch(at.epoch, at.step_in_epoch)):
            step = at.step + 1

            wanted = trainer.base_lr * trainer.schedule(step)
            if wanted != lr:
                lr = wanted
                for group in groups:
                    group["lr"] = lr

            outputs, loss = compute(inputs, targets)  # there and back: the gradients are there too

            looks = step == telemetry.next_step
            if looks:
                with timers.measured("telemetry"):
                    telemetry.before_update()
            if trainer.clip:
                blocks.norms.append(trainer.clip())
            optimizer.step(closure)  # type: ignore[arg-type]  # torch's own closures return tensors as well
            for parameter in parameters:  # zero_grad without its bookkeeping, which a small step would feel
                parameter.grad = None
            if average:
                average.update(step)
            timers.lap("optimizer")
            at.step = step
            at.step_in_epoch += 1

            blocks.losses.append(loss.detach())
            blocks.outputs.append(outputs.detach())
            blocks.targets.append(targets)
            blocks.rates.append(lr)
            if looks:
                with timers.measured("telemetry"):
                    telemetry.after_update(step, inputs, targets)
                limit = blocks.limit()
            if repeated and step in repeated:  # a resume does again what was asked at this step
                steering.repeat(trainer, repeated[step])
            if control.pending or clock() >= blocks.deadline or len(blocks.losses) >= limit or step == profiler.last:
                _between_steps(trainer)

        with timers.measured("validation"):
            validation.validate(trainer, steering.obey)
        at.epoch, at.step_in_epoch = at.epoch + 1, 0
        steering.end_of_epoch(trainer)


def _choose_threads(trainer: Trainer) -> None:
    """At the start of an epoch: what history says, or what the machine has free by now. Another device computes without
    them."""
    at, threads, replay = trainer.position, trainer.threads, trainer.replay
    if at.step_in_epoch or trainer.device.type != "cpu":
        return
    if at.step in replay.threads:
        threads.use(replay.threads[at.step])
    elif at.step >= replay.reached and threads.revise():
        trainer.recorder.update(threads=threads.count)
        text = f"{in_words(threads.count)} from here on, by what the machine has free"
        trainer.recorder.event("threads", text, at.step, {"threads": threads.count})


def _between_steps(trainer: Trainer) -> None:
    """Reads the block, does what was asked, keeps a checkpoint if it is time."""
    step = trainer.position.step
    trainer.timers.end()
    trainer.profiler.end(step)
    trainer.read_block()
    if trainer.control.pending:
        steering.obey(trainer)
    trainer.checkpoint_aside()
    trainer.telemetry.plan(step)
    trainer.timers.plan(step)
    trainer.profiler.begin(step)


def _end(trainer: Trainer) -> None:
    """After the last step: the last checkpoint is kept, and the weights that are tested are taken."""
    at, stopping, best = trainer.position, trainer.experiment.training.early_stopping, trainer.monitor.best
    trainer.read_block(wait=True)
    trainer.timers.close(at.step)
    trainer.timers.collect(wait=True)
    if trainer.patience_is_over and at.epoch < trainer.experiment.training.epochs:
        text = f"{stopping.monitor} has not improved for {trainer.monitor.waited} validations: no further epoch"
        trainer.recorder.event("early_stopping", text, at.step)
    trainer.checkpoint()
    trainer.over = True
    if stopping.restore_best and best is not None and trainer.best_weights is not None:
        trainer.model.load_state_dict(trainer.best_weights, strict=False)
        text = f"weights of step {best.step:,} taken ({best.series} {best.value:.4g})"
        trainer.recorder.event("best", text, at.step)
    elif trainer.average:
        trainer.model.load_state_dict(trainer.average.model.state_dict())
    trainer.average = None  # the model itself has the weights that are tested


def _result(trainer: Trainer, state: State, test: dict[str, float] | None) -> Result:
    at = trainer.position
    if state is State.FINISHED:
        trainer.recorder.update(state=state, progress=trainer.progress(), test=test)
        trainer.recorder.event("state", f"finished after {at.epoch} epochs", at.step)
        trainer.recorder.flush()
    return Result(state, at.step, at.epoch, at.seconds, trainer.monitor.best, test)
