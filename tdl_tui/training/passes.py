"""A batch's way through a model and back, put together once from what an experiment asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from .objectives import Objective

Pass = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""From a batch's inputs and targets to its outputs and its loss, the mean over the batch."""

Lap = Callable[[str], None]
"""Is told what has just been done: "forward" or "backward"."""


def unheard(part: str) -> None:
    """The lap of those whom nobody times."""


def forward_pass(
    model: Callable[[Tensor], Tensor],
    objective: Objective,
    autocast: Callable[[], AbstractContextManager[object]] | None = None,
) -> Pass:
    """Outputs and loss, in the precision that `autocast` sets where it is given."""

    def plain(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        outputs = model(inputs)
        return outputs, objective(outputs, targets)

    def cast(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        assert autocast is not None
        with autocast():
            return plain(inputs, targets)

    return cast if autocast else plain


def without_gradients(forward: Pass, lap: Lap = unheard) -> Pass:
    """The same, without anything that a gradient would need."""

    def evaluated(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            found = forward(inputs, targets)
        lap("forward")
        return found

    return evaluated


def with_gradients(
    forward: Pass, parts: int = 1, penalty: Callable[[], Tensor] | None = None, lap: Lap = unheard
) -> Pass:
    """The same, and back: the gradients of loss + `penalty()` are added to the parameters'.

    The batch goes through in up to `parts` parts of about the same size, one after another, whose gradients add up to
    that of the batch's mean; outputs and loss are the whole batch's, and detached.
    """

    def whole(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        outputs, loss = forward(inputs, targets)
        lap("forward")
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        lap("backward")
        return outputs, loss

    def in_parts(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        outputs, losses = [], []
        for part, wanted in zip(inputs.chunk(parts), targets.chunk(parts), strict=True):
            found, loss = forward(part, wanted)
            loss = loss * (len(wanted) / len(targets))
            lap("forward")
            loss.backward()  # type: ignore[no-untyped-call]  # likewise
            lap("backward")
            outputs.append(found.detach())
            losses.append(loss.detach())
        return torch.cat(outputs), torch.stack(losses).sum()

    learn = whole if parts == 1 else in_parts
    if penalty is None:
        return learn

    def penalised(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        found = learn(inputs, targets)
        penalty().backward()  # type: ignore[no-untyped-call]  # likewise
        lap("backward")
        return found

    return penalised


def l1_penalty(parameters: Sequence[nn.Parameter], strength: float) -> Callable[[], Tensor] | None:
    """strength · Σ|w| over all weights (Tibshirani 1996), or None where it is 0. Its gradient at w = 0 is 0."""
    if not strength:
        return None
    weights: list[Tensor] = [*parameters]
    return lambda: strength * torch.stack(torch._foreach_norm(weights, 1)).sum()


def clipping(parameters: Sequence[nn.Parameter], norm: float, value: float) -> Callable[[], Tensor] | None:
    """What limits the gradients in place and returns the norm that they had all together; None where nothing does.

    First to a norm of at most `norm` (Pascanu et al. 2013), then each number to at most `value` either way; 0 leaves
    that out.
    """
    if not norm and not value:
        return None

    def clip() -> Tensor:
        if norm:
            had = nn.utils.clip_grad_norm_(parameters, norm)
        else:
            had = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        if value:
            nn.utils.clip_grad_value_(parameters, value)
        return had

    return clip
