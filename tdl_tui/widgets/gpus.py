"""The GPUs of a machine: the one that trains in words, the others at a glance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from textual.strip import Strip

from tdl_tui.runs.gpus import SPARE, Figures, Gpu, figures

from .lines import Piece, fit, ink, line
from .numbers import real, size
from .palette import Palette
from .sparkline import LEVELS

LABEL = " others "
BAR = 8
GIB = 2**30
_HEAD, _BUSY, _USED, _MEMORY, _METERS = 3, BAR + 6, 8, 14, 14  # cells of a GPU's parts in the table
_FORMS = (_HEAD + _BUSY + _MEMORY + _METERS, _HEAD + _BUSY + _MEMORY, _HEAD + _BUSY + _USED)
_GAP = 3


def of_training(gpus: Sequence[Gpu], latest: Mapping[str, float]) -> tuple[str, list[str]]:
    """A label for the GPU that trains, and what it does: utilisation, memory with what others hold of it, power and
    temperature, as far as they are known. It has a number where it is one of several."""
    gpu = next((gpu for gpu in gpus if gpu.trains), Gpu(0, "", 0, trains=True))
    now = figures(gpu, latest)
    said = []
    if math.isfinite(now.utilisation):
        said.append(f"{now.utilisation:3.0f} %")
    if math.isfinite(now.memory):
        said.append(_of_all(now.memory, gpu.memory))
    if now.others >= SPARE:
        said.append(f"{size(now.others)} by others")
    if math.isfinite(now.power):
        said.append(f"{now.power:3.0f} W")
    if math.isfinite(now.temperature):
        said.append(f"{now.temperature:2.0f} °C")
    return (f"gpu {gpu.number}" if len(gpus) > 1 else "gpu"), said


def draw_others(
    gpus: Sequence[Gpu], latest: Mapping[str, float], width: int, lines: int, palette: Palette
) -> list[Strip]:
    """The GPUs that do not train, as a table of at most so many `lines`, with as much of each as that leaves room for;
    where that is too little in one line at a glance. None where there are none, or nothing is known of them."""
    others = [(gpu, figures(gpu, latest)) for gpu in gpus if not gpu.trains]
    if not any(now.known for _, now in others):
        return []
    room = width - cell_len(LABEL) - 1
    for form in _FORMS:
        columns = (room + _GAP) // (form + _GAP)
        if columns and columns * lines >= len(others):
            break
    else:
        return [line([(LABEL, ink(palette.muted)), *_glance(others, palette)], width)]
    columns = -(-len(others) // -(-len(others) // columns))  # rows of about the same length
    rows = [others[at : at + columns] for at in range(0, len(others), columns)]
    label = ink(palette.muted)
    return [
        line(
            [
                (LABEL if at == 0 else " " * cell_len(LABEL), label),
                *(piece for gpu, now in row for piece in _cell(gpu, now, form, palette)),
            ],
            width,
        )
        for at, row in enumerate(rows)
    ]


def draw_all(gpus: Sequence[Gpu], latest: Mapping[str, float], width: int, palette: Palette) -> list[Strip]:
    """All of several GPUs in one line: the one that trains, with as much as there is room for, and the others at a
    glance. None where there is one, or nothing is known."""
    others = [(gpu, figures(gpu, latest)) for gpu in gpus if not gpu.trains]
    label, said = of_training(gpus, latest)
    if not others or not (said or any(now.known for _, now in others)):
        return []
    muted, text = ink(palette.muted), ink(palette.text)
    end: list[Piece] = [("  others ", muted), *_glance(others, palette)]
    room = width - 2 - cell_len(label) - sum(cell_len(words) for words, _ in end)
    shown: list[str] = []
    for words in said:
        if (length := cell_len(words) + 3 * bool(shown)) <= room:
            shown.append(words)
            room -= length
    return [line([(f" {label} ", muted), (" · ".join(shown) or "unknown", text), *end], width)]


def _glance(others: Sequence[tuple[Gpu, Figures]], palette: Palette) -> list[Piece]:
    """A number and a height each ("·": free, "?": not known), and how many are free."""
    pieces: list[Piece] = []
    for gpu, now in others:
        height = "?"
        if now.free:
            height = "·"
        elif math.isfinite(now.utilisation):
            height = LEVELS[min(7, max(0, int(now.utilisation / 100 * 8)))]
        pieces += [
            (f"{' ' if pieces else ''}{gpu.number}", ink(palette.muted)),
            (height, ink(palette.good if now.free else palette.text)),
        ]
    free = sum(now.free for _, now in others)
    return [*pieces, (f"  {free} free" if free else "  none free", ink(palette.good if free else palette.muted))]


def _cell(gpu: Gpu, now: Figures, form: int, palette: Palette) -> list[Piece]:
    """A GPU in `form` cells and the gap after them."""
    muted, text = ink(palette.muted), ink(palette.text)
    head: Piece = (f"{gpu.number:>2} ", muted)
    rest = form - _HEAD + _GAP
    if now.free:
        return [head, (fit("free", rest), ink(palette.good))]
    if not now.known:
        return [head, (fit("unknown", rest), muted)]
    pieces = [head]
    if math.isfinite(now.utilisation):
        full = min(BAR, max(0, round(now.utilisation / 100 * BAR)))
        pieces += [("━" * full, muted), ("╌" * (BAR - full), ink(palette.faint))]
        pieces.append((fit(f"{now.utilisation:.0f} %", 6, "right"), text))
    else:
        pieces.append((fit("in use", _BUSY), text))
    if form >= _FORMS[1]:
        pieces.append((fit(_of_all(now.memory, gpu.memory), _MEMORY, "right"), text))
    else:
        pieces.append((fit(_or_none(now.memory / GIB, " GiB"), _USED, "right"), text))
    if form >= _FORMS[0]:
        meters = ((now.power, " W"), (now.temperature, " °C"))
        pieces += [(fit(_or_none(value, unit), _METERS // 2, "right"), muted) for value, unit in meters]
    return [*pieces, (" " * _GAP, muted)]


def _of_all(used: float, whole: int) -> str:
    if not math.isfinite(used):
        return ""
    return f"{real(used / GIB)}/{real(whole / GIB)} GiB" if whole else size(used)


def _or_none(value: float, unit: str) -> str:
    return f"{value:.0f}{unit}" if math.isfinite(value) else ""
