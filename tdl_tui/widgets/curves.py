"""Curves: what a chart draws of a series, made of its buckets."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from tdl_tui.runs.records import Bucket

from .axes import HUGE, TINY, Scale, Span, covering
from .chart_view import View


@dataclass(frozen=True, slots=True)
class Extent:
    """From where to where on the horizontal axis a bucket reaches, and its extremes."""

    left: float
    right: float
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True)
class Curve:
    """A named line: x ascending; a y that is not finite is a gap. `latest` is the newest raw value.

    `raw` holds what `y` smooths, point by point (empty: nothing is smoothed); `band` the extremes of the buckets;
    `broken` where some of a bucket's values are not finite.
    """

    name: str
    color: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    latest: float
    raw: tuple[float, ...] = ()
    band: tuple[Extent, ...] = ()
    broken: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """What stands on a curve at a step: a value, or the mean of several."""

    value: float
    mean: bool = False


def smooth(values: Sequence[float], keep: float) -> list[float]:
    """Exponential moving average with bias correction (Kingma & Ba 2015, section 3); gaps stay gaps.

    The n-th finite value becomes m_n / (1 - keep**n), m_n = keep * m_{n-1} + (1 - keep) * value. 0 changes nothing.
    """
    if not keep:
        return list(values)
    out: list[float] = []
    mean, power = 0.0, 1.0
    for value in values:
        if not math.isfinite(value):
            out.append(value)
            continue
        mean = keep * mean + (1 - keep) * value
        power *= keep
        out.append(mean / (1 - power))
    return out


def curve_of(
    name: str,
    color: str,
    buckets: Sequence[Bucket],
    view: View,
    *,
    steps_per_epoch: int,
    start: float,
    latest: float | None = None,
) -> Curve:
    """The means of the buckets as a curve; `start` is the time that counts as 0.

    `latest` is the newest value: a bucket only knows its mean, which stands for it where it is not given, and forgets
    what is not finite.
    """
    first, last, times, low, high, means, counts, missing = zip(*buckets, strict=True) if buckets else ((),) * 8
    if view.scale in ("time", "clock"):  # which stands still while a clock that was moved back catches up
        origin = start if view.scale == "time" else 0.0
        x = tuple(accumulate((max(0.0, time - origin) for time in times), max))
        lefts, rights = (*x[:1], *x[:-1]), x
    else:
        each = (steps_per_epoch or 1) if view.scale == "epochs" else 1
        x = tuple([(a + b) / 2 / each for a, b in zip(first, last, strict=True)])
        lefts, rights = (tuple([step / each for step in steps]) for steps in (first, last))
    if not all(counts):
        means = tuple([mean if count else math.nan for mean, count in zip(means, counts, strict=True)])
    if latest is None:
        latest = means[-1] if means else math.nan
    extents = zip(map(Extent, lefts, rights, low, high), counts, strict=True) if view.band else ()
    band = tuple(extent for extent, count in extents if count > 1)
    several = zip(x, counts, missing, strict=True) if any(missing) else ()
    broken = tuple(at for at, count, gone in several if count and gone)
    raw = means if view.smoothing else ()
    return Curve(name, color, x, tuple(smooth(means, view.smoothing)), latest, raw, band, broken)


def reading(buckets: Sequence[Bucket], step: int) -> Reading | None:
    """What a series stood at at a step: the bucket that holds it, else the one before; None before the first."""
    at = bisect_right(buckets, step, key=lambda bucket: bucket.first) - 1
    if at < 0:
        return None
    bucket = buckets[at]
    return Reading(bucket.mean if bucket.count else math.nan, bucket.count + bucket.nonfinite > 1)


@dataclass(frozen=True, slots=True)
class Ruler:
    """Where a step stands on a horizontal axis. `steps` and `times` (ascending) say when some of them were."""

    scale: Scale
    steps_per_epoch: int
    start: float
    steps: tuple[int, ...] = ()
    times: tuple[float, ...] = ()

    def place(self, step: float) -> float:
        """The step in the axis's unit: epochs, seconds since the start, seconds since 1970."""
        if self.scale == "epochs":
            return step / (self.steps_per_epoch or 1)
        if self.scale not in ("time", "clock"):
            return step
        at = bisect_left(self.steps, step)
        if not self.steps:
            when = self.start
        elif at == len(self.steps):
            when = self.times[-1]
        else:
            before, then = (self.steps[at - 1], self.times[at - 1]) if at else (0, self.start)
            when = then + (self.times[at] - then) * (step - before) / max(1, self.steps[at] - before)
        return max(0.0, when - self.start) if self.scale == "time" else when

    def moment(self, step: int, time: float) -> float:
        """Something that happened at a step and at a time (seconds since 1970)."""
        if self.scale == "time":
            return max(0.0, time - self.start)
        return time if self.scale == "clock" else self.place(step)


def ruler(scale: Scale, steps_per_epoch: int, start: float, buckets: Sequence[Bucket]) -> Ruler:
    """A ruler by the buckets of the series that has most of them."""
    if scale not in ("time", "clock"):
        return Ruler(scale, steps_per_epoch, start)
    times = tuple(accumulate((bucket.time for bucket in buckets), max, initial=start))[1:]
    return Ruler(scale, steps_per_epoch, start, tuple(bucket.last for bucket in buckets), times)


def y_span(
    curves: Sequence[Curve],
    log: bool,
    before: Span | None = None,
    bounds: tuple[float, float] | None = None,
    *,
    x: Span | None = None,
    clip: float = 0.0,
) -> Span:
    """The vertical axis for what the curves show within `x`; with `log`, values at or below 0 do not count.

    `clip` is the share of the values that may lie above it, and of those that may lie below: then bands do not count,
    which outliers make.
    """
    seen = [*_values(curves, x), *(() if clip else _extremes(curves, x))]
    least = TINY if log else -HUGE
    values = [y for y in seen if least < y < HUGE]
    if not values:
        return before if before and before.log == log else Span(0.1 if log else 0.0, 1.0, log)
    low, high = min(values), max(values)
    if clip:
        values.sort()
        cut = min(int(clip * len(values) + 0.5), (len(values) - 1) // 2)
        low, high = values[cut], values[-1 - cut]
    return covering(low, high, log=log, before=before, bounds=None if log else bounds)


def _values(curves: Sequence[Curve], x: Span | None) -> Iterator[float]:
    for curve in curves:
        if x is None:
            yield from curve.y
        else:
            yield from curve.y[bisect_left(curve.x, x.low) : bisect_right(curve.x, x.high)]


def _extremes(curves: Sequence[Curve], x: Span | None) -> Iterator[float]:
    for curve in curves:
        for extent in curve.band:
            if x is None or (extent.right >= x.low and extent.left <= x.high):
                yield extent.minimum
                yield extent.maximum
