"""The tables of `run.db`, and how the file is opened: by one writer, and by any number of readers."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from pathlib import Path

FILE = "run.db"
VERSION = 2  # 1 had smaller chunks and rollup rows; no release wrote it
APPLICATION_ID = 0x74646C52  # "tdlR"
PAGE_BYTES = 8192  # one holds a full chunk, or two rollup rows: a row that needs a second page costs twice
BUSY_SECONDS = 5.0

# Ordinals number a series' points from 0. A chunk holds consecutive points of one series, a rollup row
# consecutive buckets of one level; only a series' last chunk is ever changed (it grows), rollup rows never are.
TABLES = """
CREATE TABLE fact (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE series (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE chunk (
    series INTEGER NOT NULL, first INTEGER NOT NULL, count INTEGER NOT NULL,
    step INTEGER NOT NULL, stride INTEGER NOT NULL, since REAL NOT NULL,
    steps BLOB, counts BLOB NOT NULL, times BLOB NOT NULL, data BLOB NOT NULL
);
CREATE UNIQUE INDEX chunk_by_ordinal ON chunk (series, first);
CREATE INDEX chunk_by_step ON chunk (series, step);
CREATE TABLE rollup (
    series INTEGER NOT NULL, level INTEGER NOT NULL, row INTEGER NOT NULL,
    step INTEGER NOT NULL, stride INTEGER NOT NULL, steps BLOB, data BLOB NOT NULL, nonfinite BLOB
);
CREATE UNIQUE INDEX rollup_by_row ON rollup (series, level, row);
CREATE TABLE layer (position INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE layer_sample (number INTEGER PRIMARY KEY, step INTEGER NOT NULL, time REAL NOT NULL, data BLOB NOT NULL);
CREATE INDEX layer_sample_by_step ON layer_sample (step);
CREATE TABLE probe (
    position INTEGER PRIMARY KEY, example INTEGER NOT NULL, kind TEXT NOT NULL, shape TEXT NOT NULL,
    input BLOB NOT NULL, target REAL NOT NULL
);
CREATE TABLE probe_sample (number INTEGER PRIMARY KEY, step INTEGER NOT NULL, time REAL NOT NULL, data BLOB NOT NULL);
CREATE INDEX probe_sample_by_step ON probe_sample (step);
CREATE TABLE event (
    id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, step INTEGER NOT NULL,
    kind TEXT NOT NULL, text TEXT NOT NULL, data TEXT NOT NULL
);
"""

NETWORK_FILESYSTEMS = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "lustre", "gpfs", "beegfs", "glusterfs", "pvfs2", "9p")
)


class UnreadableRun(Exception):
    """A run that cannot be read; the message is one line for people."""


class Damaged(UnreadableRun):
    """`run.db` is missing, is no run, or is corrupt."""


class NewerSchema(UnreadableRun):
    """`run.db` was written by a newer version."""


def create(folder: Path) -> sqlite3.Connection:
    """A new `run.db` (mode 0600) in a folder that has none, open for writing. The caller commits and closes."""
    path = folder / FILE
    path.touch(mode=0o600, exist_ok=False)
    connection = _connect(path)
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.executescript(f"BEGIN; {TABLES} COMMIT;")
    return connection


def open_writable(folder: Path) -> sqlite3.Connection:
    """The run's database for its one writer. Raises Damaged or NewerSchema."""
    path = folder / FILE
    if not path.is_file():
        raise Damaged(f"{path} is missing")
    try:
        connection = _connect(path)
        _check(connection, path)
        mode = _set_journal_mode(connection, folder)
        # without WAL each commit has to reach the disk; with it, a flush sees to that
        connection.execute(f"PRAGMA synchronous = {'NORMAL' if mode == 'wal' else 'FULL'}")
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("PRAGMA journal_size_limit = 16777216")
    except sqlite3.DatabaseError as error:
        raise damaged(path, error) from None
    return connection


def open_readonly(folder: Path) -> sqlite3.Connection:
    """The run's database for a reader, which needs no permission to write. Raises Damaged or NewerSchema."""
    path = folder / FILE
    if not path.is_file():
        raise Damaged(f"{path} is missing")
    uri = path.absolute().as_uri()
    try:
        try:
            return _checked(f"{uri}?mode=ro", path)
        except sqlite3.OperationalError:
            # Beside a WAL database SQLite wants two more files. Where they cannot be made, nobody writes.
            write_ahead_log = path.with_name(FILE + "-wal")
            if not write_ahead_log.exists() or write_ahead_log.stat().st_size == 0:
                return _checked(f"{uri}?mode=ro&immutable=1", path)
            with tempfile.TemporaryDirectory(prefix="tdl-") as copy:
                shutil.copyfile(path, Path(copy, FILE))
                shutil.copyfile(write_ahead_log, Path(copy, FILE + "-wal"))
                memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
                with sqlite3.connect(Path(copy, FILE)) as source:
                    source.backup(memory)
                source.close()
                _check(memory, path)
                return memory
    except sqlite3.DatabaseError as error:
        raise damaged(path, error) from None
    except OSError as error:
        raise Damaged(f"{path} cannot be read: {error.strerror}") from None


def damaged(path: Path, error: Exception) -> Damaged:
    """The one line for people about a database that cannot be read, or whose content cannot be understood."""
    reason = str(error) if isinstance(error, sqlite3.Error) else f"{type(error).__name__}: {error}"
    return Damaged(f"{path} is damaged or cannot be read: {' '.join(reason.split())}")


def supports_wal(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> bool:
    """Whether the filesystem lets processes share memory through a file, as SQLite's WAL needs: network ones do not."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return True
    place, found = folder.absolute().resolve(), ("", "")
    for line in lines:
        _, point, kind, *_ = [*line.split(" "), "", "", ""]
        point = point.replace("\\040", " ")
        if place.is_relative_to(point or "/nowhere") and len(point) >= len(found[0]):
            found = point, kind
    return found[1] not in NETWORK_FILESYSTEMS and not found[1].startswith("fuse.sshfs")


def _set_journal_mode(connection: sqlite3.Connection, folder: Path) -> str:
    """The mode now in force, "wal" or "delete": it cannot be changed while somebody reads."""
    with contextlib.suppress(sqlite3.OperationalError):
        connection.execute(f"PRAGMA journal_mode = {'WAL' if supports_wal(folder) else 'DELETE'}")
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    return str(mode)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def _checked(uri: str, path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _check(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID or version < 1:
        raise Damaged(f"{path} is not the record of a run")
    if version < VERSION:
        raise Damaged(f"{path} was written by an earlier version of tdl, in a layout that is no longer read")
    if version > VERSION:
        raise NewerSchema(f"{path} was written by a newer version (schema {version}, this one reads {VERSION})")
