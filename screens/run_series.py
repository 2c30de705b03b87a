"""The Run screen's grid of any series: chosen, paged, in rows and columns, one of them enlarged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.strip import Strip

from tdl_tui.runs.text import printable
from tdl_tui.widgets.chart_view import Grid
from tdl_tui.widgets.lines import Piece, beside, height_of, ink, line
from tdl_tui.widgets.series_groups import LAYERED, PARTS, Plot, plots

from .frame import palette, written
from .run_charts import CHARTS, Charting
from .run_snapshot import Snapshot, Wants

GAP = 2
"""Columns between two charts."""
SUITS = (38, 9)
"""Columns and lines that suit a chart."""
LEAST = (24, 5)
MOST = 8
"""Charts beside each other, and below each other."""


def arrangement(grid: Grid, charts: int, width: int, height: int) -> tuple[int, int]:
    """Rows and columns of charts: as chosen, as far as there is room for them, else as suits the size and number."""
    widest = max(1, min(MOST, (width + GAP) // (LEAST[0] + GAP)))
    tallest = max(1, min(MOST, height // LEAST[1]))
    columns = min(widest, grid.columns or max(1, (width + GAP) // (SUITS[0] + GAP)), max(1, charts))
    rows = grid.rows or max(1, min(height // SUITS[1], -(-charts // columns)))
    return min(tallest, rows), columns


class SeriesPanel(Charting):
    """A page of charts, of which one is chosen: keys for values work on it, enter enlarges it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "all", "all charts", group=CHARTS),
        Binding("enter", "one", "enlarge one", group=CHARTS, tooltip="the chosen chart, and back"),
        Binding("down", "select(1)", "next chart", show=False, group=CHARTS),
        Binding("up", "select(-1)", "previous chart", show=False, group=CHARTS),
        Binding("pagedown", "page(1)", "next page", show=False, group=CHARTS),
        Binding("pageup", "page(-1)", "previous page", show=False, group=CHARTS),
        Binding("greater_than_sign", "columns(1)", "more columns", show=False, group=CHARTS),
        Binding("less_than_sign", "columns(-1)", "fewer columns", show=False, group=CHARTS),
        Binding("v", "rows(1)", "more rows", show=False, group=CHARTS),
        Binding("V", "rows(-1)", "fewer rows", show=False, group=CHARTS),
        Binding("j", "together", "join", show=False, group=CHARTS, tooltip="series that belong together in one chart"),
        Binding("g", "choose", "choose", group=CHARTS, tooltip="which series are shown, by group or one by one"),
        Binding("slash", "filter", "filter", group=CHARTS, tooltip="series by words, or by /a regular expression/"),
    ]

    def __init__(self, title: str, key: str, *, id: str) -> None:
        super().__init__(title, key, id=id)
        self._selected = ""
        self._alone = False

    @property
    def names(self) -> tuple[str, ...]:
        return self.snapshot.names if self.snapshot is not None else ()

    def plots(self) -> Sequence[Plot]:
        """The charts of all pages."""
        return plots(self.names, self.choices.view.grid)

    def current(self) -> Plot | None:
        charts = self.plots()
        return charts[self._at(charts)] if charts else None

    def wanted(self) -> Wants:
        window = self.window()
        names = {
            name
            for plot in self._page(self.plots())
            for _, name in plot.series
            if window is not None or not name.startswith(LAYERED)  # layers are at hand but for a close-up
        }
        wide = self.content_size.width - 8 if self._alone else 0
        return super().wanted() | Wants(columns=wide, series=frozenset(names))

    def drawn(self, snapshot: Snapshot, width: int, height: int) -> Sequence[Strip]:
        charts = self.plots()
        grid, colors = self.choices.view.grid, palette(self.app)
        head = self.head(self._said(charts), width)
        if not charts:
            said = "no series yet" if not self.names else "no series is shown: g chooses, / filters"
            return [head, line([(said, ink(colors.muted))], width)]
        room = height - 1
        if self._alone:
            plot = charts[self._at(charts)]
            return [head, *self._chart(snapshot, plot, width, room, chosen=True)]
        rows, columns = arrangement(grid, len(charts), width, room)
        page = self._page(charts)
        wide = [(width - GAP * (columns - 1) + n) // columns for n in range(columns)]
        tall = [(room + n) // rows for n in range(rows)]
        chosen = charts[self._at(charts)]
        out = [head]
        for row, lines in enumerate(tall):
            cells: list[tuple[Sequence[Strip], int]] = []
            for plot, cell in zip(page[row * columns : (row + 1) * columns], wide, strict=False):
                cells += [((), GAP)] if cells else []
                cells.append((self._chart(snapshot, plot, cell, lines, chosen=plot == chosen), cell))
            used = sum(cell for _, cell in cells)
            out += beside([*cells, ((), width - used)], lines)
        return out

    def _chart(self, snapshot: Snapshot, plot: Plot, width: int, height: int, *, chosen: bool) -> list[Strip]:
        colors = palette(self.app)
        parts = dict(
            zip((part.removesuffix("/") for part in PARTS), (colors.train, colors.validation, colors.test), strict=True)
        )
        own = [parts[label] for label, _ in plot.series] if all(label in parts for label, _ in plot.series) else ()
        drawn = self.chart(snapshot, plot, width, height, chosen=chosen and self.has_focus, colors=own)
        return height_of(drawn, width, height)

    def _said(self, charts: Sequence[Plot]) -> list[Piece]:
        """How many series of how many, and which page."""
        colors, grid = palette(self.app), self.choices.view.grid
        shown = sum(len(plot.series) for plot in charts)
        said: list[Piece] = [(f"{shown} of {len(self.names)} series", ink(colors.muted))]
        if grid.filter:
            said.insert(0, (f"{printable(grid.filter)}  ", ink(colors.accent)))
        each = self._each(charts)
        if len(charts) > each and not self._alone:
            page, pages = self._at(charts) // each + 1, -(-len(charts) // each)
            said.append((f"  {written('pagedown' if page < pages else 'pageup')} ", ink(colors.accent)))
            said.append((f"page {page}/{pages}", ink(colors.text)))
        return said

    def _each(self, charts: Sequence[Plot]) -> int:
        """Charts on a page."""
        width, height = self.content_size
        rows, columns = arrangement(self.choices.view.grid, len(charts), width, height - 1)
        return rows * columns

    def _at(self, charts: Sequence[Plot]) -> int:
        return next((n for n, plot in enumerate(charts) if plot.title == self._selected), 0)

    def _page(self, charts: Sequence[Plot]) -> Sequence[Plot]:
        at = self._at(charts)
        if self._alone:
            return charts[at : at + 1]
        each = self._each(charts)
        return charts[at // each * each : (at // each + 1) * each]

    def _go(self, at: int) -> None:
        charts = self.plots()
        if charts:
            self._selected = charts[max(0, min(at, len(charts) - 1))].title
            self._rearranged()

    def _rearranged(self) -> None:
        self.look(self.choices.view)  # which series are read depends on the page
        self.refresh_bindings()
        self.paint()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """From one chart esc leads back to all, from all to where it leads elsewhere."""
        return self._alone if action == "all" else super().check_action(action, parameters)

    def action_one(self) -> None:
        self._alone = not self._alone and bool(self.plots())
        self._rearranged()

    def action_all(self) -> None:
        self._alone = False
        self._rearranged()

    def action_select(self, by: int) -> None:
        self._go(self._at(self.plots()) + by)

    def action_page(self, by: int) -> None:
        charts = self.plots()
        each = 1 if self._alone else self._each(charts)
        self._go((self._at(charts) // each + by) * each)

    def action_columns(self, by: int) -> None:
        width, height = self.content_size
        columns = arrangement(self.choices.view.grid, MOST, width, height - 1)[1]
        self._arrange(replace(self.choices.view.grid, columns=max(1, min(MOST, columns + by))))

    def action_rows(self, by: int) -> None:
        width, height = self.content_size
        rows = arrangement(self.choices.view.grid, MOST * MOST, width, height - 1)[0]
        self._arrange(replace(self.choices.view.grid, rows=max(1, min(MOST, rows + by))))

    def action_together(self) -> None:
        self._arrange(replace(self.choices.view.grid, together=not self.choices.view.grid.together))

    def action_choose(self) -> None:
        self._ask(typing=False)

    def action_filter(self) -> None:
        self._ask(typing=True)

    def _ask(self, *, typing: bool) -> None:
        from .series_choice import SeriesChoice

        def answered(grid: Grid | None) -> None:
            if grid is not None:
                self._arrange(grid)

        latest = self.snapshot.latest if self.snapshot is not None else {}
        self.app.push_screen(SeriesChoice(self.names, latest, self.choices.view.grid, typing=typing), answered)

    def _arrange(self, grid: Grid) -> None:
        self._alone = False
        self.look(replace(self.choices.view, grid=grid))
