"""The training loop. It knows data, a model and a recorder, and nothing of screens, files of runs or processes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tdl_tui.data.prepare import Prepared
from tdl_tui.registry import OPTIMIZERS
from tdl_tui.runs.records import Best, Progress, State
from tdl_tui.settables import values_of
from tdl_tui.spec import Experiment

from . import checkpoints, metrics, objectives, schedules, state, text_samples
from .averaging import WeightAverage
from .blocks import Blocks
from .checkpoint_writer import CheckpointWriter
from .closures import Closure
from .confusion import Confusion
from .control import Command, Control
from .evaluation import evaluate, evaluating
from .following import Following
from .history import Replay
from .layers import layers
from .meters import Meters
from .passes import Pass, clipping, forward_pass, l1_penalty, with_gradients, without_gradients
from .profiling import Profiler
from .recorder import Recorder
from .steering import RollBack, Stopped, carry_out, end_of_epoch, repeat, roll_back
from .telemetry import Telemetry
from .threads import Threads
from .timers import Timers


class NotFinite(RuntimeError):
    """A loss was NaN or infinite. The message names the first such step, and the layers that are not finite."""


@dataclass
class Position:
    """Where training is: updates made, epochs completed, updates made in the epoch under way; seconds of training."""

    step: int = 0
    epoch: int = 0
    step_in_epoch: int = 0
    seconds: float = 0.0


@dataclass
class Monitor:
    """The validations' best so far, after how many epochs that was, and how many since were not better."""

    best: Best | None = None
    epoch: int = 0
    waited: int = 0


@dataclass(frozen=True)
class Result:
    """How training ended: `state` is FINISHED or STOPPED, `test` is None where no test was made."""

    state: State
    step: int
    epochs: int
    seconds: float
    best: Best | None
    test: dict[str, float] | None


