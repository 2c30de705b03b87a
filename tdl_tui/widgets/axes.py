"""Axes that hold still: limits and ticks at round numbers, which change rarely as data come in."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Scale = Literal["steps", "epochs", "time", "clock", "value"]
"""What a horizontal axis counts: "time" seconds since the start, "clock" the time of day (seconds since 1970); a
"value" is any number, on the span's own scale."""
HUGE = 1e300  # what is more has no room for a round end above it
TINY = 1e-200  # what is less has no orders of magnitude below it that could be told apart
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_ENDS = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_SUFFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


@dataclass(frozen=True, slots=True)
class Span:
    """The values from `low` to `high` that an axis shows; with `log` both are positive and the scale is logarithmic."""

    low: float
    high: float
    log: bool = False

    def place(self, value: float) -> float:
        """Where a value lies, 0 at `low`, 1 at `high`; outside of the span it may be less or more."""
        if self.log:
            if value <= 0:
                return -1.0
            return (math.log10(value) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))
        return (value - self.low) / (self.high - self.low)

    def places(self, values: Sequence[float]) -> list[float]:
        """Where each of the values lies."""
        low, wide = self.low, self.high - self.low
        if not self.log:
            return [(value - low) / wide for value in values]
        low, wide = math.log10(low), math.log10(self.high) - math.log10(low)
        return [-1.0 if value <= 0 else (math.log10(value) - low) / wide for value in values]


def round_up(value: float) -> float:
    """The next round number at or above a positive `value`."""
    power = 10.0 ** math.floor(math.log10(value))
    return next((end * power for end in _ENDS if end * power >= value * (1 - 1e-9)), 10 * power)


def growing(reached: float, whole: float = 0.0) -> Span:
    """An axis from 0 that has room for `reached`: a round end, or `whole` once that is near (0: not known)."""
    if reached <= 0:
        return Span(0.0, whole if whole > 0 else 1.0)
    end = round_up(reached * 1.02)
    return Span(0.0, whole if 0 < whole <= end * 1.2 else end)


def covering(
    low: float, high: float, *, log: bool = False, before: Span | None = None, bounds: tuple[float, float] | None = None
) -> Span:
    """A round span that covers low..high (finite; with `log`, positive), inside of `bounds` where there are any.

    `before` is kept while the data still fit into it and fill at least 45 % of it, so that a refresh moves no axis.
    """
    if before is not None and before.log == log:
        filled = before.place(high) - before.place(low)
        if before.place(low) >= 0 and before.place(high) <= 1 and filled >= 0.45:
            return before
    if log:
        return _decades(low, high)
    if low >= 0 and low <= 0.6 * high:
        low = 0.0
    if high - low <= 1e-9 * max(abs(low), abs(high), TINY):
        pad = max(abs(low), abs(high)) * 0.1
        pad = pad if pad > TINY else 0.5
        low, high = low - pad, high + pad
    step = _step((high - low) / 8)
    low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    if bounds is not None:
        low, high = max(low, bounds[0]), min(high, bounds[1])
    return Span(low, high) if low < high else Span(low - 0.5, high + 0.5)


def _decades(low: float, high: float) -> Span:
    bottom = max(n for n in _one_two_five(low / 10, low) if n <= low * (1 + 1e-9))
    top = min(n for n in _one_two_five(high, high * 10) if n >= high * (1 - 1e-9))
    return Span(bottom, top if top > bottom else bottom * 2, log=True)


def _one_two_five(low: float, high: float) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [mantissa * 10.0**power for power in range(first, last + 1) for mantissa in (1, 2, 5)]


def _orders(span: Span) -> list[float]:
    """The ticks of a logarithmic span; where fewer than two lie within it, it is so narrow that those of a linear one
    suit it."""
    if not span.log:
        return []
    return [n for n in _one_two_five(span.low, span.high) if span.low * 0.999 <= n <= span.high * 1.001]


def _step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in _STEPS if step * power >= least * (1 - 1e-9))


def ticks(span: Span, most: int) -> list[tuple[float, str]]:
    """At most `most` round values within the span, ascending, with labels of the same decimals."""
    if most < 1:
        return []
    if len(values := _orders(span)) > 1:
        if len(values) > most:
            values = [n for n in values if f"{n:.0e}"[0] == "1"]
        every = math.ceil(len(values) / most)
        return [(value, _power(value)) for value in values[::every]]
    step = _step((span.high - span.low) / most)
    while (span.high - span.low) / step + 1 > most + 1e-9 and most > 1:
        step = _step(step * 1.01)
    first = math.ceil(span.low / step - 1e-9)
    last = math.floor(span.high / step + 1e-9)
    values = [n * step for n in range(first, last + 1)][:most]
    return list(zip(values, _labels(values, step, max(abs(span.low), abs(span.high))), strict=True))


