"""Where the home folder is. Apart from what is done in it, so that the first screen need not wait for that."""

from __future__ import annotations

import os
from pathlib import Path

RUNS = "runs"


class HomeError(Exception):
    """What is wrong with the home folder or a run's name, in one line."""


def find_home() -> Path:
    """TDL_HOME, else the nearest .tdl/ at or above the current folder, else the platform's user data folder."""
    if chosen := os.environ.get("TDL_HOME"):
        return Path(chosen).expanduser().absolute()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / ".tdl").is_dir():
            return folder / ".tdl"
    import platformdirs

    return Path(platformdirs.user_data_dir("tdl", appauthor=False))


def runs_folder(home: Path) -> Path:
    """The folder that the runs of a home stand in."""
    return home / RUNS
