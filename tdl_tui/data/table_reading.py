"""A CSV file as columns of numbers and of categories, and a target. Imports no torch."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from tdl_tui.registry import DataShape, Options, Task, Undescribable, shown

from .own_files import Remembered, named_paths, text, whole
from .table_rows import MISSING, Table

WITHOUT = "missing"  # the name of the category of what is missing
MOST_CLASSES_GUESSED = 20  # different whole numbers that are still taken for classes


@dataclass(frozen=True, eq=False)
class Column:
    """With `categories`, `values` are indices into them; without, numbers (NaN: missing). One of each row."""

    name: str
    values: array[float] | array[int]
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class TableReading:
    """`notes` are lines about what was left out."""

    columns: tuple[Column, ...]
    target: Column
    rows: int
    notes: tuple[str, ...]

    @property
    def task(self) -> Task:
        return "classification" if self.target.categories else "regression"

    @property
    def features(self) -> tuple[str, ...]:
        """A number column's name, and "column=category" for each category."""
        names: list[str] = []
        for column in self.columns:
            names += (
                (f"{column.name}={category}" for category in column.categories) if column.categories else [column.name]
            )
        return tuple(names)


@dataclass
class _Seen:
    """What a column's cells are. `texts` counts those that are no numbers, of which `first_text` is the first, with its
    row (from 1) and line; `all` counts every one where that matters."""

    counted: bool
    numbers: int = 0
    missing: int = 0
    whole: bool = True
    texts: Counter[str] = field(default_factory=Counter)
    all: Counter[str] = field(default_factory=Counter)
    first_text: tuple[int, int, str] = (0, 0, "")

    def take(self, cell: str, number: float | None, row: int, line: int) -> None:
        if number is None:
            if not self.texts:
                self.first_text = (row, line, cell)
            self.texts[cell] += 1
        else:
            self.numbers += 1
            self.whole = self.whole and number.is_integer()
        if self.counted:
            self.all[cell] += 1


def _read(options: Options) -> TableReading:
    table = Table(options)
    seen, kept, dropped = _look(table)
    columns = [_kind(table, i, seen[i]) for i in table.inputs]
    target = _target_classes(table, seen[table.target], kept)
    read = _convert(table, dict(zip(table.inputs, columns, strict=True)), target)
    notes = []
    if dropped:
        notes.append(
            f"{dropped} of {kept + dropped} rows have a missing value and were left out (data.options.missing)"
        )
    return TableReading(tuple(read[i] for i in table.inputs), read[table.target], kept, tuple(notes))


def _look(table: Table) -> tuple[Mapping[int, _Seen], int, int]:
    """What the cells of each column that is used are, and the numbers of rows kept and dropped."""
    seen = {i: _Seen(i == table.target or table.names[i] in table.forced) for i in table.used}
    kept = dropped = 0
    for line, cells in table.rows():
        gone = table.gone(cells)
        for i in gone:
            seen[i].missing += 1
        if table.target in gone:
            where = f"line {line}: the target column {shown(table.names[table.target])} has no value"
            raise Undescribable("target", f"{table.path}, {where}; fill it in, or take the row out")
        if gone and table.drops:
            dropped += 1
            continue
        kept += 1
        for i in table.used:
            if i not in gone:
                seen[i].take(cells[i], table.number(cells[i]), kept + dropped, line)
    _check_rows(table, seen, kept, dropped)
    return seen, kept, dropped


def _check_rows(table: Table, seen: Mapping[int, _Seen], kept: int, dropped: int) -> None:
    if not kept and not dropped:
        raise Undescribable("file", f"{table.path} holds no rows")
    for i, column in seen.items():
        if column.missing == kept + dropped:
            name = shown(table.names[i])
            raise Undescribable("leave_out", f"must name {name}: that column of {table.path} is empty")
    if not kept:
        raise Undescribable("missing", f"must be fill or own_category: every row of {table.path} lacks a value")


