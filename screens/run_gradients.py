"""The Run screen's gradients: the layers, what they learn with, and whether that looks healthy; now and over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from textual.binding import Binding, BindingType
from textual.strip import Strip

from tdl_tui.runs.records import LayerSample, Matrix
from tdl_tui.widgets.axes import Span
from tdl_tui.widgets.chart_view import View, shown
from tdl_tui.widgets.curves import Ruler
from tdl_tui.widgets.distributions import Distribution, distribution, draw_distributions
from tdl_tui.widgets.gradients import (
    BY_NAME,
    COLUMNS,
    ORDERS,
    Column,
    LayerTable,
    Looks,
    draw_gradients,
    lines_for_rows,
    order,
    thinned,
    window,
)
from tdl_tui.widgets.heat import draw_heat, in_sight, legend, scale_of
from tdl_tui.widgets.lines import Piece, fit, heading, ink, line
from tdl_tui.widgets.numbers import grouped
from tdl_tui.widgets.through_time import draw_through_time

from .frame import palette
from .run_charts import ruler_of, x_axis
from .run_panels import Panel
from .run_probes import NewWants
from .run_snapshot import Snapshot, Wants

GRADIENTS = Binding.Group("Gradients")
SAMPLES = 200
"""Of the run, that a heat map shows: about one a column."""
SCALED = 32
"""Of the run, that a heat map's scale is made of."""
KINDS = ("gradient", "weight", "activation")
Showing = Literal["table", "heat", "histograms", "through time"]


_COLUMN = "sort by the next; in a heat map show it; in histograms gradients, weights, activations"


def through_time_of(snapshot: Snapshot) -> list[str]:
    """The matrices that say how far back a gradient reaches, by name."""
    return sorted(name for name in snapshot.matrix_names if name.startswith("through_time/"))


