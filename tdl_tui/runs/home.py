"""The home folder and the runs in it: found, named, made, and put away."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import sqlite3
import string
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import host, lock, schema
from .durable import sync_folder
from .folders import HomeError, find_home, runs_folder
from .reader import RunReader
from .records import State
from .text import printable
from .writer import encode_fact

__all__ = (
    "AmbiguousRun",
    "HomeError",
    "NewRun",
    "UnknownRun",
    "create",
    "delete",
    "find_home",
    "purge",
    "resolve",
    "restore",
    "run_folders",
    "run_ids",
    "runs_folder",
    "tidy",
)
DELETED = ".deleted-"
LEFT_BEHIND_SECONDS = 86400.0  # nobody undoes a deletion, or is still making a run, after so long
ID_LENGTH = 8


class UnknownRun(HomeError):
    """No run goes by that name."""


class AmbiguousRun(HomeError):
    """Several runs go by that name."""


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run that was just made, and the descriptor that holds its lock."""

    folder: Path
    lock_fd: int


def run_folders(home: Path) -> list[Path]:
    """The runs of a home, in no order. None where there is no home yet. Raises HomeError where it cannot be read."""
    parent = runs_folder(home)
    return [parent / name for name in run_ids(home)]


def run_ids(home: Path) -> list[str]:
    """As `run_folders`, their names alone: for those who look often at many."""
    try:
        with os.scandir(runs_folder(home)) as entries:
            return [e.name for e in entries if not e.name.startswith(".") and e.is_dir()]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise HomeError(f"{runs_folder(home)} cannot be read: {error.strerror}") from None


def resolve(home: Path, text: str) -> Path:
    """The run that a person means: an id, a unique beginning of one, a name, or "last".

    Raises UnknownRun or AmbiguousRun.
    """
    folders = run_folders(home)
    for folder in folders:
        if folder.name == text:
            return folder
    if not folders:
        raise UnknownRun(f'no run "{printable(text)}": {runs_folder(home)} holds no runs yet')
    summaries = []
    for folder in folders:
        with RunReader(folder) as reader:
            summaries.append(reader.summary())
    if text == "last":
        newest = max(summaries, key=lambda summary: (not summary.damage, summary.created))
        return runs_folder(home) / newest.id
    meant = [s for s in summaries if text and (s.id.startswith(text) or s.name == text)]
    if not meant:
        raise UnknownRun(f'no run "{printable(text)}" in {runs_folder(home)}; tdl ls shows what there is')
    if len(meant) > 1:
        shown = ", ".join(f"{s.id} ({printable(s.name)})" for s in meant[:5])
        more = f" and {len(meant) - 5} more" if len(meant) > 5 else ""
        raise AmbiguousRun(f'"{printable(text)}" may mean {shown}{more}; say more of the id')
    return runs_folder(home) / meant[0].id


def create(
    home: Path,
    experiment_document: dict[str, Any],
    *,
    title: str,
    state: State = State.STARTING,
    origin: dict[str, Any] | None = None,
    fill: Callable[[Path], None] = lambda folder: None,
) -> NewRun:
    """A new run, its lock taken; seen by others only when it is complete. A fork says of what by `origin`, and `fill`
    puts into its folder what it begins with. Raises HomeError and what `fill` raises, and leaves nothing then."""
    parent = runs_folder(home)
    with _nothing_left_behind(parent) as made:
        _make_folder(parent)
        run_id = _new_id(parent)
        draft = parent / f".{run_id}"
        made.append(draft)
        draft.mkdir(mode=0o700)
        for name in ("commands", "checkpoints"):
            (draft / name).mkdir(mode=0o700)
        descriptor = lock.acquire(draft)
        try:
            _write_first(draft, experiment_document, title, state, origin)
            (draft / "log.txt").touch(mode=0o600)
            fill(draft)
            draft.rename(parent / run_id)
            sync_folder(parent)
        except BaseException:
            os.close(descriptor)
            raise
    return NewRun(parent / run_id, descriptor)


