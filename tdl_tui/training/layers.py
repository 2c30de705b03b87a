"""A model's layers, and what flows out of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

ACTIVATIONS: tuple[type[nn.Module], ...] = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.PReLU,
    nn.ELU,
    nn.CELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Tanh,
    nn.Sigmoid,
    nn.Softplus,
    nn.Softsign,
    nn.Hardtanh,
    nn.Hardsigmoid,
    nn.Hardswish,
)
UNITS_SECOND: tuple[type[nn.Module], ...] = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.GroupNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
)
SAME = 1e-5


@dataclass(frozen=True, eq=False)
class Layer:
    """A module that owns parameters: weight and bias together. `name` is its path in the model."""

    name: str
    module: nn.Module
    parameters: tuple[nn.Parameter, ...]


def layers(model: nn.Module) -> list[Layer]:
    """The layers with something to train, in the order of registration. A shared parameter belongs to the first."""
    found: list[Layer] = []
    seen: set[nn.Parameter] = set()
    for name, module in model.named_modules():
        own = tuple(p for p in module.parameters(recurse=False) if p.requires_grad and p not in seen)
        seen.update(own)
        if own:
            found.append(Layer(name or type(model).__name__.lower(), module, own))
    return found


@contextmanager
def listening(model: nn.Module, found: list[Layer]) -> Iterator[dict[int, tuple[nn.Module, Tensor]]]:
    """While open, a forward pass leaves each layer's outputs behind, by the layer's place in `found` and in the order
    of the pass: the outputs of the activation that follows it, else its own. A layer that is used twice leaves the
    last.
    """
    heard: dict[int, tuple[nn.Module, Tensor]] = {}
    places = {layer.module: place for place, layer in enumerate(found)}
    last: list[int | None] = [None]

    def hear(module: nn.Module, inputs: Any, output: Any) -> None:
        tensor = _first_tensor(output)
        place = places.get(module)
        if tensor is None:
            return
        if place is not None and not isinstance(module, nn.PReLU):
            heard[place] = (module, tensor)
            last[0] = place
        elif last[0] is not None and isinstance(module, ACTIVATIONS):
            heard[last[0]] = (heard[last[0]][0], tensor)
            if place is not None:
                heard[place] = (module, tensor)
            last[0] = None

    handles = [
        module.register_forward_hook(hear)
        for module in model.modules()
        if module in places or isinstance(module, ACTIVATIONS)
    ]
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()


def activation_statistics(module: nn.Module, outputs: Tensor) -> Tensor:
    """(3,) float32: the mean and deviation of all values, and the share of dead units: those that give the same for
    every example (to 1e-5 of the layer's deviation), as a ReLU that never opens or a tanh that is always shut.

    A unit is a channel of a convolution, else a feature (the last dimension).
    """
    values = outputs.float()
    deviation, mean = torch.std_mean(values, correction=0)
    by_unit = values.transpose(0, 1).flatten(1) if _units_second(module, values) else values.flatten(0, -2).t()
    low, high = torch.aminmax(by_unit, dim=1)
    dead = ((high - low) <= SAME * deviation).float().mean()
    return torch.stack([mean, deviation, dead])


def _units_second(module: nn.Module, values: Tensor) -> bool:
    return values.dim() > 2 and isinstance(module, UNITS_SECOND)


def _first_tensor(output: Any) -> Tensor | None:
    if isinstance(output, (tuple, list)) and output:
        return _first_tensor(output[0])
    return output if isinstance(output, Tensor) and output.dim() >= 2 and output.is_floating_point() else None
