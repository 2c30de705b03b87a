"""Training with all telemetry on, against loops that people write and against frameworks.

Every comparison is made in alternating segments of the same model, data, batch size and threads (the number with which
the tuned loop is fastest), with the allocator settings that a worker has. Each segment has a new model, and each case
several processes: where things happen to lie in memory makes a difference of several percent, even between two copies
of one loop. The value is the median of the segments' ratios of samples per second; beside it stands the ratio of the
fastest segments, which neighbours on the machine disturb least.

`--device cuda` makes the same comparisons on a GPU, where a segment ends when the device has done its work; they are no
part of `make bench`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from statistics import median
from typing import Any

from tdl_tui.registry import DataShape
from tdl_tui.worker.environment import WORKER_ENVIRONMENT

SEGMENT_SECONDS = 2.5
EXAMPLES = 400_000  # at most
SEGMENT_STEPS = 100  # at least: telemetry looks at the first and the last step of a training however short it is
CLASSES = 10
TUNED, COMMON, LIGHTNING, KERAS = "tuned", "common", "lightning", "keras"
COMMON_GOALS = {("mlp", 64): 1.7, ("mlp", 512): 1.35, ("lenet5", 64): 1.2}
MODELS: dict[str, dict[str, Any]] = {
    "mlp": {"architecture": "mlp", "options": {"widths": [256, 128]}},
    "lenet5": {"architecture": "lenet5", "options": {"activation": "relu", "pooling": "max"}},
    "lstm": {"architecture": "lstm", "options": {"hidden_size": 128}},
    "gru": {"architecture": "gru", "options": {"hidden_size": 128}},
    "resnet18": {"architecture": "resnet18", "options": {"stem": "small"}},
    "gcn": {"architecture": "gcn", "options": {}},
}
LONG = ("resnet18",)  # a step takes half a second
MAIN = [(model, batch_size) for model in ("mlp", "lenet5", "lstm") for batch_size in (64, 512)]
CASES = [*MAIN, ("gru", 64), ("resnet18", 8), ("gcn", 140)]
NODES, NODE_FEATURES, EDGES = 2708, 1433, 5429  # as many as the Cora graph of Kipf & Welling 2017 has

Segment = Callable[[], float]
"""Trains for a while; samples per second."""


@dataclass(frozen=True)
class Case:
    """One model at one batch size on a device, with enough pictures for a segment of training of so many steps."""

    model: str
    batch_size: int
    steps: int
    device: str = "cpu"

    @property
    def name(self) -> str:
        return f"{self.model} at {self.batch_size}" + (f" on {self.device}" if self.device != "cpu" else "")

    def ended(self, started: float) -> float:
        """Samples a second of a segment that began at a `time.perf_counter`, and ends when its work is done."""
        self.wait()
        return self.rate(time.perf_counter() - started)

    def wait(self) -> None:
        """Until the device has done its work."""
        import torch

        if self.device != "cpu":
            torch.cuda.synchronize(self.device)

    @property
    def epochs(self) -> int:
        """A graph's labelled nodes are one batch, again and again; of the rest there is enough for one pass, but for a
        GPU, which would go through more than a machine has room for."""
        return self.steps if self.model == "gcn" else -(-self.steps * self.batch_size // EXAMPLES)

    @property
    def examples(self) -> int:
        """Of an epoch."""
        return self.steps * self.batch_size // self.epochs

    def rate(self, seconds: float) -> float:
        """Samples a second of a segment that took so long."""
        return self.steps * self.batch_size / seconds


def data(case: Case) -> Any:
    """Pictures of noise around ten patterns, uint8 28×28, as a dataset; for the GCN a random graph."""
    import torch

    from tdl_tui.data.dataset import Dataset

    torch.manual_seed(0)
    if case.model == "gcn":
        nodes = torch.arange(NODES)
        edges = torch.randint(0, NODES, (2, EDGES))
        adjacency = torch.zeros(NODES, NODES)
        adjacency[edges[0], edges[1]] = adjacency[edges[1], edges[0]] = 1.0
        context = {"adjacency": adjacency, "features": (torch.rand(NODES, NODE_FEATURES) < 0.01).float()}
        return Dataset(nodes.unsqueeze(1), nodes % CLASSES, shape_of(case), context=context)
    held_out = 64
    count = case.examples + held_out
    targets = torch.arange(count) % CLASSES
    patterns = torch.randint(0, 128, (CLASSES, 1, 28, 28), dtype=torch.uint8)
    inputs = patterns[targets] + torch.randint(0, 128, (count, 1, 28, 28), dtype=torch.uint8)
    return Dataset(inputs, targets, shape_of(case))


def shape_of(case: Case) -> DataShape:
    """What the models are built for."""
    if case.model == "gcn":
        return DataShape("classification", "graph", (1,), CLASSES, graph=(NODES, NODE_FEATURES))
    return DataShape("classification", "image", (1, 28, 28), CLASSES)


def ours(case: Case, dataset: Any, stack: contextlib.ExitStack, threads: int | None = None) -> Segment:
    """What a worker does, all but making checkpoints, which come once a minute. `threads` as an experiment's; None
    stays with those in use."""
    import torch

    from tdl_tui.data.batches import MemoryBatches
    from tdl_tui.data.normalization import fit
    from tdl_tui.data.prepare import Prepared
    from tdl_tui.data.probes import HeldOut, choose_probes, probe
    from tdl_tui.data.splits import Splits
    from tdl_tui.runs.home import create
    from tdl_tui.runs.writer import RunWriter
    from tdl_tui.spec import experiment
    from tdl_tui.training import devices
    from tdl_tui.training.control import CommandQueue
    from tdl_tui.training.loop import train
    from tdl_tui.training.threads import Threads
    from tdl_tui.training.trainer import Trainer

    device = devices.resolve(case.device)
    chosen = experiment(
        {
            "data": {
                "batch_size": case.batch_size,
                **({"dataset": "karate"} if case.model == "gcn" else {"options": {"image_size": 28}}),
            },
            "model": MODELS[case.model],
            "training": {"epochs": case.epochs, "device": case.device, "threads": torch.get_num_threads()},
        }
    )
    everything = torch.arange(len(dataset))
    nothing = everything[:0]  # nobody validates or tests here
    splits = Splits(everything[: case.examples], nothing, nothing)
    held_out = Splits(nothing, everything[case.examples :], nothing)
    normalization = fit(dataset, splits.train)
    on_device = normalization.to(device)
    layout = devices.memory_format(module(case, dataset), device, "fp32")
    probes = choose_probes(dataset, held_out, 16, 0)
    prepared = Prepared(
        shape=dataset.shape,
        splits=splits,
        batches=MemoryBatches(
            dataset,
            splits,
            normalization,
            batch_size=case.batch_size,
            seed=0,
            device=device,
            channels_last=layout is torch.channels_last,
        ),
        normalization=on_device,
        probes=tuple(probe(dataset, index) for index in probes.tolist()),
        probe_inputs=on_device.apply(dataset.inputs[probes].to(device)),
        probe_targets=on_device.targets(dataset.targets[probes].to(device)),
        held_out=HeldOut(dataset, held_out, on_device, device),
        storage="memory",
    )
    home = Path(stack.enter_context(tempfile.TemporaryDirectory()))

    def segment() -> float:
        model = module(case, dataset)
        model.to(memory_format=layout)
        run = create(home, chosen.document(), title="bench")
        with RunWriter(run.folder) as writer:
            trainer = Trainer(
                chosen,
                prepared,
                model,
                writer,
                CommandQueue(),
                device=device,
                threads=Threads(torch.get_num_threads() if threads is None else threads),
            )
            started = time.perf_counter()
            train(trainer)
            rate = case.ended(started)
        os.close(run.lock_fd)
        return rate

    return segment


def module(case: Case, dataset: Any) -> Any:
    """The model that all train."""
    import torch

    from tdl_tui.models.build import build

    torch.manual_seed(0)
    model = build(MODELS[case.model]["architecture"], shape_of(case), MODELS[case.model]["options"])
    if dataset.context:
        model.see(dataset.context)
    return model.to(case.device)


def tuned(case: Case, dataset: Any, stack: contextlib.ExitStack) -> Segment:
    """A loop by somebody who knows how: tensors in memory as bytes, batches by index, the fused optimizer, nothing
    read, nothing looked at, nothing written."""
    import torch
    from torch.nn.functional import cross_entropy

    pictures = dataset.inputs[: case.examples].to(case.device)
    targets = dataset.targets[: case.examples].to(case.device)
    values = pictures.float()
    mean, deviation = float(values.mean()), float(values.std())
    del values

    def on_a_graph() -> float:
        model = module(case, dataset)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
        started = time.perf_counter()
        for _ in range(case.steps):
            loss = cross_entropy(model(pictures), targets)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return case.ended(started)

    def segment() -> float:
        model = module(case, dataset)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
        started = time.perf_counter()
        for _ in range(case.epochs):
            order = torch.randperm(len(pictures), device=case.device)
            for indices in order.split(case.batch_size):
                inputs = pictures.index_select(0, indices).float().sub_(mean).div_(deviation)
                loss = cross_entropy(model(inputs), targets.index_select(0, indices))
                loss.backward()
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
        return case.ended(started)

    return on_a_graph if case.model == "gcn" else segment


def common(case: Case, dataset: Any, stack: contextlib.ExitStack) -> Segment:
    """The loop of the tutorials: a DataLoader over float tensors, the default optimizer, the loss read each step."""
    import torch
    from torch.nn.functional import cross_entropy
    from torch.utils.data import DataLoader, TensorDataset

    inputs = dataset.inputs[: case.examples].float().div_(255)
    loader = DataLoader(TensorDataset(inputs, dataset.targets[: case.examples]), case.batch_size, shuffle=True)

    def segment() -> float:
        model = module(case, dataset)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        running = 0.0
        started = time.perf_counter()
        for pictures, targets in chain.from_iterable(repeat(loader, case.epochs)):
            optimizer.zero_grad()
            loss = cross_entropy(model(pictures.to(case.device)), targets.to(case.device))
            loss.backward()
            optimizer.step()
            running += loss.item()
        return case.ended(started)

    return segment


def lightning(case: Case, dataset: Any, stack: contextlib.ExitStack) -> Segment:
    """Lightning's Trainer as it comes: progress bar, logger, checkpoints; the loss logged each step. The time is that
    of the epochs, without what comes before, between and after them."""
    import logging
    import warnings

    import torch

    from tdl_tui import torchvision_import

    torchvision_import.datasets()  # lightning imports torchvision too, which may need this help
    from lightning.pytorch import Callback, LightningModule, Trainer
    from torch.nn.functional import cross_entropy
    from torch.utils.data import DataLoader, TensorDataset

    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    inputs = dataset.inputs[: case.examples].float().div_(255)
    loader = DataLoader(TensorDataset(inputs, dataset.targets[: case.examples]), case.batch_size, shuffle=True)
    folder = stack.enter_context(tempfile.TemporaryDirectory())

    class Module(LightningModule):  # type: ignore[misc]  # its bases are untyped where it is not installed
        def __init__(self) -> None:
            super().__init__()
            self.model = module(case, dataset)

        def training_step(self, batch: Any, index: int) -> Any:
            loss = cross_entropy(self.model(batch[0]), batch[1])
            self.log("train_loss", loss, prog_bar=True)
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), lr=1e-3)

    class Watch(Callback):  # type: ignore[misc]  # likewise
        seconds = 0.0

        def on_train_epoch_start(self, *_: Any) -> None:
            self.seconds -= time.perf_counter()

        def on_train_epoch_end(self, *_: Any) -> None:
            case.wait()
            self.seconds += time.perf_counter()

    learner, watch = Module(), Watch()

    def segment() -> float:
        watch.seconds = 0.0
        with silence():
            trainer = Trainer(
                max_epochs=case.epochs,
                accelerator="cpu" if case.device == "cpu" else "gpu",
                callbacks=[watch],
                default_root_dir=folder,
            )
            trainer.fit(learner, loader)
        return case.rate(watch.seconds)

    return segment


def keras(case: Case, dataset: Any, stack: contextlib.ExitStack) -> Segment:
    """Keras on torch as it comes: compile, fit, its progress bar. The MLP only. The time is that of the epoch."""
    os.environ["KERAS_BACKEND"] = "torch"
    from keras import Input, Sequential, callbacks, layers

    model = Sequential(
        [
            Input((28, 28)),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dense(128, activation="relu"),
            layers.Dense(CLASSES),
        ]
    )
    from keras.losses import SparseCategoricalCrossentropy

    model.compile("adam", SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    inputs = dataset.inputs[: case.examples, 0].float().div_(255).numpy()
    targets = dataset.targets[: case.examples].numpy()

    class Watch(callbacks.Callback):  # type: ignore[misc]  # its bases are untyped where it is not installed
        seconds = 0.0

        def on_epoch_begin(self, *_: Any) -> None:
            self.seconds = -time.perf_counter()

        def on_epoch_end(self, *_: Any) -> None:
            self.seconds += time.perf_counter()

    watch = Watch()

    def segment() -> float:
        with silence():
            model.fit(inputs, targets, batch_size=case.batch_size, callbacks=[watch])
        return case.rate(watch.seconds)

    return segment


SIDES: dict[str, Callable[[Case, Any, contextlib.ExitStack], Segment]] = {
    TUNED: tuned,
    COMMON: common,
    LIGHTNING: lightning,
    KERAS: keras,
}


@contextlib.contextmanager
def silence() -> Iterator[None]:
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield


def steps_for(model: str, batch_size: int, seconds: float, device: str = "cpu") -> int:
    """How many steps fill a segment, by a short look at the tuned loop."""
    with contextlib.ExitStack() as stack:
        case = Case(model, batch_size, 10 if device == "cpu" else SEGMENT_STEPS, device)
        segment = tuned(case, data(case), stack)
        segment()
        rate = max(segment(), segment())
    wanted = max(SEGMENT_STEPS, int(rate * seconds / batch_size))
    if device == "cpu" or model == "gcn":
        return min(wanted, max(SEGMENT_STEPS, EXAMPLES // batch_size))
    epochs = Case(model, batch_size, wanted).epochs
    return wanted // epochs * epochs


def fastest_threads(case: Case, most: int) -> int:
    """With how many threads, 1 or `most`, the tuned loop is faster."""
    import torch

    rates = {}
    with contextlib.ExitStack() as stack:
        short = Case(case.model, case.batch_size, max(10, case.steps // 4), case.device)
        segment = tuned(short, data(short), stack)
        for count in (1, most):
            torch.set_num_threads(count)
            rates[count] = max(segment() for _ in range(3))
    return max(rates, key=lambda count: rates[count])


def rates(case: Case, against: list[str], rounds: int) -> dict[str, list[float]]:
    """Samples a second of ours and of each of `against`, a number a round; every other round goes backwards."""
    with contextlib.ExitStack() as stack:
        dataset = data(case)
        segments = {"ours": ours(case, dataset, stack)}
        segments |= {name: SIDES[name](case, dataset, stack) for name in against}
        for segment in segments.values():
            segment()
        found: dict[str, list[float]] = {name: [] for name in segments}
        order = list(segments)
        for _ in range(rounds):
            for name in order:
                found[name].append(segments[name]())
            order.reverse()
        return found


def pooled(case: Case, against: list[str], processes: int, threads: int) -> dict[str, list[float]]:
    """`rates` of two rounds in each of so many processes, one after the other."""
    found: dict[str, list[float]] = {}
    request = [case.model, str(case.batch_size), str(case.steps), case.device, ",".join(against), str(threads)]
    for _ in range(processes):
        command = [sys.executable, "-m", "bench.training", "--process", *request]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        for name, numbers in json.loads(output.splitlines()[-1]).items():
            found.setdefault(name, []).extend(numbers)
    return found


def process(model: str, batch_size: str, steps: str, device: str, against: str, threads: str) -> None:
    """What one of the processes does: prints its rates."""
    import torch

    torch.set_num_threads(int(threads))
    print(json.dumps(rates(Case(model, int(batch_size), int(steps), device), against.split(","), 2)))


def as_a_worker(module: str) -> None:
    """Starts this program anew with a worker's environment, unless it has it: allocator and threads read it once."""
    if any(os.environ.get(key) != value for key, value in WORKER_ENVIRONMENT.items()):
        environment = {**os.environ, **WORKER_ENVIRONMENT}
        os.execve(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]], environment)


