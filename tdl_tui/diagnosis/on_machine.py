"""Rules about the data's classes and about the machine: what a training waits for, and what it has no room for."""

from __future__ import annotations

from math import isfinite

from tdl_tui.runs.bottleneck import DATA_BOUND, WAITED_FOR, verdict

from . import limits
from .evidence import Course, Evidence
from .finding import Finding, says, share


def class_imbalance(evidence: Evidence) -> Finding | None:
    """Of one class there are ten times as many examples as of another."""
    counts, shape, objective = evidence.class_counts, evidence.shape, evidence.experiment.objective
    if len(counts) < 2 or shape.steps or shape.kind in ("text", "graph") or not sum(counts):
        return None  # of tokens some are always rare
    if objective.options.get("class_weights") == "balanced":
        return None
    most, least = max(counts), min(counts)
    if most < limits.IMBALANCED * max(1, least):
        return None
    frequent, rare = (_name(evidence, counts.index(count)) for count in (most, least))
    change = {"objective.options.class_weights": "balanced"} if objective.loss == "cross_entropy" and least else {}
    tries = ["judge by class, not by the accuracy of all", "more examples of the rare class"]
    return Finding(
        "caution",
        f"{most:,} training examples are of {frequent}, {least:,} of {rare}",
        f"Who always says {frequent} is right in {share(most / sum(counts))}: the loss rewards that, and the "
        "accuracy hides it.",
        tuple([says(change)] * bool(change) + tries),
        change,
    )


def _name(evidence: Evidence, place: int) -> str:
    classes = evidence.shape.classes
    return f"“{classes[place]}”" if place < len(classes) else f"class {place}"


def data_bound(evidence: Evidence) -> Finding | None:
    """Training waits for its examples: the verdict on where its time goes, as it is now."""
    recent = {part: mean for part in WAITED_FOR if (mean := _recent(evidence[f"time/{part}"])) is not None}
    judged = verdict(recent)
    if judged is None or judged.name != DATA_BOUND:
        return None
    data = evidence.experiment.data
    change: dict[str, object] = {}
    if evidence.storage == "stream":
        more = min(64, max(2, 2 * data.loader_workers))
        change = {"data.loader_workers": more} if data.loader_workers < 16 else {"data.storage": "memory"}
    elif data.options.get("augmentation", "none") != "none":
        change = {"data.options.augmentation": "none"}
    tries = ["less work for each example: smaller pictures, less augmentation"]
    return Finding(
        "caution",
        judged.seen,
        "The loop is bound by its data: the network waits, and a faster device would not help.",
        tuple([says(change)] * bool(change) + tries),
        change,
    )


def idle_gpu(evidence: Evidence) -> Finding | None:
    """The GPU that trains has nothing to do most of the time, and not for want of data, which is said as such."""
    busy = evidence["system/gpu"]
    mean = _recent(busy)
    if evidence.device != "cuda" or mean is None or mean >= limits.IDLE_GPU or not isfinite(busy.newest):
        return None
    if data_bound(evidence):
        return None
    size, each = evidence.experiment.data.batch_size, evidence.progress.steps_per_epoch
    change: dict[str, object] = {"data.batch_size": 4 * size} if size and each >= 8 else {}
    tries = ["a CPU may be as fast: training.device=cpu", "fewer, larger kernels: training.compile=true"]
    return Finding(
        "caution",
        f"the GPU is busy for {mean:.0f} % of the time",
        "It waits for the host: the steps are too small for it (see where the time goes).",
        tuple([says(change)] * bool(change) + tries),
        change,
    )


def _recent(course: Course) -> float | None:
    """The mean of the newest points; None where there are too few, or the first, which tell of the start, are among
    them."""
    values = [value for _, value in course.tail if isfinite(value)]
    if len(values) <= limits.MACHINE_POINTS:
        return None
    return sum(values[-limits.MACHINE_POINTS :]) / limits.MACHINE_POINTS


def does_not_fit(evidence: Evidence) -> Finding | None:
    """The run failed as memory ran out, or would have."""
    message = evidence.message
    if not message.startswith(("out of memory", "too little memory")):
        return None
    data, parts = evidence.experiment.data, evidence.experiment.training.accumulation
    half = max(1, (data.batch_size or 2) // 2)
    change: dict[str, object] = {}
    if evidence.by_gradient and (not data.batch_size or 2 * parts <= data.batch_size):
        change = {"training.accumulation": 2 * parts}
    elif data.batch_size > 1:
        change = {"data.batch_size": half}
    tries = [
        "a smaller batch: data.batch_size",
        "a smaller network",
        "numbers of half the width: training.precision=bf16",
    ]
    return Finding(
        "bad",
        message,
        "The batch does not fit: what autograd holds on to grows with it. In parts it is the same training, a "
        "little slower.",
        tuple([says(change)] * bool(change) + tries),
        change,
    )
