"""The network layer by layer, beside the form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual.strip import Strip

from tdl_tui.widgets.lines import PLAIN, Piece, fit, ink, line
from tdl_tui.widgets.numbers import count, grouped
from tdl_tui.widgets.palette import Palette
from tdl_tui.worker.answers import LayerAnswer, SummaryAnswer

from .preview_lines import headed, told

AROUND = 4
"""Lines around the layers: heading, names of the columns, rule, sums."""


@dataclass(frozen=True)
class _Column:
    name: str
    least: int
    right: bool
    optional: int


_COLUMNS = (
    _Column("layer", 10, False, 0),
    _Column("kind", 9, False, 2),
    _Column("output", 6, False, 0),
    _Column("parameters", 10, True, 0),
    _Column("MACs", 6, True, 1),
    _Column("sees", 5, True, 3),
)


def _cells(layer: LayerAnswer) -> tuple[str, ...]:
    sees = "all" if layer.receptive_field is None else str(layer.receptive_field)
    macs = count(layer.macs) if layer.macs else "–"
    parameters = grouped(layer.parameters) if layer.parameters else "–"
    return layer.name, layer.kind, "×".join(map(str, layer.output_shape)), parameters, macs, sees


@dataclass(frozen=True)
class Shown:
    """Which layers stand in the table from which on, and what is said of the others."""

    layers: tuple[LayerAnswer, ...]
    top: int
    most_top: int
    left_out: str


def shown(layers: tuple[LayerAnswer, ...], room: int, top: int) -> Shown:
    """The layers for so many lines. Those without parameters go first; of what is left a window, moved by `top`."""
    if len(layers) <= room:
        return Shown(layers, 0, 0, "")
    weighty = tuple(layer for layer in layers if layer.parameters)
    room = max(1, room - 1)
    if len(weighty) <= room:
        return Shown(weighty, 0, 0, f"and {len(layers) - len(weighty)} without parameters")
    most = len(weighty) - room
    top = min(max(0, top), most)
    above, below = top, most - top
    said = [f"↑ {above}" if above else "", f"↓ {below} more" if below else ""]
    return Shown(weighty[top : top + room], top, most, f"{'  '.join(filter(None, said))}  shift+↑↓")


def _ending(name: str, width: int) -> str:
    """A name with its end whole: deep down, layers' names differ there."""
    return name if cell_len(name) <= width else f"…{name[-(width - 1) :]}"


def draw_network(
    summary: SummaryAnswer | None, problem: str, top: int, width: int, height: int, colors: Palette
) -> list[Strip]:
    """The table of layers with its sums; a column goes when it does not fit."""
    head = headed("Network", "", width, colors)
    if problem:
        return [head, *told(problem, colors.caution, width)][:height]
    if summary is None:
        return [head]
    if height < AROUND + 3 and len(summary.layers) > height - AROUND:
        return []
    table = shown(summary.layers, height - AROUND, top)
    rows = [_cells(layer) for layer in table.layers]
    total = ("in all", "", "", grouped(summary.parameters), count(summary.macs), "")
    names = tuple(column.name for column in _COLUMNS)
    every = rows if not table.most_top else [_cells(layer) for layer in summary.layers]  # columns stay when it moves
    widths = [max(c.least, *(len(r[i]) for r in (*every, total, names))) for i, c in enumerate(_COLUMNS)]
    keep = list(range(len(_COLUMNS)))
    for rank in (3, 2, 1):
        if sum(widths[i] for i in keep) + 2 * (len(keep) - 1) > width:
            keep = [i for i in keep if _COLUMNS[i].optional != rank]
    over = sum(widths[i] for i in keep) + 2 * (len(keep) - 1) - width
    widths[0] = max(6, widths[0] - max(0, over))

    def drawn(cells: Sequence[str], styles: Sequence[str], bold: bool = False) -> Strip:
        pieces: list[Piece] = []
        for i in keep:
            right = "right" if _COLUMNS[i].right else "left"
            text = _ending(cells[i], widths[i]) if i == 0 else cells[i]
            pieces += [(fit(text, widths[i], right), ink(styles[i], bold=bold)), ("  ", PLAIN)]
        return line(pieces[:-1], width)

    t, m = colors.text, colors.muted
    return [
        head,
        drawn(names, [m] * 6),
        *(drawn(row, [t, m, t, t, m, m]) for row in rows),
        *([line([(table.left_out, ink(m))], width)] if table.left_out else []),
        line([("─" * (sum(widths[i] for i in keep) + 2 * (len(keep) - 1)), ink(colors.faint))], width),
        drawn(total, [m, m, m, t, t, m], bold=True),
    ]
