"""What stands beside the form: what would be trained, as lines of text. Pure functions of the spare's answers."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from textual.strip import Strip

from tdl_tui.registry import DataShape
from tdl_tui.runs.records import Probe
from tdl_tui.widgets.lines import PLAIN, Piece, beside, blank, fit, heading, height_of, ink, line
from tdl_tui.widgets.numbers import count, grouped, real
from tdl_tui.widgets.palette import Palette
from tdl_tui.widgets.picture import draw_picture, draw_row, draw_trace
from tdl_tui.worker.answers import LayerAnswer, SamplesAnswer, SummaryAnswer


@dataclass(frozen=True)
class Preview:
    """What is known now. `waiting` says what newer answers wait for; the problems say why there are none."""

    shape: DataShape | None = None
    epochs: int = 0
    summary: SummaryAnswer | None = None
    samples: SamplesAnswer | None = None
    summary_problem: str = ""
    samples_problem: str = ""
    waiting: str = ""


def draw_preview(preview: Preview, width: int, height: int, colors: Palette) -> list[Strip]:
    """The data and some of it, then the network layer by layer, in exactly `height` lines at most."""
    data = [_heading("Examples", "", width, colors), *_data_lines(preview, width, colors)]
    network = _network(preview, width, max(8, height - len(data) - 1), colors)
    room = height - len(data) - 2 - len(network)
    samples = _samples(preview, width, min(12, max(0, room)) if room >= 3 else 0, colors)
    out = [*data, *([blank(width), *samples] if samples else []), blank(width)]
    return [*out, *network][:height]


def _heading(name: str, right: str, width: int, colors: Palette) -> Strip:
    said: list[Piece] = [(right, ink(colors.muted))] if right else []
    return heading(name, "", said, width, rule=ink(colors.faint), name=ink(colors.muted, bold=True))


def shape_in_words(shape: DataShape) -> str:
    """What one example is: "pictures of 8×8, grey", "sequences of 40 × 1", "rows of 13 features"."""
    match shape.kind, shape.input:
        case "image", (channels, height, width):
            return f"pictures of {height}×{width}, {'grey' if channels == 1 else f'{channels} channels'}"
        case "sequence", (steps, features):
            return f"sequences of {steps} × {features}"
        case _, (features,):
            return f"rows of {features} features"
        case _:
            return "×".join(map(str, shape.input))


def _data_lines(preview: Preview, width: int, colors: Palette) -> list[Strip]:
    shape, summary = preview.shape, preview.summary
    if shape is None:
        return [blank(width), blank(width), blank(width)]
    numbers = "a number" if shape.outputs == 1 else f"{shape.outputs} numbers"
    said = [(grouped(shape.examples), shape_in_words(shape))]
    said.append((str(shape.outputs), "classes") if shape.task == "classification" else (numbers, "to predict"))
    if summary is not None:
        steps = summary.steps_per_epoch
        said += [(grouped(summary.training_examples), "to train on"), (grouped(steps), "steps an epoch")]
        said.append((grouped(steps * preview.epochs), "steps in all"))
    lines = _flow(said, width, colors)
    steady = 3 if width < 54 else 2 if width < 108 else 1  # so that nothing jumps when the answer comes
    return height_of(lines, width, max(steady, len(lines)))


def _flow(said: Sequence[tuple[str, str]], width: int, colors: Palette) -> list[Strip]:
    """Figures with what they are of, on as many lines as it takes to cut none."""
    rows: list[list[Piece]] = [[]]
    used = 0
    for figure, of in said:
        length = len(figure) + len(of) + 1
        if rows[-1] and used + 3 + length > width:
            rows.append([])
            used = 0
        if rows[-1]:
            rows[-1].append(("   ", PLAIN))
            used += 3
        rows[-1] += [(f"{figure} ", ink(colors.text)), (of, ink(colors.muted))]
        used += length
    return [line(row, width) for row in rows]


def _samples(preview: Preview, width: int, height: int, colors: Palette) -> list[Strip]:
    if preview.samples_problem and height:
        return _problem(preview.samples_problem, width, colors)[:height]
    if preview.samples is None or height < 3 or not preview.samples.samples:
        return []
    answer = preview.samples
    match answer.samples[0].kind:
        case "image":
            return _gallery(answer, width, height, colors)
        case "sequence":
            return _traces(answer, width, height, colors)
        case _:
            return _rows(answer, preview.shape, width, height, colors)


def _problem(text: str, width: int, colors: Palette) -> list[Strip]:
    return [line([(part, ink(colors.caution))], width) for part in textwrap.wrap(text, width)]


def label_of(probe: Probe, classes: Sequence[str]) -> str:
    """The name of a probe's class, or its target."""
    if classes and 0 <= int(probe.target) < len(classes):
        return classes[int(probe.target)]
    return real(probe.target)