def _labels(values: list[float], step: float, largest: float) -> list[str]:
    """The values with as many digits as tell them apart, large ones in thousands, millions and so on; as powers of ten
    where such figures would be long."""
    size, suffix = next(((size, suffix) for size, suffix in _SUFFIXES if largest >= max(size, 1e5)), (1.0, ""))
    if step / size >= 1e-4 and largest / size < 1e5:
        decimals = next(d for d in range(6) if abs(step / size * 10**d - round(step / size * 10**d)) < 1e-6)
        return [f"{value / size + 0.0:.{decimals}f}{suffix if value else ''}" for value in values]
    digits = max(0, math.ceil(math.log10(largest / step) - 1e-9)) + (1 if f"{step:.1e}"[2] == "5" else 0)
    parts = [f"{value + 0.0:.{digits}e}".partition("e") for value in values]
    return ["0" if value == 0 else f"{m}e{int(power)}" for value, (m, _, power) in zip(values, parts, strict=True)]


def _power(value: float) -> str:
    exponent = round(math.log10(value), 6)
    if -3 <= exponent <= 4:
        return f"{value:.10g}"
    mantissa, _, power = f"{value:.0e}".partition("e")
    return f"{mantissa}e{int(power)}"


def counted(value: float, step: float = 0.0) -> str:
    """A tick on an axis of steps or epochs: "0", "500", "1.5k", "20k", "1.2M"; one of many that lie `step` apart, where
    that would not tell them apart, in full: "123,456"."""
    for size, suffix in _SUFFIXES:
        if value >= size:
            if step and (step < 100 or abs(step / size * 100 - round(step / size * 100)) > 1e-6):
                return f"{value:,.0f}"
            return f"{value / size:.2f}".rstrip("0").rstrip(".") + suffix if step else f"{value / size:.4g}{suffix}"
    return f"{value:.4g}"


def _decimals(step: float) -> int:
    """Digits behind the point that tell ticks apart which lie `step` < 1 apart."""
    return next((d for d in range(1, 7) if abs(step * 10**d - round(step * 10**d)) < 1e-6 * 10**d * step), 7)


def elapsed(seconds: float, step: float = 3600.0) -> str:
    """A tick on an axis of time: "30s", "5m", "1h30", "2d12h"; with the seconds where ticks lie `step` < 60 apart, and
    with as much of a second as tells them apart: "8.25s", "1:05.2"."""
    whole = round(seconds)
    if 0 < step < 1:
        return _parted(seconds, _decimals(step))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes}m" if rest == 0 else f"{minutes}m{rest:02}"
    if step < 60:
        return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
    if whole < 172800:
        hours, rest = divmod(whole // 60, 60)
        return f"{hours}h" if rest == 0 else f"{hours}h{rest:02}"
    days, rest = divmod(whole, 86400)
    hours, minutes = rest // 3600, rest // 60 % 60
    return f"{days}d" + (f"{hours}h" if hours or minutes else "") + (f"{minutes:02}" if minutes else "")


def _parted(seconds: float, decimals: int) -> str:
    minutes, rest = divmod(round(seconds, decimals), 60)
    if not minutes:
        return f"{rest:.{decimals}f}s"
    hours, minutes = divmod(int(minutes), 60)
    return f"{f'{hours}:{minutes:02}' if hours else minutes}:{rest:0{decimals + 3}.{decimals}f}"


def clock(moment: float, step: float) -> str:
    """A tick on an axis of the time of day, in local time: "14:05", "14:05:30", "14:05:30.5", "24 Dec"."""
    if 0 < step < 1:
        decimals = _decimals(step)
        whole = math.floor(moment + 0.5 * 10**-decimals)
        part = f"{max(0.0, moment - whole):.{decimals}f}".removeprefix("0")
        return time.strftime("%H:%M:%S", time.localtime(whole)) + part
    return time.strftime("%H:%M:%S" if step < 60 else "%H:%M" if step < 86400 else "%d %b", time.localtime(moment))


def x_ticks(span: Span, scale: Scale, most: int) -> list[tuple[float, str]]:
    """As `ticks`, for the horizontal axis: whole steps and epochs, times at round seconds, minutes and hours."""
    most = max(2, most)
    if scale == "value":
        return ticks(span, most)
    if len(_orders(span)) > 1:
        label = elapsed if scale == "time" else counted
        return [(value, label(value)) for value, _ in ticks(span, most)]
    wide = span.high - span.low
    if scale in ("time", "clock"):
        origin = -float(time.localtime(span.low).tm_gmtoff) if scale == "clock" else 0.0

        def within(step: float) -> tuple[int, int]:
            return math.ceil((span.low - origin) / step - 1e-9), math.floor((span.high - origin) / step + 1e-9)

        step = next((float(s) for s in _SECONDS if wide / s + 1 <= most), _step(wide / most / 86400) * 86400)
        if wide < 1:
            step = _step(wide / most)
        first, last = within(step)
        if first >= last and wide >= 1:  # one alone does not say how far apart things are
            step = next((float(s) for s in _SECONDS if 0 < within(s)[1] - within(s)[0] < most), step)
            first, last = within(step)
        values = [origin + n * step for n in range(first, last + 1)]
        return [(value, clock(value, step) if scale == "clock" else elapsed(value, step)) for value in values]
    step = max(1.0, _step(wide / most))
    while int(wide / step + 1e-9) >= most or step != int(step):
        step = _step(step * 1.01)
    first, last = math.ceil(span.low / step - 1e-9), math.floor(span.high / step + 1e-9)
    return [(n * step, counted(n * step, step if span.low else 0.0)) for n in range(first, last + 1)]
