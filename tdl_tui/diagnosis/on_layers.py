"""Rules about the layers: how far each update goes, how the gradient comes through, and which units still answer."""

from __future__ import annotations

from math import inf, isfinite
from statistics import median
from typing import Any

from tdl_tui.registry import ARCHITECTURES

from . import limits
from .evidence import Evidence
from .finding import Finding, figure, large_inputs, learning_rate, model_option, says, share, to_usual


def rate_too_high(evidence: Evidence) -> Finding | None:
    """An update changes a tenth of a layer's weights, and nothing is learned."""
    ratios = _ratios(evidence)
    highest = max(ratios, default=0.0)
    if highest < limits.UPDATE_HIGH or not evidence.recent_loss > limits.LEARNS * evidence.guess:
        return None
    change = to_usual(evidence, highest)
    return Finding(
        "bad",
        f"an update is {figure(highest)} of the weights of {_layer(evidence, ratios.index(highest))}; about 0.001 is "
        "usual",
        "The learning rate is too high: each step throws away what the ones before found.",
        (says(change), "find a learning rate: tdl lr-find"),
        change,
    )


def rate_too_low(evidence: Evidence) -> Finding | None:
    """Updates are next to nothing beside the weights, while there is everything to learn."""
    ratios, rate = _ratios(evidence), evidence["lr"]
    typical = median(ratios) if ratios else inf
    highest = max((s.mean for s in rate.stretches if s.first > evidence.since), default=0.0)
    if typical >= limits.UPDATE_LOW or not evidence.recent_loss > limits.LEARNS * evidence.guess:
        return None
    if rate.newest < highest / 2 or evidence.step < evidence.experiment.schedule.warmup_steps:
        return None  # the schedule has it so
    if vanishing_gradients(evidence) or is_shut(evidence):
        return None  # hardly any gradient comes through: that is another matter
    change = to_usual(evidence, typical)
    return Finding(
        "caution",
        f"an update is {figure(typical)} of the weights in the median of the layers; about 0.001 is usual",
        "The learning rate is too low, or hardly any gradient arrives: at this pace the weights stay as they "
        "were drawn.",
        (says(change), "find a learning rate: tdl lr-find"),
        change,
    )


def _ratios(evidence: Evidence) -> list[float]:
    """The layers' update ratios, 0 for those that have none; empty where nothing can be said by them."""
    if not evidence.by_gradient or evidence.steps < limits.EARLIEST:
        return []
    return [r if isfinite(r) else 0.0 for r in evidence.layer_medians("update_ratio", limits.LAYER_SAMPLES)]


def vanishing_gradients(evidence: Evidence) -> Finding | None:
    """Next to nothing of the last layers' gradient comes to the first."""
    norms = [n for n in evidence.layer_medians("gradient_norm", limits.LAYER_SAMPLES) if isfinite(n)]
    third = len(norms) // 3
    if third < 1 or _dead_layers(evidence):
        return None
    first, last = median(norms[:third]), median(norms[-third:])
    if not first < limits.VANISHED * last:
        return None
    change = model_option(evidence, "activation", "relu") or model_option(evidence, "norm", "batch")
    tries = [says(change)] if change else []
    tries += ["shortcuts around layers: a residual network", "fewer layers"]
    return Finding(
        "bad",
        f"the gradient norm is {figure(first)} in the first layers and {figure(last)} in the last",
        "The gradient vanishes on its way back: each layer passes on only a part of it, so that the first layers "
        "hardly learn. "
        "Sigmoids pass on a quarter at most.",
        tuple(tries),
        change,
    )


def exploding_gradients(evidence: Evidence) -> Finding | None:
    """The gradient has become a thousand times as long as it was at the first step."""
    course = evidence["grad/norm"]
    if evidence.experiment.training.gradient_clip_norm or not evidence.by_gradient or not course.stretches:
        return None
    first = max(evidence.step - evidence.window, evidence.since)
    start, recent = evidence.first_gradient, [norm for step, norm in course.tail if step > first]
    peak = max((norm for norm in recent if isfinite(norm)), default=0.0)
    if not (start > 0 and peak > limits.EXPLODED * start) or evidence.steps < min(evidence.since, evidence.window):
        return None
    if evidence.recent_loss <= limits.FALLEN * evidence.guess:
        return None  # long, but going down a slope
    change = {"training.gradient_clip_norm": float(f"{max(1.0, start):.1g}")}
    return Finding(
        "bad",
        f"the gradient norm reached {figure(peak)}, it was {figure(start)} at the first step",
        "The gradient explodes: a cliff in the loss, as recurrent and very deep networks have them. One such "
        "step undoes many.",
        (says(change), says(learning_rate(evidence, 1 / 3))),
        change,
    )


