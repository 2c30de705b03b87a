"""The optimizers: factories (parameters, lr, weight_decay, **options) -> torch.optim.Optimizer.

The learning rate is changed by setting `group["lr"]` of each of `optimizer.param_groups` to a float, which costs
nothing; the fused kernels take it as a number at every step.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, optim

FUSED_DEVICES = frozenset({"cpu", "cuda", "mps"})


def sgd(
    parameters: Iterable[Tensor],
    lr: float,
    weight_decay: float = 0.0,
    *,
    momentum: float = 0.0,
    nesterov: bool = False,
) -> optim.Optimizer:
    """w ← w − lr·v, v ← momentum·v + g + weight_decay·w; Nesterov steps by g + momentum·v (Sutskever et al. 2013)."""
    held = list(parameters)
    return optim.SGD(held, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay, fused=_fused(held))


def adam(
    parameters: Iterable[Tensor],
    lr: float,
    weight_decay: float = 0.0,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> optim.Optimizer:
    """Kingma & Ba 2015, algorithm 1; weight_decay·w is added to the gradient."""
    held = list(parameters)
    return optim.Adam(held, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=_fused(held))


def adamw(
    parameters: Iterable[Tensor],
    lr: float,
    weight_decay: float = 0.0,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> optim.Optimizer:
    """Loshchilov & Hutter 2019, algorithm 2: Adam, and w shrinks by lr·weight_decay·w apart from the moments."""
    held = list(parameters)
    return optim.AdamW(held, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=_fused(held))


def _fused(parameters: list[Tensor]) -> bool | None:
    """True where torch has one kernel for the whole update, else None: torch's own choice."""
    every = all(p.device.type in FUSED_DEVICES and p.is_floating_point() for p in parameters)
    return True if every else None
