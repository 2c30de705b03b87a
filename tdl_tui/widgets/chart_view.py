"""How charts are looked at, as a person chose it: pure operations that zoom and pan, never beyond what there is."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from .axes import Scale, Span

SMOOTHING = (0.0, 0.6, 0.9, 0.97)
"""The shares of the past that are kept, through which a key cycles."""
CLIPS = (0.0, 0.01, 0.05)
"""The shares of the values that the vertical axis leaves out at either end."""
SCALES: tuple[Scale, ...] = ("steps", "epochs", "time", "clock")
NARROWEST = 4.0
"""Steps that a window shows at least."""
JUMPS = 8
"""A window that follows the newest step moves by this part of its width, and rests in between."""
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Grid:
    """What the grid of series shows: `rows` and `columns` of charts (0: as many as suit), training and validation and
    the layers `together` in one chart or each apart, and of the series those that hold `filter` (a text, or a regular
    expression between slashes) and are not put away: `marks` says so of a group ("grad/norm/") or of one series."""

    rows: int = 0
    columns: int = 0
    together: bool = True
    filter: str = ""
    marks: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """How charts are shown. `window` holds the steps that are shown (None: all); with `follow` it is as wide, and
    reaches to the newest."""

    log: bool = False
    log_x: bool = False
    scale: Scale = "steps"
    smoothing: float = 0.0
    clip: float = 0.0
    band: bool = False
    window: Span | None = None
    follow: bool = True
    grid: Grid = field(default_factory=Grid)


def following(values: tuple[float, ...], value: float) -> float:
    """The one of `values` after `value`, the first after the last or after any other."""
    return values[(values.index(value) + 1) % len(values)] if value in values else values[0]


def next_scale(view: View) -> View:
    """Steps, epochs, time since the start, time of day, and steps again."""
    at = SCALES.index(view.scale) if view.scale in SCALES else -1
    return replace(view, scale=SCALES[(at + 1) % len(SCALES)])


def zoomed(span: Span, whole: Span, factor: float, about: float, least: float) -> Span:
    """A span `factor` times as narrow in which `about` keeps its place, inside of `whole`.

    It is never narrower than `least`, in the axis's own measure: its unit, or decades where it is logarithmic. On a
    logarithmic axis all are taken in decades.
    """
    low, high = _ends(span)
    first, last = _ends(whole)
    at = _measure(min(max(about, span.low), span.high), span.log)
    wide = min(max((high - low) / factor, min(least, high - low)), last - first)
    share = (at - low) / (high - low)
    return _within(at - share * wide, wide, first, last, span.log)


def panned(span: Span, whole: Span, by: float) -> Span:
    """A span moved by so many of its widths, as far as `whole` goes."""
    low, high = _ends(span)
    return _within(low + by * (high - low), high - low, *_ends(whole), span.log)


def inside(span: Span, whole: Span) -> Span:
    """The span, moved and if need be narrowed so that it lies in `whole`."""
    return panned(span, whole, 0.0)


def shown(view: View, reach: float, *, live: bool) -> Span | None:
    """The steps that a chart of a run that has come to `reach` shows; None for all of them."""
    window = view.window
    if window is None:
        return None
    if not view.follow:
        return inside(_in_steps(window, view.log_x), whole(view, max(reach, window.high)))
    wide = window.high - window.low
    high = math.ceil(reach / wide * JUMPS) * wide / JUMPS if live else reach
    if high <= wide:
        return None
    return _in_steps(Span(high - wide, high), view.log_x)


def whole(view: View, reach: float) -> Span:
    """All the steps that there are."""
    return Span(1.0 if view.log_x else 0.0, max(2.0, reach), view.log_x)


def zoom(view: View, factor: float, at: int | None, reach: float, *, live: bool) -> View:
    """The steps `factor` times as near: about the cursor `at`, else about the newest that is shown while the view
    follows, else about the middle. Zooming about a cursor, the view holds still."""
    everything = whole(view, reach)
    now = inside(shown(view, reach, live=live) or everything, everything)
    follow = view.follow and at is None
    if at is not None:
        about = float(at)
    else:
        about = now.high if follow else _value((_ends(now)[0] + _ends(now)[1]) / 2, now.log)
    least = math.log10(1 + NARROWEST / max(now.low, 1.0)) if now.log else NARROWEST
    return _looking_at(view, zoomed(now, everything, factor, about, least), everything, follow)


def pan(view: View, by: float, reach: float, *, live: bool) -> View:
    """Other steps, `by` of the window's widths later. All that is shown stays as it is; what moves holds still."""
    everything = whole(view, reach)
    now = shown(view, reach, live=live)
    if now is None:
        return view
    return _looking_at(view, panned(inside(now, everything), everything, by), everything, follow=False)


def last_steps(view: View, steps: float, reach: float) -> View:
    """The last so many steps, followed: all of them until there are more."""
    return replace(view, window=Span(reach - max(steps, NARROWEST), reach), follow=True)


def toggle_follow(view: View, reach: float, *, live: bool) -> View:
    """Holds still what is shown now, or goes with the newest step again, with all of them if the first is shown."""
    if view.follow:
        return replace(view, window=shown(view, reach, live=live) or whole(view, reach), follow=False)
    from_start = view.window is None or view.window.low <= 1.0
    return replace(view, window=None if from_start else view.window, follow=True)


def _looking_at(view: View, window: Span, everything: Span, follow: bool) -> View:
    (low, high), (first, last) = _ends(window), _ends(everything)
    slack = _ROUNDING * (last - first)
    if low <= first + slack and high >= last - slack:
        return replace(view, window=None, follow=True)
    return replace(view, window=window, follow=follow)


def _in_steps(window: Span, log: bool) -> Span:
    low = max(window.low, 1.0) if log else window.low
    return Span(low, max(window.high, low + 1.0), log)


def _within(low: float, wide: float, first: float, last: float, log: bool) -> Span:
    wide = min(wide, last - first)
    low = max(first, min(low, last - wide))
    high = min(last, low + wide)
    return Span(_value(low, log), _value(high, log), log)


def _ends(span: Span) -> tuple[float, float]:
    return _measure(span.low, span.log), _measure(span.high, span.log)


def _measure(value: float, log: bool) -> float:
    return math.log10(value) if log else value


def _value(measure: float, log: bool) -> float:
    return 10.0**measure if log else measure
