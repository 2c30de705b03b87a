"""Whether a run's folder is as tdl leaves it, and putting right what can be put right."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from . import commands, host, lock, schema, signatures
from .durable import sync_folder
from .inspection import Broken, Fault, inspect
from .salvage import Hopeless, salvage
from .text import printable
from .writer import close_plain, encode_fact

FILES = re.compile(
    rf"({re.escape(schema.FILE)}({'|'.join(schema.BESIDE)})?|{lock.FILE}|log\.txt|splits\.npz"
    rf"|{re.escape(schema.FILE)}\.damaged(-\d+)?({'|'.join(schema.BESIDE)})?)"
)
FOLDERS = ("checkpoints", commands.FOLDER)
LEFTOVERS = re.compile(r"\..*\.part|\.reserve|\.splits\.npz|\.\d{20}-[0-9a-f]{8}|\.salvage-\w+")
"""What a program that was killed leaves behind."""
ENTRIES = 10_000  # of a folder that are looked at
PREVIOUS = {"last.pt": "previous.pt"}
PUT_ASIDE = "damaged.pt"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong in a run, or was: where ("" for the run as a whole), and what, in one line."""

    place: str
    text: str
    mended: bool = False

    def __str__(self) -> str:
        where = f"{printable(self.place)}: " if self.place else ""
        return f"{where}{self.text}{' (mended)' if self.mended else ''}"

    def document(self) -> dict[str, Any]:
        return asdict(self)


def check_run(folder: Path, *, repair: bool = False) -> list[Finding]:
    """What is wrong in a run's folder, in bounded memory. With `repair` mends what can be mended.

    Nothing is mended while a worker holds the run's lock; what a worker leaves behind only when it dies is then not
    looked for. A `run.db` of which something would be lost by mending is kept beside the mended one.
    """
    if not folder.is_dir():
        return [Finding("", "there is no such folder")]
    missing_lock = not (folder / lock.FILE).exists()
    held, note = None, []
    if repair:
        try:
            held = lock.acquire(folder)
        except lock.Held:
            note = [Finding("", "a worker is at work on it: nothing is mended")]
        except OSError as error:
            note = [Finding(lock.FILE, f"cannot be taken: {error.strerror}; nothing is mended")]
    try:
        live = held is None and lock.held(folder)
        mend = held is not None
        found = [
            *(_lock_again(folder, mend) if missing_lock else ()),
            *_entries(folder, live, mend),
            *_database(folder, mend),
            *_checkpoints(folder, live, mend),
        ]
        return [*found, *note] if found else []
    finally:
        if held is not None:
            os.close(held)


# ---------------------------------------------------------------------------------------------------------- folder


def check_home(home: Path, *, repair: bool = False) -> list[Finding]:
    """Whether a home, and the folder its runs are in, are open to their owner alone."""
    found = []
    for folder in (home, home / "runs"):
        with contextlib.suppress(FileNotFoundError):
            found += list(_mode(folder, folder.lstat(), "" if folder == home else folder.name, repair))
    return found


def _entries(folder: Path, live: bool, mend: bool) -> Iterator[Finding]:
    """Permissions, leftovers, links, and what is not of a run."""
    yield from _mode(folder, folder.stat(), "", mend)
    for name in FOLDERS:
        if not (folder / name).exists():
            yield _tried(name, "the folder is missing", mend, partial((folder / name).mkdir, 0o700))
    for place in (folder, *(folder / name for name in FOLDERS)):
        if place.is_symlink() or not place.is_dir():
            continue
        with os.scandir(place) as entries:
            for number, entry in enumerate(entries):
                if number == ENTRIES:
                    yield Finding(str(place.relative_to(folder)), f"holds more than {ENTRIES:,} files")
                    break
                yield from _entry(folder, Path(entry.path), live, mend)


