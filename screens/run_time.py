"""Moments of a run: which there are to look at, and how one goes from one to another. Pure."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from .run_snapshot import Snapshot

MOMENTS_A_SECOND = 10
"""At most so many are played."""
WHOLE_SECONDS = 30
"""Playing a whole run takes about so long at most: of one with more moments some are left out, evenly."""


def moments(snapshot: Snapshot) -> Sequence[int]:
    """The steps that can be looked at, ascending: those at which layers or probes were sampled, else about one a column
    of a chart."""
    if snapshot.sampled:
        return snapshot.sampled
    longest = max(snapshot.series.values(), key=len, default=())
    return sorted({bucket.last for bucket in longest})


def moved(steps: Sequence[int], at: int | None, by: int) -> int | None:
    """The one of `steps` (ascending) that comes `by` after `at`, or before where `by` is negative.

    None as `at` and as the answer is live, which comes after the newest. Nothing comes before the first.
    """
    if by > 0:
        if at is None:
            return None
        index = bisect_right(steps, at) - 1 + by
        return steps[index] if index < len(steps) else None
    if not steps:
        return at
    index = (len(steps) if at is None else bisect_left(steps, at)) + by
    earlier = steps[max(0, index)]
    return earlier if at is None else min(at, earlier)


def first(steps: Sequence[int]) -> int | None:
    """The first of `steps`; live where there are none."""
    return steps[0] if steps else None


def played(steps: Sequence[int], at: int | None) -> int | None:
    """What is shown after `at` when the run is played: it begins at the first, and after the newest it is live."""
    if at is None:
        return first(steps)
    return moved(steps, at, -(-len(steps) // (MOMENTS_A_SECOND * WHOLE_SECONDS)) or 1)
