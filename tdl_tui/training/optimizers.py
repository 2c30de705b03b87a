"""The optimizers that go by gradients: factories (parameters, lr, weight_decay, **options) -> torch.optim.Optimizer.

The learning rate is changed by setting `group["lr"]` of each of `optimizer.param_groups` to a float, which costs
nothing; the fused kernels take it as a number at every step. In the formulas w is a weight, g its gradient, t the step
from 1; m and v begin at 0. Unless a docstring says otherwise, weight_decay·w is added to g.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import Tensor, optim

FUSED_DEVICES = frozenset({"cpu", "cuda", "mps"})


def sgd(parameters: Iterable[Tensor], lr: float, weight_decay: float = 0.0) -> optim.Optimizer:
    """w ← w − lr·g (Robbins & Monro 1951); on the whole training part, gradient descent (Cauchy 1847)."""
    held = list(parameters)
    return optim.SGD(held, lr=lr, weight_decay=weight_decay, fused=_fused(held))


def momentum(
    parameters: Iterable[Tensor], lr: float, weight_decay: float = 0.0, *, momentum: float = 0.9
) -> optim.Optimizer:
    """v ← momentum·v + g, w ← w − lr·v (Polyak 1964)."""
    held = list(parameters)
    return optim.SGD(held, lr=lr, momentum=momentum, weight_decay=weight_decay, fused=_fused(held))


def nesterov(
    parameters: Iterable[Tensor], lr: float, weight_decay: float = 0.0, *, momentum: float = 0.9
) -> optim.Optimizer:
    """v ← momentum·v + g, w ← w − lr·(g + momentum·v) (Nesterov 1983, in the form of Sutskever et al. 2013)."""
    held = list(parameters)
    return optim.SGD(held, lr=lr, momentum=momentum, nesterov=True, weight_decay=weight_decay, fused=_fused(held))


def adagrad(
    parameters: Iterable[Tensor], lr: float, weight_decay: float = 0.0, *, eps: float = 1e-10
) -> optim.Optimizer:
    """v ← v + g², w ← w − lr·g/(√v + eps) (Duchi et al. 2011)."""
    held = list(parameters)
    fused = _fused(held, frozenset({"cpu"}))  # not every torch that we take has one for CUDA
    return optim.Adagrad(held, lr=lr, eps=eps, weight_decay=weight_decay, fused=fused)


def adadelta(
    parameters: Iterable[Tensor], lr: float, weight_decay: float = 0.0, *, rho: float = 0.9, eps: float = 1e-6
) -> optim.Optimizer:
    """v ← rho·v + (1 − rho)·g², Δ = g·√(u + eps)/√(v + eps), u ← rho·u + (1 − rho)·Δ², w ← w − lr·Δ (Zeiler 2012,
    algorithm 1, which has lr = 1)."""
    return optim.Adadelta(parameters, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)


def rmsprop(
    parameters: Iterable[Tensor],
    lr: float,
    weight_decay: float = 0.0,
    *,
    alpha: float = 0.99,
    momentum: float = 0.0,
    centered: bool = False,
    eps: float = 1e-8,
) -> optim.Optimizer:
    """v ← alpha·v + (1 − alpha)·g², w ← w − lr·g/(√v + eps) (Tieleman & Hinton 2012); centered subtracts the square of
    g's own running mean from v (Graves 2013)."""
    return optim.RMSprop(
        parameters, lr=lr, alpha=alpha, momentum=momentum, centered=centered, eps=eps, weight_decay=weight_decay
    )


def adam(
    parameters: Iterable[Tensor],
    lr: float,
    weight_decay: float = 0.0,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    amsgrad: bool = False,
) -> optim.Optimizer:
    """Kingma & Ba 2015, algorithm 1; amsgrad divides by the largest √v so far (Reddi et al. 2018)."""
    held = list(parameters)
    return optim.Adam(held, lr=lr, betas=betas, eps=eps, amsgrad=amsgrad, weight_decay=weight_decay, fused=_fused(held))


def adamw(
    parameters: Iterable[Tensor],
    lr: float,
    weight_decay: float = 0.0,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    amsgrad: bool = False,
) -> optim.Optimizer:
    """Loshchilov & Hutter 2019, algorithm 2: Adam, and w shrinks by lr·weight_decay·w apart from the moments."""
    held = list(parameters)
    return optim.AdamW(
        held, lr=lr, betas=betas, eps=eps, amsgrad=amsgrad, weight_decay=weight_decay, fused=_fused(held)
    )


