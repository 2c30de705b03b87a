"""All that a training is made of: its parts, where it is, and what it has come to.

`loop` trains it. What is done to it meanwhile stands beside: `steering`, `validation`, `settings`; `state` is what a
checkpoint holds of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tdl_tui.data.prepare import Prepared
from tdl_tui.registry import OPTIMIZERS
from tdl_tui.runs.records import Best, Progress
from tdl_tui.settables import differing
from tdl_tui.spec import Experiment

from . import metrics, nonfinite, objectives, schedules, state
from .averaging import WeightAverage
from .blocks import Blocks
from .checkpoint_writer import CheckpointWriter
from .control import Control
from .following import Following
from .history import Replay
from .meters import Meters
from .passes import clipping
from .profiling import Profiler
from .recorder import Recorder
from .telemetry import Telemetry
from .threads import Threads
from .timers import Timers


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


class Trainer:
    """What trains one model. Make it, let `state.restore` take it to a checkpoint if there is one, and `loop.train` it.

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
        return self.position.epoch >= self.experiment.training.epochs or self.patience_is_over

    @property
    def patience_is_over(self) -> bool:
        """Whether as many validations as early stopping waits for were not better."""
        return 0 < self.experiment.training.early_stopping.patience <= self.monitor.waited

    @property
    def evaluated(self) -> nn.Module:
        """The model that is validated and tested: the one that is trained, or that with the average of its weights."""
        return self.average.model if self.average else self.model

    # ----------------------------------------------------------------------------------------------- what is recorded

    def begin_again(self) -> None:
        """Training goes on from the position, by the clock from now on."""
        self.warned = False
        self.go_on()
        self.timers.start(self.position.step)
        self.recorder.update(progress=self.progress(), best=self.monitor.best)
        self.tell_settings()

    def go_on(self) -> None:
        """What went before by the clock, as a pause, was no training."""
        self._mark = time.perf_counter()
        self.meters.skip()

    def tell_settings(self) -> None:
        """Records the values in force that are others than those that the run was launched with."""
        self.recorder.update(settings=differing(self.experiment, self.launched))

    def settle(self) -> None:
        """Records all that the steps so far have left to be recorded."""
        if examples := self.blocks.close():
            self.meters.count(examples, self.position.step)
        self.blocks.collect(wait=True)
        self.telemetry.collect(wait=True)

    def read_block(self, wait: bool = False) -> None:
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
            nonfinite.found(self, f"the loss is not finite from step {step:,} on", step)

    def progress(self) -> Progress:
        at = self.position
        now = time.perf_counter()
        at.seconds += now - self._mark
        self._mark = now
        return Progress(at.step, at.epoch, self.total_steps, self.batches.steps_per_epoch, at.seconds)

    # -------------------------------------------------------------------------------------------------- checkpoints

    def checkpoint(self, name: str | None = None) -> None:
        """Keeps all that is needed to go on from here: as last.pt, and under `name` too. Once training has ended, that
        has been kept, and the model may have other weights."""
        if self.kept is None or self.over:
            return
        with self.timers.measured("checkpoint"):
            self.read_block(wait=True)
            self.kept.write(state.content(self), name)
        self.put_checkpoint_off()

    def checkpoint_aside(self) -> None:
        """Lets the same be kept while training goes on, if it is time."""
        if self.kept is None:
            return
        self.kept.check()
        if time.perf_counter() < self._checkpoint_due or not self.kept.ready(partial(state.content, self)):
            return
        with self.timers.measured("checkpoint"):
            self.read_block(wait=True)
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
