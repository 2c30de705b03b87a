"""Optimizers that only compare losses: torch.optim.Optimizers whose step takes a closure and computes no gradient.

`step(closure)` tries some weights, calling `closure()` for the loss of each on the step's batch, and returns the least
loss it saw. Between steps the model has the weights that the search stands at, not the best ones it ever tried: a loss
on one batch says little about another. All candidates of a step are compared on one batch; a batch of few examples
makes the comparison noisy, so the whole training part is the natural one. weight_decay adds weight_decay/2·‖w‖².

Randomness is a function of torch's seed when the optimizer was made and of the step, never of a stream: the state to
keep is the seed, the number of steps and what a search itself remembers. Candidates are drawn on the CPU, so that they
are the same on every device.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, Literal

import numpy as np
import torch
from cmaes import CMA, SepCMA
from torch import Tensor, optim

FULL_COVARIANCE = 200
"""Parameters up to which the evolution strategy learns every covariance by itself: its work grows with their cube."""


class _Search(optim.Optimizer):
    """What the searches share: the weights as one vector, the loss at a vector, the seed of a step."""

    def __init__(self, parameters: Iterable[Tensor], lr: float, weight_decay: float) -> None:
        seed = torch.initial_seed()
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "seed": seed, "steps": 0})
        self._parameters: list[Tensor] = self.param_groups[0]["params"]
        self._sizes = [parameter.numel() for parameter in self._parameters]

    @torch.no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]  # as torch.optim.LBFGS: not without
        """One step of the search. `closure` returns the loss, a scalar tensor or a float. Returns the least one."""
        group = self.param_groups[0]

        def loss_at(weights: Tensor) -> float:
            self._put(weights)
            loss = float(closure())
            if decay := group["weight_decay"]:
                loss += decay / 2 * float(weights.square().sum())
            return loss if not math.isnan(loss) else math.inf

        least, weights = self._search(self._weights(), loss_at, group["lr"])
        self._put(weights)
        group["steps"] += 1
        return least

    @abstractmethod
    def _search(self, weights: Tensor, loss_at: Callable[[Tensor], float], lr: float) -> tuple[float, Tensor]:
        """From `weights` (all of them, flat, on their device) to the least loss seen and the weights to go on with."""

    def _weights(self) -> Tensor:
        return torch.cat([parameter.reshape(-1) for parameter in self._parameters])

    def _put(self, weights: Tensor) -> None:
        for parameter, part in zip(self._parameters, weights.split_with_sizes(self._sizes), strict=True):
            parameter.copy_(part.view_as(parameter))

    def _seed(self) -> int:
        """The seed of the present step."""
        group = self.param_groups[0]
        return int(np.random.SeedSequence((group["seed"], group["steps"])).generate_state(1)[0])


class SimulatedAnnealing(_Search):
    """Walks to w' = w + lr·n, n ~ N(0, I) on a share of the weights, with probability min(1, exp((f(w) − f(w'))/T)).

    Metropolis et al. 1953; Kirkpatrick et al. 1983. T begins at `temperature`, in units of the loss, and is multiplied
    by `cooling` after each step of `evaluations` candidates. `share` is the part of the weights that one candidate
    changes, in the mean; at least one weight always is. The weights after a step are those the walk stands at.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        weight_decay: float = 0.0,
        *,
        evaluations: int = 50,
        temperature: float = 0.01,
        cooling: float = 0.98,
        share: float = 0.2,
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        self.param_groups[0].update(evaluations=evaluations, temperature=temperature, cooling=cooling, share=share)

    def _search(self, weights: Tensor, loss_at: Callable[[Tensor], float], lr: float) -> tuple[float, Tensor]:
        group = self.param_groups[0]
        temperature: float = group["temperature"] * group["cooling"] ** group["steps"]
        generator = torch.Generator().manual_seed(self._seed())
        changes = lr * _changes(group["evaluations"], len(weights), group["share"], generator).to(weights)
        chances = torch.rand(group["evaluations"], generator=generator, dtype=torch.float64).tolist()
        loss = least = loss_at(weights)
        for change, chance in zip(changes, chances, strict=True):
            tried = weights + change
            found = loss_at(tried)
            if found <= loss or (temperature > 0 and chance < math.exp((loss - found) / temperature)):
                weights, loss = tried, found
                least = min(least, loss)
        return least, weights


class RandomSearch(SimulatedAnnealing):
    """Tries w + lr·n, n ~ N(0, I) on a share of the weights, and goes there unless the loss is higher.

    Rastrigin 1963; Matyas 1965. It is annealing without a temperature; `evaluations` and `share` as there.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        weight_decay: float = 0.0,
        *,
        evaluations: int = 50,
        share: float = 0.2,
    ) -> None:
        super().__init__(
            parameters, lr, weight_decay, evaluations=evaluations, temperature=0.0, cooling=1.0, share=share
        )


class EvolutionStrategy(_Search):
    """CMA-ES: draws `population` weights from a normal distribution, and moves and shapes it by the better half.

    Hansen 2016, arXiv 1604.00772; with "diagonal" covariance Ros & Hansen 2008, whose work grows with the parameters
    alone, not with their cube. "auto" is "full" up to FULL_COVARIANCE parameters. The distribution adapts its own
    width, which begins at lr; a learning rate that changes later on scales the width and each move of the mean by as
    much. The weights after a step are the mean.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        weight_decay: float = 0.0,
        *,
        population: int = 20,
        covariance: Literal["auto", "full", "diagonal"] = "auto",
    ) -> None:
        super().__init__(parameters, lr, weight_decay)
        count = sum(self._sizes)
        full = covariance == "full" or count == 1 or (covariance == "auto" and count <= FULL_COVARIANCE)
        # its coordinates are such that the mean is at 0 and a width of 1 is lr, whatever lr is at the time
        self._strategy = (CMA if full else SepCMA)(mean=np.zeros(count), sigma=1.0, population_size=population, seed=0)

    def _search(self, weights: Tensor, loss_at: Callable[[Tensor], float], lr: float) -> tuple[float, Tensor]:
        strategy = self._strategy
        strategy.reseed_rng(self._seed())
        mean = strategy.mean.copy()

        def moved(point: np.ndarray[Any, np.dtype[np.float64]]) -> Tensor:
            return weights + lr * torch.from_numpy(point - mean).to(weights)

        points = [strategy.ask() for _ in range(strategy.population_size)]
        losses = [loss_at(moved(point)) for point in points]
        strategy.tell(list(zip(points, losses, strict=True)))
        return min(losses), moved(strategy.mean)

    def state_dict(self) -> dict[str, Any]:
        """As every optimizer's, and the distribution under a key of its own."""
        held = {name: _plain(value) for name, value in vars(self._strategy).items() if name != "_rng"}
        return {**super().state_dict(), "distribution": held}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        for name, value in state_dict["distribution"].items():
            setattr(self._strategy, name, value.numpy().copy() if isinstance(value, Tensor) else value)


def _changes(rows: int, count: int, share: float, generator: torch.Generator) -> Tensor:
    """(rows, count) standard normal numbers; of each row a share, and at least one, are not 0."""
    changes = torch.randn(rows, count, generator=generator)
    if share < 1:
        changed = torch.rand(rows, count, generator=generator) < share
        changed[torch.arange(rows), torch.randint(count, (rows,), generator=generator)] = True
        changes *= changed
    return changes


def _plain(value: Any) -> Any:
    """What a checkpoint may hold: arrays as tensors of their own, numpy's numbers as Python's."""
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    return value.item() if isinstance(value, np.generic) else value
