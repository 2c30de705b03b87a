"""Text written by a network that predicts the next token."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn


@runtime_checkable
class Continuing(Protocol):
    """A network that can read on from where it stopped.

    `advance(tokens, state)` reads (N, T) int64 tokens, and gives the logits of each next one, (N, tokens, T), and the
    state in which it is left, of any type; with None as state it begins anew.
    """

    def advance(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]: ...


def sample(model: nn.Module, prompt: Tensor, length: int, *, temperature: float, generator: torch.Generator) -> Tensor:
    """`length` tokens that follow the prompt, int64 (length,), each drawn from softmax(logits / temperature).

    `prompt` is int64 (T,), T at least 1, on any device; at temperature 0 the likeliest token is taken. The prompt is
    read once, and each token costs one step. A token is the largest of logits + temperature · Gumbel noise, which has
    that distribution (Gumbel 1954), so that a device is not waited for. The model runs in the mode in which it is: put
    it in evaluation. Randomness comes from `generator` alone, which may be on another device than the model.
    Raises TypeError for a model that is not `Continuing`, ValueError for an empty prompt, or a temperature below 0.
    """
    if not isinstance(model, Continuing):
        raise TypeError(f"{type(model).__name__} cannot write: it has no way to read on from where it stopped")
    if prompt.dim() != 1 or not len(prompt):
        raise ValueError(f"a prompt is at least one token in a row, got {tuple(prompt.shape)}")
    if not temperature >= 0:
        raise ValueError(f"temperature must be at least 0, got {temperature}")
    device = next(model.parameters()).device
    written: list[Tensor] = []
    with torch.no_grad():
        logits, state = model.advance(prompt.to(device)[None])
        noise = temperature * _gumbel((length, logits.shape[1]), generator).to(device)
        for step in noise:
            token = (logits[:, :, -1].float() + step).argmax(1, keepdim=True)
            written.append(token)
            if len(written) < length:
                logits, state = model.advance(token, state)
    return torch.cat(written, dim=1)[0] if written else prompt.new_empty(0)


def _gumbel(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """−log E for E of the unit exponential distribution."""
    return -torch.empty(shape, device=generator.device).exponential_(generator=generator).log()
