"""The rows of a CSV file, and what the options say about its columns. Imports no torch."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator

from tdl_tui.registry import Options, Undescribable, nearest, shown

from .own_files import decode, named_file, read_bytes, text

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
LOOKED_AT = 20  # rows, to find the delimiter
MISSING = frozenset(["", "na", "n/a", "nan", "null", "none", "?"])  # in lower case
LARGEST = 3.4e38  # that a float32 holds


class Table:
    """`used` are the columns to look at, `inputs` those without the `target`; `forced` names columns whose numbers are
    categories. Raises Undescribable for a file that is no table, or options that do not fit it."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.path = named_file(options, "file", "a CSV file")
        self.content = decode(self.path, "file", read_bytes(self.path, "file"))
        if "\0" in self.content:
            raise Undescribable("file", f"{self.path} is not text, it holds zero bytes")
        self.delimiter = DELIMITERS.get(text(options, "delimiter")) or find_delimiter(self.content)
        self.decimal = "," if text(options, "decimal") == "comma" else "."
        first = next(self._lines(), None)
        if first is None:
            raise Undescribable("file", f"{self.path} is empty")
        header = text(options, "header")
        self.headed = header == "yes" or (header == "auto" and all(self.number(cell) is None for cell in first[1]))
        named = [cell or f"column {i + 1}" for i, cell in enumerate(first[1])]
        self.names = named if self.headed else [f"column {i + 1}" for i in range(len(named))]
        if twice := [name for name, count in Counter(self.names).items() if count > 1]:
            raise Undescribable("file", f"{self.path}: two columns are called {shown(twice[0])}; names must differ")
        left_out = self._columns("leave_out")
        self.forced = self._columns("categories")
        self.drops = text(options, "missing") == "drop"
        self.used = [i for i, name in enumerate(self.names) if name not in left_out]
        self.target = self._target(left_out)
        self.inputs = [i for i in self.used if i != self.target]
        if not self.inputs:
            alone = f"{self.path} has the target column alone"
            raise Undescribable(
                "file", f"{alone}: is {shown(self.delimiter)} the delimiter?" if len(named) == 1 else alone
            )

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Line numbers and cells, without the header. Raises Undescribable for a row of another length."""
        lines = self._lines()
        if self.headed:
            next(lines)
        for line, cells in lines:
            if len(cells) != len(self.names):
                wanted = f"the {'header' if self.headed else 'first row'} has {len(self.names)}"
                raise Undescribable("file", f"{self.path}, line {line}: {len(cells)} cells, {wanted}")
            yield line, cells

    def gone(self, cells: list[str]) -> list[int]:
        """The columns that are used and have no value here."""
        return [i for i in self.used if cells[i].lower() in MISSING]

    def kept(self) -> Iterator[list[str]]:
        """The rows that are not dropped."""
        return (cells for _, cells in self.rows() if not (self.drops and self.gone(cells)))

    def number(self, cell: str) -> float | None:
        """The cell as a finite number, None where it is none."""
        try:
            value = float(cell.replace(",", ".") if self.decimal == "," else cell)
        except ValueError:
            return None
        return value if abs(value) <= LARGEST and "_" not in cell else None

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        reader = csv.reader(io.StringIO(self.content), delimiter=self.delimiter, skipinitialspace=True)
        try:
            for cells in reader:
                if cells:
                    yield reader.line_num, [cell.strip() for cell in cells]
        except csv.Error as error:
            raise Undescribable("file", f"{self.path}, line {reader.line_num}: {error}") from None

    def _columns(self, option: str) -> set[str]:
        named = next(csv.reader([text(self.options, option)], skipinitialspace=True), [])
        names = {name.strip() for name in named} - {""}
        for name in names:
            self._known(option, name)
        return names

    def _known(self, option: str, name: str) -> int:
        if name in self.names:
            return self.names.index(name)
        near = nearest(name, self.names)
        there = f"nearest: {shown(near)}" if near else f"there are {shown(self.names)}"
        raise Undescribable(option, f"{self.path} has no column {shown(name)}; {there}")

    def _target(self, left_out: set[str]) -> int:
        name = text(self.options, "target")
        if not name:
            if not self.used:
                raise Undescribable("leave_out", f"leaves no column of {self.path}")
            return self.used[-1]
        target = self._known("target", name)
        if name in left_out:
            raise Undescribable("leave_out", f"must not name the target, {shown(name)}")
        return target


def find_delimiter(content: str) -> str:
    """The delimiter that divides the first rows into the most columns, all into as many; the comma where none does."""
    best, columns = ",", 1
    for delimiter in DELIMITERS.values():
        reader = csv.reader(io.StringIO(content), delimiter=delimiter, skipinitialspace=True)
        try:
            lengths = {
                len(cells) for cells, _ in zip((cells for cells in reader if cells), range(LOOKED_AT), strict=False)
            }
        except csv.Error:
            continue
        if len(lengths) == 1 and max(lengths) > columns:
            best, columns = delimiter, max(lengths)
    return best