class Trainer:
    """Trains one model. Make it, let `state.restore` take it to a checkpoint if there is one, and `train`.

    `experiment` is as the values in force make it; what it was launched with is `launched`.
    """

    def __init__(
        self,
        experiment: Experiment,
        prepared: Prepared,
        model: nn.Module,
        recorder: Recorder,
        control: Control,
        *,
        device: torch.device,
        threads: Threads,
        folder: Path | None = None,
    ) -> None:
        """`model` is on `device`. Checkpoints are kept in `folder`; None keeps none."""
        training = experiment.training
        self.launched = self.experiment = experiment
        self.shape = prepared.shape
        self.task = prepared.shape.task
        self.metric = metrics.METRIC[self.task]
        self.batches = prepared.batches
        self.normalization = prepared.normalization
        self.model = model
        self.recorder = recorder
        self.control = control
        self.device = device
        self.threads = threads
        self.kept = CheckpointWriter(folder, recorder) if folder else None
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.objective = objectives.build(
            experiment.objective.loss, experiment.objective.options, prepared.class_counts, device
        )
        self.goes_by = OPTIMIZERS[experiment.optimizer.name]
        self.make_optimizer()
        self.autocast: Callable[[], AbstractContextManager[object]] = (
            partial(torch.autocast, device.type, torch.bfloat16) if training.precision == "bf16" else nullcontext
        )
        self.changes: list[dict[str, Any]] = []  # what values were before each change that was not undone
        self.heard: dict[int, list[str]] = {}  # the commands that were carried out at the step just made
        self.rollbacks: list[int] = []  # the steps gone back to, in order
        self.evaluated_at = 0
        self.paused = self.over = self.stops_after_epoch = False
        self.position = Position()
        self.monitor = Monitor()
        self.best_weights: dict[str, Tensor] | None = None
        self.average = WeightAverage(model, training.ema_decay) if training.ema_decay else None
        self.clip = clipping(self.parameters, training.gradient_clip_norm, training.gradient_clip_value)
        self.replay = Replay()
        self.random: dict[str, Any] | None = None  # what checkpoints keep while an evaluation is under way
        self.blocks = Blocks(recorder, self.task)
        self.meters = Meters(recorder, device)
        self.timers = Timers(recorder, device)
        self.profiler = Profiler(recorder, device, folder.parent if folder else None)
        self.telemetry = Telemetry(
            model,
            recorder,
            budget=experiment.telemetry.budget,
            device=device,
            probe_inputs=prepared.probe_inputs,
            predictions=prepared.normalization.predictions,
            autocast=self.autocast,
            objective=self.objective,
            total_norm=self.goes_by.gradients and self.clip is None,
        )
        self.following = Following(prepared, self.telemetry, recorder)
        self.plan()

    def train(self) -> Result:
        """Trains from the position to the end, tests, and says how it ended.

        Raises NotFinite, and whatever the model, the data or the recorder raise.
        """
        self._begin()
        compute, closure = self._compute()
        rest: list[Command] = []
        try:
            while True:
                try:
                    carry_out(self, rest)
                    self._epochs(compute, closure)
                    break
                except RollBack as wanted:
                    rest = roll_back(self, wanted)
            self._end_of_training()
            test = self._test()
        except Stopped:
            return self._result(State.STOPPED, None)
        return self._result(State.FINISHED, test)

    def _epochs(self, compute: Pass, closure: Closure | None) -> None:
        """Trains and validates from the position to the end of the last epoch."""
        self._rest()
        repeat(self, self.replay.commands.get(self.position.step, ()))
        at, blocks, telemetry = self.position, self.blocks, self.telemetry
        timers, profiler = self.timers, self.profiler
        control, optimizer, groups = self.control, self.optimizer, self.optimizer.param_groups
        clip, average, repeated = self.clip, self.average, self.replay.commands
        parameters, clock, lr = self.parameters, time.perf_counter, math.nan
        while not self.done():
            self._choose_threads()
            self.model.train()
            limit = blocks.limit()
            for inputs, targets in timers.steps(self.batches.epoch(at.epoch, at.step_in_epoch)):
                step = at.step + 1

                wanted = self.base_lr * self.schedule(step)
                if wanted != lr:
                    lr = wanted
                    for group in groups:
                        group["lr"] = lr

                outputs, loss = compute(inputs, targets)  # there and back: the gradients are there too

                looks = step == telemetry.next_step
                if looks:
                    with timers.measured("telemetry"):
                        telemetry.before_update()
                if clip:
                    blocks.norms.append(clip())
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
                if repeated and step in repeated:
                    repeat(self, repeated[step])
                    clip = self.clip
                if (
                    control.pending
                    or clock() >= blocks.deadline
                    or len(blocks.losses) >= limit
                    or step == profiler.last
                ):
                    self._between_steps()
                    clip = self.clip

            with timers.measured("validation"):
                self._validate()
            at.epoch, at.step_in_epoch = at.epoch + 1, 0
            end_of_epoch(self)
            clip = self.clip  # it may have been changed while that was validated

    def try_threads(self) -> None:
        """Lets the threads be chosen by the time of a step, which is made without any effect."""
        if self.device.type != "cpu":
            return
        inputs, targets = next(self.batches.epoch(0))

        def step() -> None:
            with torch.set_grad_enabled(self.goes_by.gradients), self.autocast():
                loss = self.objective(self.model(inputs), targets)
            if self.goes_by.gradients:
                torch.autograd.grad(loss, self.parameters, allow_unused=True)

        with evaluating(self.model, self.device):
            self.threads.try_out(step)

    def _compute(self) -> tuple[Pass, Closure | None]:
        """What computes a batch's outputs, loss and gradients, as the experiment asks for it; and what an optimizer
        is given that asks for the loss more than once a step."""
        training, entry = self.experiment.training, self.goes_by
        model: Callable[[Tensor], Tensor] = torch.compile(self.model) if training.compile else self.model
        forward = forward_pass(model, self.objective, self.autocast if training.precision == "bf16" else None)
        penalty = l1_penalty(self.parameters, self.experiment.objective.l1_penalty)
        if entry.gradients:
            compute = with_gradients(forward, training.accumulation, penalty, self.timers.lap)
        else:
            compute = without_gradients(forward, self.timers.lap)
        if not entry.closure:
            return compute, None
        closure = Closure(
            self.model,
            compute,
            self.device,
            gradients=entry.gradients,
            clip=self._limit,
            penalty=penalty,
            lap=self.timers.lap,
        )
        return closure.begin, closure

    def _limit(self) -> None:
        """Limits the gradients, as the experiment has it now."""
        if self.clip:
            self.clip()

    # ----------------------------------------------------------------------------------------------- where training is

    def make_optimizer(self) -> None:
        """An optimizer that has seen nothing yet."""
        chosen = self.experiment.optimizer
        self.optimizer: torch.optim.Optimizer = self.goes_by.load()(
            self.parameters, chosen.lr, chosen.weight_decay, **chosen.options
        )
        self.base_lr = chosen.lr

    def plan(self) -> None:
        """Counts all steps from the position on, for schedules (which have observed nothing then) and telemetry."""
        at, schedule, length = self.position, self.experiment.schedule, self.batches.steps_per_epoch
        left = (self.experiment.training.epochs - at.epoch) * length - at.step_in_epoch
        self.total_steps = at.step + max(0, left)
        self.schedule = schedules.build(schedule.name, self.total_steps, schedule.warmup_steps, schedule.options)
        self.observer = schedules.observer(self.schedule)
        self.telemetry.until(self.total_steps, at.step)

    def go_to(self, step: int, epoch: int, step_in_epoch: int, seconds: float) -> None:
        """Another position: the next step is `step` + 1."""
        self.position = Position(step, epoch, step_in_epoch, seconds)
        self.plan()
        self.blocks.start(step + 1)
        self.telemetry.start(step + 1)
        self.meters.start(step + 1)

    def done(self) -> bool:
        """Whether no epoch is left to train."""
        return self.position.epoch >= self.experiment.training.epochs or self._patience_is_over()

    # ------------------------------------------------------------------------------------------------ between steps

    def _begin(self) -> None:
        at = self.position
        self.blocks.start(at.step + 1)
        self.begin_again()
        self.put_checkpoint_off()
        again = f"from step {at.step:,} " if at.step else ""
        text = f"training {again}on {self.device}, {_cpu_threads(self.threads.count)}"
        self.recorder.update(state=State.RUNNING, message="", stops_after=None)
        self.recorder.event("state", text, at.step, {"threads": self.threads.count})

    def begin_again(self) -> None:
        """Training goes on from the position, by the clock from now on."""
        self._mark = time.perf_counter()
        self._warned = False
        self.meters.skip()
        self.timers.start(self.position.step)
        self.recorder.update(progress=self.progress(), best=self.monitor.best)
        self.tell_settings()

    def tell_settings(self) -> None:
        """Records the values in force that are others than those that the run was launched with."""
        launched, now = values_of(self.launched.document()), values_of(self.experiment.document())
        self.recorder.update(settings={path: value for path, value in now.items() if value != launched[path]})

    def settle(self) -> None:
        """Records all that the steps so far have left to be recorded."""
        if examples := self.blocks.close():
            self.meters.count(examples, self.position.step)
        self.blocks.collect(wait=True)
        self.telemetry.collect(wait=True)

    def _between_steps(self) -> None:
        """Reads the block, does what was asked, keeps a checkpoint if it is time."""
        self.timers.end()
        self.profiler.end(self.position.step)
        self._read_block()
        if self.control.pending:
            self._obey()
        self._checkpoint_aside()
        self.telemetry.plan(self.position.step)
        self.timers.plan(self.position.step)
        self.profiler.begin(self.position.step)

    def _read_block(self, wait: bool = False) -> None:
        """Records what has been gathered; with `wait` to the last step. Raises NotFinite."""
        at = self.position
        with self.timers.measured("telemetry"):
            self.meters.count(self.blocks.close(), at.step)
            self.blocks.collect(wait)
            self.telemetry.collect(wait)
            self.recorder.update(progress=self.progress())
            self.recorder.check()
        if self.blocks.nonfinite is not None:
            step = self.blocks.nonfinite
            self._not_finite(f"the loss is not finite from step {step:,} on", step)

    def _not_finite(self, what: str, step: int) -> None:
        """Raises NotFinite; where the experiment asks to go on, says so once."""
        if self._warned:
            return
        self._warned = True
        wrong = [
            layer.name
            for layer in layers(self.model)
            if not all(bool(torch.isfinite(p).all()) for p in layer.parameters)
        ]
        where = f"not finite at step {self.position.step:,}: {', '.join(wrong)}" if wrong else "all weights are finite"
        message = f"{what}; {where}"
        if self.experiment.training.stop_on_nonfinite:
            self.recorder.event("error", message, step)
            raise NotFinite(message)
        self.recorder.event("warning", message, step)

    def progress(self) -> Progress:
        at = self.position
        now = time.perf_counter()
        at.seconds += now - self._mark
        self._mark = now
        return Progress(at.step, at.epoch, self.total_steps, self.batches.steps_per_epoch, at.seconds)

    def _choose_threads(self) -> None:
        """At the start of an epoch: what history says, or what the machine has free by now."""
        at, threads = self.position, self.threads
        if at.step_in_epoch:
            return
        if at.step in self.replay.threads:
            threads.use(self.replay.threads[at.step])
        elif at.step >= self.replay.reached and threads.revise():
            self.recorder.update(threads=threads.count)
            text = f"{_cpu_threads(threads.count)} from here on, by what the machine has free"
            self.recorder.event("threads", text, at.step, {"threads": threads.count})

    # ---------------------------------------------------------------------------------------------------- commands

    def _obey(self) -> None:
        """Carries out the commands that wait; returns when training may go on. Raises Stopped."""
        carry_out(self, self.control.take())
        self._rest()

    def _rest(self) -> None:
        """Waits while the training is paused, and carries out what is asked meanwhile."""
        if not self.paused:
            return
        self.progress()
        with self.timers.measured("pause"):
            while self.paused:
                self.control.wait(1.0)
                carry_out(self, self.control.take())
        self._mark = time.perf_counter()
        self.meters.skip()

    # -------------------------------------------------------------------------------------------- between epochs

    def _validate(self) -> None:
        at = self.position
        started = time.perf_counter()
        if self.task == "regression":
            self._read_block()
            moments, count = self.blocks.moments
            if moments is not None and count:
                self.recorder.point("train/r2", at.step, metrics.r_squared(moments.cpu(), count))
        if self.batches.sizes["validation"]:
            found = self.validate_aside()
            self._check_loss("validation", found["loss"])
            self._compare(found)
            self._observe(found)
            if self._writes():
                self._write_text()
        self.blocks.moments = None, 0
        self.meters.leave_out(time.perf_counter() - started)

    def validate_aside(self) -> dict[str, float]:
        """Validates, and records what was found; nothing goes by it. Loss and metric."""
        found = self._evaluate("validation")
        for name in ("loss", self.metric):
            self.recorder.point(f"val/{name}", self.position.step, found[name])
        return {name: found[name] for name in ("loss", self.metric)}

    def _compare(self, found: dict[str, float]) -> None:
        """Keeps the weights if they are the best so far."""
        series = self.experiment.training.early_stopping.monitor
        name = series.removeprefix("val/")
        value, best = found[name], self.monitor.best
        better = best is None or (value < best.value if name == "loss" else value > best.value)
        if math.isnan(value) or not better:
            self.monitor.waited += 1
            return
        self.monitor = Monitor(Best(series, self.position.step, value), self.position.epoch + 1)
        held = self.evaluated.state_dict()
        if self.best_weights is None:
            self.best_weights = checkpoints.weights(self.evaluated)
        else:
            for key, kept in self.best_weights.items():
                kept.copy_(held[key])
        self.recorder.update(best=self.monitor.best)

    def _observe(self, found: Mapping[str, float]) -> None:
        """Tells a schedule that goes by it what early stopping goes by."""
        if self.observer is None:
            return
        step, name = self.position.step, self.experiment.training.early_stopping.monitor.removeprefix("val/")
        before = self.schedule(step + 1)
        self.observer.observe(found[name] if name == "loss" else -found[name])
        factor = self.schedule(step + 1)
        if factor < before:
            text = f"val/{name} stands still: {factor:.3g} of the learning rate from step {step + 1:,} on"
            self.recorder.event("schedule", text, step, {"factor": factor})

    def _writes(self) -> bool:
        """Whether the targets are the next tokens of a text."""
        if self.shape.kind != "text" or not self.shape.steps:
            return False
        inputs, targets = next(iter(self.batches.part("validation", 1)))
        return torch.equal(inputs[:, 1:], targets[:, :-1])

    def _write_text(self) -> None:
        """Of a model of text, what it would write by now."""
        step = self.position.step
        text = text_samples.written(self.evaluated, self.shape, self.device, self.experiment.seed, step)
        if text is not None:
            self.recorder.event("sample", text_samples.printable(text), step, {"text": text})

    @property
    def evaluated(self) -> nn.Module:
        """The model that is validated and tested: the one that is trained, or that with the average of its weights."""
        return self.average.model if self.average else self.model

    def _check_loss(self, part: str, loss: float) -> None:
        """Notices weights that the last steps broke. Raises NotFinite."""
        if not math.isfinite(loss):
            self._read_block(wait=True)  # where a step's own loss was not finite, that step is named
            self._not_finite(f"the {part} loss is not finite at step {self.position.step:,}", self.position.step)

    def _patience_is_over(self) -> bool:
        patience = self.experiment.training.early_stopping.patience
        return 0 < patience <= self.monitor.waited

    def _evaluate(self, part: str) -> dict[str, float]:
        self.random = checkpoints.random_states(self.device)  # they will be so again, whatever a model draws here
        counts = Confusion(self.shape.outputs, self.device) if self.task == "classification" else None
        try:
            found = evaluate(
                self.evaluated,
                self.objective,
                self.batches.part(part),
                self.task,
                device=self.device,
                autocast=self.autocast,
                between=self._between_batches,
                confusion=counts,
            )
        finally:
            self.random = None
        if counts is not None:
            self.recorder.matrix(counts.matrix(part, self.position.step))
        return found

    def _between_batches(self) -> None:
        if self.control.pending:
            self._obey()

    # ------------------------------------------------------------------------------------------------------ the end

    def _end_of_training(self) -> None:
        at, stopping = self.position, self.experiment.training.early_stopping
        self._read_block(wait=True)
        self.timers.close(at.step)
        self.timers.collect(wait=True)
        if self._patience_is_over() and at.epoch < self.experiment.training.epochs:
            text = f"{stopping.monitor} has not improved for {self.monitor.waited} validations: no further epoch"
            self.recorder.event("early_stopping", text, at.step)
        self.checkpoint()
        self.over = True
        best = self.monitor.best
        if stopping.restore_best and best is not None and self.best_weights is not None:
            self.model.load_state_dict(self.best_weights, strict=False)
            self.recorder.event(
                "best", f"weights of step {best.step:,} taken ({best.series} {best.value:.4g})", at.step
            )
        elif self.average:
            self.model.load_state_dict(self.average.model.state_dict())
        self.average = None  # the model itself has the weights that are tested

    def _test(self) -> dict[str, float] | None:
        if not self.batches.sizes["test"]:
            return None
        found = self._evaluate("test")
        self._check_loss("test", found["loss"])
        deviation = self.normalization.target_deviation
        if "rmse" in found and deviation is not None:
            if len(deviation) == 1:
                found["rmse"] *= float(deviation)
            else:
                del found["rmse"]  # there is no one unit
        return found

    def _result(self, state: State, test: dict[str, float] | None) -> Result:
        at = self.position
        if state is State.FINISHED:
            self.recorder.update(state=state, progress=self.progress(), test=test)
            self.recorder.event("state", f"finished after {at.epoch} epochs", at.step)
            self.recorder.flush()
        return Result(state, at.step, at.epoch, at.seconds, self.monitor.best, test)

    # -------------------------------------------------------------------------------------------------- checkpoints

    def checkpoint(self, name: str | None = None) -> None:
        """Keeps all that is needed to go on from here: as last.pt, and under `name` too. Once training has ended, that
        has been kept, and the model may have other weights."""
        if self.kept is None or self.over:
            return
        with self.timers.measured("checkpoint"):
            self._read_block(wait=True)
            self.kept.write(state.content(self), name)
        self.put_checkpoint_off()

    def _checkpoint_aside(self) -> None:
        """Lets the same be kept while training goes on, if it is time."""
        if self.kept is None:
            return
        self.kept.check()
        if time.perf_counter() < self._checkpoint_due or not self.kept.ready(partial(state.content, self)):
            return
        with self.timers.measured("checkpoint"):
            self._read_block(wait=True)
            self.kept.write_later(state.content(self))
        self.put_checkpoint_off()

    def put_checkpoint_off(self) -> None:
        """The next one is due when the time between two has gone by."""
        self._checkpoint_due = time.perf_counter() + self.experiment.training.checkpoint_seconds

    def close(self) -> None:
        """Returns when nothing of it is under way any more."""
        self.profiler.end(self.position.step, now=True)
        if self.kept is not None:
            self.kept.close()


def _cpu_threads(count: int) -> str:
    return "1 CPU thread" if count == 1 else f"{count} CPU threads"
