"""All probes at a glance: what each is, what the network says of it, and how sure it has been over the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, isfinite, isnan, nan
from typing import Literal

from rich.cells import cell_len
from textual.strip import Strip

from tdl_tui.runs.records import ProbeSample

from .bars import PREDICTED, RIGHT, TARGET, ClassBars, softmax
from .lines import PLAIN, Piece, beside, fit, height_of, ink, line
from .palette import Palette
from .sparkline import sparkline

Filter = Literal["all", "wrong", "sure", "flipped"]
FILTERS: dict[Filter, str] = {
    "all": "",
    "wrong": "wrong",
    "sure": "wrong, the surest first",
    "flipped": "flipped lately",
}
"""Which probes are shown, and what they are called."""
LATELY = 8
"""Samples that count as the last ones."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What was said of every probe at a step: the probability of its target, and the most probable class (-1: none)."""

    step: int
    target: tuple[float, ...]
    said: tuple[int, ...]


def moment(sample: ProbeSample, targets: Sequence[int], temperature: float) -> Moment:
    """A sample's moment; it has fewer probes where some were added after it."""
    shares: list[float] = []
    said: list[int] = []
    for logits, target in zip(sample.outputs, targets, strict=False):
        shares.append(share_of(logits, target, temperature))
        plain = isfinite(sum(logits))
        said.append(logits.index(max(logits)) if plain else ClassBars(logits, target, ()).predicted)
    return Moment(sample.step, tuple(shares), tuple(said))


def share_of(logits: Sequence[float], target: int, temperature: float) -> float:
    """One class's share of the softmax, which is not worked out for the others: 1 / sum exp((z_j - z_i) / T)."""
    if not 0 <= target < len(logits) or not isfinite(sum(logits)):
        return softmax(logits, temperature)[target] if 0 <= target < len(logits) else nan
    own = logits[target]
    try:
        return 1 / sum([exp((z - own) / temperature) for z in logits])
    except OverflowError:
        return 0.0


def chosen_probes(which: Filter, bars: Sequence[ClassBars], before: Sequence[Moment]) -> list[int]:
    """The numbers (from 0) of the probes that a filter leaves. `bars` are those that have outputs; `before` are the
    samples up to now, ascending."""
    wrong = [number for number, one in enumerate(bars) if not one.right]
    match which:
        case "all":
            return list(range(len(bars)))
        case "wrong":
            return wrong
        case "sure":
            return sorted(wrong, key=lambda number: -_confidence(bars[number]))
        case "flipped":
            return [number for number, one in enumerate(bars) if _flipped(number, one.predicted, before[-LATELY:])]


def _confidence(bars: ClassBars, temperature: float = 1.0) -> float:
    """The probability of the predicted class; 0 where none is."""
    share = max(softmax(bars.logits, temperature), default=nan)
    return 0.0 if isnan(share) else share


def _flipped(number: int, said: int, before: Sequence[Moment]) -> bool:
    return any(one.said[number] != said for one in before if number < len(one.said))


def target_line(
    history: Sequence[Moment],
    number: int,
    at: int | None,
    reach: float,
    width: int,
    palette: Palette,
    *,
    quiet: bool = False,
) -> list[Piece]:
    """The probability of a probe's target over the run, from 0 to 1, in `width` cells; what comes after step `at` is
    faint."""
    points = [(float(one.step), one.target[number]) for one in history if number < len(one.target)]
    drawn = sparkline(points, width, reach, ends=(0.0, 1.0))
    cut = width if at is None or reach <= 0 else min(width, int(at / reach * width) + 1)
    return [(drawn[:cut], ink(palette.muted if quiet else palette.target)), (drawn[cut:], ink(palette.faint))]


def draw_history(
    history: Sequence[Moment], number: int, at: int | None, reach: float, width: int, palette: Palette
) -> Strip:
    """One line: how probable the probe's target was over the run."""
    label = f"{TARGET} over the run  " if width >= 44 else f"{TARGET} "
    room = max(0, width - cell_len(label))
    return line(
        [(label, ink(palette.muted)), *target_line(history, number, at, reach, room, palette)],
        width,
    )


@dataclass(frozen=True, slots=True)
class Overview:
    """The probes that are shown: their numbers in order, all their bars, the number chosen, and the samples of the run
    with the step that its axis reaches."""

    shown: tuple[int, ...]
    bars: tuple[ClassBars, ...]
    chosen: int
    temperature: float
    history: tuple[Moment, ...]
    at: int | None
    reach: float


