"""A model's layers, and what flows out of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import nan
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
NEAR = 0.05
"""A value is near a limit within this part of the way from one limit to the other. A sigmoid or tanh has less than a
fifth of its steepest slope there (0.19)."""


@dataclass(frozen=True, eq=False)
class Layer:
    """A module that owns parameters: weight and bias together. `name` is its path in the model; `names` are those of
    its parameters there."""

    name: str
    module: nn.Module
    parameters: tuple[nn.Parameter, ...]
    names: tuple[str, ...]


def layers(model: nn.Module) -> list[Layer]:
    """The layers with something to train, in the order of registration. A shared parameter belongs to the first."""
    found: list[Layer] = []
    seen: set[nn.Parameter] = set()
    for name, module in model.named_modules():
        own = {
            parameter: key
            for key, parameter in module.named_parameters(recurse=False)
            if parameter.requires_grad and parameter not in seen
        }
        seen.update(own)
        if own:
            called = name or type(model).__name__.lower()
            found.append(Layer(called, module, tuple(own), tuple(f"{called}.{key}" for key in own.values())))
    return found


@dataclass(frozen=True, eq=False)
class Heard:
    """What came out of a layer: `outputs`, examples first. `limits` are the ends of the range of the function that they
    come from, None where that has no two."""

    module: nn.Module
    outputs: Tensor
    limits: tuple[float, float] | None


@contextmanager
def listening(model: nn.Module, found: list[Layer]) -> Iterator[dict[int, Heard]]:
    """While open, a forward pass leaves each layer's outputs behind, by the layer's place in `found` and in the order
    of the pass: the outputs of the activation that follows it, else its own. A layer that is used twice leaves the
    last.
    """
    heard: dict[int, Heard] = {}
    places = {layer.module: place for place, layer in enumerate(found)}
    last: list[int | None] = [None]

    def hear(module: nn.Module, inputs: Any, output: Any) -> None:
        tensor = _first_tensor(output)
        place = places.get(module)
        if tensor is None:
            return
        if place is not None and not isinstance(module, nn.PReLU):
            heard[place] = Heard(module, tensor, _limits(module))
            last[0] = place
        elif last[0] is not None and isinstance(module, ACTIVATIONS):
            heard[last[0]] = Heard(heard[last[0]].module, tensor, _limits(module))
            if place is not None:
                heard[place] = Heard(module, tensor, None)
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


def activation_statistics(heard: Heard) -> Tensor:
    """(4,) float32: the mean and deviation of all values; the share of dead units: those that give the same for every
    example (to 1e-5 of the layer's deviation), as a ReLU that never opens or a tanh that is always shut; and the share
    of saturated values, which lie near one of the limits of a sigmoid or tanh (NaN for other functions).

    A unit is a channel of a convolution, else a feature (the last dimension). That saturated units hold back learning,
    and how far up a network they sit, is shown by Glorot & Bengio 2010 (section 3).
    """
    module, values = heard.module, heard.outputs.float()
    deviation, mean = torch.std_mean(values, correction=0)
    by_unit = values.transpose(0, 1).flatten(1) if _units_second(module, values) else values.flatten(0, -2).t()
    low, high = torch.aminmax(by_unit, dim=1)
    dead = ((high - low) <= SAME * deviation).float().mean()
    return torch.stack([mean, deviation, dead, _saturated(values, heard.limits)])


def _saturated(values: Tensor, limits: tuple[float, float] | None) -> Tensor:
    if limits is None:
        return values.new_full((), nan)
    low, high = limits
    margin = NEAR * (high - low)
    return ((values < low + margin) | (values > high - margin)).float().mean()


def _limits(module: nn.Module) -> tuple[float, float] | None:
    """The ends of the range of a function that nears them on both sides."""
    if isinstance(module, nn.Sigmoid):
        return 0.0, 1.0
    if isinstance(module, nn.Tanh) or (isinstance(module, nn.RNN) and module.nonlinearity == "tanh"):
        return -1.0, 1.0
    return None


def _units_second(module: nn.Module, values: Tensor) -> bool:
    return values.dim() > 2 and isinstance(module, UNITS_SECOND)


def _first_tensor(output: Any) -> Tensor | None:
    if isinstance(output, (tuple, list)) and output:
        return _first_tensor(output[0])
    return output if isinstance(output, Tensor) and output.dim() >= 2 and output.is_floating_point() else None
