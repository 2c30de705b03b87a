"""Free convolutional stacks, over pictures and over sequences."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from tdl_tui.registry import DataShape

from .layers import ACTIVATIONS
from .sizes import stages, windows

POOLINGS: dict[str, Callable[[int], nn.Module]] = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}
SEQUENCE_KERNELS = (5, 3)
"""Of the first layer of CNN1d, and of each that follows; with stride 2 and one zero on each edge."""


class CNN(nn.Sequential):
    """Convolutions, each with normalisation, activation and pooling, then dense layers (LeCun et al. 1989; batch
    normalisation: Ioffe & Szegedy 2015).

    `channels` has one number a convolution. `padding` is the zeros on each edge; -1 stands for half the kernel, which
    keeps the size where the kernel is odd and the stride 1. `pooling` halves the picture after every `pool_every`
    convolutions, as long as both sides are 2 at least. `dense` are the widths of layers before the head; a width of 0
    is left out. Takes (N, channels, height, width), gives (N, outputs): logits or predictions.
    """

    def __init__(
        self,
        shape: DataShape,
        channels: tuple[int, ...],
        kernel: int,
        stride: int,
        padding: int,
        pooling: str,
        pool_every: int,
        activation: str,
        norm: str,
        dense: tuple[int, ...],
    ) -> None:
        super().__init__()
        features, height, width = shape.input
        every = 0 if pooling == "none" else pool_every
        walk = stages((height, width), len(channels), kernel, stride, padding, every)
        for number, (count, stage) in enumerate(zip(channels, walk, strict=True), start=1):
            zeros = kernel // 2 if padding < 0 else padding
            self.add_module(f"conv{number}", nn.Conv2d(features, count, kernel, stride, zeros, bias=norm == "none"))
            if norm == "batch":
                self.add_module(f"norm{number}", nn.BatchNorm2d(count))
            self.add_module(f"activation{number}", ACTIVATIONS[activation]())
            if stage.pooled:
                self.add_module(f"pool{number}", POOLINGS[pooling](2))
            features, (height, width) = count, stage.left
        self.flatten = nn.Flatten()
        features *= height * width
        for number, units in enumerate(filter(None, dense), start=1):
            self.add_module(f"dense{number}", nn.Linear(features, units))
            self.add_module(f"dense_activation{number}", ACTIVATIONS[activation]())
            features = units
        self.head = nn.Linear(features, shape.outputs)


class CNN1d(nn.Module):
    """Convolutions along the steps of a sequence, each of stride 2, then an affine map; by default the network of the
    MNIST-1D paper (Greydanus & Kobak 2020): three layers of 25 channels, the first 5 wide, the others 3.

    Takes (N, steps, features), the features as channels; gives (N, outputs): logits or predictions.
    """

    def __init__(self, shape: DataShape, channels: int, layers: int, activation: str) -> None:
        super().__init__()
        steps, features = shape.input
        self.convolutions = nn.Sequential()
        for number in range(1, layers + 1):
            kernel = SEQUENCE_KERNELS[number > 1]
            self.convolutions.add_module(f"conv{number}", nn.Conv1d(features, channels, kernel, stride=2, padding=1))
            self.convolutions.add_module(f"activation{number}", ACTIVATIONS[activation]())
            steps, features = windows(steps, kernel, stride=2, padding=1), channels
        self.head = nn.Linear(channels * steps, shape.outputs)

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.head(self.convolutions(x.transpose(1, 2)).flatten(1))
        return outputs
