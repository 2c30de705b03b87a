"""The losses: factories of functions (outputs, targets) -> scalar, the mean over the batch.

In classification outputs are logits (N, classes) and targets int64 (N,), or where each step has a target (N, classes,
steps) and (N, steps); the mean is then over examples and steps. In regression both are floating (N, outputs). A loss
for regression takes classes as their one-hot vectors. Raises ValueError where floating targets are of another shape
than outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import inf

import torch
from torch import Tensor
from torch.nn import functional

from tdl_tui.registry import LOSSES, Options

Objective = Callable[[Tensor, Tensor], Tensor]


def build(name: str, options: Options, class_counts: Sequence[int], device: torch.device) -> Objective:
    """The named loss, for a training part with so many examples of each class."""
    factory = LOSSES[name].load()
    if options.get("class_weights") != "balanced":
        made: Objective = factory(**options)
        return made
    weights = balanced(class_counts).to(device)
    weighted: Objective = factory(**{**options, "class_weights": weights})
    return weighted


def balanced(class_counts: Sequence[int]) -> Tensor:
    """N / (classes · n_c) for a class of n_c of N examples (King & Zeng 2001): every class weighs the same in all.

    A class without examples gets the weight of one with a single example.
    """
    counts = torch.tensor(class_counts, dtype=torch.float64).clamp_min(1)
    return (sum(class_counts) / (len(class_counts) * counts)).float()


def cross_entropy(label_smoothing: float = 0.0, class_weights: Tensor | str = "none") -> Objective:
    """−Σ_c w_c·q_c·log softmax(z)_c, where q is the one-hot target, of which the share `label_smoothing` is spread
    evenly over all classes (Szegedy et al. 2016, section 7).

    `class_weights` (classes,) are w on the outputs' device, "none" is 1 for each. The sum over the batch is divided by
    the number of targets, not by that of weights, so that the parts of a batch add up to the whole.
    """
    if isinstance(class_weights, str):
        if class_weights != "none":
            raise ValueError(f"class weights {class_weights!r} are numbers only once the data is known: see build")
        return partial(functional.cross_entropy, label_smoothing=label_smoothing)

    def weighted(outputs: Tensor, targets: Tensor) -> Tensor:
        summed = functional.cross_entropy(
            outputs, targets, class_weights.to(outputs.dtype), reduction="sum", label_smoothing=label_smoothing
        )
        return summed / targets.numel()

    return weighted


def binary_cross_entropy() -> Objective:
    """−q·log σ(z) − (1 − q)·log(1 − σ(z)) of each class against the rest, the mean over classes too; q is the one-hot
    target."""

    def against_the_rest(outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.binary_cross_entropy_with_logits(outputs, _like(outputs, targets))

    return against_the_rest


def hinge(margin: float = 1.0) -> Objective:
    """max(0, margin − z_y + max_{c ≠ y} z_c) (Crammer & Singer 2001)."""

    def beyond_the_margin(outputs: Tensor, targets: Tensor) -> Tensor:
        place = targets.unsqueeze(1)
        own = outputs.gather(1, place).squeeze(1)
        best_other = outputs.scatter(1, place, -inf).amax(1)
        return (margin - own + best_other).clamp_min(0).mean()

    return beyond_the_margin


def mean_squared_error() -> Objective:
    """(z − y)², the mean over outputs too (in classification the Brier score where outputs are probabilities)."""
    return lambda outputs, targets: functional.mse_loss(outputs, _like(outputs, targets))


def mean_absolute_error() -> Objective:
    """|z − y|, the mean over outputs too."""
    return lambda outputs, targets: functional.l1_loss(outputs, _like(outputs, targets))


def huber(delta: float = 1.0) -> Objective:
    """e²/2 of an error e = z − y up to `delta`, beyond delta·(|e| − delta/2); mean over outputs too (Huber 1964)."""
    return lambda outputs, targets: functional.huber_loss(outputs, _like(outputs, targets), delta=delta)


def l2_norm() -> Objective:
    """‖z − y‖₂ = √Σ(z − y)² over the outputs of an example (of a step where each has a target), not squared."""
    return lambda outputs, targets: torch.linalg.vector_norm(outputs - _like(outputs, targets), dim=1).mean()


def _like(outputs: Tensor, targets: Tensor) -> Tensor:
    """Targets of the outputs' shape: classes as their one-hot vectors."""
    if not targets.is_floating_point():
        return torch.zeros_like(outputs).scatter_(1, targets.unsqueeze(1), 1.0)
    if outputs.shape != targets.shape:  # broadcasting would average over every pair of examples
        raise ValueError(f"outputs are {tuple(outputs.shape)}, targets {tuple(targets.shape)}: must be the same")
    return targets
