"""Some examples of the data, beside the form: pictures, traces, rows, texts, nodes; and how many there are a class."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.cells import cell_len
from textual.strip import Strip

from tdl_tui.registry import DataShape
from tdl_tui.runs.records import Probe
from tdl_tui.widgets.header import progress_bar
from tdl_tui.widgets.lines import PLAIN, Piece, beside, blank, fit, ink, line
from tdl_tui.widgets.numbers import grouped, real
from tdl_tui.widgets.palette import Palette
from tdl_tui.widgets.picture import draw_picture, draw_trace
from tdl_tui.widgets.text import draw_text, visible
from tdl_tui.worker.answers import SamplesAnswer

from .preview_lines import columned, headed, told

MARKS = "●▲■◆+×○△□◇"
LONGEST_NAME = 14


def draw_samples(
    answer: SamplesAnswer | None, problem: str, shape: DataShape | None, width: int, height: int, colors: Palette
) -> list[Strip]:
    """As many examples as fit, each with its class or target; or why there are none."""
    if problem:
        return told(problem, colors.caution, width)[:height]
    if answer is None or not answer.samples or height < 3:
        return []
    probe = answer.samples[0]
    draw = _DRAWN.get(probe.kind, _table)
    if draw is _table and probe.shape == (2,) and height >= 6:
        draw = _scatter
    return draw(answer, shape, width, height, colors)


def label_of(probe: Probe, classes: Sequence[str]) -> str:
    """The name of a probe's class, or its target."""
    if classes and 0 <= probe.target < len(classes):
        return visible(classes[int(probe.target)])
    return real(probe.target)


