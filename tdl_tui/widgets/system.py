"""The system strip: what the machine does for a run, in a line or two."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from rich.cells import cell_len
from textual.strip import Strip

from tdl_tui.runs.footprint import Footprint
from tdl_tui.runs.gpus import Gpu

from .gpus import of_training
from .header import Item, joined
from .lines import fit, ink
from .numbers import joules, mass, size
from .palette import Palette

TALL = 30
"""Lines of a screen from which on there is room for the strip."""


def figures(
    latest: Mapping[str, float], gpus: Sequence[Gpu] = (), device: str = "", *, rates: bool = True
) -> Iterator[tuple[str, str]]:
    """The newest values of the system series: of each part of the machine that is known a label and what is said, with
    what is written a second where `rates` are wanted. A GPU as `device` of which nothing is known is said too."""
    known = {name: value for name, value in latest.items() if math.isfinite(value)}
    label, gpu = of_training(gpus, known)
    if gpu or ("system/cpu" in known and device.startswith(("cuda", "mps"))):
        yield label, " · ".join(gpu) or "unknown"
    if "system/cpu" in known:
        yield "cpu", f"{known['system/cpu']:3.0f} %"
    if "system/memory" in known:
        yield "memory", size(known["system/memory"])
    if "system/disk_free" in known:
        written = known.get("system/disk_written")
        rate = "" if written is None or not rates else f" · {fit(size(written), 8, 'right')}/s written"
        yield "disk", f"{size(known['system/disk_free'])} free{rate}"


def energy(used: Footprint | None) -> str:
    """Energy so far and what it is of; a part of the machine that has no counter is not in it."""
    if used is None:
        return "unknown"
    carbon = "" if used.grams is None else f" · {mass(used.grams)} CO₂"
    return f"{joules(used.joules)} {used.of}{carbon}"


def draw_system(
    latest: Mapping[str, float],
    used: Footprint | None,
    width: int,
    lines: int,
    palette: Palette,
    *,
    gpus: Sequence[Gpu] = (),
    device: str = "",
) -> list[Strip]:
    """One line, or up to `lines` where one has no room for all; none where nothing was recorded. `device` is what a
    training runs on; of its `gpus` the one that trains is in it."""
    said = [*figures(latest, gpus, device, rates=width >= 100)]
    if said or used is not None:
        said.insert(
            next((at for at, (label, _) in enumerate(said) if label == "disk"), len(said)), ("energy", energy(used))
        )
    muted, text = ink(palette.muted), ink(palette.text)
    items: list[Item] = [[(f"{label} ", muted), (value, text)] for label, value in said]
    gap = 3 if width >= 100 else 2
    return [joined(row, width, gap) for row in _rows(items, width, gap)[:lines]]


def _rows(items: Sequence[Item], width: int, gap: int) -> list[list[Item]]:
    """The items in order, in as few rows as have room for them."""
    rows: list[list[Item]] = []
    left = 0
    for item in items:
        length = gap + sum(cell_len(text) for text, _ in item)
        if not rows or length > left:
            rows.append([])
            left = width - 2 + gap
        rows[-1].append(item)
        left -= length
    return rows


def outside(latest: Mapping[str, float], rows: int, gpus: Sequence[Gpu] = ()) -> dict[str, float]:
    """Of the newest values those that are not in the strip of a screen of so many `rows`: on a low one several GPUs
    have a line, all else stands in the header."""
    within = "system/" if rows >= TALL else "system/gpu" if len(gpus) > 1 else ""
    return {name: value for name, value in latest.items() if not within or not name.startswith(within)}
