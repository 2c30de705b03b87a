"""Runs as a worker would have left them, the same each time: for the table's tests, its pictures and its snapshots."""

from __future__ import annotations

import math
import os
import random
from pathlib import Path
from typing import Any

from tdl_tui import spec
from tdl_tui.runs.home import create
from tdl_tui.runs.records import Best, Progress, State
from tdl_tui.runs.writer import RunWriter

NOW = 1_800_000_000.0
"""The clock of whoever looks at them."""
KINDS: tuple[dict[str, Any], ...] = (
    {"model": {"architecture": "mlp"}},
    {"name": "wide and slow", "model": {"architecture": "mlp", "options": {"widths": [512, 512]}}, "seed": 3},
    {"data": {"options": {"image_size": 28}}, "model": {"architecture": "lenet5"}, "optimizer": {"name": "sgd"}},
    {"model": {"architecture": "softmax_regression"}, "optimizer": {"lr": 0.01}},
    {"name": "lstm on rows, smaller steps", "model": {"architecture": "lstm"}, "optimizer": {"lr": 3e-4}},
)
STATES = (State.RUNNING, State.FINISHED, State.FINISHED, State.PAUSED, State.FAILED, State.FINISHED, State.STOPPED)


def make_run(
    home: Path,
    document: dict[str, Any] | None = None,
    *,
    state: State = State.FINISHED,
    share: float = 1.0,
    age: float = 60.0,
    message: str = "",
    run_id: str = "",
) -> tuple[Path, int | None]:
    """A run that came to `share` of its steps; the lock's descriptor is held for one that is at work."""
    experiment = spec.experiment(document or {})
    new = create(home, experiment.document(), title=experiment.title)
    epochs = experiment.training.epochs
    done = max(1, round(share * epochs))
    chance = random.Random(str(document))
    floor, speed = chance.uniform(0.03, 0.2), chance.uniform(0.15, 0.5)
    start = NOW - age
    with RunWriter(new.folder) as writer:
        losses = [2.3 * math.exp(-speed * epoch) + floor + chance.uniform(0, 0.03) for epoch in range(1, done + 1)]
        for epoch, loss in enumerate(losses, 1):
            writer.point("val/loss", epoch * 23, loss, start + epoch)
        best = min(losses)
        writer.update(
            state=state,
            created=start,
            message=message,
            device="cpu",
            progress=Progress(done * 23, done, epochs * 23, 23, 4.0 * done),
            best=Best("val/loss", (losses.index(best) + 1) * 23, best),
        )
        if state is State.FINISHED:
            writer.update(test={"loss": best * 1.1, "accuracy": 1 - best / 3})
    folder = new.folder
    if run_id:
        folder = folder.rename(folder.with_name(run_id))
    if state.live:
        return folder, new.lock_fd
    os.close(new.lock_fd)
    return folder, None


def make_runs(home: Path, count: int) -> list[int]:
    """`count` runs of every sort, of every age. The locks of those at work are held until the descriptors close."""
    held: list[int] = []
    for number in range(count):
        state = STATES[number % len(STATES)]
        lock = make_run(
            home,
            KINDS[number % len(KINDS)],
            state=state,
            share=1.0 if state is State.FINISHED else 0.2 + 0.13 * (number % 6),
            age=40.0 * 2.1**number if number < 16 else 5e6 + 1e6 * number,
            message="the loss became NaN at step 812 (layers: hidden2)" if state is State.FAILED else "",
            run_id=f"run{number:05d}",
        )[1]
        if lock is not None:
            held.append(lock)
    return held
