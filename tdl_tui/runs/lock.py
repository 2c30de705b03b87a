"""`worker.lock`: held by a run's worker from before the run is visible until the worker ends."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

FILE = "worker.lock"
RETRY_SECONDS = 1.0


class Held(Exception):
    """Another process holds the lock: a worker is at work on the run."""


def acquire(folder: Path) -> int:
    """Takes the lock, and returns its descriptor, which children inherit: closing the last copy lets go.

    Raises Held at once where a worker holds it. A reader that is just looking (`held`) is waited for.
    """
    descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    os.set_inheritable(descriptor, True)
    deadline = time.monotonic() + RETRY_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if not _shared(descriptor) or time.monotonic() > deadline:
                os.close(descriptor)
                raise Held(f"{folder.name} is being worked on by another process") from None
            time.sleep(0.002)


def held(folder: Path) -> bool:
    """Whether a process holds the lock. Looks by taking a shared lock for an instant."""
    try:
        descriptor = os.open(folder / FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return not _shared(descriptor)
    finally:
        os.close(descriptor)


def inode(folder: Path) -> int:
    """What tells this lock from that of a copied folder; 0 where there is none."""
    try:
        return (folder / FILE).lstat().st_ino
    except OSError:
        return 0


def _shared(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True