def _entry(folder: Path, path: Path, live: bool, mend: bool) -> Iterator[Finding]:
    place, inside = str(path.relative_to(folder)), path.parent != folder
    try:
        status = path.lstat()
    except FileNotFoundError:  # a worker that is at work has many a file for an instant
        return
    if stat.S_ISLNK(status.st_mode):
        yield Finding(place, "is a link: a run's folder holds none, and none is followed")
        return
    if LEFTOVERS.fullmatch(path.name) and not live:
        yield _tried(place, "was left behind by a program that was killed", mend, partial(_remove, path))
        return
    expected = stat.S_ISREG(status.st_mode) and (inside or FILES.fullmatch(path.name))
    if not (expected or live or (stat.S_ISDIR(status.st_mode) and path.name in FOLDERS)):
        yield Finding(place, "is not of a run")
    yield from _mode(path, status, place, mend)


def _mode(path: Path, status: os.stat_result, place: str, mend: bool) -> Iterator[Finding]:
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077 and not stat.S_ISLNK(status.st_mode):
        wanted = 0o700 if stat.S_ISDIR(status.st_mode) else 0o600
        may = mend and not mode & stat.S_ISVTX  # a folder that all may use belongs to all
        text = f"others may get at it (mode {mode:o}, not {wanted:o})"
        yield _tried(place or path.name, text, may, partial(path.chmod, mode & 0o700))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _lock_again(folder: Path, mend: bool) -> Iterator[Finding]:
    """The lock is missing. With `mend` this process holds a new one: no worker of this machine is on the run."""
    if mend:
        with contextlib.suppress(schema.UnreadableRun, sqlite3.Error, ValueError, AttributeError):  # told below
            _say_whose_lock(folder)
    yield Finding(lock.FILE, "is missing", mended=mend)


def _say_whose_lock(folder: Path) -> None:
    with contextlib.closing(schema.open_writable(folder)) as connection:
        (said,) = connection.execute("SELECT value FROM fact WHERE key = 'worker'").fetchone() or ("{}",)
        if host.is_here(json.loads(said)):
            worker = {**host.identity(), "lock": lock.inode(folder)}
            connection.execute("UPDATE fact SET value = ? WHERE key = 'worker'", (encode_fact(worker),))


def _tried(place: str, text: str, mend: bool, attempt: Callable[[], object]) -> Finding:
    """The finding, after an attempt to mend it where that is asked for."""
    if not mend:
        return Finding(place, text)
    try:
        attempt()
    except OSError as error:
        return Finding(place, f"{text}; it cannot be changed: {error.strerror}")
    return Finding(place, text, mended=True)


# ---------------------------------------------------------------------------------------------------------- run.db


def _database(folder: Path, mend: bool) -> Iterator[Finding]:
    path = folder / schema.FILE
    try:
        schema.file_of(folder)
    except schema.Damaged as error:
        yield Finding(schema.FILE, _without(path, error))
        return
    broken, faults = "", []
    try:
        faults = _look(folder)
    except (schema.Damaged, Broken) as error:
        broken = _without(path, error)
    except schema.UnreadableRun as error:  # a newer one, or one that is locked: not to be mended
        yield Finding(schema.FILE, _without(path, error))
        return
    if not mend:
        yield from ([Finding(schema.FILE, broken)] if broken else _findings(faults, faults))
        return
    try:
        yield from _mended(folder, faults, broken)
    except Hopeless:
        yield Finding(schema.FILE, f"{broken}; nothing in it can be read as a run")
    except (schema.UnreadableRun, Broken, sqlite3.Error, OSError) as error:
        yield Finding(schema.FILE, f"{broken or faults[0].text}; it cannot be mended: {_without(path, error)}")


def _look(folder: Path) -> list[Fault]:
    """The faults of the run's database. Raises UnreadableRun or Broken."""
    with contextlib.closing(schema.open_readonly(folder, schema.BUSY_SECONDS)) as connection:
        try:
            connection.execute("BEGIN")
            connection.execute("SELECT 1 FROM fact").fetchone()  # waits for whoever has it locked, or says so
            return inspect(connection, folder, mend=False)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise schema.unreadable(folder / schema.FILE, error) from None


