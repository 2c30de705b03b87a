"""Time series from the files of the UCR and UEA archives: `.ts` with a header, or a series a line. Imports no torch.

A `.ts` file (Löning et al. 2019, sktime) has lines that begin with @ until @data, then a line an example: dimensions
parted by colons, values by commas, ? for one that is missing, and the class or target behind the last colon. Any other
file has the class first and then the values, parted by tabs, commas or blanks (Dau et al. 2018), NaN for a missing one.
"""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tdl_tui.registry import DataShape, Options, Task, Undescribable, shown

from .own_files import Remembered, decode, named_file, named_paths, read_bytes, text

MOST_FILLED, FILLED_SHARE = 10**7, 20  # values: beyond so many, filling in may not make them so many times as many

Series = list[list[float]]
"""One example: the values of each dimension, NaN where one is missing."""


@dataclass(frozen=True, eq=False)
class SeriesReading:
    """`values` are (examples, steps, dimensions), the last fastest. `targets` are indices of classes, or numbers."""

    values: array[float]
    targets: tuple[float, ...]
    shape: DataShape


@dataclass(frozen=True, eq=False)
class _File:
    """Examples with the line each is on, and their labels as they are written."""

    path: Path
    option: str
    task: Task
    series: list[Series]
    labels: list[str]
    lines: list[int]

    def fault(self, example: int, words: str) -> Undescribable:
        return Undescribable(self.option, f"{self.path}, line {self.lines[example]}: {words}")


def _parse(options: Options, option: str) -> _File:
    path = named_file(options, option, "a .ts or .tsv file")
    lines = enumerate(decode(path, option, read_bytes(path, option)).split("\n"), 1)
    task: Task = "classification"
    headed = path.suffix.lower() == ".ts"
    if headed:
        task = _header(path, option, lines)
    file = _File(path, option, task, [], [], [])
    for number, raw in lines:
        if not (line := raw.strip()) or line.startswith("#"):
            continue
        file.lines.append(number)
        label, dimensions = _with_colons(file, line) if headed else _with_blanks(line)
        file.labels.append(label)
        file.series.append([[_value(file, cell) for cell in cells] for cells in dimensions])
        if not dimensions or not all(dimensions):
            raise file.fault(-1, "holds no values")
        if len(dimensions) != len(file.series[0]):
            raise file.fault(-1, f"{len(dimensions)} dimensions, the first series has {len(file.series[0])}")
    if not file.series:
        raise Undescribable(option, f"{path} holds no series")
    return file


def _header(path: Path, option: str, lines: Iterator[tuple[int, str]]) -> Task:
    """Reads up to @data, and says which task the header is of."""
    tags: dict[str, str] = {}
    for _, line in lines:
        if line.strip().startswith("@"):
            tag, _, value = line.strip()[1:].partition(" ")
            if tag.lower() == "data":
                break
            tags[tag.lower()] = value.strip().lower()
    else:
        raise Undescribable(option, f"{path} has no line @data, after which a .ts file holds its series")
    if tags.get("timestamps", "false").startswith("true"):
        raise Undescribable(option, f"{path} has time stamps: only series of values at even distances can be read")
    if tags.get("targetlabel", "false").startswith("true"):
        return "regression"
    if not tags.get("classlabel", "false").startswith("true"):
        raise Undescribable(option, f"{path} says neither @classLabel true nor @targetLabel true: nothing to learn")
    return "classification"


def _with_colons(file: _File, line: str) -> tuple[str, list[list[str]]]:
    *dimensions, label = (part.strip() for part in line.split(":"))
    if not label or not dimensions:
        raise file.fault(-1, "must be values, a colon, and the class or target")
    return label, [[cell.strip() for cell in part.split(",")] if part else [] for part in dimensions]


def _with_blanks(line: str) -> tuple[str, list[list[str]]]:
    label, *cells = re.split(r"\s*,\s*|\s+", line)
    return label, [cells]


def _value(file: _File, cell: str) -> float:
    if cell == "?" or cell.lower() == "nan":
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        value = math.inf
    if math.isinf(value):
        raise file.fault(-1, f"{shown(cell)} is not a number")
    return value


