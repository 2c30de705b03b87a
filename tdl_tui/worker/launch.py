"""Starting a training: a run, and a detached worker that trains it. Imports no torch."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tdl_tui.runs import commands, lock
from tdl_tui.runs import home as runs_home
from tdl_tui.runs.home import HomeError
from tdl_tui.spec import Experiment

from .checks import LaunchError, check_data, check_device
from .environment import reap, start
from .spare import Spare

__all__ = ["LaunchError", "Launched", "check_device", "launch", "resume"]


@dataclass(frozen=True, slots=True)
class Launched:
    """A run and the worker's process."""

    folder: Path
    pid: int


def launch(experiment: Experiment, home: Path, spare: Spare | None = None) -> Launched:
    """Makes a run of the experiment and starts a worker on it: the spare if it is ready, else a new process.

    Raises LaunchError, in one line, for what can be refused beforehand (the device, the data, the home folder); the
    home folder is then as it was.
    """
    check_device(experiment.training.device)
    check_data(experiment)
    try:
        run = runs_home.create(home, experiment.document(), title=experiment.title)
    except HomeError as error:
        raise LaunchError(str(error)) from None
    try:
        return Launched(run.folder, _put_to_work(run.folder, run.lock_fd, spare))
    except LaunchError:
        shutil.rmtree(run.folder, ignore_errors=True)
        raise


def resume(folder: Path, spare: Spare | None = None) -> Launched:
    """Starts a worker on a run that has none; it goes on from the last checkpoint.

    Raises LaunchError, in one line, where a worker holds the run or none can be started.
    """
    try:
        lock_fd = lock.acquire(folder)
    except lock.Held:
        raise LaunchError(f"{folder.name} has a worker already") from None
    except OSError as error:
        raise LaunchError(f"{folder.name} cannot be resumed: {error.strerror} ({folder})") from None
    for command in commands.pending(folder):
        commands.take(command)  # what the worker before did not live to hear is not meant for this one
    return Launched(folder, _put_to_work(folder, lock_fd, spare))


def _put_to_work(folder: Path, lock_fd: int, spare: Spare | None) -> int:
    """The pid of a worker on the run. Hands the lock over: this process has it no more."""
    try:
        return (spare and spare.become(folder, lock_fd)) or _start_cold(folder, lock_fd)
    except OSError as error:
        raise LaunchError(f"no worker can be started: {error.strerror}") from None
    finally:
        os.close(lock_fd)


def _start_cold(folder: Path, lock_fd: int) -> int:
    with (folder / "log.txt").open("ab") as log:
        process = start("tdl_tui.worker.process", [str(folder), "--lock", str(lock_fd)], [lock_fd], log)
    reap(process)
    return process.pid
