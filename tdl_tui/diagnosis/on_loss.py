"""Rules about how the loss goes: where it starts, and whether it falls, rises or swings."""

from __future__ import annotations

from itertools import pairwise
from math import inf, isfinite, log
from statistics import median
from typing import Any

from . import limits, on_layers, on_time
from .evidence import Evidence, Stretch
from .finding import USUAL, Finding, figure, large_inputs, learning_rate, model_option, says, share, to_usual

AFFINE = ("linear", "softmax_regression")


def initial_loss(evidence: Evidence) -> Finding | None:
    """An untrained network knows nothing: all classes are as likely to it, and the loss is ln C; or it says about zero,
    and the squared error of normalised targets is 1."""
    known = _untrained(evidence)
    if known is None or not evidence.first_loss > limits.START * known[1] + limits.START_MARGIN:
        return None
    change = {"data.normalize": True} if large_inputs(evidence) else model_option(evidence, "init", "default")
    tries = (
        "draw smaller weights for the last layer, or put a normalisation before the activations",
        "look at the inputs: tdl data show; values far from zero mean and unit deviation do this",
    )
    return Finding(
        "caution",
        f"the first loss is {figure(evidence.first_loss)}; an untrained network's is about {known[0]}",
        "The outputs are large before anything is learned: weights drawn too large, or inputs not normalised. "
        "The first "
        "steps only undo this.",
        (says(change), *tries) if change else tries,
        change,
    )


def _untrained(evidence: Evidence) -> tuple[str, float] | None:
    """The loss of an untrained network, in words and as a number; None where it is not known."""
    objective, classes = evidence.experiment.objective, evidence.shape.outputs
    altered = objective.options.get("class_weights", "none") != "none" or objective.options.get("label_smoothing")
    match evidence.shape.task, objective.loss:
        case "regression", "mse" if evidence.experiment.data.normalize:
            return "1, the variance of the targets", 1.0
        case "classification", "cross_entropy" if classes > 1 and not altered:
            return f"ln {classes} = {figure(log(classes))}", log(classes)
        case "classification", "binary_cross_entropy":
            return f"ln 2 = {figure(log(2))}", log(2)
    return None


def diverges(evidence: Evidence) -> Finding | None:
    """The loss rises above where it began, or is no longer a number."""
    loss = evidence["train/loss"]
    if loss.tail and not isfinite(loss.newest):
        what = f"the loss is {loss.newest} at step {evidence.step:,}"
    elif "not finite" in evidence.message:
        what = evidence.message
    else:
        recent, start = evidence.recent_loss, evidence.start
        if evidence.steps < limits.EARLIEST or not isfinite(recent):
            return None
        if recent > limits.DIVERGED * start:
            what = f"the loss is {figure(recent)}, it began at {figure(start)}"
        elif recent > start and _fell(evidence, limits.FALLEN * start):
            lowest = min(stretch.mean for stretch in loss.stretches if isfinite(stretch.mean))
            what = f"the loss had come to {figure(lowest)} and is back at {figure(recent)}, where it began"
        else:
            return None
    change = learning_rate(evidence, 1 / 3)
    tries = [says(change)]
    if evidence.by_gradient and not evidence.experiment.training.gradient_clip_norm:
        tries.append("clip the gradient: training.gradient_clip_norm=1")
    if evidence.experiment.schedule.warmup_steps == 0:
        tries.append("let the learning rate rise at the start: schedule.warmup_steps=100")
    return Finding(
        "bad",
        what,
        "Steps are too long: each lands farther away than it set out from. Mostly the learning rate is too high; "
        "seldom "
        "a few examples are broken.",
        tuple(tries),
        change,
    )


def _fell(evidence: Evidence, level: float) -> bool:
    """Whether the loss was below a level for as long as what is called recent."""
    loss, window = evidence["train/loss"], evidence.window
    return any(loss.mean(last - window + 1, last) < level for last in range(window, evidence.step, window))


