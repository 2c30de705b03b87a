"""Which series the grid of charts shows: by group or one by one, and by a filter."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widgets import Input

from tdl_tui.widgets.canvas import Canvas
from tdl_tui.widgets.chart_view import Grid
from tdl_tui.widgets.lines import fit, ink, line
from tdl_tui.widgets.numbers import real
from tdl_tui.widgets.palette import Palette
from tdl_tui.widgets.series_groups import filtered, group_of, marked, matcher, ordered, with_marks

from .filter_line import FilterLine
from .frame import KeyBar, palette

HINT = "words of a name, or /a regular expression/"


@dataclass(frozen=True, slots=True)
class Row:
    """A group (`name` is ""), or a series of it."""

    group: str
    name: str = ""


def rows_of(names: Sequence[str]) -> list[Row]:
    """Each group with its series below it; a series without a group stands alone."""
    out: list[Row] = []
    for name in ordered(names):
        group = group_of(name)
        if group and Row(group) not in out:
            out.append(Row(group))
        out.append(Row(group, name))
    return out


def draw_rows(
    rows: Sequence[Row], grid: Grid, latest: Mapping[str, float], cursor: int, width: int, height: int, colors: Palette
) -> list[Strip]:
    """The rows around the cursor, each with whether it is shown: all (●), some (◐) or none (○) of a group."""
    top = max(0, min(cursor - height // 2, len(rows) - height))
    out = []
    for at, row in enumerate(rows[top : top + height], top):
        inside = [r.name for r in rows if r.group == row.group and r.name] if not row.name else [row.name]
        on = sum(marked(name, grid) for name in inside)
        sign = "●" if on == len(inside) else "○" if not on else "◐"
        ground = colors.faint if at == cursor else None
        figure = f"{on} of {len(inside)}" if not row.name else real(latest[row.name]) if row.name in latest else ""
        text = row.name.removeprefix(row.group) if row.name else row.group
        indent = "  " if row.group and row.name else ""
        room = max(0, width - 3 - len(indent) - 10)
        hue = ink(colors.text if on else colors.muted, bold=not row.name, on=ground)
        out.append(
            line(
                [
                    (f" {indent}", hue),
                    (f"{sign} ", ink(colors.accent if on else colors.faint, on=ground)),
                    (fit(text, room), hue),
                    (fit(figure, 10, "right"), ink(colors.muted, on=ground)),
                ],
                width,
            )
        )
    return out


class SeriesList(Canvas, can_focus=True):
    """The groups and series that the filter finds."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "down", show=False),
        Binding("up,k", "move(-1)", "up", show=False),
        Binding("pagedown", "move(10)", "ten down", show=False),
        Binding("pageup", "move(-10)", "ten up", show=False),
        Binding("space", "mark", "show or not"),
        Binding("a", "mark_all", "all, none"),
        Binding("slash", "screen.filter", "filter"),
        Binding("enter", "screen.take", "take it"),
    ]

    def __init__(self, names: Sequence[str], latest: Mapping[str, float], grid: Grid) -> None:
        super().__init__(id="series_list")
        self.grid = grid
        self._names, self._latest = names, latest
        self._cursor = 0

    @property
    def rows(self) -> list[Row]:
        return rows_of(filtered(self._names, self.grid.filter))

    def narrow(self, text: str) -> None:
        """Another filter."""
        self.grid = replace(self.grid, filter=text)
        self._cursor = 0
        self.paint()

    def draw(self, width: int, height: int) -> Sequence[Strip]:
        colors = palette(self.app)
        rows = self.rows
        if not rows:
            said = textwrap.wrap(_why_none(self.grid.filter), max(1, width))
            return [line([(text, ink(colors.caution))], width) for text in said[:height]]
        return draw_rows(rows, self.grid, self._latest, self._cursor, width, height, colors)

    def action_move(self, by: int) -> None:
        self._cursor = max(0, min(self._cursor + by, len(self.rows) - 1))
        self.paint()

    def action_mark(self) -> None:
        rows = self.rows
        if not rows:
            return
        row = rows[min(self._cursor, len(rows) - 1)]
        if row.name:
            self.grid = with_marks(self.grid, [row.name], not marked(row.name, self.grid))
        else:
            self._mark_group(
                row.group, not all(marked(r.name, self.grid) for r in rows if r.name and r.group == row.group)
            )
        self.paint()

    def action_mark_all(self) -> None:
        rows = self.rows
        on = not all(marked(row.name, self.grid) for row in rows if row.name)
        for row in rows:
            if not row.name:
                self._mark_group(row.group, on)
            elif not row.group:
                self.grid = with_marks(self.grid, [row.name], on)
        self.paint()

    def _mark_group(self, group: str, on: bool) -> None:
        """All of a group, with what comes into it later; while a filter narrows it, those that are found."""
        found = [row.name for row in self.rows if row.group == group and row.name]
        self.grid = with_marks(self.grid, found, on, group="" if self.grid.filter else group)


def _why_none(text: str) -> str:
    try:
        matcher(text)
    except ValueError as error:
        return str(error)
    return f"no series holds “{text}”" if text else "no series yet"


class SeriesChoice(ModalScreen[Grid | None]):
    """Marks and filters; dismisses with the grid as it is to be, or with None."""

    CSS_PATH = "series_choice.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "never mind")]

    def __init__(self, names: Sequence[str], latest: Mapping[str, float], grid: Grid, *, typing: bool) -> None:
        super().__init__()
        self._list = SeriesList(names, latest, grid)
        self._line = FilterLine(grid.filter, HINT)
        self._typing = typing

    def compose(self) -> ComposeResult:
        with Vertical(id="choice") as box:
            box.border_title = "series"
            yield self._line
            yield self._list
        yield KeyBar()

    def on_mount(self) -> None:
        (self._line if self._typing else self._list).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._list.narrow(event.value.strip())

    def on_input_submitted(self) -> None:
        if self._list.rows:
            self.action_take()

    def action_filter(self) -> None:
        self._line.focus()

    def action_drop_filter(self) -> None:
        """All series again, and back to them."""
        self._line.value = ""
        self._list.focus()

    def action_take(self) -> None:
        self.dismiss(self._list.grid)
