"""Disks that fill up, and one that turns read-only."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import psutil

from tdl_tui.runs import schema
from tdl_tui.runs.records import State
from tdl_tui.spec import Experiment
from tdl_tui.training import checkpoints

from .training import (
    Outcome,
    Recovery,
    begun,
    ended,
    record,
    resumed,
    small,
    summary,
    survived,
    undisturbed,
    wait_for_some_step,
    wait_until,
)

MOUNTED = 64 << 20
"""The bytes of a filesystem that is made for a trial."""


FULL = 2.0
"""Seconds for which a disk is full that has room again before the run gives up."""


class Impossible(Exception):
    """This machine, or this user, cannot make the fault; the message says why."""


def full_for_points(random: Random, home: Path) -> Recovery:
    """No room for the points of a commit, by a limit to the size of files, which is lifted in time."""
    launched = begun(home, sparing())
    folder = launched.folder
    wait_for_some_step(random, folder)
    log = folder / f"{schema.FILE}-wal"
    with limited(launched.pid, log.stat().st_size):
        step = summary(folder).progress.step
        time.sleep(FULL)
        assert not ended(folder), f"it is {summary(folder).state}: {summary(folder).message}"
    again = wait_until(lambda: summary(folder).progress.step > step or ended(folder))
    survived(folder)
    return Recovery(again=(again,))


def full_for_long(random: Random, home: Path) -> Recovery:
    """No room for the points of a commit on a small filesystem, until the run has given up."""
    with filesystem(home, "tmpfs", f"size={MOUNTED}") as place:
        folder = begun(place, sparing()).folder
        wait_for_some_step(random, folder)
        with filled(place):
            said = wait_until(lambda: ended(folder))
        return failed_and_resumed(folder, said, "full")


def full_for_a_checkpoint(random: Random, home: Path) -> Recovery:
    """No room for a checkpoint on a small filesystem."""
    with filesystem(home, "tmpfs", f"size={MOUNTED}") as place:
        folder = begun(place, wide()).folder
        wait_for_some_step(random, folder)
        last = folder / "checkpoints" / checkpoints.LAST
        wait_until(lambda: last.exists() or ended(folder))
        with filled(place, leave=last.stat().st_size // 2):
            said = wait_until(lambda: ended(folder))
        return failed_and_resumed(folder, said, "No space left", undisturbed(wide()))


def read_only(random: Random, home: Path) -> Recovery:
    """The filesystem finds itself faulty and turns read-only, under a worker that writes; it is mended and mounted."""
    home.mkdir(exist_ok=True)
    image = home / "image"
    with image.open("wb") as file:
        file.truncate(MOUNTED)
    run("mkfs.ext4", "-q", str(image))
    with filesystem(home, "ext4", "loop,errors=remount-ro", str(image)) as place:
        launched = begun(place, small())
        folder = launched.folder
        wait_for_some_step(random, folder)
        device = run("findmnt", "--noheadings", "--output", "SOURCE", str(place)).strip()
        Path("/sys/fs/ext4", Path(device).name, "trigger_fs_error").write_text("made by torture")
        said = wait_until(lambda: ended(folder))
        state = summary(folder).state  # it could write nothing more
        assert state in (State.LOST, State.FAILED), f"it is {state}"
        wait_until(lambda: not psutil.pid_exists(launched.pid))
    with suppress(subprocess.CalledProcessError):  # its status says that it mended something
        run("e2fsck", "-fy", str(image))
    with filesystem(home, "ext4", "loop", str(image)) as place:
        held = record(folder)
        again = resumed(folder)
        survived(folder, held)
    return Recovery(said=(said,), again=(again,))


def failed_and_resumed(folder: Path, said: float, words: str, wanted: Outcome | None = None) -> Recovery:
    """The rest of a trial whose run was to fail, with `words` in what it says."""
    found, held = summary(folder), record(folder)
    if found.state is State.FINISHED:
        raise AssertionError("it finished before its disk was full")
    assert found.state is State.FAILED, f"it is {found.state}: {found.message}"
    assert words in found.message and "\n" not in found.message, found.message
    again = resumed(folder)
    survived(folder, held, wanted=wanted)
    return Recovery(said=(said,), again=(again,))


def wide() -> Experiment:
    """With checkpoints that need more room than many commits of points."""
    return small(model={"architecture": "mlp", "options": {"widths": [1024], "dropout": 0.1}})


def sparing() -> Experiment:
    """With no checkpoint while it trains, so that points alone need room."""
    return small(training={**small().training.model_dump(), "checkpoint_seconds": 3600.0})


@contextmanager
def limited(pid: int, size: int) -> Iterator[None]:
    """Lets a process write no file beyond a size."""
    unlimited = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, unlimited[1]))
    try:
        yield
    finally:
        if psutil.pid_exists(pid):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)


@contextmanager
def filled(place: Path, leave: int = 0) -> Iterator[None]:
    """Takes all the room of a small filesystem, but so many bytes."""
    stuff = place / "stuff"
    room = place / "room"
    room.write_bytes(bytes(leave))
    with stuff.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 20))
    with stuff.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(512))
    room.unlink()
    try:
        yield
    finally:
        stuff.unlink()


@contextmanager
def filesystem(home: Path, kind: str, options: str, source: str = "none") -> Iterator[Path]:
    """A folder in `home` where a filesystem is mounted. Raises Impossible where that is not allowed."""
    if os.geteuid():
        raise Impossible("only root may mount a filesystem")
    place = home / "mounted"
    place.mkdir(parents=True, exist_ok=True)
    try:
        run("mount", "-t", kind, "-o", options, source, str(place))
    except (OSError, subprocess.CalledProcessError) as error:
        raise Impossible(f"no filesystem can be mounted: {error}") from None
    try:
        yield place
    finally:
        wait_until(lambda: unmounted(place))  # who had files open there is just ending


def unmounted(place: Path) -> bool:
    try:
        run("umount", str(place))
    except subprocess.CalledProcessError:
        return not place.is_mount()
    return True


def run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
