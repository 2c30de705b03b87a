"""AlexNet, the network that won ImageNet in 2012."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

from tdl_tui.registry import DataShape

from . import pretrained as weights
from .sizes import scaled


class AlexNet(nn.Sequential):
    """Five convolutions with three poolings, then dense layers of 4096 and 4096 (Krizhevsky, Sutskever & Hinton 2012),
    in the form for one device (Krizhevsky 2014), which torchvision has too: 61,100,840 parameters on 3×224×224 and
    1,000 classes.

    `width` is the share of the published channels and units in every layer. Takes (N, channels, height, width), sides
    of 63 at least; gives (N, outputs).
    """

    def __init__(self, shape: DataShape, dropout: float, width: float, pretrained: bool) -> None:
        c1, c2, c3, c4 = (scaled(channels, width) for channels in (64, 192, 384, 256))
        units = scaled(4096, width)
        super().__init__(
            OrderedDict(
                conv1=nn.Conv2d(shape.input[0], c1, 11, stride=4, padding=2),
                activation1=nn.ReLU(inplace=True),
                pool1=nn.MaxPool2d(3, stride=2),
                conv2=nn.Conv2d(c1, c2, 5, padding=2),
                activation2=nn.ReLU(inplace=True),
                pool2=nn.MaxPool2d(3, stride=2),
                conv3=nn.Conv2d(c2, c3, 3, padding=1),
                activation3=nn.ReLU(inplace=True),
                conv4=nn.Conv2d(c3, c4, 3, padding=1),
                activation4=nn.ReLU(inplace=True),
                conv5=nn.Conv2d(c4, c4, 3, padding=1),
                activation5=nn.ReLU(inplace=True),
                pool5=nn.MaxPool2d(3, stride=2),
                average=nn.AdaptiveAvgPool2d(6),
                flatten=nn.Flatten(),
                dropout1=nn.Dropout(dropout),
                dense1=nn.Linear(36 * c4, units),
                activation6=nn.ReLU(inplace=True),
                dropout2=nn.Dropout(dropout),
                dense2=nn.Linear(units, units),
                activation7=nn.ReLU(inplace=True),
                head=nn.Linear(units, shape.outputs),
            )
        )
        if pretrained:
            weights.load(self, "alexnet")
