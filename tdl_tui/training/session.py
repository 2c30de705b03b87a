"""A run from its folder to its end: what a worker process does."""

from __future__ import annotations

import os
import socket
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from tdl_tui.data.dataset import DataError
from tdl_tui.plugins.faults import fault
from tdl_tui.registry import OPTIMIZERS
from tdl_tui.runs.kept import ORIGIN, same_examples
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import Event, State
from tdl_tui.runs.writer import RunWriter
from tdl_tui.spec import experiment

from . import checkpoints, devices, energy, floor, forks, history, memory, state
from .assembly import assemble
from .closures import check_size
from .control import Control
from .diagnosing import Diagnosing, after_failure
from .evaluation import evaluating
from .loop import train
from .threads import Threads
from .trainer import Trainer

SPLITS = "splits.npz"
UNHEARD = "refused: training has not begun; until then a run can only be stopped"
OUT_OF_MEMORY = "out of memory: a smaller data.batch_size, a smaller model or training.precision=bf16 would help"


class _Stopped(Exception):
    """A person asked for an end before training began."""


def run_training(folder: Path, control: Control) -> State:
    """Trains the run in `folder` to its end, from its last checkpoint where it has one, and says how it ended.

    Whoever calls holds the run's lock. What goes wrong ends the run as failed, with one line as its message, and is
    printed with its traceback (the worker's log). Raises only where the run's folder itself cannot be written.
    """
    reader = RunReader(folder)
    try:
        facts = reader.facts()
        done = history.read(reader)
        followed = [probe.index for probe in reader.probes()]
    finally:
        reader.close()
    with RunWriter(folder) as writer:
        try:
            return _train(folder, facts, done, followed, writer, control)
        except _Stopped:
            return State.STOPPED
        except Exception as error:  # noqa: BLE001  # whatever it was, the run ends as failed and says so
            with suppress(OSError):  # a full disk takes no log either
                traceback.print_exception(error)
            message = explain(error)
            writer.update(state=State.FAILED, message=message)
            after_failure(folder, writer)
            writer.event("state", f"failed: {message}", max(writer.steps().values(), default=0))
            return State.FAILED


def _train(
    folder: Path,
    facts: dict[str, Any],
    done: list[Event],
    followed: list[int],
    writer: RunWriter,
    control: Control,
) -> State:
    writer.update(state=State.STARTING, message="", pid=os.getpid(), host=socket.gethostname())
    kept = folder / "checkpoints"
    content, origin, step = _start(kept, facts, writer)
    replay = history.replay(done, step, reached=max(writer.steps().values(), default=0))
    again = state.made_again(content, facts.get("steps_per_epoch"), writer.steps()) if content else ()
    spent = energy.spent(folder)
    writer.drop_after(step, again)

    chosen = experiment(facts["experiment"])
    device = devices.resolve(chosen.training.device)
    memory.check(chosen, device)
    threads = Threads(chosen.training.threads)
    count = content["threads"] if content else replay.threads.get(step, (origin or {}).get("threads"))
    if count is not None and not (origin and chosen.training.threads):
        threads.use(count)
    model, prepared = assemble(
        chosen,
        folder.parent.parent,
        device,
        report=lambda line: _wait_for_data(line, writer, control, step),
        splits_file=folder / SPLITS,
    )
    trainer = None
    try:
        check_size(OPTIMIZERS[chosen.optimizer.name], model)
        writer.update(
            message="",
            device=devices.describe(device),
            data_shape=prepared.shape,
            steps_per_epoch=prepared.batches.steps_per_epoch,
            splits=prepared.splits.sizes(),
            normalization=prepared.normalization.document(),
            parameters=sum(p.numel() for p in model.parameters()),
        )
        if not content:
            writer.probes(prepared.probes)
            for note in prepared.notes:
                writer.event("data", note, 0)
        recorder = Diagnosing(writer, chosen, prepared, device.type)
        recorder.recall(folder, step)
        trainer = Trainer(chosen, prepared, model, recorder, control, device=device, threads=threads, folder=kept)
        trainer.meters.watch(folder, spent)
        if followed:
            _follow(trainer, trainer.following.restore, followed, step)
        trainer.replay = replay
        if content:
            state.restore(trainer, content, replay)
        elif origin:
            _fork(trainer, origin, facts["parent"])
        content = origin = None  # not held as long as it trains
        if count is None:
            try_threads(trainer)
        writer.update(threads=threads.count)
        floor.measure(trainer)
        return train(trainer).state
    finally:
        if trainer is not None:
            trainer.close()
        prepared.batches.close()