def stalls(evidence: Evidence) -> Finding | None:
    """The loss stays where a guess would have it."""
    recent, guess, total = evidence.recent_loss, evidence.guess, evidence.progress.total_steps
    if evidence.steps < limits.STALLED_STEPS or evidence.step < on_time.stalled_after(evidence) * total:
        return None
    if not limits.STALLED * guess < recent <= limits.DIVERGED * guess:
        return None
    change, reason = _to_move(evidence)
    return Finding(
        "bad",
        f"the loss is {figure(recent)} after {evidence.step:,} steps; who always gives the same answer has "
        f"{figure(guess)}",
        f"Nothing is learned of the inputs: {reason}, or inputs and targets do not belong together.",
        (
            *([says(change)] if change else []),
            "find a learning rate: tdl lr-find",
            "try to learn a few examples by heart: a network that works can",
        ),
        change,
    )


def _to_move(evidence: Evidence) -> tuple[dict[str, Any], str]:
    """What to change about a training that learns nothing, and the reason that it would be for, by its layers."""
    if on_layers.is_shut(evidence):
        return learning_rate(evidence, 1 / 10), "steps that were too long have shut most units"
    if vanishing := on_time.vanishing_through_time(evidence):
        return vanishing.change or learning_rate(evidence, 1 / 3), "the gradient vanishes on its way back through time"
    if vanishing := on_layers.vanishing_gradients(evidence):
        return vanishing.change or learning_rate(evidence, 10), "the gradient vanishes on its way to the first layers"
    return _by_pace(evidence) or _by_kind(evidence)


def _by_pace(evidence: Evidence) -> tuple[dict[str, Any], str] | None:
    ratios = [ratio for ratio in evidence.layer_medians("update_ratio", limits.LAYER_SAMPLES) if isfinite(ratio)]
    typical = median(ratios) if ratios else USUAL
    if typical > 10 * USUAL:
        return to_usual(evidence, typical), "the learning rate is far too high"
    if typical < USUAL / 10:
        return to_usual(evidence, typical), "the learning rate is far too low"
    if _fell(evidence, limits.LEARNS * evidence.guess):
        return learning_rate(evidence, 1 / 3), "it had begun to learn, and a step that was too long has undone that"
    return None


def _by_kind(evidence: Evidence) -> tuple[dict[str, Any], str]:
    if evidence.through_time:
        return on_time.longer_memory(evidence), "what lies far back does not come through"
    if evidence.experiment.model.architecture in AFFINE:
        return _larger(evidence), "an affine map cannot say what is there"
    return _larger(evidence), "the network is too small or of the wrong kind"


def oscillates(evidence: Evidence) -> Finding | None:
    """The validation loss, which has the same examples each time, swings to and fro."""
    values = [value for _, value in evidence.validations[-limits.SWINGS - 1 :]]
    if len(values) <= limits.SWINGS or not all(map(isfinite, values)) or evidence.steps < limits.EARLIEST:
        return None
    changes = [b - a for a, b in pairwise(values)]
    swing = sum(map(abs, changes)) / len(changes)
    turns = sum(a * b < 0 for a, b in pairwise(changes)) / (len(changes) - 1)
    if not (swing >= limits.SWING * evidence.guess and turns >= limits.TURNS):
        return None
    change = learning_rate(evidence, 1 / 3)
    return Finding(
        "caution",
        f"the validation loss changes by {figure(swing)} from one to the next, up and down: {figure(min(values))} to "
        f"{figure(max(values))} in the last {len(values)}",
        "Steps cross the valley instead of following it: the learning rate is too high for the curvature here, "
        "or a batch "
        "says too little.",
        (says(change), "let the learning rate fall: schedule.name=cosine", "larger batches: data.batch_size"),
        change,
    )


