"""The multilayer perceptron."""

from __future__ import annotations

from math import prod

from torch import nn

from tdl_tui.registry import DataShape

from .layers import ACTIVATIONS, DENSE_NORMS


class MLP(nn.Sequential):
    """Dense layers with an activation between them, on the flattened input (Rumelhart, Hinton & Williams 1986).

    Each hidden layer is: affine, normalisation (Ioffe & Szegedy 2015; Ba et al. 2016), activation, dropout
    (Srivastava et al. 2014). Takes (N, *shape.input), gives (N, outputs): logits or predictions.
    """

    def __init__(self, shape: DataShape, widths: tuple[int, ...], activation: str, norm: str, dropout: float) -> None:
        super().__init__()
        features = prod(shape.input)
        self.flatten = nn.Flatten()
        for number, width in enumerate(widths, start=1):
            self.add_module(f"hidden{number}", nn.Linear(features, width))
            if norm != "none":
                self.add_module(f"norm{number}", DENSE_NORMS[norm](width))
            self.add_module(f"activation{number}", ACTIVATIONS[activation]())
            if dropout:
                self.add_module(f"dropout{number}", nn.Dropout(dropout))
            features = width
        self.head = nn.Linear(features, shape.outputs)
