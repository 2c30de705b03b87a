"""Recurrent networks cell by cell: every state and every gate at each step, from a fused layer's own weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from .recurrent import Decoder, Recurrent, Start

Core = nn.RNN | nn.GRU | nn.LSTM


@dataclass(frozen=True, eq=False)
class Unrolled:
    """What one layer computes in one direction: every tensor is (N, steps, hidden_size), in the input's order.

    `h` is the hidden state after a step; `c` an LSTM's cell, None elsewhere. `gates` of an LSTM are "i" (input), "f"
    (forget), "o" (output) and "g" (candidate), of a GRU "r" (reset), "z" (update) and "n" (candidate); of an Elman
    network there are none. `steps` holds "h" and perhaps "c" of each step, (N, hidden_size), as the next step takes
    them: by these, gradients are those of all that comes of a state.
    """

    layer: int
    backward: bool
    h: Tensor
    c: Tensor | None
    gates: Mapping[str, Tensor]
    steps: Mapping[str, tuple[Tensor, ...]]


def unroll(network: Recurrent | Decoder | Core, x: Tensor, start: Start | None = None) -> list[Unrolled]:
    """What each layer and direction computes: from the input on, forward before backward. It begins with states of 0,
    or with `start`, as torch's layers take it.

    x is (N, steps, features), batch first whatever the network's own order; for one of our networks it is what its
    forward takes, pictures and text included. States are the fused layer's to rounding, and carry gradients. Dropout
    between layers is left out, as in evaluation. Raises TypeError for any other network, or one with projections.
    """
    if isinstance(network, (Recurrent, Decoder)):
        start = network.start_states(x)
        x = network.features(x)
        network = network.recurrent
    if not isinstance(network, Core) or network.proj_size:
        raise TypeError(f"{type(network).__name__} cannot be unrolled: needs RNN, GRU or LSTM without projections")
    unrolled: list[Unrolled] = []
    for layer in range(network.num_layers):
        sides = [_side(network, layer, backward, x, start) for backward in (False, True)[: 1 + network.bidirectional]]
        x = torch.cat([side.h for side in sides], dim=2)
        unrolled += sides
    return unrolled


def _side(network: Core, layer: int, backward: bool, x: Tensor, start: Start | None) -> Unrolled:
    name = f"l{layer}{'_reverse' if backward else ''}"
    weight = network.get_parameter(f"weight_hh_{name}")
    bias = network.get_parameter(f"bias_hh_{name}") if network.bias else None
    from_x = linear(x, network.get_parameter(f"weight_ih_{name}"))
    if network.bias:
        from_x = from_x + network.get_parameter(f"bias_ih_{name}")
    h = c = x.new_zeros(len(x), network.hidden_size)
    if start is not None:
        place = layer * (1 + network.bidirectional) + backward
        h, c = (states[place] for states in (start if isinstance(start, tuple) else (start, start)))
    steps: list[dict[str, Tensor]] = []
    for at_step in reversed(from_x.unbind(1)) if backward else from_x.unbind(1):
        step = _step(network, at_step, linear(h, weight, bias), h, c)
        h, c = step["h"], step.get("c", c)
        steps.append(step)
    if backward:
        steps.reverse()
    values = {key: torch.stack([step[key] for step in steps], dim=1) for key in steps[0]}
    states = {key: tuple(step[key] for step in steps) for key in values if key in ("h", "c")}
    return Unrolled(layer, backward, values.pop("h"), values.pop("c", None), values, states)


def _step(network: Core, from_x: Tensor, from_h: Tensor, h: Tensor, c: Tensor) -> dict[str, Tensor]:
    """One step of any cell, from W x + b and U h + d: the new states "h" and "c", and the gates."""
    if isinstance(network, nn.RNN):
        return {"h": (from_x + from_h).tanh() if network.nonlinearity == "tanh" else (from_x + from_h).relu()}
    if isinstance(network, nn.GRU):
        (r_x, z_x, n_x), (r_h, z_h, n_h) = from_x.chunk(3, dim=1), from_h.chunk(3, dim=1)
        r, z = (r_x + r_h).sigmoid(), (z_x + z_h).sigmoid()
        n = (n_x + r * n_h).tanh()
        return {"h": (1 - z) * n + z * h, "r": r, "z": z, "n": n}
    i, f, g, o = (from_x + from_h).chunk(4, dim=1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    c = f * c + i * g
    return {"h": o * c.tanh(), "c": c, "i": i, "f": f, "o": o, "g": g}
