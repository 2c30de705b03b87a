"""Residual networks: those for ImageNet, and the slim ones for CIFAR."""

from __future__ import annotations

from collections import OrderedDict
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from tdl_tui.registry import DataShape

from . import pretrained as weights
from .sizes import scaled


class BasicBlock(nn.Module):
    """y = relu(F(x) + shortcut(x)), F two 3×3 convolutions (He et al. 2015, figure 5 left).

    (N, features, H, W) to (N, channels, H/stride, W/stride), rounded up. The shortcut is the identity where the shape
    stays; else a 1×1 convolution (option B), or with `zeros` every stride-th place with channels of zeros (option A).
    """

    expansion = 1

    def __init__(self, features: int, channels: int, stride: int, zeros: bool = False) -> None:
        super().__init__()
        self.conv1 = _conv(features, channels, 3, stride)
        self.norm1 = nn.BatchNorm2d(channels)
        self.activation1 = nn.ReLU(inplace=True)
        self.conv2 = _conv(channels, channels, 3)
        self.norm2 = nn.BatchNorm2d(channels)
        self.shortcut = _shortcut(features, channels, stride, zeros)
        self.activation2 = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        residual = self.norm2(self.conv2(self.activation1(self.norm1(self.conv1(x)))))
        residual += self.shortcut(x)
        result: Tensor = self.activation2(residual)
        return result


class Bottleneck(nn.Module):
    """y = relu(F(x) + shortcut(x)), F convolutions of 1×1, 3×3 and 1×1 (He et al. 2015, figure 5 right), the stride in
    the 3×3 as is usual today. (N, features, H, W) to (N, 4·channels, H/stride, W/stride), rounded up.
    """

    expansion = 4

    def __init__(self, features: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv(features, channels, 1)
        self.norm1 = nn.BatchNorm2d(channels)
        self.activation1 = nn.ReLU(inplace=True)
        self.conv2 = _conv(channels, channels, 3, stride)
        self.norm2 = nn.BatchNorm2d(channels)
        self.activation2 = nn.ReLU(inplace=True)
        self.conv3 = _conv(channels, 4 * channels, 1)
        self.norm3 = nn.BatchNorm2d(4 * channels)
        self.shortcut = _shortcut(features, 4 * channels, stride)
        self.activation3 = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        residual = self.activation1(self.norm1(self.conv1(x)))
        residual = self.activation2(self.norm2(self.conv2(residual)))
        residual = self.norm3(self.conv3(residual))
        residual += self.shortcut(x)
        result: Tensor = self.activation3(residual)
        return result


class ZeroChannels(nn.Module):
    """Every stride-th place, and channels of zeros behind those that there are. (N, features, H, W) to (N, channels,
    H/stride, W/stride), rounded up."""

    def __init__(self, features: int, channels: int, stride: int) -> None:
        super().__init__()
        self.added, self.stride = channels - features, stride

    def forward(self, x: Tensor) -> Tensor:
        return functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.added))


class ResNet(nn.Sequential):
    """A stem, four stages of residual blocks, an average over all places, an affine head (He et al. 2015, table 1).

    `stem="imagenet"` is a 7×7 convolution and a 3×3 pooling, both of stride 2; "small" a 3×3 convolution of stride 1
    and no pooling, for small pictures. `width` is the share of the published channels. Weights as in He et al. 2015
    ("Delving deep"). Takes (N, channels, height, width), sides of 17 at least, 5 with the small stem; gives
    (N, outputs).
    """

    block: ClassVar[type[BasicBlock | Bottleneck]]
    depths: ClassVar[tuple[int, int, int, int]]
    """How many blocks each stage has."""

    def __init__(self, shape: DataShape, stem: str, width: float, pretrained: bool) -> None:
        features = scaled(64, width)
        small = stem == "small"
        super().__init__(
            OrderedDict(
                conv1=_conv(shape.input[0], features, 3) if small else _conv(shape.input[0], features, 7, stride=2),
                norm1=nn.BatchNorm2d(features),
                activation1=nn.ReLU(inplace=True),
            )
        )
        if not small:
            self.pool1 = nn.MaxPool2d(3, stride=2, padding=1)
        for stage, (channels, depth) in enumerate(zip((64, 128, 256, 512), self.depths, strict=True), start=1):
            wide = scaled(channels, width)
            blocks = nn.Sequential()
            for number in range(1, depth + 1):
                stride = 2 if stage > 1 and number == 1 else 1
                blocks.add_module(f"block{number}", self.block(features, wide, stride))
                features = wide * self.block.expansion
            self.add_module(f"stage{stage}", blocks)
        _end(self, features, shape.outputs)
        if pretrained:
            weights.load(self, type(self).__name__.lower())


