"""Recurrent networks: they read a sequence, and answer at its end or at each of its steps."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tdl_tui.registry import DataShape

Start = Tensor | tuple[Tensor, Tensor]
"""The states of torch's recurrent layers before the first step: h, or (h, c), each (layers · directions, N, hidden)."""


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


class Recurrent(nn.Module):
    """A recurrent core, and an affine head on its top layer's hidden states.

    Where an example has one target, the head reads the last hidden state (of both directions where there are two), or
    with `readout` "all" those of every step, one beside the other. Where each step has a target, it reads each of the
    last `shape.steps` steps' own. Text goes through a table with a vector of `embedding` numbers for each token.

    Takes (N, steps, features), pictures (N, C, H, W) read row by row, or text (N, steps) int64; gives (N, outputs), or
    (N, outputs, shape.steps).
    """

    core: ClassVar[type[nn.RNN | nn.GRU | nn.LSTM]]

    def __init__(
        self,
        shape: DataShape,
        hidden_size: int,
        layers: int,
        bidirectional: bool,
        dropout: float,
        readout: str,
        embedding: int,
        **of_core: Any,
    ) -> None:
        super().__init__()
        if shape.kind == "text":
            steps, features = shape.input[0], embedding
            self.embedding = nn.Embedding(len(shape.classes) or shape.outputs, embedding)
        else:
            steps, features = sequence_shape(shape)
        self.recurrent = self.core(
            features,
            hidden_size,
            num_layers=layers,
            batch_first=True,
            dropout=dropout,
            bidirectional=bidirectional,
            **of_core,
        )
        width = 2 * hidden_size if bidirectional else hidden_size
        self.head = nn.Linear(steps * width if readout == "all" else width, shape.outputs)
        self._steps = shape.steps
        self._reads_text = shape.kind == "text"
        self._reads_all = readout == "all"

    def forward(self, x: Tensor) -> Tensor:
        return self.answer(*self.recurrent(self.features(x)))

    def start_states(self, x: Tensor) -> None:
        """It begins with states of 0."""

    def answer(self, hidden: Tensor, state: Tensor | tuple[Tensor, Tensor]) -> Tensor:
        """The outputs, from the top layer's hidden states (N, steps, width), and the states at the end as torch's
        recurrent layers give them."""
        outputs: Tensor = self.head(self._read(hidden, state))
        return outputs.transpose(1, 2) if self._steps else outputs

    def advance(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Reads text (N, T) on from `state`: the logits of each next token, (N, outputs, T), and the state then."""
        hidden, state = self.recurrent(self.features(tokens), state)
        return self.head(hidden).transpose(1, 2), state

    def features(self, x: Tensor) -> Tensor:
        """(N, steps, features)."""
        if self._reads_text:
            vectors: Tensor = self.embedding(x)
            return vectors
        return as_sequence(x)

    def _read(self, hidden: Tensor, state: Tensor | tuple[Tensor, Tensor]) -> Tensor:
        """What the head reads, of the hidden states of every step and the state at the end."""
        if self._steps:
            return hidden[:, -self._steps :]
        if self._reads_all:
            return hidden.flatten(1)
        # not the last step of `hidden`: its gradient would fill all steps
        last = state[0] if isinstance(state, tuple) else state
        return torch.cat((last[-2], last[-1]), dim=1) if self.recurrent.bidirectional else last[-1]


class RNN(Recurrent):
    """h_t = φ(W_hh h_{t-1} + W_xh x_t + b), φ tanh or ReLU, outputs = V h_T + c (Elman 1990).

    With `init` "identity" every W_hh begins as the identity and every b as 0: with ReLU the IRNN of Le, Jaitly & Hinton
    2015, which keeps its state where nothing comes in. Takes and gives what `Recurrent` does: (N, steps, features) to
    (N, outputs).
    """

    core = nn.RNN

    def __init__(self, shape: DataShape, init: str, **options: Any) -> None:
        super().__init__(shape, **options)
        if init == "identity":
            for name, parameter in self.recurrent.named_parameters():
                if name.startswith("weight_hh"):
                    nn.init.eye_(parameter)
                elif name.startswith("bias"):
                    nn.init.zeros_(parameter)


class GRU(Recurrent):
    """r, z = σ(…), n = tanh(W_n x_t + b_n + r (U_n h_{t-1} + d_n)), h_t = (1 − z) n + z h_{t-1}, outputs = V h_T + c
    (Cho et al. 2014, with the reset gate behind the product, as cuDNN has it).

    Takes and gives what `Recurrent` does: (N, steps, features) to (N, outputs).
    """

    core = nn.GRU


class LSTM(Recurrent):
    """i, f, o = σ(…), g = tanh(…), c_t = f c_{t-1} + i g, h_t = o tanh(c_t) (Hochreiter & Schmidhuber 1997; the forget
    gate f: Gers, Schmidhuber & Cummins 2000), outputs = V h_T + c.

    `forget_bias` is added to the forget gates' biases before training: above 0 they begin open (Jozefowicz, Zaremba &
    Sutskever 2015 advise 1). Takes and gives what `Recurrent` does: (N, steps, features) to (N, outputs).
    """

    core = nn.LSTM

    def __init__(self, shape: DataShape, forget_bias: float, **options: Any) -> None:
        super().__init__(shape, **options)
        hidden = self.recurrent.hidden_size
        with torch.no_grad():
            for name, parameter in self.recurrent.named_parameters():
                if forget_bias and name.startswith("bias_ih"):
                    parameter[hidden : 2 * hidden] += forget_bias  # the gates stand in the order i, f, g, o


class Decoder(nn.Module):
    """One vector in, a sequence out: h_0 = tanh(W x + b), then an LSTM or GRU that reads x again at each step (the
    decoder of Cho et al. 2014, without reading back what it wrote; c_0 = 0), and an affine head on each hidden state.

    Takes (N, features), gives (N, outputs, shape.steps).
    """

    def __init__(self, shape: DataShape, cell: str, hidden_size: int, layers: int, dropout: float) -> None:
        super().__init__()
        (features,) = shape.input
        core = nn.LSTM if cell == "lstm" else nn.GRU
        self.start = nn.Linear(features, layers * hidden_size)
        self.recurrent = core(features, hidden_size, num_layers=layers, batch_first=True, dropout=dropout)
        self.head = nn.Linear(hidden_size, shape.outputs)
        self._steps = shape.steps

    def forward(self, x: Tensor) -> Tensor:
        return self.answer(*self.recurrent(self.features(x), self.start_states(x)))

    def start_states(self, x: Tensor) -> Start:
        """The states that it begins with, as torch's recurrent layers take them."""
        core = self.recurrent
        hidden = self.start(x).tanh().view(len(x), core.num_layers, core.hidden_size).transpose(0, 1).contiguous()
        return (hidden, torch.zeros_like(hidden)) if isinstance(core, nn.LSTM) else hidden

    def features(self, x: Tensor) -> Tensor:
        """(N, steps, features): the vector again at each step."""
        return x[:, None].expand(-1, self._steps, -1)

    def answer(self, hidden: Tensor, state: Start) -> Tensor:
        """The outputs, from the top layer's hidden states (N, steps, width); what the end is does not matter."""
        outputs: Tensor = self.head(hidden)
        return outputs.transpose(1, 2)
