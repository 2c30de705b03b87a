"""Buckets: points summed up by 16, 64, 256, … as plain functions, without storage.

A bucket of level k covers SIZE(k) = 16 · 4**k consecutive points of a series, starting at a multiple of SIZE(k); it is
made from the four buckets of the level below, level 0 from 16 points. What a complete bucket says is therefore a
function of its points alone, however they were cut into blocks as they were written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import fsum, isfinite, nan

from .records import Bucket

BASE = 16
FACTOR = 4  # a power of two


def size(level: int) -> int:
    """How many points a bucket of a level covers."""
    return BASE * int(FACTOR**level)


@dataclass(slots=True)
class Columns:
    """Consecutive buckets, a list a field of Bucket."""

    first: list[int] = field(default_factory=list)
    last: list[int] = field(default_factory=list)
    time: list[float] = field(default_factory=list)
    minimum: list[float] = field(default_factory=list)
    maximum: list[float] = field(default_factory=list)
    mean: list[float] = field(default_factory=list)
    count: list[int] = field(default_factory=list)
    nonfinite: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.first)

    def lists(self) -> tuple[list[int] | list[float], ...]:
        return (
            self.first,
            self.last,
            self.time,
            self.minimum,
            self.maximum,
            self.mean,
            self.count,
            self.nonfinite,
        )

    def extend(self, other: Columns) -> None:
        """Appends `other`'s buckets."""
        self.first += other.first
        self.last += other.last
        self.time += other.time
        self.minimum += other.minimum
        self.maximum += other.maximum
        self.mean += other.mean
        self.count += other.count
        self.nonfinite += other.nonfinite

    def take(self, start: int, stop: int | None = None) -> Columns:
        """The buckets start..stop (exclusive)."""
        return Columns(*(column[start:stop] for column in self.lists()))  # type: ignore[arg-type]  # field order

    def drop(self, count: int) -> None:
        """Removes the oldest buckets."""
        for column in self.lists():
            del column[:count]

    def buckets(self) -> list[Bucket]:
        return list(map(Bucket._make, zip(*self.lists(), strict=True)))


def of_points(values: Sequence[float], group: int, first: list[int], last: list[int], time: list[float]) -> Columns:
    """Buckets of `group` points each; `first`, `last` and `time` are the buckets' own.

    `len(values)` is `group * len(first)`.
    """
    groups = list(zip(*[iter(values)] * group, strict=True))
    try:
        totals = list(map(fsum, groups))
    except (OverflowError, ValueError):  # a sum beyond the range of doubles, infinities of both signs
        totals = [nan]
    if isfinite(sum(totals)):
        mean = [total / group for total in totals]
        if group & (group - 1):  # rounding a sum and dividing by a power of two stays between the extremes
            mean = [_clamp(m, min(g), max(g)) for m, g in zip(mean, groups, strict=True)]
        ordered = list(map(sorted, groups))  # for so few doubles quicker than min and max
        return Columns(
            first,
            last,
            time,
            [points[0] for points in ordered],
            [points[-1] for points in ordered],
            mean,
            [group] * len(groups),
            [0] * len(groups),
        )
    columns = Columns(first, last, time)
    for points in groups:
        finite = [value for value in points if isfinite(value)]
        columns.minimum.append(min(finite, default=nan))
        columns.maximum.append(max(finite, default=nan))
        columns.mean.append(_mean(finite))
        columns.count.append(len(finite))
        columns.nonfinite.append(len(points) - len(finite))
    return columns


def fold(columns: Columns, group: int) -> Columns:
    """Each `group` consecutive buckets as one. They cover equally many points, and `group` is a power of two.

    `len(columns)` is a multiple of `group`.
    """
    if any(columns.nonfinite):
        parts = (columns.take(start, start + group) for start in range(0, len(columns), group))
        return concatenate(merge(part) for part in parts)
    groups = list(zip(*[iter(columns.mean)] * group, strict=True))
    try:
        mean = [total / group for total in map(fsum, groups)]
    except OverflowError:
        mean = list(map(_mean, groups))
    return Columns(
        columns.first[::group],
        columns.last[group - 1 :: group],
        columns.time[group - 1 :: group],
        list(map(min, zip(*[iter(columns.minimum)] * group, strict=True))),
        list(map(max, zip(*[iter(columns.maximum)] * group, strict=True))),
        mean,
        [count * group for count in columns.count[::group]],
        [0] * len(groups),
    )


def merge(columns: Columns) -> Columns:
    """All the buckets as one; they may cover any numbers of points, and there is at least one."""
    kept = [position for position, count in enumerate(columns.count) if count]
    count = sum(columns.count)
    lowest = min((columns.minimum[position] for position in kept), default=nan)
    highest = max((columns.maximum[position] for position in kept), default=nan)
    if len({columns.count[position] for position in kept}) == 1:
        mean = _mean([columns.mean[position] for position in kept])
    else:
        mean = fsum(columns.mean[position] * (columns.count[position] / count) for position in kept)
    return Columns(
        [columns.first[0]],
        [columns.last[-1]],
        [columns.time[-1]],
        [lowest],
        [highest],
        [_clamp(mean, lowest, highest) if kept else nan],
        [count],
        [sum(columns.nonfinite)],
    )


def concatenate(parts: Iterable[Columns]) -> Columns:
    """The buckets of all parts, one after the other."""
    lists = [part.lists() for part in parts]
    return Columns(*(list(chain.from_iterable(column)) for column in zip(*lists, strict=True)))


def _mean(values: Sequence[float]) -> float:
    if not values:
        return nan
    try:
        mean = fsum(values) / len(values)
    except OverflowError:
        mean = fsum(value / len(values) for value in values)
    return _clamp(mean, min(values), max(values))


def _clamp(value: float, low: float, high: float) -> float:
    return low if value < low else min(value, high)
