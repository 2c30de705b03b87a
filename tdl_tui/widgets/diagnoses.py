"""A list of diagnoses, and what is said of one: what is seen, what it means, what to try."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.style import Style
from textual.strip import Strip

from tdl_tui.runs.records import Diagnosis

from .events import SIGNS, severity_color
from .lines import Piece, blank, fit, ink, line
from .numbers import grouped
from .palette import Palette

LABEL = 7  # cells before what is said
WORD = 16


def draw_diagnoses(
    told: Sequence[tuple[Diagnosis, int | None]], cursor: int, width: int, rows: int, palette: Palette
) -> list[Strip]:
    """A line each, at most `rows` of them around the cursor's, and below all of the one under the cursor.

    Beside each diagnosis stands the step at which it was over, None where it holds.
    """
    if not told:
        return [line([("No rule has spoken.", ink(palette.text))], width)]
    top = max(0, min(cursor - rows // 2, len(told) - rows))
    out = [
        _row(diagnosis, until, at == cursor, width, palette)
        for at, (diagnosis, until) in enumerate(told)
        if top <= at < top + rows
    ]
    diagnosis, _ = told[cursor]
    return [*out, blank(width), *_said(diagnosis, width, palette)]


def _row(diagnosis: Diagnosis, until: int | None, here: bool, width: int, palette: Palette) -> Strip:
    over = until is not None
    hue = ink(palette.muted if over else severity_color(diagnosis.severity, palette), bold=here)
    when = f"from step {grouped(diagnosis.step)}" + (f" to {grouped(until)}" if until is not None else ", holds")
    pieces: list[Piece] = [
        ("▸ " if here else "  ", ink(palette.accent, bold=True)),
        (f"{SIGNS['diagnosis']} {fit(diagnosis.word, WORD)}", hue),
        (when, ink(palette.muted)),
    ]
    return line(pieces, width)


def _said(diagnosis: Diagnosis, width: int, palette: Palette) -> list[Strip]:
    out = [
        *_paragraph("seen", diagnosis.seen, width, ink(palette.text), palette),
        *_paragraph("means", diagnosis.means, width, ink(palette.text), palette),
    ]
    for place, attempt in enumerate(diagnosis.tries):
        first = place == 0 and bool(diagnosis.change)
        style = ink(palette.accent, bold=True) if first else ink(palette.text)
        out += _paragraph("" if place else "try", attempt, width, style, palette)
    return out


def _paragraph(label: str, text: str, width: int, style: Style, palette: Palette) -> list[Strip]:
    lines = textwrap.wrap(text, max(10, width - LABEL)) or [""]
    return [
        line([(fit(label if place == 0 else "", LABEL), ink(palette.muted)), (part, style)], width)
        for place, part in enumerate(lines)
    ]