def overfitting(evidence: Evidence) -> Finding | None:
    """The validation loss has risen from its lowest while the training loss went on falling.

    Both are taken over a strip of validations in a row, as a lowest of many that swing is mostly chance.
    """
    newest = evidence.validations[-limits.OVERFITTED_VALIDATIONS :]
    lowest = _lowest_strip(evidence, before=newest[0][0]) if newest else None
    if lowest is None:
        return None
    losses = [value for _, value in newest]
    now, recent = min(losses), evidence.recent_loss
    then = evidence["train/loss"].mean(lowest.last - evidence.window, lowest.last)
    margins = [margin * evidence.guess for ratio, margin in limits.OVERFITTED if now > ratio * lowest.mean]
    margin = min(margins, default=inf)
    if not now - lowest.mean > margin or not (recent < then and recent < now - margin):
        return None
    change = _regularised(evidence)
    kept = evidence.experiment.training.early_stopping.restore_best
    saved = (
        "the weights of its best validation are taken at the end" if kept else "the last weights are kept, not the best"
    )
    return Finding(
        "caution",
        f"the validation loss was {figure(lowest.mean)} at step {lowest.last:,} and is {figure(losses[-1])}, while "
        "the training "
        f"loss fell from {figure(then)} to {figure(recent)}",
        f"{_by_heart(evidence, lowest, newest[0][0])} ({saved}).",
        (
            says(change),
            "more data, or pictures that change: data.options.augmentation",
            "a smaller network",
            "an early end: training.early_stopping.patience=5",
        ),
        change,
    )


def _lowest_strip(evidence: Evidence, before: int) -> Stretch | None:
    """The lowest mean of the validation loss over a strip that ends before a step."""
    length = limits.OVERFITTED_VALIDATIONS
    known = [s for s in evidence["val/loss"].stretches if evidence.since < s.first and s.last < before]
    losses = [stretch.mean if isfinite(stretch.mean) else inf for stretch in known]
    sums = [sum(losses[at : at + length]) for at in range(len(known) - length + 1)]
    lowest = min(sums, default=inf)
    if lowest == inf:
        return None
    at = sums.index(lowest)
    return Stretch(known[at].first, known[at + length - 1].last, lowest / length)


def _by_heart(evidence: Evidence, lowest: Stretch, first: int) -> str:
    """What it means that the validation loss has risen from its lowest to what it is since step `first`."""
    accuracy = evidence["val/accuracy"]
    then, now = accuracy.mean(lowest.first, lowest.last), accuracy.mean(first, evidence.step)
    if now >= then:
        return (
            f"The loss is up, the accuracy is not down ({share(then)} then, {share(now)} now): the network grows too "
            "sure, also where it is wrong. It is right as often as before, but its probabilities mean less"
        )
    return "The network learns its examples by heart: what it still gains holds for them alone"


def _regularised(evidence: Evidence) -> dict[str, Any]:
    chosen = evidence.experiment
    if chosen.data.options.get("augmentation") == "none":
        return {"data.options.augmentation": "flip_crop"}
    if chosen.model.options.get("dropout") == 0.0 and chosen.model.options.get("layers", 2) != 1:
        return {"model.options.dropout": 0.3}
    if chosen.optimizer.weight_decay == 0.0:
        return {"optimizer.weight_decay": 1e-3}
    return {"training.early_stopping.patience": 5}


