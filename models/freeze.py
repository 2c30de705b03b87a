"""Layers that training leaves as they are."""

from __future__ import annotations

import difflib
from fnmatch import fnmatchcase
from types import MethodType
from typing import TypeVar

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from .build import Refused

M = TypeVar("M", bound=nn.Module)


def freeze(module: nn.Module, patterns: str) -> None:
    """Takes the parameters that patterns name out of training: `requires_grad` becomes False.

    Patterns are separated by commas. Each is the name of a layer, with all that is in it, or of a parameter, where `*`
    stands for anything, `?` for one character and `[ab]` for one of those: "conv*, stage1.block?.conv1.weight". Batch
    normalisation whose parameters are all frozen stays in evaluation, with the mean and variance that it has, also when
    the module is put into training. Raises Refused, in one line, for a pattern that names no parameters, and where
    nothing is left to train.
    """
    wanted = [part.strip() for part in patterns.split(",") if part.strip()]
    if not wanted:
        return
    for pattern in wanted:
        named = [parameter for name, parameter in _parameters(module) if fnmatchcase(name, pattern)]
        if not named:
            raise Refused(f'model.freeze: no layer "{pattern}" with parameters; nearest: {_nearest(module, pattern)}')
        for parameter in named:
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise Refused(f'model.freeze: "{patterns}" leaves nothing to train; leave out the head at least')
    for layer in module.modules():
        own = list(layer.parameters(recurse=False))
        if isinstance(layer, _BatchNorm) and own and not any(parameter.requires_grad for parameter in own):
            layer.eval()
            layer.train = MethodType(_stay, layer)  # type: ignore[method-assign]  # of this one layer only


def _parameters(module: nn.Module) -> list[tuple[str, nn.Parameter]]:
    """Every parameter by its own name, and by that of each layer that it is in."""
    return [
        *module.named_parameters(),
        *((name, parameter) for name, layer in module.named_modules() if name for parameter in layer.parameters()),
    ]


def _nearest(module: nn.Module, pattern: str) -> str:
    names = list(dict.fromkeys(name for name, _ in _parameters(module)))
    near = difflib.get_close_matches(pattern.replace("*", ""), names, n=3, cutoff=0.3)
    return ", ".join(
        near or [name for name, layer in module.named_children() if next(layer.parameters(), None) is not None]
    )


def _stay(layer: M, mode: bool = True) -> M:
    """In place of `train`: changes nothing."""
    return layer
