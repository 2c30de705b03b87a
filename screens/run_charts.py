"""The Run screen's charts: curves of the recorded series, and the keys with which they are looked at."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip

from tdl_tui.runs.reader import LAYER_SERIES
from tdl_tui.runs.records import Bucket, Event, LayerSample
from tdl_tui.runs.undone import undone
from tdl_tui.widgets.axes import Span, growing
from tdl_tui.widgets.chart import Happening, Marks, draw_chart
from tdl_tui.widgets.chart_view import (
    CLIPS,
    View,
    following,
    inside,
    last_steps,
    pan,
    panned,
    shown,
    toggle_follow,
    zoom,
    zoomed,
)
from tdl_tui.widgets.curves import Curve, Reading, Ruler, curve_of, reading, ruler, y_span
from tdl_tui.widgets.events import SIGNS
from tdl_tui.widgets.growing import Growing
from tdl_tui.widgets.lines import fit, ink, line
from tdl_tui.widgets.numbers import brief
from tdl_tui.widgets.palette import Palette
from tdl_tui.widgets.series_groups import Plot, unit_of

from .confirm import AskScreen
from .frame import palette
from .run_panels import Panel
from .run_snapshot import Snapshot, Wants, pending

METRICS = {"accuracy": "accuracy", "r2": "R²"}
CHARTS = Binding.Group("Charts")
ZOOM = 2.0
STRIDE = 0.25
"""The part of a window by which a key moves it."""
MARGIN = 0.25
"""The part of a window that is read before it, for lines to reach its edge and averages to settle, and after it."""
SPREAD = 16
"""The part of a run of which a logarithmic axis shows a close-up: the first sixteenth."""
MOST = 1e12
"""Steps that may be asked for."""


class Look(Message):
    """A person looks at the charts in another way."""

    def __init__(self, view: View) -> None:
        super().__init__()
        self.view = view


class Vertical:
    """A chart's vertical axis: it holds still while the data fit, and can be zoomed and moved within them."""

    def __init__(self) -> None:
        self.whole: Span | None = None
        self.zoom: Span | None = None
        self._view: View | None = None

    def span(self, curves: Sequence[Curve], view: View, x: Span, bounds: tuple[float, float] | None) -> Span:
        """The axis for what is shown of the curves within `x`."""
        before = self.whole if view == self._view else None
        self._view = view
        self.whole = y_span(curves, view.log, before, bounds, x=x, clip=view.clip)
        if self.zoom is not None and self.zoom.log != view.log:
            self.zoom = None
        return self.zoom or self.whole

    def zoom_by(self, factor: float, about: float | None) -> None:
        """Nearer about a value (None: the middle), or farther; whole again when nothing more is left out."""
        if self.whole is None:
            return
        whole, now = self.whole, inside(self.zoom or self.whole, self.whole)
        if about is None or not 0 <= now.place(about) <= 1:
            about = math.sqrt(now.low * now.high) if now.log else (now.low + now.high) / 2
        least = 1e-3 * (math.log10(whole.high / whole.low) if whole.log else whole.high - whole.low)
        near = zoomed(now, whole, factor, about, least)
        self.zoom = None if whole.place(near.low) <= 1e-9 and whole.place(near.high) >= 1 - 1e-9 else near

    def pan_by(self, share: float) -> None:
        """Up by a part of what is shown, or down."""
        if self.zoom is not None and self.whole is not None:
            self.zoom = panned(inside(self.zoom, self.whole), self.whole, share)