def _gallery(answer: SamplesAnswer, shape: DataShape | None, width: int, height: int, colors: Palette) -> list[Strip]:
    """Pictures side by side with their class underneath, in as many rows as fit."""
    _, rows, columns = answer.samples[0].shape
    wide = min(columns, max(8, 32 if width >= 70 else 16))
    high = max(1, -(-rows * wide // columns // 2))
    if high + 1 > height:
        high = height - 1
        wide = max(1, min(wide, 2 * high * columns // rows))

    def draw(probe: Probe) -> list[Strip]:
        pictures = [strip.extend_cell_length(wide) for strip in draw_picture(probe, wide, high)]
        return [*pictures, *([blank(wide)] * (high - len(pictures)))]

    return _tiled(answer, draw, wide, high, 2, width, height, colors)


def _traces(answer: SamplesAnswer, shape: DataShape | None, width: int, height: int, colors: Palette) -> list[Strip]:
    across = max(1, min(4, (width + 3) // 23))
    wide = (width + 3) // across - 3
    high = min(5, height - 1)
    return _tiled(answer, lambda probe: draw_trace(probe, wide, high, colors), wide, high, 3, width, height, colors)


def _tiled(
    answer: SamplesAnswer,
    draw: Callable[[Probe], list[Strip]],
    wide: int,
    high: int,
    gap: int,
    width: int,
    height: int,
    colors: Palette,
) -> list[Strip]:
    across = max(1, (width + gap) // (wide + gap))
    out: list[Strip] = []
    for start in range(0, len(answer.samples), across):
        if len(out) + high + 1 > height:
            break
        cells: list[tuple[list[Strip], int]] = []
        for probe in answer.samples[start : start + across]:
            name = line([(fit(label_of(probe, answer.classes), wide, "center"), ink(colors.muted))], wide)
            cells += [([*draw(probe), name], wide), ([], gap)]
        out += [strip.adjust_cell_length(width) for strip in beside(cells[:-1], high + 1)]
    return out


def _texts(answer: SamplesAnswer, shape: DataShape | None, width: int, height: int, colors: Palette) -> list[Strip]:
    """Ends of texts, each in up to three lines, with the token that follows."""
    names = shape.classes if shape else ()
    out: list[Strip] = []
    for probe in answer.samples:
        drawn = draw_text(probe.input, names, width - 2, 3, colors, following=label_of(probe, answer.classes))
        if len(out) + len(drawn) > height:
            break
        for row, strip in enumerate(drawn):
            out.append(Strip.join([line([("¶ " if row == 0 else "  ", ink(colors.muted))], 2), strip]))
    return out


def _nodes(answer: SamplesAnswer, shape: DataShape | None, width: int, height: int, colors: Palette) -> list[Strip]:
    probes = sorted(answer.samples, key=lambda probe: probe.input[0])
    labels = [label_of(probe, answer.classes) for probe in probes]
    each = 10 + max(map(cell_len, labels))
    columns = max(1, (width + 2) // (each + 2))
    cells: list[list[Piece]] = []
    for probe, label in list(zip(probes, labels, strict=True))[: columns * height]:
        hue = colors.curves[int(probe.target) % len(colors.curves)] if answer.classes else colors.text
        number = fit(str(int(probe.input[0])), 3, "right")
        cells.append([("node ", ink(colors.muted)), (f"{number}  ", ink(colors.text)), (label, ink(hue))])
    return columned(cells, each, columns, width)


def _table(answer: SamplesAnswer, shape: DataShape | None, width: int, height: int, colors: Palette) -> list[Strip]:
    """Rows with their target; of the features as many whole columns as fit, the others counted."""
    names = shape.features if shape else ()
    probes = answer.samples[: height - 1]
    targets = [label_of(probe, answer.classes) for probe in probes]
    last = min(width // 3, max(len("target"), *map(cell_len, targets)))
    features = len(probes[0].input)
    longest = LONGEST_NAME if width >= 50 else 8
    columns: list[tuple[str, list[str], int]] = []
    used = last
    for index in range(features):
        name = names[index] if index < len(names) else f"x{index + 1}"
        figures = [real(probe.input[index]) for probe in probes]
        size = max(*map(len, figures), min(longest, cell_len(name)))
        if used + size + 2 > width - (7 if index < features - 1 else 0):
            break
        columns.append((name, figures, size))
        used += size + 2
    left = features - len(columns)
    more = f"+{left}" if left else ""
    head: list[Piece] = [(fit(name, size, "right") + "  ", ink(colors.muted)) for name, _, size in columns]
    if more:
        head.append((fit(more, 5) + "  ", ink(colors.muted)))
    out = [line([*head, (fit("target", last), ink(colors.target))], width)]
    for row, target in enumerate(targets):
        pieces: list[Piece] = [
            (fit(figures[row], size, "right") + "  ", ink(colors.text)) for _, figures, size in columns
        ]
        if more:
            pieces.append((fit("…", 5) + "  ", ink(colors.faint)))
        out.append(line([*pieces, (fit(target, last), ink(colors.target))], width))
    return out


def _scatter(answer: SamplesAnswer, shape: DataShape | None, width: int, height: int, colors: Palette) -> list[Strip]:
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


_DRAWN = {"image": _gallery, "sequence": _traces, "text": _texts, "graph": _nodes}


def draw_counts(answer: SamplesAnswer | None, width: int, height: int, colors: Palette) -> list[Strip]:
    """How many examples there are of each class: in order where all fit, else the most frequent ones."""
    if answer is None or not answer.counts or height < 3:
        return []
    names = [visible(name) for name in answer.classes] or [str(index) for index in range(len(answer.counts))]
    pairs = list(zip(names, answer.counts, strict=False))
    most = max(answer.counts)
    figures = max(len(grouped(number)) for number in answer.counts)
    label = min(LONGEST_NAME, max(map(cell_len, names)))
    least = label + figures + 2 + 4
    rows = min(height - 1, 5 if width >= 60 else 10)
    columns = max(1, min((width + 2) // (least + 2), -(-len(pairs) // rows)))
    each = min((width + 2) // columns - 2, label + figures + 2 + 24)
    room = columns * (height - 1)
    right = ""
    if len(pairs) > room:
        pairs.sort(key=lambda pair: -pair[1])
        right = f"{room} of {len(pairs)}, the most frequent"
        pairs = pairs[:room]
    cells: list[list[Piece]] = [
        [
            (fit(name, label) + " ", ink(colors.text)),
            *progress_bar(number / most if most else 0.0, each - label - figures - 2, colors),
            (" ", PLAIN),
            (fit(grouped(number), figures, "right"), ink(colors.muted)),
        ]
        for name, number in pairs
    ]
    return [headed("Examples a class", right, width, colors), *columned(cells, each, columns, width)]