def tell(name: str, goal: str, value: float, met: bool, **more: Any) -> None:
    print(
        json.dumps(
            {"name": name, "goal": goal, "value": round(value, 3), "unit": "×", "met": met, **more}, ensure_ascii=False
        ),
        flush=True,
    )


def spread(values: list[float]) -> list[float]:
    """The quartiles of the ratios."""
    ordered = sorted(values)
    return [round(ordered[len(ordered) // 4], 3), round(ordered[(3 * len(ordered)) // 4], 3)]


def importable(name: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(name) is not None


def cases(only: str) -> list[tuple[str, int]]:
    """The model and batch size that "mlp:64" names; all that are measured where nothing is named."""
    if not only:
        return CASES
    model, _, batch_size = only.partition(":")
    return [(model, int(batch_size))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=6, help="a case; two where a step takes long")
    parser.add_argument("--seconds", type=float, default=SEGMENT_SECONDS)
    parser.add_argument("--threads", type=int, default=0, help="0: with which the tuned loop is fastest")
    parser.add_argument("--only", default="", help="one case, such as mlp:64")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--against", default=",".join(SIDES))
    parser.add_argument("--process", nargs=6, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    as_a_worker("bench.training")
    if arguments.process:
        process(*arguments.process)
        return
    from tdl_tui.training.threads import cores

    device = arguments.device
    against = [name for name in arguments.against.split(",") if name not in (LIGHTNING, KERAS) or importable(name)]
    against = [name for name in against if name != KERAS or device == "cpu"]
    of_tuned: list[float] = []
    for model, batch_size in cases(arguments.only):
        case = Case(model, batch_size, steps_for(model, batch_size, arguments.seconds, device), device)
        threads = arguments.threads or (fastest_threads(case, cores()) if device == "cpu" else 1)
        others = (model, batch_size) in MAIN or (arguments.only and model != "gcn")  # no DataLoader has a graph
        sides = [name for name in against if name == TUNED or others]
        simple = [name for name in sides if name in (TUNED, COMMON) or (model, batch_size) == ("mlp", 64)]
        processes = 2 if case.model in LONG and device == "cpu" else arguments.processes
        found = pooled(case, simple, processes, threads)
        for name in simple:
            ratios = [a / b for a, b in zip(found["ours"], found[name], strict=True)]
            value = median(ratios)
            more = {
                "fastest": round(max(found["ours"]) / max(found[name]), 3),
                "quartiles": spread(ratios),
                "threads": threads,
            }
            if name == TUNED:
                if (model, batch_size) in MAIN:
                    of_tuned.append(value)
                tell(f"{case.name} against a tuned loop", "≥ 0.97 ×", value, value >= 0.97, **more)
            elif name == COMMON:
                goal = COMMON_GOALS.get((model, batch_size), 1.0)
                tell(f"{case.name} against the usual loop", f"≥ {goal:g} ×", value, value >= goal, **more)
            else:
                tell(f"{case.name} against {name}", "≥ 2.5 ×", value, value >= 2.5, **more)
    if len(of_tuned) == len(MAIN):
        mean = math.exp(sum(map(math.log, of_tuned)) / len(of_tuned))
        tell("training against a tuned loop, geometric mean", "≥ 1.00 ×", mean, mean >= 1.0)


if __name__ == "__main__":
    main()
