"""Recurrent networks that read a sequence and answer once, at its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from tdl_tui.registry import DataShape


def sequence_shape(shape: DataShape) -> tuple[int, int]:
    """(steps, features) of one example: a picture of C×H×W is H steps of its rows' C·W values."""
    if shape.kind == "image":
        channels, height, width = shape.input
        return height, channels * width
    steps, features = shape.input
    return steps, features


def as_sequence(x: Tensor) -> Tensor:
    """(N, steps, features): pictures (N, C, H, W) row by row, the row of every channel one after the other."""
    return x.transpose(1, 2).flatten(2) if x.dim() == 4 else x


class _ManyToOne(nn.Module):
    """A recurrent core, and an affine head on the top layer's last hidden state."""

    def __init__(self, core: Callable[..., nn.RNNBase], shape: DataShape, hidden_size: int, layers: int) -> None:
        super().__init__()
        _, features = sequence_shape(shape)
        self.recurrent = core(features, hidden_size, num_layers=layers, batch_first=True)
        self.head = nn.Linear(hidden_size, shape.outputs)

    def forward(self, x: Tensor) -> Tensor:
        _, state = self.recurrent(as_sequence(x))
        hidden: Tensor = state[0] if isinstance(state, tuple) else state
        outputs: Tensor = self.head(hidden[-1])  # not the output's last step: its gradient would fill all steps
        return outputs


class RNN(_ManyToOne):
    """h_t = tanh(W_hh h_{t-1} + W_xh x_t + b), outputs = V h_T + c (Elman 1990).

    Takes (N, steps, features), or pictures (N, C, H, W) read row by row; gives (N, outputs).
    """

    def __init__(self, shape: DataShape, **options: Any) -> None:
        super().__init__(nn.RNN, shape, **options)


class LSTM(_ManyToOne):
    """i, f, o = σ(…), g = tanh(…), c_t = f c_{t-1} + i g, h_t = o tanh(c_t) (Hochreiter & Schmidhuber 1997; the forget
    gate f: Gers, Schmidhuber & Cummins 2000), outputs = V h_T + c.

    Takes (N, steps, features), or pictures (N, C, H, W) read row by row; gives (N, outputs).
    """

    def __init__(self, shape: DataShape, **options: Any) -> None:
        super().__init__(nn.LSTM, shape, **options)
