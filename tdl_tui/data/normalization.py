"""Zero mean and unit deviation, fitted on the training part alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from .dataset import Dataset

PICTURES = 1024  # counted at once


@dataclass(frozen=True, eq=False)
class Normalization:
    """Affine maps x·scale + shift of inputs, and of targets in regression.

    `scale` and `shift` are float32 and broadcast against one example: (C, 1, 1) for pictures of values 0 to 255, (F,)
    for tables and sequences, (1,) for text and graphs, whose inputs stay what they are. `target_mean` and
    `target_deviation` are (outputs,), None in classification.
    """

    scale: Tensor
    shift: Tensor
    target_mean: Tensor | None = None
    target_deviation: Tensor | None = None

    def apply(self, inputs: Tensor) -> Tensor:
        """A batch (N, *shape), uint8 or float32, as the model takes it: float32, in a new tensor. Whole numbers (int64)
        are names of tokens or nodes, and stay as they are."""
        if inputs.dtype == torch.int64:
            return inputs
        values = inputs.to(torch.float32)
        out = None if values is inputs else values  # in place where it can be: half the memory to go through
        if self.scale.numel() == 1 and inputs.device.type == "cpu":
            return torch.add(self.shift, values, alpha=self.scale.item(), out=out)
        return torch.addcmul(self.shift, values, self.scale, out=out)

    def targets(self, targets: Tensor) -> Tensor:
        """Targets as the loss takes them: classes as they are, values standardised."""
        if self.target_mean is None or self.target_deviation is None:
            return targets
        return (targets - self.target_mean) / self.target_deviation

    def predictions(self, outputs: Tensor) -> Tensor:
        """A model's outputs in original units; logits as they are."""
        if self.target_mean is None or self.target_deviation is None:
            return outputs
        return outputs * self.target_deviation + self.target_mean

    def filled(self, shape: tuple[int, ...], *, channels_last: bool = False) -> Normalization:
        """The same with `scale` and `shift` of one example's shape (with `channels_last` (H, W, C), for inputs laid out
        so): batches then need no broadcast within an example, which is twice as fast. One number for all stays one."""
        if self.scale.numel() == 1:
            return replace(self, scale=self.scale.reshape(()), shift=self.shift.reshape(()))

        def fill(tensor: Tensor) -> Tensor:
            tensor = tensor.expand(shape)
            return (tensor.permute(1, 2, 0) if channels_last else tensor).contiguous()

        return replace(self, scale=fill(self.scale), shift=fill(self.shift))

    def to(self, device: torch.device) -> Normalization:
        def moved(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.to(device)

        return replace(
            self,
            scale=self.scale.to(device),
            shift=self.shift.to(device),
            target_mean=moved(self.target_mean),
            target_deviation=moved(self.target_deviation),
        )

    def document(self) -> dict[str, Any]:
        """Plain nested lists, as JSON takes them."""
        fields = {
            "scale": self.scale,
            "shift": self.shift,
            "target_mean": self.target_mean,
            "target_deviation": self.target_deviation,
        }
        return {name: None if tensor is None else tensor.tolist() for name, tensor in fields.items()}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Normalization:
        """What `document` was made from, to the last bit."""
        tensors = {k: None if v is None else torch.tensor(v, dtype=torch.float32) for k, v in document.items()}
        return cls(**tensors)  # type: ignore[arg-type]  # scale and shift are never None in a document


def fit(dataset: Dataset, train: Tensor) -> Normalization:
    """Mean 0 and deviation 1 (of the population, as N not N−1) over the examples `train`, for each channel of a picture
    or each feature; one that is constant is only shifted. Targets too in regression. Text and graphs stay as they
    are."""
    inputs = identity(dataset) if dataset.inputs.dtype == torch.int64 else _of_inputs(dataset, train)
    if dataset.shape.task == "classification":
        return inputs
    mean, deviation = _moments(dataset.targets[train].to(torch.float64))
    return replace(inputs, target_mean=mean.to(torch.float32), target_deviation=deviation.to(torch.float32))


def _of_inputs(dataset: Dataset, train: Tensor) -> Normalization:
    if dataset.shape.kind == "image":
        mean, deviation = _of_channels(dataset.inputs, train)
    else:
        values = dataset.inputs[train].to(torch.float64).reshape(-1, dataset.shape.input[-1])
        mean, deviation = _moments(values)
    return Normalization((1 / deviation).to(torch.float32), (-mean / deviation).to(torch.float32))


def identity(dataset: Dataset) -> Normalization:
    """Inputs as they are (pictures from 0 to 1) and targets as they are."""
    if dataset.shape.kind == "image":
        channels = torch.ones(dataset.shape.input[0], 1, 1)
        return Normalization(channels / 255, torch.zeros_like(channels))
    features = torch.ones(1 if dataset.inputs.dtype == torch.int64 else dataset.shape.input[-1])
    return Normalization(features, torch.zeros_like(features))


def _moments(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each column of (N, F) float64; a constant column's deviation is given as 1."""
    return values.mean(0), _usable(values.std(0, correction=0), values.abs().amax(0))


def _of_channels(pictures: Tensor, train: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each channel of (N, C, H, W) uint8, exactly, from counts of the 256 values."""
    levels = torch.arange(256, dtype=torch.float64)
    counts = torch.zeros(pictures.shape[1], 256, dtype=torch.float64)
    for indices in torch.split(train, PICTURES):
        some = pictures[indices]
        counts += torch.stack([torch.bincount(some[:, c].reshape(-1), minlength=256) for c in range(len(counts))])
    counts /= counts.sum(1, keepdim=True)
    mean = counts @ levels
    variance = (counts * (levels - mean[:, None]) ** 2).sum(1)
    return mean[:, None, None], _usable(variance.sqrt(), torch.full_like(mean, 255))[:, None, None]


def _usable(deviation: Tensor, magnitude: Tensor) -> Tensor:
    """Deviations, with 1 where what is there is rounding."""
    return torch.where(deviation > 1e-12 * magnitude, deviation, torch.ones_like(deviation))
