"""Where the time goes, in one line: a stacked bar, the shares, and what the training is bound by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from rich.cells import cell_len
from textual.strip import Strip

from tdl_tui.runs.bottleneck import PARTS, verdict

from .lines import PLAIN, Piece, ink, line
from .palette import Palette

OTHER = "other"
LEAST = 0.005
"""A share that is said."""


def draw_time(shares: Mapping[str, float], width: int, palette: Palette) -> list[Strip]:
    """One line for shares (0 to 1) by part; none where forward was not measured. What no part has is "other".

    The largest shares are said, as many as there is room for, then the verdict, and with more room why and what helps.
    """
    judged = verdict(shares)
    if judged is None:
        return []
    known = {part: max(0.0, shares.get(part, 0.0)) for part in PARTS if math.isfinite(shares.get(part, 0.0))}
    known[OTHER] = max(0.0, 1 - sum(known.values()))
    looks = _looks(palette)
    bar = [(looks[part][0] * cells, ink(looks[part][1])) for part, cells in _cells(known, max(10, width // 6)).items()]
    start: list[Piece] = [(" time ", ink(palette.muted)), *bar]
    end: list[Piece] = [(judged.name, ink(palette.accent if judged.name != "unclear" else palette.muted, bold=True))]
    room = width - 3 - _length(start) - _length(end)
    said: set[str] = set()
    for part in sorted(known, key=known.__getitem__, reverse=True):
        length = _length(_legend(part, known[part], looks, palette))
        if known[part] < LEAST or length > room:
            break
        said.add(part)
        room -= length
    for more in (f" · {judged.seen}", f" · {judged.advice}"):
        if len(more) > room:
            break
        end.append((more, ink(palette.muted)))
        room -= len(more)
    legend = [piece for part in known if part in said for piece in _legend(part, known[part], looks, palette)]
    return [line([*start, *legend, ("   ", PLAIN), *end], width)]


def _length(pieces: Iterable[Piece]) -> int:
    return sum(cell_len(text) for text, _ in pieces)


def _looks(palette: Palette) -> dict[str, tuple[str, str]]:
    """A fill and a colour for each part: neighbours differ in both."""
    fills = "━╍┅╌"  # as thin as the progress above it
    hues = [palette.curves[at] for at in (1, 0, 6, 2, 3, 4, 5)]  # data in the one that stands out from the rest
    return {part: (fills[at % 4], hue) for at, (part, hue) in enumerate(zip(PARTS, hues, strict=True))} | {
        OTHER: (fills[-1], palette.faint)
    }


def _legend(part: str, share: float, looks: Mapping[str, tuple[str, str]], palette: Palette) -> list[Piece]:
    fill, color = looks[part]
    return [
        (f"  {fill} ", ink(color)),
        (part, ink(palette.muted)),
        (f" {share * 100:2.0f} %", ink(palette.text)),
    ]


def _cells(shares: Mapping[str, float], width: int) -> dict[str, int]:
    """Shares in cells that add up to `width`: the largest remainders are rounded up."""
    whole = sum(shares.values()) or 1.0
    exact = {part: share / whole * width for part, share in shares.items()}
    cells = {part: int(value) for part, value in exact.items()}
    left = width - sum(cells.values())
    for part in sorted(exact, key=lambda part: cells[part] - exact[part])[:left]:
        cells[part] += 1
    return cells
