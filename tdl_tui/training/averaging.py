"""The average of the weights that a training went through."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn


class WeightAverage:
    """A model beside the one that is trained, whose weights are the average of that one's.

    After update t the average moves by max(1 − decay, 1/t) of the way to the weights: the plain mean over all updates
    (Polyak & Juditsky 1992) until 1 / (1 − decay) of them are in it, from then on the exponential average. `model` has
    the averaged weights, and the buffers of the trained one as they were when it was last asked for.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._trained = model
        self._averaged = copy.deepcopy(model).requires_grad_(False)
        for layer in self._averaged.modules():
            if isinstance(layer, nn.RNNBase):
                layer.flatten_parameters()  # a copy's lie apart, which cuDNN mends with a copy at every call
        pairs = zip(model.parameters(), self._averaged.parameters(), strict=True)
        learned = [(p.detach(), average) for p, average in pairs if p.requires_grad]
        self._weights = [p for p, _ in learned]
        self._averages: list[Tensor] = [average for _, average in learned]
        self._least = 1 - decay

    def update(self, step: int) -> None:
        """The weights have changed for the `step`th time, from 1."""
        torch._foreach_lerp_(self._averages, self._weights, max(self._least, 1 / step))

    def restore(self, weights: Mapping[str, Tensor]) -> None:
        """Goes on from the `model.state_dict()` of an earlier average."""
        self._averaged.load_state_dict(weights)

    @property
    def model(self) -> nn.Module:
        for mine, buffer in zip(self._averaged.buffers(), self._trained.buffers(), strict=True):
            mine.copy_(buffer)
        return self._averaged