class ResNet18(ResNet):
    """Eight basic blocks (He et al. 2015): 1.81 G products at 224×224. (N, C, H, W) to (N, outputs), see ResNet."""

    block, depths = BasicBlock, (2, 2, 2, 2)


class ResNet34(ResNet):
    """Sixteen basic blocks (He et al. 2015). (N, C, H, W) to (N, outputs), see ResNet."""

    block, depths = BasicBlock, (3, 4, 6, 3)


class ResNet50(ResNet):
    """Sixteen bottlenecks (He et al. 2015): 25,557,032 parameters on 3×224×224 and 1,000 classes. (N, C, H, W) to
    (N, outputs), see ResNet."""

    block, depths = Bottleneck, (3, 4, 6, 3)


class ResNet101(ResNet):
    """33 bottlenecks (He et al. 2015). (N, C, H, W) to (N, outputs), see ResNet."""

    block, depths = Bottleneck, (3, 4, 23, 3)


class ResNet152(ResNet):
    """50 bottlenecks (He et al. 2015). (N, C, H, W) to (N, outputs), see ResNet."""

    block, depths = Bottleneck, (3, 8, 36, 3)


class ResNetCIFAR(nn.Sequential):
    """The residual networks for CIFAR-10 of 6n+2 layers (He et al. 2015, section 4.2): a 3×3 convolution, three stages
    of n basic blocks with 16, 32 and 64 channels, an average over all places, an affine head. Shortcuts have no
    parameters: identities, and zeros for new channels (option A). `depth` 20 has 0.27 million parameters.

    Takes (N, channels, height, width), sides of 3 at least; gives (N, outputs).
    """

    def __init__(self, shape: DataShape, depth: int) -> None:
        features = 16
        super().__init__(
            OrderedDict(
                conv1=_conv(shape.input[0], features, 3),
                norm1=nn.BatchNorm2d(features),
                activation1=nn.ReLU(inplace=True),
            )
        )
        for stage, channels in enumerate((16, 32, 64), start=1):
            blocks = nn.Sequential()
            for number in range(1, (depth - 2) // 6 + 1):
                stride = 2 if stage > 1 and number == 1 else 1
                blocks.add_module(f"block{number}", BasicBlock(features, channels, stride, zeros=True))
                features = channels
            self.add_module(f"stage{stage}", blocks)
        _end(self, features, shape.outputs)


def _conv(features: int, channels: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size but for its stride; the normalisation behind it has the bias."""
    return nn.Conv2d(features, channels, kernel, stride, padding=kernel // 2, bias=False)


def _shortcut(features: int, channels: int, stride: int, zeros: bool = False) -> nn.Module:
    if stride == 1 and features == channels:
        return nn.Identity()
    if zeros:
        return ZeroChannels(features, channels, stride)
    return nn.Sequential(OrderedDict(conv=_conv(features, channels, 1, stride), norm=nn.BatchNorm2d(channels)))


def _end(network: nn.Sequential, features: int, outputs: int) -> None:
    """Adds the average over all places and the head, and draws the convolutions' weights."""
    network.average = nn.AdaptiveAvgPool2d(1)
    network.flatten = nn.Flatten()
    network.head = nn.Linear(features, outputs)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