def _kind(table: Table, index: int, seen: _Seen) -> tuple[str, ...]:
    """A column's categories, none where it holds numbers. Raises Undescribable for numbers with a text among them."""
    name = table.names[index]
    forced = name in table.forced
    if not forced and not seen.texts:
        return ()
    if not forced and seen.numbers > seen.texts.total():
        _text_among_numbers(table, index, seen, f"name {shown(name)} in data.options.categories")
    found = sorted(seen.all) if forced else sorted([*seen.texts, *_numbers_as_texts(table, index, seen)])
    most = whole(table.options, "most_categories")
    if len(found) > most:
        what = f"column {shown(name)} of {table.path} holds {len(found)} different texts"
        raise Undescribable("most_categories", f"{what}, more than {most}: name it in data.options.leave_out")
    return tuple(found)


def _numbers_as_texts(table: Table, index: int, seen: _Seen) -> set[str]:
    """The few numbers in a column of texts."""
    if not seen.numbers:
        return set()
    found = {cells[index] for cells in table.kept()}
    return {cell for cell in found if cell.lower() not in MISSING and table.number(cell) is not None}


def _text_among_numbers(table: Table, index: int, seen: _Seen, otherwise: str) -> None:
    row, line, cell = seen.first_text
    where = f"{table.path}, row {row} (line {line}), column {shown(table.names[index])}"
    numbers = f"the column holds {seen.numbers} numbers"
    raise Undescribable("file", f"{where}: {shown(cell)} is not a number, {numbers}; correct it, or {otherwise}")


def _target_classes(table: Table, seen: _Seen, rows: int) -> tuple[str, ...]:
    """The classes, in order; none in regression. Raises Undescribable where the target does not fit the task."""
    name, task = shown(table.names[table.target]), text(table.options, "task")
    forced = table.names[table.target] in table.forced
    if task == "auto" and forced:
        task = "classification"
    if seen.texts and (task == "regression" or (task == "auto" and seen.numbers > seen.texts.total())):
        _text_among_numbers(table, table.target, seen, "set data.options.task=classification")
    numbers = not seen.texts
    if task == "regression" or (
        task == "auto" and numbers and not (seen.whole and len(seen.all) <= MOST_CLASSES_GUESSED)
    ):
        return ()
    classes = sorted(seen.all, key=lambda cell: table.number(cell) or 0.0) if numbers else sorted(seen.all)
    if len(classes) < 2:
        what = f"all {rows} rows of {table.path} have {shown(classes[0])} in the target column {name}"
        raise Undescribable("target", f"{what}; two classes at least are needed")
    if len(classes) > MOST_CLASSES_GUESSED and 2 * len(classes) > rows:
        what = f"the target column {name} of {table.path} holds {len(classes)} different values in {rows} rows"
        raise Undescribable("target", f"{what}: must be a column whose values come again, or task=regression")
    return tuple(classes)


def _convert(table: Table, inputs: Mapping[int, tuple[str, ...]], classes: tuple[str, ...]) -> Mapping[int, Column]:
    """The columns' values, of the rows that are kept."""
    categories = {**inputs, table.target: classes}
    own = text(table.options, "missing") == "own_category"
    numbers: dict[int, array[float]] = {i: array("d") for i, names in categories.items() if not names}
    codes: dict[int, array[int]] = {i: array("i") for i, names in categories.items() if names}
    index = {i: {name: code for code, name in enumerate(categories[i])} for i in codes}
    for cells in table.kept():
        for i, values in numbers.items():
            value = table.number(cells[i])
            values.append(math.nan if value is None else value)
        for i, column in codes.items():
            column.append(index[i].get(cells[i], -1))
    for i, column in codes.items():
        if -1 not in column:
            continue
        if own:
            categories[i] = (*categories[i], WITHOUT)
            instead = len(categories[i]) - 1
        else:
            instead = Counter(code for code in column if code >= 0).most_common(1)[0][0]
        codes[i] = array("i", (instead if code < 0 else code for code in column))
    return {i: Column(table.names[i], numbers[i] if i in numbers else codes[i], categories[i]) for i in table.used}


read_table = Remembered(_read, named_paths("file"))
"""The table that the options name. Raises Undescribable."""


def describe_table(options: Options) -> DataShape:
    """Raises Undescribable."""
    reading = read_table(options)
    features, classes = reading.features, reading.target.categories
    return DataShape(
        reading.task, "table", (len(features),), len(classes) or 1, classes, features, examples=reading.rows
    )