def dead_units(evidence: Evidence) -> Finding | None:
    """ReLUs that give zero for every example that was looked at."""
    found = _dead_layers(evidence)
    if not found:
        return None
    dead, place = max(found)
    change = model_option(evidence, "activation", "leaky_relu") or learning_rate(evidence, 1 / 3)
    others = f", and {len(found) - 1} more such layer{'s' if len(found) > 2 else ''}" if len(found) > 1 else ""
    return Finding(
        "caution" if dead < 1 else "bad",
        f"{share(dead)} of the units of {_layer(evidence, place)} are dead{others}: they give zero for every example",
        "A ReLU that is never above zero has no gradient, and does not come back. A step that was too long "
        "pushes many there "
        "at once.",
        (says(change), says(learning_rate(evidence, 1 / 3)), "a normalisation before the activations"),
        change,
    )


def _dead_layers(evidence: Evidence) -> list[tuple[float, int]]:
    """The shares of dead ReLUs above the limit, with the layers' places. The last layer has no ReLU."""
    if _activation(evidence) != "relu" or _looked_at(evidence) < limits.DEAD_EXAMPLES:
        return []
    dead = evidence.layer_medians("dead_share", limits.LAYER_SAMPLES)[:-1]
    return [(value, place) for place, value in enumerate(dead) if value > limits.DEAD]


def _looked_at(evidence: Evidence) -> int:
    """About how many examples the activations are of."""
    chosen = evidence.experiment
    return max(chosen.telemetry.probes, min(64, chosen.data.batch_size or 64))


def _activation(evidence: Evidence) -> str:
    """The function behind the layers: what was chosen, else a ReLU, as all published networks here have."""
    options = evidence.experiment.model.options
    said = options.get("activation", options.get("nonlinearity"))
    if isinstance(said, str):
        return said
    known = ARCHITECTURES[evidence.experiment.model.architecture]
    return "relu" if known.kinds == ("image",) and not known.plugin else ""


def saturated_units(evidence: Evidence) -> Finding | None:
    """Sigmoids or tanhs whose values lie near their limits, of a network that has much to learn: one that is sure of
    its examples has pushed its units there."""
    shares = evidence.layer_medians("saturated_share", limits.LAYER_SAMPLES)
    found = [(value, place) for place, value in enumerate(shares) if value > limits.SATURATED]
    if not found or not evidence.recent_loss > limits.FALLEN * evidence.guess:
        return None
    value, place = max(found)
    chosen = evidence.experiment
    change: dict[str, Any] = {}
    if large_inputs(evidence):
        change = {"data.normalize": True}
    elif chosen.model.options.get("init", "default") not in ("default", "xavier", "identity"):
        change = model_option(evidence, "init", "xavier")
    change = change or learning_rate(evidence, 1 / 10)
    tries = [says(change)]
    if other := model_option(evidence, "activation", "relu") or model_option(evidence, "norm", "batch"):
        tries.append(f"an activation without an end: {says(other)}")
    tries.append("smaller weights at the start")
    return Finding(
        "caution",
        f"{share(value)} of the values of {_layer(evidence, place)} lie near a limit of their activation",
        "They are saturated: near its limits the function is flat, and next to no gradient comes through. What goes in "
        "is too large.",
        tuple(tries),
        change,
    )


def is_shut(evidence: Evidence) -> bool:
    """Whether much of a layer lets no gradient through: dead or saturated units."""
    return bool(_dead_layers(evidence)) or saturated_units(evidence) is not None


def _layer(evidence: Evidence, place: int) -> str:
    return evidence.layer_names[place] if place < len(evidence.layer_names) else f"layer {place + 1}"