def draw_list(probes: Overview, width: int, height: int, palette: Palette) -> list[Strip]:
    """A row a probe: number, target, what was predicted where that is wrong, its probability, the target's over the
    run. Where not all fit, those around the chosen one."""
    longest = max((cell_len(one.name(c)) for one in probes.bars[:1] for c in range(len(one.logits))), default=1)
    name = min(longest, max(3, (width - 17) // 2), 14)
    out: list[Strip] = []
    for number in _around(probes, height):
        one, here = probes.bars[number], number == probes.chosen
        answer = one.predicted
        verdict = (
            (fit(RIGHT, name + 2), ink(palette.target))
            if one.right
            else (fit(f"{PREDICTED} {one.name(answer) if answer >= 0 else '?'}", name + 2), ink(palette.bad))
        )
        pieces: list[Piece] = [
            (f"{'›' if here else ' '}{number + 1:>2} ", ink(palette.accent if here else palette.muted, bold=here)),
            (fit(one.name(one.target), name) + " ", ink(palette.text, bold=here)),
            verdict,
            (f" {_share(one, probes.temperature)}", ink(palette.text if here else palette.muted)),
        ]
        room = width - sum(cell_len(text) for text, _ in pieces) - 1
        if room >= 4:
            pieces.append((" ", PLAIN))
            pieces += target_line(probes.history, number, probes.at, probes.reach, room, palette, quiet=not here)
        out.append(line(pieces, width))
    return out


def tile_width(count: int, shape: tuple[int, ...], width: int, height: int) -> int:
    """Cells for each of `count` pictures (C, H, W) so that all fit into `width` x `height` cells, 18 at most; at least
    8, where they may not."""
    for tile in range(18, 8, -1):
        if _grid(tile, shape, width, height)[0] >= count:
            return tile
    return 8


def _grid(tile: int, shape: tuple[int, ...], width: int, height: int) -> tuple[int, int, int]:
    """How many tiles fit, how many beside each other, and the lines of a picture."""
    lines = max(1, -(-tile * shape[1] // (2 * shape[2])))
    across = max(1, (width + 2) // (tile + 2))
    return across * max(1, height // (lines + 1)), across, lines


def draw_tiles(
    probes: Overview,
    shape: tuple[int, ...],
    picture: Callable[[int, int, int], Sequence[Strip]],
    width: int,
    height: int,
    palette: Palette,
) -> list[Strip]:
    """A grid of small pictures, each above its target, what was predicted where that is wrong, and its probability.
    `picture` gives a probe's in so many cells and lines."""
    tile = tile_width(len(probes.shown), shape, width, height)
    fitting, across, lines = _grid(tile, shape, width, height)
    shown = _around(probes, fitting)
    out: list[Strip] = []
    for first in range(0, len(shown), across):
        columns: list[tuple[Sequence[Strip], int]] = []
        for number in shown[first : first + across]:
            drawn = [
                *height_of([s.extend_cell_length(tile) for s in picture(number, tile, lines)], tile, lines),
                _caption(probes, number, tile, palette),
            ]
            columns += [(drawn, tile), ([], 2)]
        rest = width - sum(size for _, size in columns[:-1])
        out += beside([*columns[:-1], ([], rest)], lines + 1)
    return out[:height]


def _caption(probes: Overview, number: int, width: int, palette: Palette) -> Strip:
    one, here = probes.bars[number], number == probes.chosen
    ground = palette.raised if here else None
    room = width - 5
    target = one.name(one.target)
    pieces: list[Piece] = [(fit(f"{RIGHT}{target}", room), ink(palette.target, bold=here, on=ground))]
    if not one.right:
        said = f"{PREDICTED}{one.name(one.predicted) if one.predicted >= 0 else '?'}"
        most = max(1, room - max(2, min(cell_len(said), room // 2)))
        left = fit(target, min(cell_len(target), most))
        pieces = [
            (left, ink(palette.text, bold=here, on=ground)),
            (fit(said, room - cell_len(left)), ink(palette.bad, bold=here, on=ground)),
        ]
    pieces.append((f" {_share(one, probes.temperature)}", ink(palette.text if here else palette.muted, on=ground)))
    return line(pieces, width)


def _share(bars: ClassBars, temperature: float) -> str:
    share = max(softmax(bars.logits, temperature), default=nan)
    return fit("nan" if isnan(share) else f"{share:.2f}", 4, "right")


def _around(probes: Overview, room: int) -> tuple[int, ...]:
    """As many of those shown as there is room for, the chosen one among them."""
    place = probes.shown.index(probes.chosen) if probes.chosen in probes.shown else 0
    first = min(max(0, place - room // 2), max(0, len(probes.shown) - room))
    return probes.shown[first : first + room]
