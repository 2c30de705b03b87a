"""Starting a training: a run, and a detached worker that trains it, at once or in its turn. Imports no torch."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tdl_tui.plugins.faults import PluginError
from tdl_tui.plugins.named import refuse_unnamed, remember
from tdl_tui.runs import commands, links, lock, queue
from tdl_tui.runs import home as runs_home
from tdl_tui.runs.home import HomeError, NewRun
from tdl_tui.runs.links import Leads
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State
from tdl_tui.runs.table import RunTable
from tdl_tui.spec import Experiment

from .checks import LaunchError, auto_device, check_data, check_device
from .environment import reap, start
from .origin import Origin
from .spare import Spare

__all__ = [
    "LaunchError",
    "Launched",
    "Queued",
    "check_device",
    "enqueue",
    "ensure_runner",
    "launch",
    "resume",
    "take_turn",
]


@dataclass(frozen=True, slots=True)
class Launched:
    """A run and the worker's process."""

    folder: Path
    pid: int


@dataclass(frozen=True, slots=True)
class Queued:
    """A run that waits: for which device, and its place among those that wait for it (0: its turn has come)."""

    folder: Path
    device: str
    place: int


def launch(experiment: Experiment, home: Path, spare: Spare | None = None, origin: Origin | None = None) -> Launched:
    """Makes a run of the experiment and starts a worker on it: the spare if it is ready, else a new process. With an
    `origin` the run is a fork.

    Raises LaunchError, in one line, for what can be refused beforehand (the device, the data, the home folder); the
    home folder is then as it was.
    """
    run = _make(experiment, home, State.STARTING, origin)
    try:
        return Launched(run.folder, _put_to_work(run.folder, run.lock_fd, spare))
    except LaunchError:
        shutil.rmtree(run.folder, ignore_errors=True)
        raise


def enqueue(experiment: Experiment, home: Path, origin: Origin | None = None) -> Queued:
    """Makes a run of the experiment, with an `origin` a fork, that waits for its turn, and sees to it that a runner is
    there to start it.

    Raises LaunchError as `launch` does.
    """
    run = _make(experiment, home, State.QUEUED, origin)
    os.close(run.lock_fd)  # from here on it waits
    try:
        ensure_runner(home)
    except OSError as error:
        with suppress(HomeError):  # a runner that somebody else started has it
            runs_home.purge(runs_home.delete(run.folder))
        raise LaunchError(f"no runner can be started for the queue: {error.strerror}") from None
    auto = auto_device()
    runs = RunTable(home).refresh()
    device = next((queue.device_of(found, auto) for found in runs if found.id == run.folder.name), auto)
    return Queued(run.folder, device, queue.places(runs, auto).get(run.folder.name, 0))


def ensure_runner(home: Path) -> int | None:
    """Starts the process that starts queued runs, unless it is there, and returns its pid. Raises OSError."""
    if lock.held(queue.make_folder(home)):
        return None
    process = start("tdl_tui.worker.queue_runner", [str(home)], [])
    reap(process)
    return process.pid


def take_turn(folder: Path) -> Launched | None:
    """Starts a worker on a queued run; None where somebody else has started it, or taken it out, meanwhile.

    The run stays queued until its worker says something. Raises LaunchError where no worker can be started.
    """
    try:
        lock_fd = lock.acquire(folder)
    except (lock.Held, FileNotFoundError):
        return None
    try:
        queued = queue.is_queued(folder)
        if queued:
            _refuse_foreign(folder)
    except BaseException:
        os.close(lock_fd)
        raise
    if not queued:
        os.close(lock_fd)
        return None
    return Launched(folder, _put_to_work(folder, lock_fd, None))


def resume(folder: Path, spare: Spare | None = None) -> Launched:
    """Starts a worker on a run that has none; it goes on from the last checkpoint.

    Raises LaunchError, in one line, where a worker holds the run or none can be started.
    """
    try:
        lock_fd = lock.acquire(folder)
    except lock.Held:
        raise LaunchError(f"{folder.name} has a worker already: {_holder(folder)}") from None
    except OSError as error:
        raise LaunchError(f"{folder.name} cannot be resumed: {error.strerror} ({folder})") from None
    try:
        _refuse_foreign(folder)
    except (PluginError, Leads, OSError) as error:
        os.close(lock_fd)
        raise LaunchError(f"{folder.name} cannot be resumed: {error}") from None
    for command in commands.pending(folder):
        commands.take(command)  # what the worker before did not live to hear is not meant for this one
    return Launched(folder, _put_to_work(folder, lock_fd, spare))


def _holder(folder: Path) -> str:
    """Who works on a run whose lock is held, by what it wrote."""
    with RunReader(folder) as reader:
        summary = reader.summary()
    if summary.state is State.STARTING or not summary.pid:
        return "it is starting"
    return f"process {summary.pid} on {summary.host}"


def _make(experiment: Experiment, home: Path, state: State, origin: Origin | None) -> NewRun:
    """A new run of what can be trained here. Raises LaunchError."""
    check_device(experiment.training.device)
    check_data(experiment)
    try:
        make = partial(runs_home.create, home, experiment.document(), title=experiment.title, state=state)
        if origin is None:
            run = make()
        else:
            run = make(origin=origin.fact(), fill=lambda folder: origin.copy_into(folder, experiment))
    except HomeError as error:
        raise LaunchError(str(error)) from None
    with suppress(OSError):  # then they have to be named again when it is resumed
        remember(home, experiment.plugins)
    return run


def _refuse_foreign(folder: Path) -> None:
    """A run may come from somebody else: nothing that it names is followed or executed, but what a person here named.

    Raises PluginError, Leads, and OSError.
    """
    links.refuse(folder)
    with RunReader(folder) as reader:
        experiment = reader.summary().experiment
    refuse_unnamed(folder.parent.parent, experiment)
    remember(folder.parent.parent, experiment.get("plugins", []))


def _put_to_work(folder: Path, lock_fd: int, spare: Spare | None) -> int:
    """The pid of a worker on the run. Hands the lock over: this process has it no more."""
    try:
        return (spare and spare.become(folder, lock_fd)) or _start_cold(folder, lock_fd)
    except OSError as error:
        raise LaunchError(f"no worker can be started: {error.strerror}") from None
    finally:
        os.close(lock_fd)


def _start_cold(folder: Path, lock_fd: int) -> int:
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # in the worker, until it can answer
    try:
        with (folder / "log.txt").open("ab") as log:
            process = start("tdl_tui.worker.process", [str(folder), "--lock", str(lock_fd)], [lock_fd], log)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
    reap(process)
    return process.pid
