"""How a gradient fares on its way back through time: the thing that makes recurrent networks forget, or go off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from tdl_tui.models.recurrent import Decoder, Recurrent
from tdl_tui.models.unrolled import Unrolled, unroll

from .objectives import Objective

EXAMPLES = 8
Unrollable = Recurrent | Decoder
"""The networks whose gradient is followed through time."""


def gradients_through_time(
    network: Unrollable, inputs: Tensor, targets: Tensor, objective: Objective
) -> Iterator[tuple[str, Tensor]]:
    """For each layer and direction its name (l0, l1_reverse) and (rows, steps): row 0 is ‖∂L/∂h_t‖, row 1, in an LSTM,
    ‖∂L/∂c_t‖, t in the input's order (Bengio, Simard & Frasconi 1994; Pascanu, Mikolov & Bengio 2013).

    Each is the sum over the examples of the norm of the objective's gradient by that example's state, through all that
    comes of it: where the objective is a mean over the examples, the mean of each one's own. Inputs (N, …) are as the
    network takes them. Whatever the network's mode, dropout is left out; no gradient is left behind.
    """
    with torch.enable_grad():
        vectors = network.features(inputs).detach().requires_grad_()
        unrolled = unroll(network.recurrent, vectors, network.start_states(inputs))
        sides = unrolled[-2:] if network.recurrent.bidirectional else unrolled[-1:]
        hidden = torch.cat([side.h for side in sides], dim=2)
        loss = objective(network.answer(hidden, torch.stack([_end(side) for side in unrolled])), targets)
        wanted = [state for side in unrolled for states in side.steps.values() for state in states]
        found = iter(torch.autograd.grad(loss, wanted, allow_unused=True))
    for side in unrolled:
        rows = [[next(found) for _ in states] for states in side.steps.values()]
        yield f"l{side.layer}{'_reverse' if side.backward else ''}", torch.stack([_norms(row) for row in rows])


def _end(side: Unrolled) -> Tensor:
    """The hidden state at the end of the way through the sequence."""
    return side.steps["h"][0 if side.backward else -1]


def _norms(gradients: Sequence[Tensor | None]) -> Tensor:
    """The norms by example, summed, of each step; 0 where nothing comes of a state."""
    known = next(gradient for gradient in gradients if gradient is not None)
    full = torch.stack([torch.zeros_like(known) if g is None else g for g in gradients])
    by_example: Tensor = torch.linalg.vector_norm(full.float(), dim=2)
    return by_example.sum(1)