def _read(options: Options) -> SeriesReading:
    files = [_parse(options, "file")]
    if text(options, "test"):
        files.append(_parse(options, "test"))
    first = files[0]
    dimensions = len(first.series[0])
    lengths = [len(values) for file in files for series in file.series for values in series]
    steps = max(lengths)
    if options["fill"] is True and steps * len(lengths) > max(MOST_FILLED, FILLED_SHARE * sum(lengths)):
        of = f"one series of {first.path} has {steps:,} values, most have fewer"
        raise Undescribable("file", f"{of}: filled in, all would be {steps * len(lengths):,} values; take it out")
    for file in files:
        if file.task != first.task or len(file.series[0]) != dimensions:
            raise Undescribable(file.option, f"{file.path} is not of the same kind as {first.path}")
        for example, series in enumerate(file.series):
            _even(file, example, series, steps, options["fill"] is True)
    flat = (value for file in files for series in file.series for step in zip(*series, strict=True) for value in step)
    classes, targets = _targets(files)
    described = DataShape(
        first.task,
        "sequence",
        (steps, dimensions),
        len(classes) or 1,
        classes,
        ("value",) if dimensions == 1 else tuple(f"dimension {i + 1}" for i in range(dimensions)),
        examples=len(targets),
        fixed_test=len(files[1].series) if len(files) > 1 else 0,
    )
    return SeriesReading(array("d", flat), targets, described)


def _even(file: _File, example: int, series: Series, steps: int, fill: bool) -> None:
    """Makes all of an example's dimensions whole and `steps` long, or refuses to."""
    otherwise = "with data.options.fill=true it is filled in"
    for values in series:
        gaps = [i for i, value in enumerate(values) if math.isnan(value)]
        if gaps and not fill:
            raise file.fault(example, f"value {gaps[0] + 1} is missing; {otherwise}")
        if len(values) < steps and not fill:
            raise file.fault(example, f"{len(values)} values, others have {steps}; {otherwise}")
        if len(gaps) == len(values):
            raise file.fault(example, "every value is missing")
        _interpolate(values)
        values.extend([values[-1]] * (steps - len(values)))


def _interpolate(values: list[float]) -> None:
    """Each missing value on the line between its neighbours; at the ends, what the nearest one is."""
    known = [i for i, value in enumerate(values) if not math.isnan(value)]
    if len(known) == len(values):
        return
    values[: known[0]] = [values[known[0]]] * known[0]
    values[known[-1] + 1 :] = [values[known[-1]]] * (len(values) - known[-1] - 1)
    for left, right in pairwise(known):
        for i in range(left + 1, right):
            values[i] = values[left] + (values[right] - values[left]) * (i - left) / (right - left)


def _targets(files: list[_File]) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Classes in order (of numbers, by their value), none in regression, and targets."""
    labels = [label for file in files for label in file.labels]
    if files[0].task == "regression":
        return (), tuple(_finite(file, i) for file in files for i in range(len(file.labels)))
    names = set(labels)
    numbers = {label: value for label in names if (value := _number(label)) is not None}
    if len(numbers) == len(names):
        found: list[float] = sorted(set(numbers.values()))
        places = {value: place for place, value in enumerate(found)}
        index = {label: places[value] for label, value in numbers.items()}
        classes = tuple(f"{value:.12g}" for value in found)
    else:
        classes = tuple(sorted(names))
        index = {label: i for i, label in enumerate(classes)}
    if len(classes) < 2:
        raise Undescribable(
            "file", f"{files[0].path} holds one class only, {shown(classes[0])}; two at least are needed"
        )
    return classes, tuple(index[label] for label in labels)


def _number(label: str) -> float | None:
    try:
        value = float(label)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _finite(file: _File, example: int) -> float:
    value = _number(file.labels[example])
    if value is None:
        raise file.fault(example, f"the target {shown(file.labels[example])} is not a number")
    return value


read_series = Remembered(_read, named_paths("file", "test"))
"""The series that the options name. Raises Undescribable."""


def describe_series(options: Options) -> DataShape:
    """Raises Undescribable."""
    return read_series(options).shape
