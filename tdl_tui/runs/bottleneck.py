"""Where the time of a training goes, and what it is bound by: the parts, and the verdict on their shares. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from .reader import RunReader

IN_STEPS = ("data", "forward", "backward", "optimizer")
BETWEEN_STEPS = ("telemetry", "checkpoint", "validation")
PARTS = (*IN_STEPS, *BETWEEN_STEPS)
"""Of which time/<part> is recorded: what of the wall time, 0 to 1, went into each."""
WAITED_FOR = ("data", "forward", *BETWEEN_STEPS)
"""By which alone it is told whether steps wait for their data."""
LEAST, MOST = "overhead/least", "overhead/most"
"""Of which time/<…> is recorded where it is known: the shares, 0 to 1, of a step's forward and backward between which
lies what they would take however small the batch. To start as many operations takes the least, one example the most."""

DATA = 0.2
"""Of the time of steps, from which they wait for data: TensorFlow's profiler calls that "highly input-bound"
(tensorflow/core/profiler, op_stats_to_input_pipeline_analysis.cc, 2019). Of data in memory too: even networks whose
step takes a tenth of a millisecond wait for 1 to 10 % there."""
FIXED = 0.4
"""Of forward and backward, from which on starting operations is what they do. The figure is a lower bound: networks
whose step takes as long with one example as with the batch have 0.55 to 0.65."""
GROWING = 0.5
"""Of forward and backward, that one example may take at most where the rest is the batch's own arithmetic."""
MOSTLY = 0.5
"""Of the time, from which on something else than forward and backward has to be looked at first."""
DATA_BOUND = "data-bound"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a training is bound by ("data-bound", "compute-bound", "overhead-bound", or "unclear"), the figure that says
    so, and what would help."""

    name: str
    seen: str
    advice: str


def shares(reader: RunReader, first: int | None = None, last: int | None = None) -> dict[str, float]:
    """By part the mean share of the time of the steps first..last (inclusive), and what lies under the floor; without
    what was not recorded. Reads a bounded number of buckets."""
    found = {}
    for part in (*PARTS, LEAST, MOST):
        buckets = [bucket for bucket in reader.buckets(f"time/{part}", 8, first, last) if bucket.count]
        if buckets:
            found[part] = sum(b.mean * b.count for b in buckets) / sum(b.count for b in buckets)
    return found


def verdict(shares: Mapping[str, float]) -> Verdict | None:
    """The verdict on the shares of a time, by part; None where forward was not measured."""
    known = {part: share for part, share in shares.items() if math.isfinite(share)}
    if "forward" not in known:
        return None
    between = {part: known.get(part, 0.0) for part in BETWEEN_STEPS}
    steps = 1 - sum(between.values())
    if steps <= 1 - MOSTLY:
        part = max(between, key=between.__getitem__)
        return Verdict("unclear", f"{part} takes {between[part] * 100:.0f} % of the time", _BETWEEN[part])
    data, optimizer = (known.get(part, 0.0) / steps for part in ("data", "optimizer"))
    if data >= DATA:
        return Verdict(
            DATA_BOUND,
            f"steps wait for data for {data * 100:.0f} % of their time",
            "more data.loader_workers, less or cheaper augmentation, or data small enough to be held in memory",
        )
    if optimizer >= MOSTLY:
        return Verdict("unclear", f"the optimizer takes {optimizer * 100:.0f} % of the steps", _OPTIMIZER)
    return _of_computing(known.get(LEAST, math.nan), known.get(MOST, math.nan))


def _of_computing(least: float, most: float) -> Verdict:
    """The verdict where forward and backward are most of the time; NaN where a bound is not known."""
    if least >= FIXED:
        return Verdict(
            "overhead-bound",
            f"{least * 100:.0f} % and more of forward and backward is starting operations",
            "a larger batch costs little more; training.compile=true starts fewer operations",
        )
    if most <= GROWING:
        return Verdict(
            "compute-bound",
            f"all but {most * 100:.0f} % of forward and backward grows with the batch",
            "a faster device, training.precision=bf16 where the device is made for it, or a smaller network",
        )
    seen = "what an operation costs is not known here"
    if not math.isnan(most):
        seen = f"one example takes {most * 100:.0f} % as long as the batch"
    return Verdict("unclear", seen, "a larger batch may cost little more; tdl profile shows what a step is made of")


_OPTIMIZER = "an optimizer that does less a step, or a larger batch, which takes fewer steps"
_BETWEEN = {
    "telemetry": "a smaller telemetry.budget",
    "checkpoint": "a longer training.checkpoint_seconds",
    "validation": "a smaller validation part (data.split), or larger epochs",
}
