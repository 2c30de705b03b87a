"""What a training will take of its device's memory, worked out before any of it is taken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from tdl_tui.data.storage import SHARE, free_bytes
from tdl_tui.plugins.faults import fault
from tdl_tui.registry import OPTIMIZERS, DataShape
from tdl_tui.spec import Experiment

from .assembly import outline
from .summary import example_of
from .tracing import Trace, tensors

EVALUATED = 1024
"""Examples that are evaluated at once, as `Batches.part` gives them."""
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


class NotEnoughMemory(ValueError):
    """A training cannot fit. The message is one line for people: what it takes, what is free, what would help."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes. `weights` counts the copies that a training keeps of them: the best so far, their average, and those that
    telemetry compares with.

    `activations` are what the way through the network and back takes for one batch, or what evaluating takes where
    that is more, gradients being none then.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    data: int

    @property
    def total(self) -> int:
        total: int = sum(getattr(self, field.name) for field in fields(self))
        return total


def estimate(experiment: Experiment, module: nn.Module, device: torch.device) -> Memory:
    """What training `module`, which is on the meta device, will take on `device`. Allocates nothing.

    The way there and back takes what autograd holds on to in a forward pass, which is made with shapes alone, and the
    gradient of the largest output. Of networks without recurrent layers that is what torch's profiler counts on a CPU,
    to a tenth; recurrent kernels there hold on to up to three times as much. Workspaces within libraries, and what an
    allocator keeps back, are not in it.
    """
    shape, data, sizes = experiment.shape, experiment.data, experiment.part_sizes
    entry = OPTIMIZERS[experiment.optimizer.name]
    learned = [p for p in module.parameters() if p.requires_grad]
    held = sum(t.nbytes for t in (*module.parameters(), *module.buffers()))
    gradients = sum(p.nbytes for p in learned) if entry.gradients else 0
    copies = 1 + (sizes.validation > 0) + (experiment.training.ema_decay > 0)
    width = 0.5 if experiment.training.precision == "bf16" else 1.0
    batch = -(-min(data.batch_size or sizes.train, sizes.train) // experiment.training.accumulation)
    there, largest = _pass(module, shape, batch, learning=entry.gradients)
    _, evaluated = _pass(module, shape, max(1, min(EVALUATED, max(sizes.validation, sizes.test))), learning=False)
    return Memory(
        weights=copies * held + (gradients if experiment.telemetry.budget else 0),
        gradients=gradients,
        optimizer=_state_bytes(experiment, learned) if entry.gradients else 0,
        activations=max(round(width * (there + largest)), round(width * 2 * evaluated) - gradients),
        data=_data_bytes(experiment, device),
    )


def check(experiment: Experiment, device: torch.device) -> None:
    """Raises NotEnoughMemory where by its estimate the training takes more than is free on `device`."""
    module = outline(experiment)
    try:
        needed = estimate(experiment, module, device)
    except Exception as error:
        if fault(error):
            return  # a plugin's network may need values, where there are shapes alone
        raise
    free = free_bytes(device)
    if needed.total > free:
        raise NotEnoughMemory(refusal(needed, free, device))


def refusal(needed: Memory, free: int, device: torch.device) -> str:
    """One line: what it takes, what is free, and what would help."""
    parts = {
        "weights, gradients and the optimizer's state": needed.weights + needed.gradients + needed.optimizer,
        "the activations of a batch": needed.activations,
        "the data": needed.data,
    }
    most = max(parts, key=parts.__getitem__)
    helps = {
        "the activations of a batch": "a smaller data.batch_size or a smaller model",
        "the data": "data.storage=stream or fewer data",
    }
    return (
        f"too little memory: training takes about {in_words(needed.total)} ({in_words(parts[most])} of it are {most}), "
        f"{in_words(free)} are free on {device}; {helps.get(most, 'a smaller model')} would help"
    )


def in_words(count: float) -> str:
    """A number of bytes: "1.5 GiB"."""
    unit = min(len(UNITS) - 1, int(math.log2(max(1.0, count)) // 10))
    return f"{count / 1024**unit:.3g} {UNITS[unit]}"


def _pass(module: nn.Module, shape: DataShape, batch: int, *, learning: bool) -> tuple[int, int]:
    """Of a forward pass with a batch of shapes alone: the bytes that autograd holds on to, and the largest output's."""
    own = {p.untyped_storage()._cdata for p in (*module.parameters(), *module.buffers())}
    kept: dict[int, torch.UntypedStorage] = {}
    largest = 0

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage  # held, so that no other takes its place
        return tensor

    def measure(layer: nn.Module, inputs: object, outputs: object) -> None:
        nonlocal largest
        if next(layer.children(), None) is None:
            largest = max(largest, *(t.nbytes for t in tensors(outputs)), 0)

    handles = [layer.register_forward_hook(measure) for layer in module.modules()]
    module.train(learning)
    try:
        with (
            torch.set_grad_enabled(learning),
            torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
            Trace(),
        ):
            module(example_of(shape, batch))
    finally:
        for handle in handles:
            handle.remove()
    return sum(storage.nbytes() for storage in kept.values()), largest


def _state_bytes(experiment: Experiment, learned: Sequence[nn.Parameter]) -> int:
    """What the optimizer keeps, by what it keeps for a small matrix after a step."""
    chosen = experiment.optimizer
    sample = nn.Parameter(torch.zeros(8, 8, device="cpu"))
    optimizer: torch.optim.Optimizer = OPTIMIZERS[chosen.name].load()(
        [sample], chosen.lr, chosen.weight_decay, **chosen.options
    )
    history = optimizer.defaults.get("history_size")
    if history:  # L-BFGS: two vectors a step of its history, and three for the step under way
        share = 2.0 * history + 3
    else:
        sample.grad = torch.zeros_like(sample)
        optimizer.step()
        share = sum(t.numel() for t in tensors(list(optimizer.state[sample].values())) if t.dim()) / sample.numel()
    return int(share * sum(p.nbytes for p in learned))


def _data_bytes(experiment: Experiment, device: torch.device) -> int:
    """The data where they are held for training. On a CPU they are there twice: as loaded, and as batches want them."""
    shape = experiment.shape
    size = {"image": 1, "text": 8, "graph": 8}.get(shape.kind, 4)
    inputs = shape.examples * math.prod(shape.input) * size
    if device.type == "cpu":
        return 2 * inputs
    held = experiment.data.storage == "memory" or (
        experiment.data.storage == "auto" and inputs <= SHARE * free_bytes(device)
    )
    return inputs if held else 0