def adamax(
    parameters: Iterable[Tensor],
    lr: float,
    weight_decay: float = 0.0,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> optim.Optimizer:
    """Kingma & Ba 2015, algorithm 2: Adam with v ← max(beta2·v, |g|) in the place of √v."""
    return optim.Adamax(parameters, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)


def nadam(
    parameters: Iterable[Tensor],
    lr: float,
    weight_decay: float = 0.0,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    momentum_decay: float = 0.004,
) -> optim.Optimizer:
    """Adam that looks ahead along its first moment, as Nesterov does (Dozat 2016, algorithm 2); its momentum rises
    to beta1 with the steps, by momentum_decay."""
    return optim.NAdam(
        parameters, lr=lr, betas=betas, eps=eps, momentum_decay=momentum_decay, weight_decay=weight_decay
    )


def radam(
    parameters: Iterable[Tensor],
    lr: float,
    weight_decay: float = 0.0,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> optim.Optimizer:
    """Adam whose adaptive part is held back while few gradients have been seen (Liu et al. 2020, algorithm 2)."""
    return optim.RAdam(parameters, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)


def adafactor(
    parameters: Iterable[Tensor],
    lr: float,
    weight_decay: float = 0.0,
    *,
    beta2_decay: float = -0.8,
    clip: float = 1.0,
) -> optim.Optimizer:
    """A matrix's second moments from those of its rows and columns alone (Shazeer & Stern 2018, algorithms
    4 and 5).

    The step is at most min(lr, 1/√t) times a tensor's root mean square; `clip` bounds the update's own. beta2 is
    1 − t^beta2_decay. w shrinks by lr·weight_decay·w apart from the moments.
    """
    return optim.Adafactor(parameters, lr=lr, beta2_decay=beta2_decay, d=clip, weight_decay=weight_decay)


class Muon(optim.Optimizer):
    """Muon for the weights that are matrices, AdamW for all others, with one learning rate and one weight decay.

    Muon: v ← momentum·v + (1 − momentum)·g, and w moves along the nearest orthogonal matrix to g + momentum·(v − g)
    (Jordan et al. 2024), with a length that makes the update as large as AdamW's (Liu et al. 2025). Both shrink w by
    lr·weight_decay·w. Of two groups the first is Muon's. Raises ValueError where no weight is a matrix.

    It is torch.optim.Muon's arithmetic, but for the bfloat16 that this one has on every device: a CPU without units
    for it takes up to a hundred times as long.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        weight_decay: float = 0.0,
        *,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-8,
    ) -> None:
        held = list(parameters)
        matrices, others = [p for p in held if p.ndim == 2], [p for p in held if p.ndim != 2]
        if not matrices:
            raise ValueError("optimizer.name: muon is for weights that are matrices, this model has none: take adamw")
        groups: list[dict[str, Any]] = [
            {"params": matrices, "lr": lr, "weight_decay": weight_decay, "momentum": momentum}
        ]
        self._rest: optim.AdamW | None = None
        if others:
            self._rest = optim.AdamW(
                others, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=_fused(others)
            )
            groups += self._rest.param_groups
        super().__init__(groups, {})
        self._share()

    def _share(self) -> None:
        """Groups and state are held here; AdamW works on its part of them."""
        if self._rest is not None:
            self._rest.param_groups, self._rest.state = self.param_groups[1:], self.state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._share()

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # it has no use for a closure
        """One update of every weight that has a gradient."""
        group = self.param_groups[0]
        lr, momentum, shrinkage = group["lr"], group["momentum"], 1 - group["lr"] * group["weight_decay"]
        for weight in group["params"]:
            if weight.grad is None:
                continue
            state = self.state[weight]
            if not state:
                state["momentum_buffer"] = torch.zeros_like(weight)
            mean = state["momentum_buffer"].lerp_(weight.grad, 1 - momentum)
            update = _orthogonal(weight.grad.lerp(mean, momentum))
            weight.mul_(shrinkage).add_(update, alpha=-0.2 * lr * max(weight.shape) ** 0.5)
        if self._rest is not None:
            self._rest.step()


def _orthogonal(matrix: Tensor) -> Tensor:
    """Roughly U·Vᵀ of a matrix U·S·Vᵀ: five Newton–Schulz iterations with Jordan's coefficients take every singular
    value that is not tiny beside the norm to between 0.7 and 1.2."""
    a, b, c = 3.4445, -4.7750, 2.0315
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix if wide else matrix.T
    x = x.bfloat16() if x.is_cuda else x
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(5):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x if wide else x.T).to(matrix.dtype)


class LBFGS(optim.LBFGS):
    """A limited-memory quasi-Newton method: `iterations` steps along −H·g on one batch, H the inverse Hessian as the
    last `history` changes of weights and gradients tell it (Liu & Nocedal 1989; Nocedal & Wright 2006, algorithm 7.5).

    `line_search` is "strong_wolfe", for which lr is the first length tried, or "none": each step has length lr.
    weight_decay adds weight_decay/2·‖w‖² to the loss.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        weight_decay: float = 0.0,
        *,
        iterations: int = 20,
        history: int = 10,
        line_search: Literal["strong_wolfe", "none"] = "strong_wolfe",
    ) -> None:
        search = None if line_search == "none" else line_search
        super().__init__(parameters, lr=lr, max_iter=iterations, history_size=history, line_search_fn=search)
        self.param_groups[0]["weight_decay"] = weight_decay

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]  # torch's own needs one as well
        """`iterations` iterations. `closure` leaves gradients behind and returns the loss. Returns the first loss."""
        group = self.param_groups[0]
        decay: float = group["weight_decay"]
        if not group["lr"]:  # the line search would divide by it
            return closure()

        def decayed() -> Any:
            loss = closure()
            with torch.no_grad():
                for parameter in group["params"] if decay else ():
                    if parameter.grad is not None:
                        parameter.grad.add_(parameter, alpha=decay)
                    loss = loss + decay / 2 * parameter.square().sum()
            return loss

        return super().step(decayed)  # type: ignore[no-untyped-call]  # torch leaves it untyped


def _fused(parameters: list[Tensor], devices: frozenset[str] = FUSED_DEVICES) -> bool | None:
    """True where torch has one kernel for the whole update, else None: torch's own choice."""
    every = all(p.device.type in devices and p.is_floating_point() for p in parameters)
    return True if every else None
