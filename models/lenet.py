"""LeNet-5, the convolutional network that read cheques."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from tdl_tui.registry import DataShape

from .layers import ACTIVATIONS

POOLINGS = {"average": nn.AvgPool2d, "max": nn.MaxPool2d}


class LeNet5(nn.Sequential):
    """Two convolutions with 2×2 pooling, then dense layers of 120 and 84 (LeCun, Bottou, Bengio & Haffner 1998).

    As everyone builds it today: full connections between the convolutions, pooling without weights, a linear output
    in place of radial basis functions; 61,706 parameters on 1×32×32. Sides of 28 to 31 are padded by 2 on each edge,
    as the paper's 28×28 digits were; larger pictures make the first dense layer wider.
    Takes (N, channels, height, width) in either memory format, sides of 28 at least; gives (N, outputs).
    """

    def __init__(self, shape: DataShape, activation: str, pooling: str) -> None:
        channels, height, width = shape.input
        pad_height, pad_width = _padding(height), _padding(width)
        pooled = _after_both_poolings(height + 2 * pad_height) * _after_both_poolings(width + 2 * pad_width)
        squash, pool = ACTIVATIONS[activation], POOLINGS[pooling]
        super().__init__(
            OrderedDict(
                conv1=nn.Conv2d(channels, 6, 5, padding=(pad_height, pad_width)),
                activation1=squash(),
                pool1=pool(2),
                conv2=nn.Conv2d(6, 16, 5),
                activation2=squash(),
                pool2=pool(2),
                flatten=nn.Flatten(),
                dense1=nn.Linear(16 * pooled, 120),
                activation3=squash(),
                dense2=nn.Linear(120, 84),
                activation4=squash(),
                head=nn.Linear(84, shape.outputs),
            )
        )


def _padding(side: int) -> int:
    """Zeros on each edge of a side."""
    return 2 if side < 32 else 0


def _after_both_poolings(side: int) -> int:
    """A side's length after a 5-wide convolution and a halving, twice."""
    return ((side - 4) // 2 - 4) // 2
