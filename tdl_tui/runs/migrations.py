"""Earlier layouts of `run.db`, brought up to the one that is written now."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from .series import rebuild_rollups


def _smaller_rows(connection: sqlite3.Connection) -> None:
    """1 had rollup rows of 60 buckets; its smaller chunks are chunks as well."""
    for (number,) in connection.execute("SELECT id FROM series").fetchall():
        rebuild_rollups(connection, number)


STEPS: dict[int, Callable[[sqlite3.Connection], None]] = {1: _smaller_rows}
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