class Charting(Panel):
    """A panel of charts, and the keys that work in it. All charts share a view, each has a vertical axis of its own."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("plus,equals_sign", "zoom_steps(1)", "zoom", group=CHARTS, tooltip="nearer about the cursor"),
        Binding("minus,underscore", "zoom_steps(-1)", "zoom out", show=False, group=CHARTS),
        Binding("left_square_bracket", "pan_steps(-1)", "earlier steps", show=False, group=CHARTS),
        Binding("right_square_bracket", "pan_steps(1)", "later steps", show=False, group=CHARTS),
        Binding("right_curly_bracket", "zoom_values(1)", "zoom the values", show=False, group=CHARTS),
        Binding("left_curly_bracket", "zoom_values(-1)", "zoom the values out", show=False, group=CHARTS),
        Binding("right_parenthesis", "pan_values(1)", "higher values", show=False, group=CHARTS),
        Binding("left_parenthesis", "pan_values(-1)", "lower values", show=False, group=CHARTS),
        Binding("0", "whole", "all steps, all values", show=False, group=CHARTS),
        Binding("L", "last", "the last steps", show=False, group=CHARTS, tooltip="so many, followed"),
        Binding("f", "follow", "follow", show=False, group=CHARTS, tooltip="go with the newest step, or hold still"),
        Binding("X", "log_steps", "log steps", show=False, group=CHARTS, tooltip="a logarithmic horizontal axis"),
        Binding("k", "clip", "clip", show=False, group=CHARTS, tooltip="leave out the outermost 0, 1 or 5 % of values"),
        Binding("w", "band", "band", show=False, group=CHARTS, tooltip="from the least to the greatest value"),
        Binding("g", "series", "series", group=CHARTS, tooltip="a grid of any series"),
    ]

    def __init__(self, title: str = "", key: str = "", *, id: str) -> None:
        super().__init__(title, key, id=id)
        self._verticals: dict[str, Vertical] = {}
        self._known: tuple[tuple[Snapshot, str, Palette], tuple[Ruler, tuple[Happening, ...]]] | None = None

    def current(self) -> Plot | None:
        """The chart that keys work on."""
        raise NotImplementedError

    def wanted(self) -> Wants:
        window, view = self.window(), self.choices.view
        if window is None:
            return Wants(span=beginning(self.snapshot.reach) if view.log_x and self.snapshot is not None else None)
        margin = MARGIN * (window.high - window.low)
        return Wants(span=(max(0, math.floor(window.low - margin)), math.ceil(window.high + margin)))

    def window(self) -> Span | None:
        """The steps that are shown, None for all."""
        if self.snapshot is None:
            return None
        return shown(self.choices.view, self.snapshot.reach, live=self.snapshot.stood.state.live)

    def vertical(self, plot: Plot) -> Vertical:
        return self._verticals.setdefault(plot.title, Vertical())

    def chart(
        self,
        snapshot: Snapshot,
        plot: Plot,
        width: int,
        height: int,
        *,
        key: str = "",
        chosen: bool = False,
        colors: Sequence[str] = (),
    ) -> list[Strip]:
        """One chart as it is looked at; `colors` for its curves, else those of the palette."""
        ground = palette(self.app)
        view = suited(self.choices.view, plot)
        window = self.window()
        curves = curves_of(snapshot, plot, view, window, colors or ground.curves)
        along, happened = self._shared(snapshot, view, ground)
        x = x_axis(snapshot, view, window, along)
        bounds = (0.0, 1.0) if plot.title == "accuracy" else None
        vertical = self.vertical(plot)
        y = vertical.span(curves, view, x, bounds)
        strips = draw_chart(
            METRICS.get(plot.title, plot.title),
            key,
            curves,
            x=x,
            y=y,
            view=view,
            width=width,
            height=height,
            palette=ground,
            notes=notes(view, window, zoomed=vertical.zoom is not None, unit=unit_of(plot.title)),
            marks=marks_of(snapshot, plot, self.choices.at, window, along, happened),
            chosen=chosen,
        )
        if (waiting := pending(snapshot)) and strips:
            strips[len(strips) // 2] = line([(fit(waiting, width, "center"), ink(ground.muted))], width)
        return strips

    def _shared(self, snapshot: Snapshot, view: View, colors: Palette) -> tuple[Ruler, tuple[Happening, ...]]:
        """What all charts of a snapshot have in common, worked out once."""
        known = (snapshot, view.scale, colors)
        if self._known is None or any(a is not b for a, b in zip(known, self._known[0], strict=True)):
            along = ruler_of(snapshot, view)
            self._known = known, (along, happenings(snapshot.events, along, colors))
        return self._known[1]

    def look(self, view: View) -> None:
        """Tells the screen how a person looks at the charts now."""
        self.post_message(Look(view))

    def action_zoom_steps(self, by: int) -> None:
        if self.snapshot is not None:
            factor, live = ZOOM**by, self.snapshot.stood.state.live
            self.look(zoom(self.choices.view, factor, self.choices.at, self.snapshot.reach, live=live))

    def action_pan_steps(self, by: int) -> None:
        if self.snapshot is not None:
            live = self.snapshot.stood.state.live
            self.look(pan(self.choices.view, by * STRIDE, self.snapshot.reach, live=live))

    def action_zoom_values(self, by: int) -> None:
        plot = self.current()
        if plot is not None and self.snapshot is not None:
            about = None
            if self.choices.at is not None:
                found = reading(buckets_of(self.snapshot, plot.series[0][1], self.window()), self.choices.at)
                about = found.value if found is not None else None
            self.vertical(plot).zoom_by(ZOOM**by, about)
            self.paint()

    def action_pan_values(self, by: int) -> None:
        plot = self.current()
        if plot is not None:
            self.vertical(plot).pan_by(by * STRIDE)
            self.paint()

    def action_whole(self) -> None:
        for vertical in self._verticals.values():
            vertical.zoom = None
        self.look(replace(self.choices.view, window=None, follow=True))
        self.paint()

    def action_last(self) -> None:
        window = self.window()
        self._ask_last(f"{window.high - window.low:.0f}" if window else "", "How many of them, such as 500 or 2k.")

    def _ask_last(self, text: str, hint: str) -> None:
        def answered(text: str | None) -> None:
            if text is None or self.snapshot is None:
                return
            try:
                steps = steps_of(text)
            except ValueError as error:
                self._ask_last(text, str(error))
            else:
                self.look(last_steps(self.choices.view, steps, self.snapshot.reach))

        self.app.push_screen(AskScreen("The last steps", text, hint), answered)

    def action_follow(self) -> None:
        if self.snapshot is not None:
            live = self.snapshot.stood.state.live
            self.look(toggle_follow(self.choices.view, self.snapshot.reach, live=live))

    def action_log_steps(self) -> None:
        self.look(replace(self.choices.view, log_x=not self.choices.view.log_x))

    def action_clip(self) -> None:
        self.look(replace(self.choices.view, clip=following(CLIPS, self.choices.view.clip)))

    def action_band(self) -> None:
        self.look(replace(self.choices.view, band=not self.choices.view.band))

    async def action_series(self) -> None:
        await self.screen.run_action("enlarge('6')")


class ChartPanel(Charting):
    """Training and validation curves of one figure."""

    def __init__(self, title: str, key: str, figure: str, *, id: str) -> None:
        super().__init__(title, key, id=id)
        self.figure = figure

    def current(self) -> Plot | None:
        return figure_plot(self.figure or self.snapshot.metric) if self.snapshot is not None else None

    def drawn(self, snapshot: Snapshot, width: int, height: int) -> Sequence[Strip]:
        colors = palette(self.app)
        plot = figure_plot(self.figure or snapshot.metric)
        return self.chart(
            snapshot,
            plot,
            width,
            height,
            key=self.key,
            chosen=self.has_focus,
            colors=(colors.train, colors.validation),
        )


def figure_plot(figure: str) -> Plot:
    """Training's and validation's curve of a figure."""
    return Plot(figure, tuple((part, f"{part}/{figure}") for part in ("train", "val")))


def suited(view: View, plot: Plot) -> View:
    """The view as it suits a chart: shares have no logarithmic axis, nor has the time of day."""
    if plot.title in METRICS:
        view = replace(view, log=False)
    return replace(view, log_x=False) if view.scale == "clock" and view.log_x else view


def notes(view: View, window: Span | None, *, zoomed: bool, unit: str = "") -> list[str]:
    """In what a chart counts, and how it is drawn, where that is not as usual."""
    said = [unit] if unit else []
    if window is not None:
        said.append("follows" if view.follow else "holds still")
    if zoomed:
        said.append("zoomed")
    if view.smoothing:
        said.append(f"smooth {view.smoothing:g}")
    if view.log:
        said.append("log")
    if view.clip:
        said.append(f"clip {brief(100 * view.clip)} %")
    return said


def beginning(reach: int) -> tuple[int, int] | None:
    """The first steps of a run that has come to `reach`: what a logarithmic axis spreads, and few buckets hold."""
    return (0, 2 ** ((reach // SPREAD).bit_length() - 1)) if reach >= SPREAD else None


def buckets_of(snapshot: Snapshot, name: str, window: Span | None = None) -> Sequence[Bucket]:
    """A series' buckets: those of a close-up where they hold the window, with the next ones of the whole run before and
    after it for lines to lead to; else those of the whole run, with a close-up of its beginning where there is one."""
    near, far = snapshot.close_up.get(name, ()), snapshot.series.get(name, ())
    if window is not None and near and _holds(snapshot.span, window):
        before = [bucket for bucket in far if bucket.last < near[0].first][-1:]
        after = [bucket for bucket in far if bucket.first > near[-1].last][:1]
        return (*before, *near, *after)
    if near and window is None and snapshot.span and snapshot.span == beginning(snapshot.reach):
        return (*near, *(bucket for bucket in far if bucket.first > near[-1].last))
    if far:
        return far
    for prefix, column in LAYER_SERIES.items():  # which are at hand for the table of gradients
        if name.startswith(prefix) and name[len(prefix) :] in snapshot.layer_names:
            layer = snapshot.layer_names.index(name[len(prefix) :])
            return _layer(layer, column).over(snapshot.layer_samples)
    return ()


@lru_cache(maxsize=256)
def _layer(layer: int, column: int) -> Growing[LayerSample, Bucket]:
    """A layer's samples as buckets."""
    return Growing(lambda sample: _bucket(sample.step, sample.time, sample.rows[layer][column]))


