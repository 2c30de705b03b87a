"""Rules about recurrent networks: how the gradient comes back through time."""

from __future__ import annotations

from itertools import takewhile
from math import isfinite
from typing import Any

from tdl_tui.registry import ARCHITECTURES

from . import limits
from .evidence import Evidence
from .finding import Finding, figure, learning_rate, model_option, says

Norms = tuple[float, ...]
"""‖∂L/∂h_t‖ or ‖∂L/∂c_t‖ by distance: the first number is that of the state which is nearest to the answer."""


def vanishing_through_time(evidence: Evidence) -> Finding | None:
    """Next to nothing of the gradient at the end of a sequence comes back to its beginning, and nothing is learned."""
    if evidence.steps < limits.STALLED_STEPS or evidence.step < stalled_after(evidence) * evidence.progress.total_steps:
        return None
    samples = [_farthest(norms) for norms in _newest(evidence, limits.LAYER_SAMPLES)]
    if len(samples) < limits.LAYER_SAMPLES or not evidence.recent_loss > limits.LEARNS * evidence.guess:
        return None
    shares = sorted(norms[-1] / norms[0] for norms in samples)
    if not shares[len(shares) // 2] < limits.VANISHED:
        return None
    norms = samples[-1]
    reach = sum(1 for _ in takewhile(lambda norm: norm >= limits.VANISHED * norms[0], norms))
    change = longer_memory(evidence)
    return Finding(
        "bad",
        f"the gradient norm is {figure(norms[0])} at one end of {len(norms)} steps and {figure(norms[-1])} at the "
        f"other; less than a thousandth is left {reach} step{'s' if reach > 1 else ''} back",
        "The gradient vanishes on its way back through time: what lies farther back than that changes no weight. Each "
        "step passes on a part of it; gates that stay open pass on all.",
        (
            *([says(change)] if change else []),
            "let every state be read: model.options.readout=all",
            "an rnn that begins as the identity, with ReLU: model.options.init=identity, "
            "model.options.nonlinearity=relu",
            "shorter sequences, or a gru: gates open in a while, and then all at once",
        ),
        change,
    )


def exploding_through_time(evidence: Evidence) -> Finding | None:
    """The gradient is many times as long at the beginning of a sequence as at its end, where nothing limits it."""
    training = evidence.experiment.training
    if training.gradient_clip_norm or training.gradient_clip_value or not evidence.by_gradient:
        return None
    samples = [max(rows, key=_growth) for rows in _newest(evidence, limits.GROWN_SAMPLES)]
    if not samples or not all(_growth(norms) > limits.GROWN for norms in samples):
        return None
    if evidence.recent_loss <= limits.FALLEN * evidence.guess:
        return None  # long, but going down a slope
    norms = samples[-1]
    change: dict[str, Any] = {"training.gradient_clip_norm": 1.0}
    return Finding(
        "bad",
        f"the gradient norm is {figure(norms[0])} at one end of {len(norms)} steps and {figure(max(norms))} farther "
        "back",
        "The gradient explodes on its way back through time: each step makes it longer, so that what lies far back "
        "outweighs all else, and a step of the optimizer lands anywhere.",
        (
            says(change),
            says(learning_rate(evidence, 1 / 3)),
            "shorter sequences",
            "gates, which make nothing longer: model.architecture=gru",
        ),
        change,
    )


def stalled_after(evidence: Evidence) -> float:
    """The part of a training after which a network that has learned nothing yet is said to be stuck."""
    gated = evidence.experiment.model.architecture in limits.GATED
    return limits.STALLED_GATED if gated else limits.STALLED_AFTER


def _newest(evidence: Evidence, samples: int) -> list[list[Norms]]:
    """Of the newest samples, at most so many, the norms of each layer, direction and kind of state."""
    return [
        rows for at in range(samples, 0, -1) if (rows := [norms for m in _at(evidence, at) if (norms := _usable(m))])
    ]


def _at(evidence: Evidence, newest: int) -> list[Norms]:
    found = []
    for name, matrices in evidence.through_time.items():
        if len(matrices) >= newest and matrices[-newest].step > evidence.since:
            rows = matrices[-newest].rows
            found += [row if name.endswith("_reverse") else row[::-1] for row in rows]
    return found


def _usable(norms: Norms) -> Norms:
    """Norms that can be compared; empty where they cannot."""
    return norms if len(norms) > 1 and all(map(isfinite, norms)) and norms[0] > 0 else ()


def _farthest(rows: list[Norms]) -> Norms:
    """The way on which most comes through: one is enough."""
    return max(rows, key=lambda norms: norms[-1] / norms[0])


def _growth(norms: Norms) -> float:
    return max(norms) / norms[0]


def longer_memory(evidence: Evidence) -> dict[str, Any]:
    """A change by which more of the gradient comes back."""
    model = evidence.experiment.model
    if model.architecture == "rnn":
        return another_cell(evidence, "gru")
    if model.architecture == "lstm" and not float(str(model.options.get("forget_bias", 1.0))) > 0:
        return {"model.options.forget_bias": 1.0}
    return model_option(evidence, "readout", "all") if not evidence.shape.steps else {}


def another_cell(evidence: Evidence, name: str) -> dict[str, Any]:
    """Another recurrent architecture, with the options that both have as they are."""
    defaults = ARCHITECTURES[name].defaults()
    kept = {
        f"model.options.{option}": value
        for option, value in evidence.experiment.model.options.items()
        if option in defaults and value != defaults[option]
    }
    return {"model.architecture": name, **kept}
