"""The multilayer perceptron."""

from __future__ import annotations

from math import prod

from torch import Tensor, nn

from tdl_tui.registry import DataShape

from .initialisation import initialise
from .layers import ACTIVATIONS, DENSE_NORMS


class MLP(nn.Sequential):
    """Dense layers with an activation between them, on the flattened input (Rumelhart, Hinton & Williams 1986).

    Each hidden layer is: affine, normalisation (Ioffe & Szegedy 2015; Ba et al. 2016), activation, dropout
    (Srivastava et al. 2014). With `residual`, a hidden layer as wide as what it takes adds that to what it gives (He et
    al. 2016). `init` is one of `initialise`. Takes (N, *shape.input), gives (N, outputs): logits or predictions.
    """

    def __init__(
        self,
        shape: DataShape,
        widths: tuple[int, ...],
        activation: str,
        norm: str,
        dropout: float,
        residual: bool,
        init: str,
    ) -> None:
        super().__init__()
        features = prod(shape.input)
        self.flatten = nn.Flatten()
        for number, width in enumerate(widths, start=1):
            within: nn.Sequential = self
            if residual and width == features:
                within = Residual()
                self.add_module(f"residual{number}", within)
            within.add_module(f"hidden{number}", nn.Linear(features, width))
            if norm != "none":
                within.add_module(f"norm{number}", DENSE_NORMS[norm](width))
            within.add_module(f"activation{number}", ACTIVATIONS[activation]())
            if dropout:
                within.add_module(f"dropout{number}", nn.Dropout(dropout))
            features = width
        self.head = nn.Linear(features, shape.outputs)
        initialise(self, init)


class Residual(nn.Sequential):
    """x + f(x), of the layers f within (He et al. 2016)."""

    def forward(self, x: Tensor) -> Tensor:
        given = x
        for layer in self:
            given = layer(given)
        return x + given