class GradientPanel(Panel):
    """Layers or parameters with their gradients, weights and updates: a table, a heat map over the run, histograms of
    one layer over the run, or the gradient's way back through time."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h", "show('heat')", "heat map", group=GRADIENTS, tooltip="a column over time, and back"),
        Binding("i", "show('histograms')", "histograms", group=GRADIENTS, tooltip="of the chosen layer, and back"),
        Binding(
            "w", "show('through time')", "way back", group=GRADIENTS, tooltip="the gradient through time, and back"
        ),
        Binding("greater_than_sign", "column(1)", "column", group=GRADIENTS, tooltip=_COLUMN),
        Binding("less_than_sign", "column(-1)", "the column before", show=False, group=GRADIENTS),
        Binding("f", "turn", "turn", show=False, group=GRADIENTS, tooltip="the other way round"),
        Binding("g", "parameters", "parameters", group=GRADIENTS, tooltip="a row a layer, or a row a parameter"),
        Binding("down", "select(1)", "next row", show=False, group=GRADIENTS),
        Binding("up", "select(-1)", "previous row", show=False, group=GRADIENTS),
        Binding("pagedown", "page(1)", "next page", show=False, group=GRADIENTS),
        Binding("pageup", "page(-1)", "previous page", show=False, group=GRADIENTS),
    ]

    def __init__(self, title: str = "", key: str = "", *, id: str) -> None:
        super().__init__(title, key, id=id)
        self.showing: Showing = "table"
        self.by = ""
        self.turned = False
        self.column = COLUMNS[0].name
        self.kind = KINDS[0]
        self.by_parameter = False
        self.chosen = ""
        self._top = 0
        self._key_drawn: tuple[object, ...] = ()
        self._last_drawn: Sequence[Strip] = ()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Through time there is a way in recurrent networks alone."""
        if (action, parameters) == ("show", ("through time",)):
            return self.showing == "through time" or bool(self.snapshot and through_time_of(self.snapshot))
        return super().check_action(action, parameters)

    def wanted(self) -> Wants:
        snapshot = self.snapshot
        names: set[str] = {"parameters"} if self.by_parameter and self.showing in ("table", "heat") else set()
        if snapshot is not None and self.showing == "histograms" and snapshot.layer_names:
            names.add(self._histogram(snapshot))
        if snapshot is not None and self.showing == "through time":
            names.update(through_time_of(snapshot))
        return Wants(matrices=frozenset(names))

    def drawn(self, snapshot: Snapshot, width: int, height: int) -> Sequence[Strip]:
        key = self._key(snapshot, width, height)
        if key != self._key_drawn:
            self._key_drawn, self._last_drawn = key, self._views(snapshot, width, height)
        return self._last_drawn

    def _key(self, snapshot: Snapshot, width: int, height: int) -> tuple[object, ...]:
        """All that a view depends on: a run tells much else more often."""
        view, _, x = self._axis(snapshot)
        return (
            (
                self.showing,
                self.by,
                self.turned,
                self.column,
                self.kind,
                self.by_parameter,
                self.chosen,
                self.has_focus,
            ),
            (width, height, palette(self.app), view.scale, x, snapshot.at, snapshot.latest.get("lr") == 0),
            [_extent(snapshot.layer_samples), *map(_extent, snapshot.matrices.values())],
            (snapshot.layer_names, snapshot.parameter_names, snapshot.matrix_names, tuple(snapshot.matrices)),
        )

    def _views(self, snapshot: Snapshot, width: int, height: int) -> Sequence[Strip]:
        match self.showing:
            case "histograms":
                return self._histograms(snapshot, width, height)
            case "through time":
                return self._through_time(snapshot, width, height)
            case "heat":
                return self._heat(snapshot, width, height)
        table = self._table(snapshot)
        if self._waits(snapshot):
            return [self._heading("", [], width), self._says("reading …", width)]
        lines = lines_for_rows(height - 1)
        looks = self._looks(table, lines)
        rows = looks.order
        colors = palette(self.app)
        right: list[Piece] = []
        if table.shown is not None and width >= 40:
            if len(rows) > lines > 0:
                last = min(looks.top + lines, len(rows))
                right = [(f"{looks.top + 1}–{last} of {len(rows)}  ", ink(colors.muted))]
            right += [("lr 0 " if table.rested else "", ink(colors.muted)), ("at step ", ink(colors.muted))]
            right.append((grouped(table.shown.step), ink(colors.text)))
        said = (
            f"{self.title} · by {_called(self.by)}{', turned' if self.turned else ''}" if self.by or self.turned else ""
        )
        return [self._heading(said, right, width), *draw_gradients(table, width, height - 1, colors, looks)]

    def _heat(self, snapshot: Snapshot, width: int, height: int) -> list[Strip]:
        table, colors = self._table(snapshot), palette(self.app)
        column = self._column(table)
        title = f"{column.title} · over time"
        if self._waits(snapshot) or table.shown is None:
            said = "reading …" if self._waits(snapshot) else f"no {table.what} statistics yet"
            return [self._heading(title, [], width), self._says(said, width)]
        looks = self._looks(table, height - 2)
        view, along, x = self._axis(snapshot)
        rows = looks.order[looks.top : looks.top + max(0, height - 2)]
        everything = [row[column.place] for sample in thinned(table.samples, SCALED) for row in sample.rows]
        scale = Span(0.0, 1.0) if column.name.endswith("_share") else scale_of(everything, log=column.log)
        samples = self._samples(snapshot)
        xs = [along.moment(sample.step, sample.time) for sample in samples]
        near = [samples[i] for i in in_sight(xs, x, SAMPLES)]
        drawn = draw_heat(
            [table.names[row] for row in rows],
            [[s.rows[row][column.place] if row < len(s.rows) else math.nan for s in near] for row in rows],
            [along.moment(sample.step, sample.time) for sample in near],
            x=x,
            along=view.scale,
            scale=scale,
            width=width,
            height=height - 1,
            palette=colors,
            cursor=along.place(snapshot.at) if snapshot.at is not None else None,
            chosen=rows.index(looks.chosen) if looks.chosen in rows else None,
        )
        return [self._heading(title, legend(scale, colors), width), *drawn]

    def _histograms(self, snapshot: Snapshot, width: int, height: int) -> list[Strip]:
        colors = palette(self.app)
        if not snapshot.layer_names:
            return [self._heading("histograms", [], width), self._says("no layer statistics yet", width)]
        name = self._histogram(snapshot)
        title = f"{self.kind}s of {self._layer(snapshot)}"
        history = [one for matrix in snapshot.matrices.get(name, ()) if (one := distribution(matrix)) is not None]
        if not history:
            waits = name in snapshot.matrix_names and name not in snapshot.matrices
            said = "reading …" if waits else f"no histogram of its {self.kind}s yet: layers have theirs in turn"
            return [self._heading(title, [], width), self._says(said, width)]
        at = snapshot.matrix(name)
        now = distribution(at) if at is not None else None
        view, along, x = self._axis(snapshot)
        drawn = draw_distributions(
            history,
            now,
            [along.moment(one.step, one.time) for one in history],
            x=x,
            along=view.scale,
            width=width,
            height=height - 1,
            palette=colors,
            cursor=along.place(snapshot.at) if snapshot.at is not None else None,
        )
        return [self._heading(title, self._at(now), width), *drawn]

    def _through_time(self, snapshot: Snapshot, width: int, height: int) -> list[Strip]:
        names = through_time_of(snapshot)
        if not names:
            said = "no way through time: the model is no recurrent network, or nothing was measured yet"
            return [self._heading("through time", [], width), self._says(said, width)]
        found: list[Matrix] = [matrix for name in names if (matrix := snapshot.matrix(name)) is not None]
        if not found:
            waits = not all(name in snapshot.matrices for name in names)
            said = "reading …" if waits else "not measured yet at this step"
            return [self._heading("through time", [], width), self._says(said, width)]
        return draw_through_time(
            found, "through time", self.key, width, height, palette(self.app), chosen=self.has_focus
        )

    def action_show(self, showing: Showing) -> None:
        self.showing = "table" if self.showing == showing else showing
        self._renew()

    def action_column(self, by: int) -> None:
        if self.snapshot is None:
            return
        measured = [column.name for column in self._table(self.snapshot).columns()]
        match self.showing:
            case "table":
                self.by = _moved([name for name in ORDERS if name in ("", BY_NAME) or name in measured], self.by, by)
                self._begin(self.snapshot)
            case "heat":
                self.column = _moved(measured or [self.column], self.column, by)
            case "histograms":
                self.kind = _moved(KINDS, self.kind, by)
        self._renew()

    def action_turn(self) -> None:
        if self.snapshot is not None and self.showing in ("table", "heat"):
            self.turned = not self.turned
            self._begin(self.snapshot)
            self._renew()

    def action_parameters(self) -> None:
        self.by_parameter = not self.by_parameter
        self._renew()

    def action_select(self, by: int) -> None:
        if self.snapshot is not None and (names := self._names(self.snapshot)):
            rows = order(self._table(self.snapshot), self.by, turned=self.turned)
            place = rows.index(self._place(names)) + by
            self.chosen = names[rows[min(max(0, place), len(rows) - 1)]]
            self._renew()

    def action_page(self, by: int) -> None:
        self.action_select(by * max(1, self.content_size.height - 3))

    def _begin(self, snapshot: Snapshot) -> None:
        """Chooses the first row of a new order."""
        rows = order(self._table(snapshot), self.by, turned=self.turned)
        self.chosen = self._names(snapshot)[rows[0]] if rows else ""

    def _renew(self) -> None:
        self.post_message(NewWants())
        self.paint()

    def _names(self, snapshot: Snapshot) -> tuple[str, ...]:
        return snapshot.parameter_names if self.by_parameter else snapshot.layer_names

    def _samples(self, snapshot: Snapshot) -> Sequence[Matrix] | Sequence[LayerSample]:
        return snapshot.matrices.get("parameters", ()) if self.by_parameter else snapshot.layer_samples

    def _table(self, snapshot: Snapshot) -> LayerTable:
        reach = x_axis(snapshot, View()).high if snapshot.reach else 1.0
        rested = snapshot.latest.get("lr") == 0
        what = "parameter" if self.by_parameter else "layer"
        return LayerTable(self._names(snapshot), self._samples(snapshot), reach, rested, snapshot.at, what)

    def _waits(self, snapshot: Snapshot) -> bool:
        """Whether the parameters are there and have not been read yet."""
        return self.by_parameter and "parameters" in snapshot.matrix_names and "parameters" not in snapshot.matrices

    def _place(self, names: Sequence[str]) -> int:
        """Where the chosen one stands among the names: of a layer its first parameter, of a parameter its layer."""
        if self.chosen in names:
            return names.index(self.chosen)
        layer = self.chosen if self.by_parameter else self.chosen.rpartition(".")[0]
        return next(
            (i for i, name in enumerate(names) if layer and (name == layer or name.rpartition(".")[0] == layer)), 0
        )

    def _looks(self, table: LayerTable, lines: int) -> Looks:
        """The rows in order from the first that is shown, with the chosen one in sight."""
        rows = order(table, self.by, turned=self.turned)
        chosen = self._place(table.names) if rows else None
        self._top = window(self._top, rows.index(chosen) if chosen is not None else None, len(rows), lines)
        return Looks(rows, self._top, self.by, self.turned, chosen if self.has_focus else None)

    def _column(self, table: LayerTable) -> Column:
        """The heat map's; the first where there is none of that name."""
        return next((column for column in table.columns() if column.name == self.column), COLUMNS[0])

    def _layer(self, snapshot: Snapshot) -> str:
        """The chosen layer, or that of the chosen parameter."""
        for name in (self.chosen, self.chosen.rpartition(".")[0]):
            if name in snapshot.layer_names:
                return name
        return snapshot.layer_names[0]

    def _histogram(self, snapshot: Snapshot) -> str:
        return f"histogram/{self.kind}/{self._layer(snapshot)}"

    def _axis(self, snapshot: Snapshot) -> tuple[View, Ruler, Span]:
        """The charts' horizontal axis."""
        view = self.choices.view
        view = replace(view, log_x=False) if view.scale == "clock" else view
        along = ruler_of(snapshot, view)
        visible = shown(view, snapshot.reach, live=snapshot.stood.state.live)
        return view, along, x_axis(snapshot, view, visible, along)

    def _at(self, one: Distribution | None) -> list[Piece]:
        colors = palette(self.app)
        return [("at step ", ink(colors.muted)), (grouped(one.step), ink(colors.text))] if one is not None else []

    def _says(self, text: str, width: int) -> Strip:
        return line([(fit(text, width), ink(palette(self.app).muted))], width)

    def _heading(self, said: str, right: Sequence[Piece], width: int) -> Strip:
        colors = palette(self.app)
        name = ink(colors.accent if self.has_focus else colors.text, bold=True)
        return heading(said or self.title, self.key, right, width, rule=ink(colors.faint), name=name)


def _extent(samples: Sequence[LayerSample] | Sequence[Matrix]) -> tuple[int, int, int]:
    """What changes when a sample comes, or is dropped."""
    return (len(samples), samples[0].step, samples[-1].step) if samples else (0, 0, 0)


def _moved(choices: Sequence[str], now: str, by: int) -> str:
    """The choice so many further on, around the ends; the first where there is none now."""
    return choices[(choices.index(now) + by) % len(choices)] if now in choices else choices[0]


def _called(by: str) -> str:
    """What a table is sorted by, in words."""
    return next((column.title for column in COLUMNS if column.name == by), by or "the network's order")
