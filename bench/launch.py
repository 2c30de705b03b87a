"""From pressing launch to the first training step, on `digits` on a CPU: with a ready spare, and cold.

The cold start is measured beside a bare script that imports torch, loads the same data with scikit-learn, and makes
one step of the same network and optimizer: the two alternate. Times are from before the process is started to when
the first step is done, by one clock.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tdl_tui.runs import lock
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State
from tdl_tui.spec import experiment
from tdl_tui.worker.environment import environment
from tdl_tui.worker.launch import launch
from tdl_tui.worker.spare import Spare

ROUNDS = 7
# 64 examples to train on are one step, so that the first validation comes right behind it: what is measured is
# the first step, its validation included
EXPERIMENT = {
    "data": {"dataset": "digits", "split": [0.0356, 0.1, 0.8644], "batch_size": 64},
    "model": {"architecture": "mlp"},
    "training": {"epochs": 1, "device": "cpu"},
}
BARE = """
import time
import torch
from sklearn.datasets import load_digits
from torch import nn

inputs, targets = load_digits(return_X_y=True)
inputs, targets = torch.tensor(inputs, dtype=torch.float32), torch.tensor(targets)
inputs = (inputs - inputs.mean()) / inputs.std()
model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
nn.functional.cross_entropy(model(inputs[:64]), targets[:64]).backward()
optimizer.step()
print(time.time())
"""


def tdl(home: Path, spare: Spare | None = None) -> float:
    """Seconds from the request to when the first step was done and validated, as the run recorded it."""
    chosen = experiment(EXPERIMENT)
    begin = time.time()
    launched = launch(chosen, home, spare)
    while lock.held(launched.folder):
        time.sleep(0.05)
    with RunReader(launched.folder) as reader:
        summary, first = reader.summary(), reader.first("val/loss")
    if summary.state is not State.FINISHED or first is None:
        raise RuntimeError(f"{summary.state}: {summary.message}\n{(launched.folder / 'log.txt').read_text()}")
    return first.time - begin


def bare() -> float:
    """The same for the bare script."""
    begin = time.time()
    done = subprocess.run([sys.executable, "-c", BARE], env=environment(), capture_output=True, text=True, check=True)
    return float(done.stdout) - begin


def with_spare(home: Path) -> list[float]:
    seconds = []
    for _ in range(ROUNDS):
        spare = Spare(home)
        spare.wait_ready()
        time.sleep(0.5)  # a person takes longer
        seconds.append(tdl(home, spare))
        spare.close()
    return seconds


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        tdl(home)
        bare()  # both once before, so that the files are in memory
        pairs = [(tdl(home), bare()) for _ in range(ROUNDS)]
        ratio = statistics.median(ours / theirs for ours, theirs in pairs)
        figures = {
            "name": "launch, cold, to the first step",
            "goal": "at most 1.05 of a bare script",
            "value": ratio,
            "unit": "×",
            "met": ratio <= 1.05,
            "seconds": statistics.median(ours for ours, _ in pairs),
            "bare script": statistics.median(theirs for _, theirs in pairs),
        }
        print(json.dumps(figures), flush=True)
        seconds = with_spare(home)
        figures = {
            "name": "launch with a ready spare, to the first step",
            "goal": "at most 0.1 s",
            "value": statistics.median(seconds),
            "unit": "s",
            "met": statistics.median(seconds) <= 0.1,
            "slowest": max(seconds),
        }
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
