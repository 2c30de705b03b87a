"""Polynomial regression and classification."""

from __future__ import annotations

from itertools import combinations_with_replacement
from math import prod

import torch
from torch import Tensor, nn

from tdl_tui.registry import DataShape


class Polynomial(nn.Module):
    """An affine map of the powers x, x², …, x^degree of each input (Gergonne 1815), and with `cross` of every product
    of up to `degree` of them: still linear in its weights.

    The terms are as far apart in size as the inputs' powers are: standardise the data. Takes (N, *shape.input), gives
    (N, outputs): logits or predictions.
    """

    factors: Tensor

    def __init__(self, shape: DataShape, degree: int, cross: bool) -> None:
        super().__init__()
        one = prod(shape.input)  # the place of a column of ones, so that every term has `degree` factors
        if cross:
            *terms, _ = combinations_with_replacement(range(one + 1), degree)  # the last is 1 · … · 1
        else:
            terms = [(x,) * power + (one,) * (degree - power) for power in range(1, degree + 1) for x in range(one)]
        self.register_buffer("factors", torch.tensor(terms).T.contiguous(), persistent=False)
        self.head = nn.Linear(len(terms), shape.outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.pad(x.flatten(1), (0, 1), value=1.0)
        terms = x.index_select(1, self.factors[0])
        for factor in self.factors[1:]:
            terms = terms * x.index_select(1, factor)
        outputs: Tensor = self.head(terms)
        return outputs
