"""A network's outputs as bars: one row a class, or prediction against target in regression."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.style import Style
from textual.strip import Strip

from .axes import HUGE, TINY, round_up
from .lines import PLAIN, Piece, fit, ink, line
from .numbers import real
from .palette import Palette
from .text import visible

EIGHTHS = " ▏▎▍▌▋▊▉█"
TARGET = "◆"
PREDICTED = "▶"
RIGHT = "✔"


def softmax(logits: Sequence[float], temperature: float = 1.0) -> list[float]:
    """exp(z_i / T) / sum exp(z_j / T), shifted by the maximum (Goodfellow et al. 2016, section 4.1); NaN where
    undefined. A temperature T above 1 makes the classes more alike, one below 1 less; their order stays (Guo et al.
    2017, section 4.2)."""
    if not logits or any(math.isnan(z) for z in logits):
        return [math.nan] * len(logits)
    top = max(logits)
    if math.isinf(top):
        return [math.nan] * len(logits)
    powers = [math.exp((z - top) / temperature) for z in logits]
    total = sum(powers)
    return [power / total for power in powers]


def bar(share: float, width: int) -> str:
    """A bar of `width` cells filled to `share`, to an eighth of a cell; clamped to 0 to 1, NaN is empty."""
    share = 0.0 if math.isnan(share) else min(1.0, max(0.0, share))
    eighths = round(share * width * 8)
    full, rest = divmod(eighths, 8)
    text = "█" * full + (EIGHTHS[rest] if rest else "")
    return text + " " * (width - len(text))


@dataclass(frozen=True, slots=True)
class ClassBars:
    """One probe's logits with its target; `logits` as recorded, one a class."""

    logits: tuple[float, ...]
    target: int
    names: tuple[str, ...]

    @property
    def predicted(self) -> int:
        """The class with the highest logit; -1 when a logit is NaN."""
        if not self.logits or any(math.isnan(z) for z in self.logits):
            return -1
        return max(range(len(self.logits)), key=self.logits.__getitem__)

    @property
    def right(self) -> bool:
        return self.predicted == self.target

    def name(self, index: int) -> str:
        return visible(self.names[index]) if 0 <= index < len(self.names) else str(index)


def chosen_rows(bars: ClassBars, rows: int, *, ranked: bool = False) -> list[int]:
    """Which classes are shown: all in order where they fit, else (and if `ranked`) those of the highest logits, the
    highest first, with the target among them."""
    classes = len(bars.logits)
    if classes <= rows and not ranked:
        return list(range(classes))
    order = sorted(range(classes), key=lambda c: (-bars.logits[c] if bars.logits[c] == bars.logits[c] else 0.0, c))
    top = order[:rows]
    if top and 0 <= bars.target < classes and bars.target not in top:
        top[-1] = bars.target
    return top


