"""Which series are shown, by group and by filter, and which of them share a chart. Names are "group/…/figure"."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from tdl_tui.runs.reader import LAYER_SERIES

from .chart_view import Grid

PARTS = ("train/", "val/", "test/")
"""Groups whose figures belong together: training's loss with validation's."""
LAYERED = tuple(LAYER_SERIES)
"""Groups with a series a layer, whose names may hold anything."""
SHARED = 7
"""Curves that one chart holds at most: as many as there are colours."""
_ORDER = ("train/", "val/", "test/", "lr", "grad/", "weight/", "update/", "speed/", "system/", "time/", "telemetry/")
_FIRST = ("loss", "accuracy", "r2")
_UNITS = {
    "system/cpu": "%",
    "system/gpu": "%",
    "system/memory": "bytes",
    "system/gpu_memory": "bytes",
    "system/gpu_memory_own": "bytes",
    "system/gpu_power": "W",
    "system/gpu_temperature": "°C",
    "system/disk_free": "bytes",
    "system/disk_written": "bytes/s",
    "system/energy": "J",
    "time": "share",
    "telemetry/spacing": "steps",
}


@dataclass(frozen=True, slots=True)
class Plot:
    """What one chart shows: the names that its curves have in it ("" where its title says it), each with its series."""

    title: str
    series: tuple[tuple[str, str], ...]


def group_of(name: str) -> str:
    """The group of a series: "train/" of "train/loss", "grad/norm/" of a layer's; "" of "lr"."""
    layered = next((prefix for prefix in LAYERED if name.startswith(prefix)), "")
    return layered or name[: name.rfind("/") + 1]


def unit_of(name: str) -> str:
    """In what a series, or a chart of that title, is counted; "" where its name says it or it has no unit."""
    while name not in _UNITS and "/" in name:
        name = name[: name.rfind("/")]
    return _UNITS.get(name, "")


def matcher(text: str) -> Callable[[str], bool]:
    """Whether a name holds every word of a text, whatever their case, or what a regular expression between slashes
    finds. Raises ValueError saying what is wrong with the expression."""
    if text.startswith("/"):
        try:
            pattern = re.compile(text[1:].removesuffix("/"))
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"{text} is no regular expression: {error}") from None
        return lambda name: pattern.search(name) is not None
    words = text.lower().split()
    return lambda name: all(word in name.lower() for word in words)


def filtered(names: Sequence[str], text: str) -> list[str]:
    """The names that a filter finds; none where it cannot be read."""
    try:
        found = matcher(text)
    except ValueError:
        return []
    return [name for name in names if found(name)]


def marked(name: str, grid: Grid) -> bool:
    """Whether a series is shown: by a mark of its own, else by its group's, else it is."""
    marks = dict(grid.marks)
    return marks.get(name, marks.get(group_of(name), True))


def with_marks(grid: Grid, names: Sequence[str], on: bool, group: str = "") -> Grid:
    """The grid with so many series shown or put away; with `group` the whole of it, whatever comes into it later."""
    marks = {key: value for key, value in grid.marks if key not in names}
    if group:
        marks[group] = on
    else:
        marks.update(dict.fromkeys(names, on))
    return replace(grid, marks=tuple(sorted(marks.items())))


def visible(names: Sequence[str], grid: Grid) -> list[str]:
    """The series that are shown, in the order of their groups."""
    return [name for name in ordered(filtered(names, grid.filter)) if marked(name, grid)]


def ordered(names: Sequence[str]) -> list[str]:
    """Names by group, losses first; layers stay in their order."""

    def place(name: str) -> tuple[int, str, int]:
        group = next((n for n, prefix in enumerate(_ORDER) if name.startswith(prefix)), len(_ORDER))
        figure = name.removeprefix(group_of(name))
        return group, group_of(name), _FIRST.index(figure) if figure in _FIRST else len(_FIRST)

    return sorted(names, key=place)


@lru_cache(maxsize=16)
def plots(names: tuple[str, ...], grid: Grid) -> tuple[Plot, ...]:
    """The charts of the series that are shown: each apart, or, `together`, a figure's parts, the layers of a group and
    the parts of the time in one, at most SHARED curves in a chart."""
    shown = visible(names, grid)
    if not grid.together:
        return tuple(Plot(name, (("", name),)) for name in shown)
    charts: dict[str, list[tuple[str, str]]] = {}
    for name in shown:
        title, label = _place(name, shown)
        charts.setdefault(title, []).append((label, name))
    out = []
    for title, series in charts.items():
        length = -(-len(series) // -(-len(series) // SHARED))  # charts of about as many curves each
        parts = [series[at : at + length] for at in range(0, len(series), length)]
        for number, part in enumerate(parts, 1):
            out.append(Plot(title if len(parts) == 1 else f"{title} {number}/{len(parts)}", tuple(part)))
    return tuple(out)


def _place(name: str, shown: Sequence[str]) -> tuple[str, str]:
    """The title of the chart that a series belongs to, and its name in it."""
    group = group_of(name)
    rest = name.removeprefix(group)
    if group in PARTS:
        return rest, group.removesuffix("/")
    if group.count("/") > 1 or group == "time/":
        return group.removesuffix("/"), rest
    if any(other.startswith(f"{name}/") for other in shown):
        return name, "trains" if name.startswith("system/gpu") else "all"
    return name, ""
