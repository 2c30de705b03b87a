"""What checkpoints cost a training: the share of its time that it loses to one a minute, at 100 million parameters.

A network of linear layers learns with Adam on one thread. In each round it makes some steps alone, and then a
checkpoint is written aside as the training loop has it written: 2 GB, of weights, both moments and the best weights,
which are new each time, so that best.pt is written too. What is lost is the thread's own time until the checkpoint is
durable, less what as many steps take alone: the copy, and how much slower the steps are beside the thread that writes.
The median of the rounds counts. The same by the clock stands beside it: neighbours add to that, and so does the thread
that writes where no core is left for it.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn

from tdl_tui.training import checkpoints
from tdl_tui.training.checkpoint_writer import CheckpointWriter

WIDTH = 9_960
BATCH = 64
SPACING = 60.0
STEPS_ALONE = 6
ROUNDS = 5


class Nowhere:
    """A recorder without a run."""

    def flush(self) -> None:
        pass

    def event(self, *_: object) -> None:
        pass


class Training:
    """Steps of a large network, and what its checkpoint holds."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(
            nn.Linear(64, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 10)
        )
        self.optimizer = torch.optim.Adam(self.model.parameters(), fused=True)
        self.inputs, self.targets = torch.randn(BATCH, 64), torch.randint(10, (BATCH,))
        self.steps = 0
        self.step()
        self.best_weights = checkpoints.weights(self.model)

    def step(self) -> None:
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.model(self.inputs), self.targets)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.optimizer.step()
        self.steps += 1

    def content(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "position": {"step": self.steps, "epoch": 0},
            "best": {"step": self.steps},
            "best_epoch": 0,
            "best_weights": self.best_weights,
            "rollbacks": [],
            "settings": {},
        }


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """The seconds of this thread that it takes, and those of the clock."""
    own, clock = time.thread_time(), time.perf_counter()
    work()
    return time.thread_time() - own, time.perf_counter() - clock


def checkpoint(training: Training, writer: CheckpointWriter) -> tuple[tuple[float, float], int]:
    """Writes one aside. The seconds of its copy, and the steps that were made until it was durable."""
    before = training.steps
    while not writer.ready(training.content):
        training.step()
    copied = timed(lambda: writer.write_later(training.content()))
    while not writer.idle:
        training.step()
    return copied, training.steps - before


def measure(training: Training, writer: CheckpointWriter) -> list[float]:
    """Seconds lost to a checkpoint, own and by the clock; those of its copy; until it was durable; of a step alone."""
    alone = [timed(training.step) for _ in range(STEPS_ALONE)]
    own_step, clock_step = (median(column) for column in zip(*alone, strict=True))
    made: list[tuple[tuple[float, float], int]] = []
    own, clock = timed(lambda: made.append(checkpoint(training, writer)))
    (copied, _), steps = made.pop()
    return [own - steps * own_step, clock - steps * clock_step, copied, clock, own_step]


def main() -> None:
    torch.set_num_threads(1)
    training = Training()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        writer = CheckpointWriter(folder, Nowhere())  # type: ignore[arg-type]  # no more of it is asked for
        rounds = [measure(training, writer) for _ in range(ROUNDS)]
        writer.close()
        size = sum((folder / name).stat().st_size for name in (checkpoints.LAST, checkpoints.BEST))
    lost, by_clock, copied, took, alone = (median(column) for column in zip(*rounds, strict=True))
    share = 100 * lost / SPACING
    figure = {
        "name": "a checkpoint a minute, 100 million parameters with Adam: time of the training lost",
        "goal": "<= 1 %",
        "value": share,
        "unit": "%",
        "met": share <= 1,
        "seconds lost": lost,
        "of them the copy": copied,
        "seconds lost by the clock": by_clock,
        "seconds until durable": took,
        "GB": size / 1e9,
        "seconds a step": alone,
    }
    print(json.dumps(figure), flush=True)


if __name__ == "__main__":
    main()
