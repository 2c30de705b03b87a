"""The VGG networks: 3×3 convolutions and nothing else before the dense layers."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from tdl_tui.registry import DataShape

from . import pretrained as weights
from .sizes import scaled

CHANNELS = (64, 128, 256, 512, 512)
"""Of the five blocks; a 2×2 maximum pooling ends each."""


class VGG(nn.Sequential):
    """Blocks of 3×3 convolutions, then dense layers of 4096 and 4096 (Simonyan & Zisserman 2015, table 1).

    `norm="batch"` puts batch normalisation behind each convolution. `width` is the share of the published channels
    and units in every layer. Weights as in He et al. 2015 ("Delving deep"), dense ones N(0, 0.01²). Takes
    (N, channels, height, width), sides of 32 at least; gives (N, outputs).
    """

    convolutions: ClassVar[tuple[int, ...]]
    """How many convolutions each block has."""

    def __init__(self, shape: DataShape, norm: str, dropout: float, width: float, pretrained: bool) -> None:
        super().__init__()
        features = shape.input[0]
        for block, (count, channels) in enumerate(zip(self.convolutions, CHANNELS, strict=True), start=1):
            for number in range(1, count + 1):
                wide = scaled(channels, width)
                self.add_module(f"conv{block}_{number}", nn.Conv2d(features, wide, 3, padding=1))
                if norm == "batch":
                    self.add_module(f"norm{block}_{number}", nn.BatchNorm2d(wide))
                self.add_module(f"activation{block}_{number}", nn.ReLU(inplace=True))
                features = wide
            self.add_module(f"pool{block}", nn.MaxPool2d(2))
        units = scaled(4096, width)
        self.average = nn.AdaptiveAvgPool2d(7)
        self.flatten = nn.Flatten()
        self.dense1 = nn.Linear(49 * features, units)
        self.activation1 = nn.ReLU(inplace=True)
        self.dropout1 = nn.Dropout(dropout)
        self.dense2 = nn.Linear(units, units)
        self.activation2 = nn.ReLU(inplace=True)
        self.dropout2 = nn.Dropout(dropout)
        self.head = nn.Linear(units, shape.outputs)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=0.01)
            if isinstance(layer, (nn.Conv2d, nn.Linear)) and layer.bias is not None:
                nn.init.zeros_(layer.bias)
        if pretrained:
            weights.load(self, f"vgg{sum(self.convolutions) + 3}{'_bn' if norm == 'batch' else ''}")


class VGG11(VGG):
    """Eight convolutions, configuration A of Simonyan & Zisserman 2015. (N, C, H, W) to (N, outputs), see VGG."""

    convolutions = (1, 1, 2, 2, 2)


class VGG13(VGG):
    """Ten convolutions, configuration B of Simonyan & Zisserman 2015. (N, C, H, W) to (N, outputs), see VGG."""

    convolutions = (2, 2, 2, 2, 2)


class VGG16(VGG):
    """Thirteen convolutions, configuration D of Simonyan & Zisserman 2015: 138,357,544 parameters on 3×224×224 and
    1,000 classes. (N, C, H, W) to (N, outputs), see VGG."""

    convolutions = (2, 2, 3, 3, 3)


class VGG19(VGG):
    """Sixteen convolutions, configuration E of Simonyan & Zisserman 2015. (N, C, H, W) to (N, outputs), see VGG."""

    convolutions = (2, 2, 4, 4, 4)
