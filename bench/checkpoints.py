"""What checkpoints cost a training: the share of its time that it loses to one a minute, at 100 million parameters.

A network of linear layers learns with Adam. In each round it makes some steps alone, and then a checkpoint is written
aside as the training loop has it written: 2 GB, of weights, both moments and the best weights, which are new each time,
so that best.pt is written too. What is lost is the time until the checkpoint is durable, less what as many steps take
alone: the copy, and what the thread that writes takes from the steps. The median of the rounds counts. One core is left
to the thread that writes; beside it stands what is lost where the training computes on that one too.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn

from tdl_tui.training import checkpoints
from tdl_tui.training.checkpoint_writer import CheckpointWriter
from tdl_tui.training.threads import cores

WIDTH = 9_960
BATCH = 64
SPACING = 60.0
STEPS_ALONE = 6
ROUNDS = 3


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

    def step(self) -> float:
        """One update; the seconds that it took."""
        started = time.perf_counter()
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.model(self.inputs), self.targets)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.optimizer.step()
        self.steps += 1
        return time.perf_counter() - started

    def content(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "position": {"step": self.steps},
            "best": {"step": self.steps},
            "best_weights": self.best_weights,
        }


def checkpoint(training: Training, writer: CheckpointWriter, alone: float) -> tuple[float, float, float]:
    """Seconds lost to a checkpoint, those of its copy among them, and until it was durable."""
    started, steps = time.perf_counter(), 0
    while not writer.ready(training.content):
        training.step()
        steps += 1
    before = time.perf_counter()
    writer.write_later(training.content())
    copied = time.perf_counter() - before
    while not writer.idle:
        training.step()
        steps += 1
    took = time.perf_counter() - started
    return took - steps * alone, copied, took


def measure(training: Training, folder: Path, threads: int) -> list[float]:
    """The medians of what `checkpoint` says, and of a step's seconds alone."""
    torch.set_num_threads(threads)
    writer = CheckpointWriter(folder, Nowhere())  # type: ignore[arg-type]  # no more of it is asked for
    rounds = []
    for _ in range(ROUNDS):
        alone = median(training.step() for _ in range(STEPS_ALONE))
        rounds.append((*checkpoint(training, writer, alone), alone))
    writer.close()
    return [median(column) for column in zip(*rounds, strict=True)]


def main() -> None:
    training = Training()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        lost, copied, took, alone = measure(training, folder, max(1, cores() - 1))
        on_all, *_ = measure(training, folder, cores())
        size = sum((folder / name).stat().st_size for name in (checkpoints.LAST, checkpoints.BEST))
    share = 100 * lost / SPACING
    figure = {
        "name": "a checkpoint a minute, 100 million parameters with Adam: time of the training lost",
        "goal": "<= 1 %",
        "value": share,
        "unit": "%",
        "met": share <= 1,
        "seconds lost": lost,
        "of them the copy": copied,
        "seconds lost with no core left": on_all,
        "seconds until durable": took,
        "GB": size / 1e9,
        "seconds a step": alone,
        "cores": cores(),
    }
    print(json.dumps(figure), flush=True)


if __name__ == "__main__":
    main()