def _bucket(step: int, time: float, value: float) -> Bucket:
    finite = int(math.isfinite(value))
    value = value if finite else math.nan
    return Bucket(step, step, time, value, value, value, finite, 1 - finite)


def _holds(span: tuple[int, int] | None, window: Span) -> bool:
    return span is not None and span[0] <= max(0.0, window.low) and span[1] >= window.high


def curves_of(snapshot: Snapshot, plot: Plot, view: View, window: Span | None, colors: Sequence[str]) -> list[Curve]:
    """The curves of a chart, each in its colour, over again where there are more of them."""
    each = snapshot.summary.progress.steps_per_epoch
    return [
        curve_of(
            label,
            colors[index % len(colors)],
            buckets_of(snapshot, name, window),
            view,
            steps_per_epoch=each,
            start=snapshot.started,
            latest=snapshot.values.get(name) if snapshot.at is None else None,
        )
        for index, (label, name) in enumerate(plot.series)
    ]


def ruler_of(snapshot: Snapshot, view: View) -> Ruler:
    """Where the run's steps stand on the horizontal axis."""
    densest = max(snapshot.series.values(), key=len, default=())
    return ruler(view.scale, snapshot.summary.progress.steps_per_epoch, snapshot.started, densest)


def x_axis(snapshot: Snapshot, view: View, window: Span | None = None, along: Ruler | None = None) -> Span:
    """The horizontal axis: the window, else as far as the run is planned once that is near, round numbers before."""
    low, high = 0.0, 1.0
    along = along or ruler_of(snapshot, view)
    progress = snapshot.summary.progress
    if window is not None:
        low, high = along.place(window.low), along.place(window.high)
        # beyond the newest step no clock has been: a window that follows leaves room there
        beyond = (window.high - snapshot.reach) / max(1.0, window.high - window.low)
        if view.scale in ("time", "clock") and 0 < beyond < 1:
            high += (high - low) * beyond / (1 - beyond)
    elif view.scale in ("time", "clock"):
        ends = [buckets[-1].time for buckets in snapshot.series.values() if buckets]
        # the latest of all: a clock may have been moved back
        high = growing(max([*along.times[-1:], *ends], default=snapshot.started) - snapshot.started).high
        if view.scale == "clock":
            low, high = snapshot.started, snapshot.started + high
    else:
        each = (progress.steps_per_epoch or 1) if view.scale == "epochs" else 1
        high = growing(snapshot.reach / each, progress.total_steps / each).high
        if not snapshot.stood.state.live and snapshot.reach:
            high = snapshot.reach / each
    if view.log_x:
        series = snapshot.close_up if window is None and snapshot.close_up else snapshot.series
        firsts = [along.moment(max(1, each[0].first), each[0].time) for each in series.values() if each]
        low = max(low, min((place for place in firsts if place > 0), default=high / 1e3))
    return Span(low, high if high > low else low + max(1.0, abs(low)) * 1e-3, view.log_x)


