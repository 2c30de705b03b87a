"""Earlier layouts of `run.db`, brought up to the one that is written now."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from .samples import padded
from .series import rebuild_rollups


def _smaller_rows(connection: sqlite3.Connection) -> None:
    """1 had rollup rows of 60 buckets; its smaller chunks are chunks as well."""
    for (number,) in connection.execute("SELECT id FROM series").fetchall():
        rebuild_rollups(connection, number)


def _no_matrices(connection: sqlite3.Connection) -> None:
    """2 had none."""
    for statement in filter(str.strip, MATRICES.split(";")):
        connection.execute(statement)


def _no_saturated_share(connection: sqlite3.Connection) -> None:
    """3 had six columns a layer: the seventh is not known."""
    for number, data in connection.execute("SELECT number, data FROM layer_sample").fetchall():
        connection.execute("UPDATE layer_sample SET data = ? WHERE number = ?", (padded(data, 7), number))


# As version 3 began: what a later one changes of them is a step of its own.
MATRICES = """
CREATE TABLE matrix (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE matrix_sample (
    matrix INTEGER NOT NULL, number INTEGER NOT NULL, step INTEGER NOT NULL, time REAL NOT NULL, data BLOB NOT NULL
);
CREATE UNIQUE INDEX matrix_sample_by_number ON matrix_sample (matrix, number);
CREATE INDEX matrix_sample_by_step ON matrix_sample (matrix, step);
"""
STEPS: dict[int, Callable[[sqlite3.Connection], None]] = {1: _smaller_rows, 2: _no_matrices, 3: _no_saturated_share}
"""What leads from a version to the next."""


def migrate(connection: sqlite3.Connection, version: int, wanted: int) -> None:
    """Brings a database from a version up to the wanted one, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for step in range(version, wanted):
            STEPS[step](connection)
        connection.execute(f"PRAGMA user_version = {wanted}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
