"""A run's folder may come from somebody else: what in it leads elsewhere is not followed."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class Leads(Exception):
    """A run's folder holds what it should not; the message is one line for people."""


def refuse(folder: Path) -> None:
    """Raises Leads where the folder, or a folder in it, holds a link, a pipe or a device; and OSError."""
    for place in (folder, folder / "checkpoints", folder / "commands"):
        try:
            entries = list(os.scandir(place))
        except FileNotFoundError:
            continue
        for entry in entries:
            mode = entry.stat(follow_symlinks=False).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                name = Path(entry.path).relative_to(folder)
                raise Leads(f"{folder.name}: {name} is a link or no plain file; a run's folder holds none")