def delete(folder: Path) -> Path:
    """Puts a run out of sight, and returns where it is now. Raises HomeError, also for one that is at work."""
    try:
        descriptor = lock.acquire(folder)  # nobody starts it meanwhile
    except lock.Held:
        raise HomeError(f"{folder.name} is being worked on: stop it first") from None
    except OSError as error:
        raise HomeError(f"{folder} cannot be moved: {error.strerror}") from None
    try:
        return _rename(folder, folder.with_name(DELETED + folder.name))
    finally:
        os.close(descriptor)


def restore(path: Path) -> Path:
    """Undoes `delete`, and returns the run's folder."""
    return _rename(path, path.with_name(path.name.removeprefix(DELETED)))


def purge(path: Path) -> None:
    """Removes for good what `delete` put out of sight. Raises HomeError."""
    if not path.name.startswith(DELETED):
        raise HomeError(f"{path} is not a deleted run")
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise HomeError(f"{path} cannot be removed: {error.strerror}") from None


def tidy(home: Path) -> None:
    """Removes what a program that was killed left behind a day ago or more: deleted runs, and runs half made.

    Leaves alone what it cannot remove, and what a process has locked.
    """
    limit = time.time() - LEFT_BEHIND_SECONDS
    with suppress(OSError), os.scandir(runs_folder(home)) as entries:
        for entry in entries:
            ours = entry.name.startswith(DELETED) or re.fullmatch(rf"\.[a-z][a-z0-9]{{{ID_LENGTH - 1}}}", entry.name)
            if not (ours and entry.is_dir(follow_symlinks=False)):
                continue
            if entry.stat(follow_symlinks=False).st_ctime < limit and not lock.held(Path(entry.path)):
                shutil.rmtree(entry.path, ignore_errors=True)


def _write_first(
    folder: Path, experiment: dict[str, Any], title: str, state: State, origin: dict[str, Any] | None
) -> None:
    now = time.time()
    facts = {
        "state": state,
        "title": title,
        "created": now,
        "changed": now,
        "experiment": experiment,
        "worker": {**host.identity(), "lock": lock.inode(folder)},
        **({"parent": origin} if origin else {}),
    }
    connection = schema.create(folder)
    try:
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO fact (key, value) VALUES (?, ?)",
            [(key, encode_fact(value)) for key, value in facts.items()],
        )
        connection.execute("COMMIT")
    finally:
        connection.close()


def _new_id(parent: Path) -> str:
    while True:
        first = secrets.choice(string.ascii_lowercase)
        rest = (secrets.choice(string.ascii_lowercase + string.digits) for _ in range(ID_LENGTH - 1))
        run_id = first + "".join(rest)
        taken = any((parent / f"{prefix}{run_id}").exists() for prefix in ("", ".", DELETED))
        if not taken and run_id != "last":
            return run_id


@contextmanager
def _nothing_left_behind(parent: Path) -> Iterator[list[Path]]:
    """On failure removes the folders listed, and those above `parent` that were not there before. Raises HomeError."""
    absent = [folder for folder in (parent, *parent.parents) if not folder.exists()]
    made: list[Path] = []
    try:
        yield made
    except BaseException as error:
        for folder in made:
            shutil.rmtree(folder, ignore_errors=True)
        for folder in absent:
            try:
                folder.rmdir()
            except OSError:
                break  # not empty: another run was made meanwhile
        if isinstance(error, OSError):
            raise HomeError(f"{parent} cannot be written: {error.strerror}") from None
        if isinstance(error, sqlite3.Error):
            raise HomeError(f"{parent} cannot be written: {error}") from None
        raise


def _make_folder(folder: Path) -> None:
    for part in reversed((folder, *folder.parents)):
        if not part.exists():
            part.mkdir(mode=0o700, exist_ok=True)


def _rename(source: Path, target: Path) -> Path:
    try:
        if target.exists():
            raise HomeError(f"{target} is there already")
        return source.rename(target)
    except OSError as error:
        raise HomeError(f"{source} cannot be moved: {error.strerror}") from None
