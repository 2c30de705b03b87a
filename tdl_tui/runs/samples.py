"""Samples of all layers, of all probes, or of a named matrix: bounded in number, thinned evenly as a run grows long."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Sequence
from math import nan
from typing import Literal

Table = Literal["layer_sample", "probe_sample"]
Rows = tuple[tuple[float, ...], ...]
KEPT = 2048  # samples at most
KEPT_BYTES = 1 << 24  # and bytes
KEPT_MATRICES = 256  # of each name
KEPT_MATRIX_BYTES = 1 << 21


def insert(connection: sqlite3.Connection, table: Table, step: int, time: float, rows: Rows) -> None:
    """Adds a sample. Within a transaction.

    Samples are numbered as they come. Those kept are the multiples of a power of two, which doubles whenever too many
    are there; and always the newest.
    """
    data = _encode(rows)
    number = _make_room(connection, table, max(16, min(KEPT, KEPT_BYTES // max(len(data), 1))))
    connection.execute(
        f"INSERT INTO {table} (number, step, time, data) VALUES (?, ?, ?, ?)", (number, step, time, data)
    )


def insert_matrix(connection: sqlite3.Connection, name: str, step: int, time: float, rows: Rows) -> None:
    """Adds a sample of a named matrix, of each of which fewer are kept. Within a transaction."""
    data = _encode(rows)
    connection.execute("INSERT OR IGNORE INTO matrix (name) VALUES (?)", (name,))
    (matrix,) = connection.execute("SELECT id FROM matrix WHERE name = ?", (name,)).fetchone()
    connection.execute("DELETE FROM matrix_sample WHERE matrix = ? AND step = ?", (matrix, step))  # made again
    limit = max(16, min(KEPT_MATRICES, KEPT_MATRIX_BYTES // max(len(data), 1)))
    number = _make_room(connection, "matrix_sample", limit, "matrix = ?", (matrix,))
    connection.execute(
        "INSERT INTO matrix_sample (matrix, number, step, time, data) VALUES (?, ?, ?, ?, ?)",
        (matrix, number, step, time, data),
    )


def _make_room(
    connection: sqlite3.Connection, table: str, limit: int, which: str = "TRUE", values: tuple[int, ...] = ()
) -> int:
    """The number of the next sample; of those before, the ones that are one too many are gone."""
    (newest,) = connection.execute(f"SELECT max(number) FROM {table} WHERE {which}", values).fetchone()
    number: int = 0 if newest is None else newest + 1
    spacing = _spacing(number, limit)
    if number and newest % spacing:
        connection.execute(f"DELETE FROM {table} WHERE {which} AND number = ?", (*values, newest))
    if number and spacing > _spacing(newest, limit):
        connection.execute(f"DELETE FROM {table} WHERE {which} AND number % ? != 0", (*values, spacing))
    return number


def _spacing(number: int, limit: int) -> int:
    """The smallest power of two of which fewer than `limit` positive multiples are at most `number`."""
    spacing = 1
    while number // spacing >= limit:
        spacing *= 2
    return spacing


def _encode(rows: Rows) -> bytes:
    """Row count, then the rows one after the other: all are of one length."""
    flat = array("d", [float(len(rows))])
    for row in rows:
        flat.extend(row)
    return flat.tobytes()


def decode(data: bytes) -> Rows:
    """The rows of a sample. Raises ValueError, TypeError or OverflowError for what is none."""
    flat = array("d", data)
    count = int(flat[0]) if flat else 0
    width, rest = divmod(len(flat) - 1, count) if count else (0, max(len(flat) - 1, 0))
    if rest or count < 0 or (count and not width):
        raise ValueError(f"{len(flat) - 1} numbers are no {count} rows")
    return tuple(tuple(flat[1 + i * width : 1 + (i + 1) * width]) for i in range(count))


def padded(data: bytes, width: int) -> bytes:
    """A sample whose rows have NaN for what they lack of `width` numbers; as it is where it cannot be decoded."""
    try:
        rows = decode(data)
    except (ValueError, TypeError, OverflowError):
        return data  # reading it will say so
    return _encode(tuple((*row, *(nan,) * (width - len(row))) for row in rows))


def column(rows: Sequence[bytes], row: int, column: int) -> list[float]:
    """One number of each encoded sample."""
    out = []
    for data in rows:
        flat = memoryview(data).cast("d")
        width = (len(flat) - 1) // int(flat[0])
        out.append(flat[1 + row * width + column])
    return out