def _mended(folder: Path, faults: list[Fault], broken: str) -> Iterator[Finding]:
    version, kept = schema.VERSION, ""
    if broken:
        kept = _rebuild(folder)
        yield Finding(
            schema.FILE, f"{broken}; what can be read is in a new one, the damaged one is {kept}", mended=True
        )
        faults = [fault for fault in _look(folder) if fault.loses or fault.lasts]
    else:
        version = schema.version_of(folder)
        if any(fault.loses for fault in faults):
            kept = _keep(folder)
            yield Finding(schema.FILE, f"is kept as it was as {kept}", mended=True)
    if faults or broken or version < schema.VERSION:
        connection = schema.open_writable(folder)
        try:
            connection.execute("BEGIN IMMEDIATE")
            inspect(connection, folder, mend=True)
            connection.execute("COMMIT")
        finally:
            close_plain(connection)
    if version < schema.VERSION:
        yield Finding(schema.FILE, f"was in layout {version}, is in layout {schema.VERSION} now", mended=True)
    yield from _findings(faults, _look(folder) if faults else [])


def _findings(faults: list[Fault], remaining: list[Fault]) -> Iterator[Finding]:
    for fault in faults:
        yield Finding(schema.FILE, fault.text, mended=fault not in remaining)
    for fault in remaining:
        if fault not in faults:
            yield Finding(schema.FILE, fault.text)


def _rebuild(folder: Path) -> str:
    """Puts a new database with what can be read in place of the damaged one, and returns what that is called now."""
    path = folder / schema.FILE
    with tempfile.TemporaryDirectory(prefix=".salvage-", dir=folder) as scratch:
        made = salvage(path, Path(scratch))
        kept = _free_name(folder)
        os.link(path, kept)
        for ending in schema.BESIDE:  # SQLite would take them for the new one's
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + ending).rename(kept.with_name(kept.name + ending))
        made.replace(path)
    sync_folder(folder)
    return kept.name


def _keep(folder: Path) -> str:
    """A copy of the database as it is, and what that is called."""
    kept = _free_name(folder)
    kept.touch(mode=0o600, exist_ok=False)
    with (
        contextlib.closing(schema.open_readonly(folder)) as source,
        contextlib.closing(sqlite3.connect(kept)) as target,
    ):
        source.backup(target)
    return kept.name


def _free_name(folder: Path) -> Path:
    names = (folder / f"{schema.FILE}.damaged{'' if number == 1 else f'-{number}'}" for number in count(1))
    return next(name for name in names if not name.exists())


def _without(path: Path, error: Exception) -> str:
    """What an error says of the file, without its name."""
    return printable(" ".join(str(error).removeprefix(f"{path} ").split()))


# ----------------------------------------------------------------------------------------------------- checkpoints


def _checkpoints(folder: Path, live: bool, mend: bool) -> Iterator[Finding]:
    """Checkpoints that are not as they were written. One that a resume would not take is put aside, as that does."""
    place = folder / "checkpoints"
    if live or place.is_symlink() or not place.is_dir():  # a worker at work replaces them
        return
    wrong = {}
    for path in sorted(place.glob("*.pt")):
        if path.name != PUT_ASIDE and stat.S_ISREG(path.lstat().st_mode):
            try:
                fault = signatures.fault(path)
            except OSError as error:
                fault = f"it cannot be read: {error.strerror}"
            if fault:
                wrong[path.name] = fault
    for name, fault in wrong.items():
        before = place / PREVIOUS.get(name, "")
        text = f"is damaged: {fault}"
        if before.is_file() and before.name not in wrong:
            text = f"{text}; a resume goes on from {before.name}"
            yield _tried(f"checkpoints/{name}", text, mend, partial((place / name).replace, place / PUT_ASIDE))
        else:
            yield Finding(f"checkpoints/{name}", text)