def underfitting(evidence: Evidence) -> Finding | None:
    """The loss no longer falls, and the training examples themselves are told hardly better than by a guess."""
    regression = evidence.shape.task == "regression"
    metric, step = evidence["train/r2" if regression else "train/accuracy"], evidence.step
    total = sum(evidence.class_counts)
    guess = 0.0 if regression else max(evidence.class_counts) / total if total else 1 / evidence.shape.outputs
    fifth = evidence.steps // 5
    if evidence.steps < limits.STALLED_STEPS or step < limits.UNDERFITTED_AFTER * evidence.progress.total_steps:
        return None
    reached = metric.newest if regression else metric.mean(step - evidence.window + 1, step)
    loss = evidence["train/loss"]
    before, now = loss.mean(step - 2 * fifth + 1, step - fifth), loss.mean(step - fifth + 1, step)
    if not reached < guess + limits.UNDERFITTED * (1 - guess) or not before - now < limits.PLATEAU * evidence.guess:
        return None
    if now > limits.STALLED * evidence.guess:
        return None  # it has not begun to learn: that is another matter
    change = _larger(evidence)
    name, shown = ("R²", figure(reached)) if regression else ("accuracy", share(reached))
    tries = (
        "train for longer, with a larger learning rate at first",
        "less of what holds it back: weight decay, dropout",
    )
    return Finding(
        "caution",
        f"the loss stands at {figure(now)}, and the {name} on the training examples is {shown}",
        "The network cannot tell even the examples that it learns from: it is too small or of the wrong kind for "
        "these data, "
        "or the data do not say it.",
        (says(change), *tries) if change else tries,
        change,
    )


def _larger(evidence: Evidence) -> dict[str, Any]:
    model = evidence.experiment.model
    if model.architecture in AFFINE:
        return {"model.architecture": "mlp"}
    for name in ("widths", "channels", "hidden_size", "width"):
        size = model.options.get(name)
        if isinstance(size, tuple):
            return {f"model.options.{name}": [2 * number for number in size]}
        if isinstance(size, (int, float)):
            return {f"model.options.{name}": 2 * size}
    return {}


def validation_better(evidence: Evidence) -> Finding | None:
    """A training is better on examples that it does not learn from, validation after validation.

    A validation at an epoch's end is held against the training loss of the epoch after it, which is measured with
    weights that are newer still: a healthy training is hardly worse there.
    """
    each = evidence.progress.steps_per_epoch
    followed = [point for point in evidence.validations if point[0] + each <= evidence.step]
    pairs = [
        (value, evidence["train/loss"].mean(step + 1, step + each))
        for step, value in followed[-limits.BETTER_VALIDATIONS :]
    ]
    if len(pairs) < limits.BETTER_VALIDATIONS:
        return None
    noise = limits.BETTER_ERRORS / max(1, evidence.validation) ** 0.5
    least = limits.BETTER_MARGIN * evidence.guess
    if not all(val < min(limits.BETTER, 1 - noise) * train and train - val > least for val, train in pairs):
        return None
    on = _only_in_training(evidence)
    val, train = pairs[-1]
    seen = (
        f"the validation loss is {figure(val)}, the training loss of the epoch after it {figure(train)}; so it was "
        f"{len(pairs)} times in a row"
    )
    if on:
        return Finding(
            "note",
            seen,
            f"That is as it should be: {' and '.join(on)} is on in training alone, so training is the harder of "
            "the two.",
            ("nothing; to compare the two, look at the test figures",),
        )
    seed = evidence.experiment.data.split_seed
    change = {"data.split_seed": seed + 1}
    return Finding(
        "caution",
        seen,
        "The validation part is easier than the training part: examples of it (or near copies) are in both, it was "
        "chosen unevenly, or more targets of the training part are wrong. Nothing is on that makes training alone "
        "harder.",
        (f"{says(change)}: whether it stays so with another split", "look for the same examples in both parts"),
        change,
    )


def _only_in_training(evidence: Evidence) -> list[str]:
    chosen = evidence.experiment
    on = []
    if isinstance(dropout := chosen.model.options.get("dropout"), float) and dropout > 0:
        on.append(f"dropout {dropout:g}")
    if chosen.data.options.get("augmentation", "none") != "none":
        on.append(f"augmentation {chosen.data.options['augmentation']}")
    if chosen.model.options.get("norm") == "batch" or chosen.model.architecture.startswith("resnet"):
        on.append("normalisation over the batch")
    if chosen.training.ema_decay:
        on.append("the average of the weights, which is validated,")
    return on
