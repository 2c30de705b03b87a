"""What can still be read of a damaged `run.db`, copied row by row into a new one."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import schema

TABLES = (
    "fact",
    "series",
    "chunk",
    "layer",
    "layer_sample",
    "probe",
    "probe_sample",
    "event",
    "matrix",
    "matrix_sample",
)
"""Rollups are made anew from the chunks."""
PROBES = 20_000  # looks at places that cannot be read, a table; beyond that the rest of it is given up
PAGE_SIZES = (schema.PAGE_BYTES, 4096)
LARGEST = 2**63 - 1

Row = tuple[Any, ...]
UNREADABLE = (sqlite3.Error, UnicodeDecodeError)


class Hopeless(Exception):
    """Nothing in the file can be read as a run."""


def salvage(damaged: Path, scratch: Path) -> Path:
    """A new database in the empty folder `scratch`, with every row of `damaged` that can be read.

    `damaged` stays as it is; what SQLite's log beside it holds is taken along. Raises Hopeless, and OSError.
    """
    work, made = scratch / "damaged", scratch / "made"
    work.mkdir(mode=0o700)
    made.mkdir(mode=0o700)
    copy = work / schema.FILE
    for ending in ("", "-wal", "-journal"):
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(damaged.with_name(damaged.name + ending), copy.with_name(copy.name + ending))
    target = schema.create(made)
    try:
        if not any(_copy_all(copy, target) for _ in _attempts(copy)):
            raise Hopeless
    finally:
        target.close()
    return made / schema.FILE


def _attempts(copy: Path) -> Iterator[None]:
    """Makes the file readable, in one way after the other."""
    _say_length(copy)
    yield
    for page in PAGE_SIZES:
        for ending in schema.BESIDE:
            copy.with_name(copy.name + ending).unlink(missing_ok=True)
        _transplant(copy, page)
        yield


def _say_length(copy: Path) -> None:
    """Has the header tell as many pages as there are: SQLite reads none of a file that is shorter than it says."""
    with copy.open("r+b") as file:
        header = file.read(100)
        page = int.from_bytes(header[16:18], "big")
        if len(header) == 100 and page in (512, 1024, 2048, *PAGE_SIZES, 16384, 32768):
            file.seek(28)
            file.write((copy.stat().st_size // page).to_bytes(4, "big"))


def _transplant(copy: Path, page: int) -> None:
    """Puts the first page of a new database in place of the file's: all runs have the same tables on the same pages."""
    fresh = copy.with_name("fresh")
    fresh.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(fresh)) as connection:
        connection.execute(f"PRAGMA page_size = {page}")
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {schema.VERSION}")
        connection.executescript(schema.TABLES + schema.MATRICES)
    first = bytearray(fresh.read_bytes()[:page])
    first[28:32] = (copy.stat().st_size // page).to_bytes(4, "big")
    with copy.open("r+b") as file:
        file.write(first)


def _copy_all(copy: Path, target: sqlite3.Connection) -> bool:
    """Copies all tables. Whether there is anything of a run now."""
    source = sqlite3.connect(copy, isolation_level=None)
    source.text_factory = lambda content: content.decode("utf-8", "replace")
    target.execute("BEGIN")
    try:
        source.execute("PRAGMA writable_schema = ON")  # SQLite is then content with less than it was promised
        schema.check_layout(source, copy)
        for table in TABLES:
            with contextlib.suppress(*UNREADABLE):  # an earlier layout has not all of them
                source.execute(f"SELECT 1 FROM {table} LIMIT 0")
                _copy(source, target, table)
        found = any(target.execute(f"SELECT 1 FROM {table}").fetchone() for table in ("fact", "chunk"))
    except (*UNREADABLE, schema.UnreadableRun):
        found = False
    finally:
        source.close()
    target.execute("COMMIT" if found else "ROLLBACK")
    return found


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> None:
    columns = [row[1] for row in target.execute(f"PRAGMA table_info({table})")]
    key = "key" if table == "fact" else "rowid"
    marks = ", ".join("?" * (len(columns) + (key == "rowid")))
    names = ", ".join(["rowid", *columns] if key == "rowid" else columns)
    rows = _facts(source) if key == "key" else _rows(source, table, names)
    with contextlib.suppress(*UNREADABLE):
        for row in rows:
            with contextlib.suppress(*UNREADABLE):  # a row that no table takes
                target.execute(f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})", row)


def _facts(source: sqlite3.Connection) -> Iterator[Row]:
    """The facts from both ends, up to where they cannot be read."""
    for order in ("ASC", "DESC"):
        with contextlib.suppress(*UNREADABLE):
            yield from source.execute(f"SELECT key, value FROM fact ORDER BY key {order}")


def _rows(source: sqlite3.Connection, table: str, names: str) -> Iterator[Row]:
    """A table's rows in the order of their numbers, leaving out what lies on pages that cannot be read."""
    looks = PROBES
    ranges = [(_end(source, table, "min"), _end(source, table, "max"))]
    while ranges and looks:
        low, high = ranges.pop()
        last = low - 1
        try:
            # a single row is looked up: going on to the next one may fail, and takes the row before along
            which = "rowid BETWEEN ? AND ? ORDER BY rowid" if low < high else "rowid = ?"
            for row in source.execute(f"SELECT {names} FROM {table} WHERE {which}", (low, high)[: which.count("?")]):
                if not last < row[0] <= high:
                    raise sqlite3.DatabaseError("rows out of order")
                last = row[0]
                yield row
        except UNREADABLE:
            looks -= 1
            low = last + 1
            if low < high:
                middle = (low + high) // 2
                ranges += [(middle + 1, high), (low, middle)]


def _end(source: sqlite3.Connection, table: str, which: str) -> int:
    """The lowest or highest number of a row. Where it cannot be read: what it may be."""
    try:
        (number,) = source.execute(f"SELECT {which}(rowid) FROM {table}").fetchone()
    except UNREADABLE:
        number = None
        if which == "max":
            (number,) = source.execute("PRAGMA page_count").fetchone()
            number *= 64  # rows that a page may hold
    return int(number or 0)