def _gallery(answer: SamplesAnswer, width: int, height: int, colors: Palette) -> list[Strip]:
    """Pictures side by side with their class underneath, in as many rows as fit."""
    _, rows, columns = answer.samples[0].shape
    wide = min(columns, max(8, 32 if width >= 70 else 16))
    high = max(1, -(-rows * wide // columns // 2))
    if high + 1 > height:
        high = height - 1
        wide = max(1, min(wide, 2 * high * columns // rows))
    across = max(1, (width + 2) // (wide + 2))
    out: list[Strip] = []
    for start in range(0, len(answer.samples), across):
        if len(out) + high + 1 > height:
            break
        cells: list[tuple[list[Strip], int]] = []
        for probe in answer.samples[start : start + across]:
            pictures = draw_picture(probe, wide, high)
            name = line([(fit(label_of(probe, answer.classes), wide, "center"), ink(colors.muted))], wide)
            padded = [strip.extend_cell_length(wide) for strip in pictures]
            cells += [([*padded, *([blank(wide)] * (high - len(padded))), name], wide), ([], 2)]
        out += [strip.adjust_cell_length(width) for strip in beside(cells[:-1], high + 1)]
    return out


def _traces(answer: SamplesAnswer, width: int, height: int, colors: Palette) -> list[Strip]:
    across = max(1, min(4, (width + 3) // 23))
    wide = (width + 3) // across - 3
    high = min(5, height - 1)
    out: list[Strip] = []
    for start in range(0, len(answer.samples), across):
        if len(out) + high + 1 > height:
            break
        cells: list[tuple[list[Strip], int]] = []
        for probe in answer.samples[start : start + across]:
            name = line([(fit(label_of(probe, answer.classes), wide, "center"), ink(colors.muted))], wide)
            cells += [([*draw_trace(probe, wide, high, colors), name], wide), ([], 3)]
        out += [strip.adjust_cell_length(width) for strip in beside(cells[:-1], high + 1)]
    return out


def _rows(answer: SamplesAnswer, shape: DataShape | None, width: int, height: int, colors: Palette) -> list[Strip]:
    if answer.samples[0].shape == (2,) and height >= 6:
        return _scatter(answer, width, height, colors)
    names = shape.features if shape else ()
    probe = answer.samples[0]
    row = draw_row(probe, names, min(width, 40), height - 1, colors)
    target = line([("target  ", ink(colors.muted)), (label_of(probe, answer.classes), ink(colors.target))], width)
    return [*(strip.adjust_cell_length(width) for strip in row), target]


MARKS = "●▲■◆+×○△□◇"


def _scatter(answer: SamplesAnswer, width: int, height: int, colors: Palette) -> list[Strip]:
    """Points of a plane, a mark and a colour a class, with the classes named below."""
    xs = [probe.input[0] for probe in answer.samples]
    ys = [probe.input[1] for probe in answer.samples]
    rows = height - 1
    columns = min(width, rows * 4)

    def place(value: float, values: Sequence[float], cells: int) -> int:
        low, high = min(values), max(values)
        return min(cells - 1, int((value - low) / ((high - low) or 1) * cells))

    grid: list[list[Piece]] = [[(" ", PLAIN)] * columns for _ in range(rows)]
    for probe, x, y in zip(answer.samples, xs, ys, strict=True):
        kind = int(probe.target) if answer.classes else 0
        mark = (MARKS[kind % len(MARKS)], ink(colors.curves[kind % len(colors.curves)]))
        grid[rows - 1 - place(y, ys, rows)][place(x, xs, columns)] = mark
    key: list[Piece] = []
    for kind, name in enumerate(answer.classes):
        key += [
            (MARKS[kind % len(MARKS)], ink(colors.curves[kind % len(colors.curves)])),
            (f" {name}   ", ink(colors.muted)),
        ]
    return [*(line(row, width) for row in grid), line(key, width)]


def _shape(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))


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
    return layer.name, layer.kind, _shape(layer.output_shape), parameters, macs, sees


def _network(preview: Preview, width: int, height: int, colors: Palette) -> list[Strip]:
    """The table of layers with its sums; a column goes when it does not fit.

    Where there are too many layers, those without parameters go first; how many are left out is said.
    """
    top = _heading("Network", preview.waiting, width, colors)
    summary = preview.summary
    if preview.summary_problem:
        return [top, *_problem(preview.summary_problem, width, colors)]
    if summary is None:
        return [top]
    layers, room, left_out = summary.layers, height - 4, ""
    if len(layers) > room:
        layers = tuple(layer for layer in layers if layer.parameters)
        left_out = f"and {len(summary.layers) - len(layers)} without parameters"
        if len(layers) > room - 1:
            layers = layers[: room - 1]
            left_out = f"and {len(summary.layers) - len(layers)} more"
    rows = [_cells(layer) for layer in layers]
    total = ("in all", "", "", grouped(summary.parameters), count(summary.macs), "")
    names = tuple(column.name for column in _COLUMNS)
    widths = [max(c.least, *(len(r[i]) for r in (*rows, total, names))) for i, c in enumerate(_COLUMNS)]
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
            pieces += [(fit(cells[i], widths[i], right), ink(styles[i], bold=bold)), ("  ", PLAIN)]
        return line(pieces[:-1], width)

    t, m = colors.text, colors.muted
    return [
        top,
        drawn(names, [m] * 6),
        *(drawn(row, [t, m, t, t, m, m]) for row in rows),
        *([line([(left_out, ink(m))], width)] if left_out else []),
        line([("─" * (sum(widths[i] for i in keep) + 2 * (len(keep) - 1)), ink(colors.faint))], width),
        drawn(total, [m, m, m, t, t, m], bold=True),
    ]
