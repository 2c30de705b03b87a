"""The tables of `run.db`, and how the file is opened: by one writer, and by any number of readers."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import stat
import tempfile
from functools import cache
from pathlib import Path

from . import migrations

FILE = "run.db"
BESIDE = ("-wal", "-shm", "-journal")  # SQLite's own files have its name and one of these
VERSION = 4  # earlier ones are in migrations.py
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
MATRICES = """
CREATE TABLE matrix (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE matrix_sample (
    matrix INTEGER NOT NULL, number INTEGER NOT NULL, step INTEGER NOT NULL, time REAL NOT NULL, data BLOB NOT NULL
);
CREATE UNIQUE INDEX matrix_sample_by_number ON matrix_sample (matrix, number);
CREATE INDEX matrix_sample_by_step ON matrix_sample (matrix, step);
"""
"""Since version 3; behind the others, whose pages stay where they were."""

NETWORK_FILESYSTEMS = frozenset(
    ("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "lustre", "gpfs", "beegfs", "glusterfs", "pvfs2", "9p")
)


class UnreadableRun(Exception):
    """A run that cannot be read; the message is one line for people."""


class Damaged(UnreadableRun):
    """`run.db` is missing, is no run, or is corrupt."""


class NewerSchema(UnreadableRun):
    """`run.db` was written by a newer version."""


class Locked(UnreadableRun):
    """Another program keeps `run.db` to itself for longer than a reader waits; it can be read once that lets go."""


def create(folder: Path) -> sqlite3.Connection:
    """A new `run.db` (mode 0600) in a folder that has none, open for writing. The caller commits and closes."""
    path = folder / FILE
    path.touch(mode=0o600, exist_ok=False)
    connection = _connect(path)
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.executescript(f"BEGIN; {TABLES} {MATRICES} COMMIT;")
    return connection


def open_writable(folder: Path) -> sqlite3.Connection:
    """The run's database for its one writer, in today's layout. Raises Damaged or NewerSchema."""
    path = file_of(folder)
    try:
        with contextlib.closing(_open(f"{path.absolute().as_uri()}?mode=ro")) as look:
            version = check_layout(look, path)  # what is not for us stays as it is: a writer moves SQLite's log
        connection = _connect(path)
        try:
            if version < VERSION:
                migrations.migrate(connection, version, VERSION)
            mode = _set_journal_mode(connection, folder)
            # without WAL each commit has to reach the disk; with it, a flush sees to that
            connection.execute(f"PRAGMA synchronous = {'NORMAL' if mode == 'wal' else 'FULL'}")
            connection.execute("PRAGMA secure_delete = OFF")
            connection.execute("PRAGMA journal_size_limit = 16777216")
        except BaseException:
            connection.close()
            raise
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # names, and SQLite's own words, may be no UTF-8
        raise damaged(path, error) from None
    return connection


def open_readonly(folder: Path, patience: float = BUSY_SECONDS) -> sqlite3.Connection:
    """The run's database for a reader, which needs no permission to write. Raises UnreadableRun.

    Whoever keeps it locked is waited for, now and later, `patience` seconds at a time. One in an earlier layout is read
    from a private copy, brought up to today's: it stays as it is.
    """
    path = file_of(folder)
    uri = path.absolute().as_uri()
    try:
        try:
            return _checked(f"{uri}?mode=ro", path, patience)
        except sqlite3.OperationalError as error:
            if is_locked(error):
                raise
            # Beside a WAL database SQLite wants two more files. Where they cannot be made, nobody writes.
            write_ahead_log = path.with_name(FILE + "-wal")
            if not write_ahead_log.exists() or write_ahead_log.stat().st_size == 0:
                return _checked(f"{uri}?mode=ro&immutable=1", path, patience)
            with tempfile.TemporaryDirectory(prefix="tdl-") as copy:
                shutil.copyfile(path, Path(copy, FILE))
                shutil.copyfile(write_ahead_log, Path(copy, FILE + "-wal"))
                return _private_copy(sqlite3.connect(Path(copy, FILE)), path)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # names, and SQLite's own words, may be no UTF-8
        raise unreadable(path, error) from None
    except OSError as error:
        raise Damaged(f"{path} cannot be read: {error.strerror}") from None


def is_locked(error: Exception) -> bool:
    """Whether SQLite failed because another program has the database locked."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF == sqlite3.SQLITE_BUSY


def unreadable(path: Path, error: Exception) -> UnreadableRun:
    """The one line for people about a database that cannot be read now, or at all."""
    return Locked(f"{path} is locked by another program") if is_locked(error) else damaged(path, error)


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


def file_of(folder: Path) -> Path:
    """The path of the run's database. Raises Damaged where that, or what SQLite has beside it, is no plain file."""
    path = folder / FILE
    for name in (path, *(path.with_name(FILE + ending) for ending in BESIDE)):
        try:
            mode = name.lstat().st_mode
        except FileNotFoundError:
            if name is path:
                raise Damaged(f"{path} is missing") from None
            continue
        except OSError as error:
            raise Damaged(f"{name} cannot be read: {error.strerror}") from None
        if not stat.S_ISREG(mode):
            raise Damaged(f"{name} is a link or no plain file: a run's record is one")
    return path


def version_of(folder: Path) -> int:
    """The layout that the run's database is in. Raises Damaged or NewerSchema."""
    path = file_of(folder)
    try:
        with contextlib.closing(_open(f"{path.absolute().as_uri()}?mode=ro")) as connection:
            return check_layout(connection, path)
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise damaged(path, error) from None


def _open(uri: str, patience: float = BUSY_SECONDS) -> sqlite3.Connection:
    return sqlite3.connect(uri, uri=True, timeout=patience, isolation_level=None, check_same_thread=False)


def _checked(uri: str, path: Path, patience: float) -> sqlite3.Connection:
    connection = _open(uri, patience)
    try:
        version = check_layout(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection if version == VERSION else _private_copy(connection, path)


def _private_copy(source: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    """A copy that nobody else sees, in today's layout, on the disk where it is large. Closes the source."""
    copy = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    try:
        with contextlib.closing(source):
            source.backup(copy)
        version = check_layout(copy, path)
        if version < VERSION:
            migrations.migrate(copy, version, VERSION)
    except BaseException:
        copy.close()
        raise
    return copy


def check_layout(connection: sqlite3.Connection, path: Path) -> int:
    """The version that wrote the database, this one's or an earlier one's. Raises Damaged or NewerSchema.

    It has the tables of a run and nothing else: a view or a trigger would be somebody's program.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID or version < 1:
        raise Damaged(f"{path} is not the record of a run")
    if version > VERSION:
        raise NewerSchema(f"{path} was written by a newer version (schema {version}, this one reads {VERSION})")
    found = _layout(connection)
    known = _known_layout(with_matrices=version >= 3)
    if not {entry for entry in known if entry[0] == "table"} <= found <= known:
        raise Damaged(f"{path} has other tables than the record of a run")
    return int(version)


def missing_indexes(connection: sqlite3.Connection) -> dict[str, str]:
    """The indexes that are not there, in today's layout: their names, and the statements that make them."""
    return {name: sql for _, name, sql in sorted(_known_layout(with_matrices=True) - _layout(connection))}


def _layout(connection: sqlite3.Connection) -> frozenset[tuple[str, str, str]]:
    """Kind, name and statement of everything in the database but what SQLite keeps for itself."""
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'")
    return frozenset(rows.fetchall())


@cache
def _known_layout(*, with_matrices: bool) -> frozenset[tuple[str, str, str]]:
    """As `_layout`, of a new run."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(TABLES + MATRICES if with_matrices else TABLES)
        return _layout(connection)