def draw_classes(
    bars: ClassBars,
    logits: bool,
    width: int,
    height: int,
    palette: Palette,
    *,
    ranked: bool = False,
    temperature: float = 1.0,
) -> list[Strip]:
    """A row a class: sign, name, bar, figure; in two columns where one does not hold all. `logits`: raw outputs;
    `ranked`: the most probable first."""
    classes = len(bars.logits)
    columns = 2 if classes > height and width >= 2 * 22 else 1
    rows = chosen_rows(bars, height * columns, ranked=ranked)
    each = (width - 2 * (columns - 1)) // columns
    beside = 15 if each >= 20 else 10 if logits else 8  # in little room the bar goes before the names
    label = min(max((cell_len(bars.name(c)) for c in range(classes)), default=1), max(3, each - beside))
    values = list(bars.logits) if logits else softmax(bars.logits, temperature)
    reach = round_up(max((abs(v) for v in values if TINY < abs(v) < HUGE), default=1.0)) if logits else 1.0
    per_column = -(-len(rows) // columns)
    out: list[Strip] = []
    for row in range(min(per_column, height)):
        pieces: list[Piece] = []
        for column in range(columns):
            index = column * per_column + row
            if index < len(rows):
                if column:
                    pieces.append(("  ", PLAIN))
                c = rows[index]
                pieces += _class_row(
                    bars, c, values[c], reach=reach if logits else 0.0, width=each, label=label, palette=palette
                )
        out.append(line(pieces, width))
    return out


def _class_row(
    bars: ClassBars, c: int, value: float, *, reach: float, width: int, label: int, palette: Palette
) -> list[Piece]:
    target, predicted = c == bars.target, c == bars.predicted
    sign = RIGHT if target and predicted else TARGET if target else PREDICTED if predicted else " "
    color = palette.target if target else palette.bad if predicted else palette.muted
    style = ink(color, bold=target or predicted)
    figure = fit(_figure(value), 6 if reach else 4, "right")
    room = width - label - 3 - len(figure) - 1
    pieces: list[Piece] = [
        (f"{sign} ", style),
        (fit(bars.name(c), label) + " ", style if target or predicted else ink(palette.text)),
    ]
    if room >= 3:
        fill = ink(palette.target if target else palette.bad if predicted else palette.accent)
        pieces += _diverging(value, reach, room, fill, palette) if reach else [(bar(value, room), fill)]
        pieces.append((" ", PLAIN))
    pieces.append((figure, ink(palette.text if target or predicted else palette.muted)))
    return pieces


def _figure(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 99.995 else real(value)


def _diverging(value: float, reach: float, width: int, fill: Style, palette: Palette) -> list[Piece]:
    left = (width - 1) // 2
    right = width - left - 1
    share = min(1.0, max(-1.0, value / reach)) if math.isfinite(value) else 0.0
    negative = round(max(0.0, -share) * left)
    return [
        (" " * (left - negative) + "█" * negative, fill),
        ("│", ink(palette.faint)),
        (bar(max(0.0, share), right), fill),
    ]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a probe's target is and what was predicted, in the data's units."""

    target: float
    predicted: float


def draw_predictions(
    predictions: Sequence[Prediction], chosen: int, width: int, height: int, palette: Palette
) -> list[Strip]:
    """A row a probe: target and prediction as marks on one common scale, then as figures with their difference."""
    finite = [v for p in predictions for v in (p.target, p.predicted) if abs(v) < HUGE]
    if not finite or not predictions:
        return [line([("no prediction yet", ink(palette.muted))], width)]
    low, high = _round_ends(min(finite), max(finite))
    figures = [(real(p.target), real(p.predicted), _difference(p)) for p in predictions]
    columns = [max(8, max(map(len, column)) + 2) for column in zip(*figures, strict=True)]
    while len(columns) > 1 and 4 + sum(columns) > width:
        columns.pop()  # a figure that runs into the next says something else
    room = width - 4 - sum(columns) - 2
    ends = real(low), real(high)
    with_track = room >= max(8, len(ends[0]) + len(ends[1]) + 1)
    head: list[Piece] = [(fit("", 4), PLAIN)]
    if with_track:
        head.append((ends[0] + fit(ends[1], room - len(ends[0]), "right") + " ", ink(palette.muted)))
    names = (
        (f"{TARGET} target", ink(palette.target)),
        (f"{PREDICTED} pred", ink(palette.predicted)),
        ("diff", ink(palette.muted)),
    )
    head += [(fit(name, size, "right"), style) for (name, style), size in zip(names, columns, strict=False)]
    shown = height - 1
    first = min(max(0, chosen - shown // 2), max(0, len(predictions) - shown))
    out = [line(head, width)]
    for index in range(first, min(len(predictions), first + shown)):
        p = predictions[index]
        here = index == chosen
        pieces: list[Piece] = [
            (f"{'›' if here else ' '}{index + 1:>2} ", ink(palette.accent if here else palette.muted, bold=here))
        ]
        if with_track:
            pieces += [*_track(p, low, high, room, palette), (" ", PLAIN)]
        styles = ink(palette.text), ink(palette.text, bold=here), ink(palette.muted)
        pieces += [
            (fit(figure, size, "right"), style)
            for figure, size, style in zip(figures[index], columns, styles, strict=False)
        ]
        out.append(line(pieces, width))
    return out[:height]


def _difference(p: Prediction) -> str:
    off = p.predicted - p.target
    return f"{'+' if off > 0 else ''}{real(off)}"


def _round_ends(low: float, high: float) -> tuple[float, float]:
    top = round_up(high) if high > TINY else 0.0
    bottom = -round_up(-low) if low < -TINY else 0.0
    return (bottom, top) if bottom < top else (0.0, 1.0)


def _track(p: Prediction, low: float, high: float, width: int, palette: Palette) -> list[Piece]:
    def cell(value: float) -> int:
        return round(min(1.0, max(0.0, (value - low) / (high - low))) * (width - 1))

    signs = {cell(p.target): (TARGET, ink(palette.target))}
    if math.isfinite(p.predicted):
        at = cell(p.predicted)
        signs[at] = (RIGHT, ink(palette.target)) if at in signs else (PREDICTED, ink(palette.predicted))
    between = range(min(signs), max(signs))
    return [
        signs.get(x) or (("━", ink(palette.muted)) if x in between else ("─", ink(palette.faint))) for x in range(width)
    ]
