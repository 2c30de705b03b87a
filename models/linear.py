"""One affine map: linear regression, or softmax regression when the objective is cross-entropy."""

from __future__ import annotations

from math import prod

from torch import Tensor, nn

from tdl_tui.registry import DataShape


class Linear(nn.Module):
    """outputs = W·flatten(x) + b: least squares with squared error (Legendre 1805), multinomial logistic regression
    with cross-entropy (McFadden 1973; the softmax is the objective's part).

    Takes (N, *shape.input), gives (N, outputs): logits or predictions.
    """

    def __init__(self, shape: DataShape) -> None:
        super().__init__()
        self.head = nn.Linear(prod(shape.input), shape.outputs)

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.head(x.flatten(1))
        return outputs
