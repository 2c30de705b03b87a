"""GoogLeNet, the first Inception network."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from tdl_tui.registry import DataShape

from . import pretrained as weights
from .sizes import scaled

# the channels of: 1×1, before 3×3, 3×3, before 5×5, 5×5, behind pooling (the paper's table 1)
INCEPTIONS = {
    "inception3a": (64, 96, 128, 16, 32, 32),
    "inception3b": (128, 128, 192, 32, 96, 64),
    "inception4a": (192, 96, 208, 16, 48, 64),
    "inception4b": (160, 112, 224, 24, 64, 64),
    "inception4c": (128, 128, 256, 24, 64, 64),
    "inception4d": (112, 144, 288, 32, 64, 64),
    "inception4e": (256, 160, 320, 32, 128, 128),
    "inception5a": (256, 160, 320, 32, 128, 128),
    "inception5b": (384, 192, 384, 48, 128, 128),
}
POOLED_AFTER = {"inception3b": 3, "inception4e": 2}
"""Behind which blocks a maximum pooling of stride 2 stands, with its window."""


class GoogLeNet(nn.Sequential):
    """Nine inception blocks between a convolutional stem and an average over all places (Szegedy et al. 2015).

    Without the auxiliary heads, with batch normalisation (Ioffe & Szegedy 2015), and with 3×3 in place of 5×5
    windows, as torchvision has it: 6,624,904 parameters on 3×224×224 and 1,000 classes. `width` is the share of the
    published channels. Weights are N(0, 0.01²), cut at ±2. Takes (N, channels, height, width), sides of 15 at least;
    gives (N, outputs).
    """

    def __init__(self, shape: DataShape, dropout: float, width: float, pretrained: bool) -> None:
        c1, c2, features = scaled(64, width), scaled(64, width), scaled(192, width)
        super().__init__(
            OrderedDict(
                stem1=Convolution(shape.input[0], c1, 7, stride=2),
                pool1=nn.MaxPool2d(3, stride=2, ceil_mode=True),
                stem2=Convolution(c1, c2, 1),
                stem3=Convolution(c2, features, 3),
                pool2=nn.MaxPool2d(3, stride=2, ceil_mode=True),
            )
        )
        for name, channels in INCEPTIONS.items():
            block = Inception(features, *(scaled(count, width) for count in channels))
            self.add_module(name, block)
            if name in POOLED_AFTER:
                self.add_module(f"pool{name[9]}", nn.MaxPool2d(POOLED_AFTER[name], stride=2, ceil_mode=True))
            features = block.channels
        self.average = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(features, shape.outputs)
        for layer in self.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.trunc_normal_(layer.weight, std=0.01)
        if pretrained:
            weights.load(self, "googlenet")


class Convolution(nn.Sequential):
    """A convolution that keeps the size but for its stride, batch normalisation, ReLU. (N, C, H, W) to the same."""

    def __init__(self, features: int, channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            OrderedDict(
                conv=nn.Conv2d(features, channels, kernel, stride, padding=kernel // 2, bias=False),
                norm=nn.BatchNorm2d(channels, eps=1e-3),
                activation=nn.ReLU(inplace=True),
            )
        )


class Inception(nn.Module):
    """Four branches side by side, their channels one after the other. (N, C, H, W) to (N, `channels`, H, W)."""

    def __init__(
        self, features: int, one: int, before_three: int, three: int, before_five: int, five: int, pooled: int
    ) -> None:
        super().__init__()
        self.channels = one + three + five + pooled
        self.one = Convolution(features, one, 1)
        self.three = nn.Sequential(
            OrderedDict(reduce=Convolution(features, before_three, 1), wide=Convolution(before_three, three, 3))
        )
        self.five = nn.Sequential(
            OrderedDict(reduce=Convolution(features, before_five, 1), wide=Convolution(before_five, five, 3))
        )
        self.pooled = nn.Sequential(
            OrderedDict(pool=nn.MaxPool2d(3, stride=1, padding=1), reduce=Convolution(features, pooled, 1))
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pooled(x)], 1)