def _start(
    kept: Path, facts: dict[str, Any], writer: RunWriter
) -> tuple[dict[str, Any] | None, dict[str, Any] | None, int]:
    """The run's last checkpoint, else what a fork begins with; and the step that training goes on from.

    Says what is wrong with them. Raises CheckpointError where none can be gone on from.
    """
    content, damage = checkpoints.recover(kept)
    if content is None:
        origin = checkpoints.load(kept / ORIGIN) if facts.get("parent") else None
        return None, origin, state.step_of(origin) if origin else 0
    step = state.step_of(content)
    if damage:
        print(damage)  # noqa: T201  # the worker's log
        writer.event("warning", damage, step)
    recorded = writer.steps().get("train/loss", 0)
    if recorded < step:  # before each checkpoint its points are brought to the disk
        text = f"the record was damaged: it ends at step {recorded:,}, the checkpoint is of step {step:,}"
        writer.event("warning", text, recorded)
    return content, None, step


def _fork(trainer: Trainer, origin: dict[str, Any], parent: dict[str, Any]) -> None:
    """Begins with a checkpoint of another run, and says what of it could not be taken over. Of the same data the
    examples that were followed there are followed here, unless fewer are asked for."""
    before = experiment(parent["experiment"])
    anew = forks.adopt(trainer, origin, before)
    now, step = trainer.experiment, trainer.position.step
    if same_examples(now.document(), before.document()) and now.telemetry.probes >= before.telemetry.probes:
        _follow(trainer, trainer.following.add_missing, parent.get("probes", ()), step)
    text = f"begins with {parent['checkpoint']} of {parent['run']}, step {step:,}"
    trainer.recorder.event("fork", "; ".join([text, *anew]), step, {"anew": anew})


def _follow(trainer: Trainer, follow: Callable[[Sequence[int]], None], examples: Sequence[int], step: int) -> None:
    """Follows examples that were followed before; says why where one cannot be: the files have changed, or the split
    was drawn by another version."""
    try:
        follow(examples)
    except DataError as error:
        trainer.recorder.event("warning", str(error), step)


def try_threads(trainer: Trainer) -> None:
    """Lets the threads be chosen by the time of a step, which is made without any effect."""
    if trainer.device.type != "cpu":
        return
    inputs, targets = next(trainer.batches.epoch(0))
    gradients = trainer.goes_by.gradients

    def step() -> None:
        with torch.set_grad_enabled(gradients), trainer.autocast():
            loss = trainer.objective(trainer.model(inputs), targets)
        if gradients:
            torch.autograd.grad(loss, trainer.parameters, allow_unused=True)

    with evaluating(trainer.model, trainer.device):
        trainer.threads.try_out(step)


def _wait_for_data(line: str, writer: RunWriter, control: Control, step: int) -> None:
    """Says how far a download is, and answers whoever asks something meanwhile. Raises _Stopped."""
    writer.update(message=line)
    for command in control.take() if control.pending else ():
        answer = {"command": command.id, "verb": command.verb}
        if command.verb != "stop":
            writer.event("command", UNHEARD, step, {**answer, "refused": True})
            continue
        writer.update(state=State.STOPPED, message="")
        writer.event("command", "stopped before training began", step, answer)
        raise _Stopped


def explain(error: Exception) -> str:
    """One line for people; where memory ran out, with what would help."""
    name, line = type(error).__name__, str(error).strip().partition("\n")[0]
    if is_out_of_memory(error):
        line = line.partition(". GPU ")[0]  # what is on it, and how torch can be told to divide it, is in the log
        return f"{OUT_OF_MEMORY} ({line})" if line else OUT_OF_MEMORY
    if plugins := fault(error):
        return plugins
    if isinstance(error, DataError) or type(error).__module__.startswith("tdl_tui."):
        return line or name
    return f"{name}: {line}" if line else name


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, of a device or of the machine."""
    words = ("out of memory", "can't allocate memory", "not enough memory")
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or (
        isinstance(error, RuntimeError) and any(word in str(error).lower() for word in words)
    )
