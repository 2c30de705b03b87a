"""Which machine this is, and whether a run's worker was on it."""

from __future__ import annotations

import getpass
import os
import platform
import uuid
from functools import cache
from pathlib import Path
from typing import Any


@cache
def identity() -> dict[str, str]:
    """This machine: its host name, its lasting id, and the id of its kernel since it was started ("" if unknown)."""
    return {
        "host": platform.node(),
        "machine": _first_line("/etc/machine-id") or f"{uuid.getnode():012x}",
        "boot": _first_line("/proc/sys/kernel/random/boot_id"),
    }


def is_here(worker: dict[str, Any]) -> bool:
    """Whether `worker`, an identity that was written down, is of this machine, so that file locks tell the truth.

    One kernel is enough, whatever containers call themselves; else name and machine id, as after a restart.
    """
    here = identity()
    if here["boot"] and worker.get("boot") == here["boot"]:
        return True
    return worker.get("host") == here["host"] and worker.get("machine") == here["machine"]


@cache
def user() -> str:
    """Who works here, "user@host"; a number for a user without a name."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = str(os.getuid())
    return f"{name}@{platform.node()}"


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""