def marks_of(
    snapshot: Snapshot,
    plot: Plot,
    at: int | None,
    window: Span | None,
    along: Ruler,
    happened: tuple[Happening, ...],
) -> Marks:
    """What stands in a chart beside its curves: the cursor at a step, what happened, the best point."""
    cursor, readings = None, None
    if at is not None:
        cursor = along.place(at)
        readings = tuple(stood_at(snapshot, name, window, at) for _, name in plot.series)
    best = snapshot.stood.best
    starred = None
    if best is not None and any(name == best.series for _, name in plot.series):
        starred = (along.place(best.step), best.value)
    return Marks(cursor, at, readings, happened, starred)


def stood_at(snapshot: Snapshot, name: str, window: Span | None, at: int) -> Reading | None:
    """What a series stood at at a step: its point, or its bucket until the snapshot has come to that step."""
    if snapshot.at == at and name in snapshot.values:
        return Reading(snapshot.values[name])
    return reading(buckets_of(snapshot, name, window), at)


def happenings(events: Sequence[Event], along: Ruler, colors: Palette) -> tuple[Happening, ...]:
    """The events that changed the training or tell about it, without those that a roll back has undone."""
    gone = undone(events)
    hues = {"error": colors.bad, "warning": colors.caution, "diagnosis": colors.caution, "best": colors.good}
    return tuple(
        Happening(along.moment(event.step, event.time), SIGNS.get(event.kind, "·"), hues.get(event.kind, colors.muted))
        for event in events
        if event.step > 0 and event.kind not in _QUIET and event.id not in gone and not event.data.get("refused")
    )


_QUIET = frozenset(("sample", "telemetry", "threads", "data"))


def steps_of(text: str) -> float:
    """A number of steps as typed: "500", "2k", "1.5M". Raises ValueError saying what would be right."""
    shown = text.strip()
    scale = {"k": 1e3, "M": 1e6}.get(shown[-1:], 1.0)
    try:
        steps = float(shown[:-1] if scale > 1 else shown) * scale
    except ValueError:
        steps = math.nan
    if not 1 <= steps <= MOST:
        raise ValueError(f'must be a number from 1, such as 500 or 2k, got "{text}"')
    return steps
