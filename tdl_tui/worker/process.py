"""The detached process that trains one run: `python -m tdl_tui.worker.process RUN_FOLDER --lock DESCRIPTOR`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from contextlib import suppress
from pathlib import Path

from tdl_tui.plugins.faults import fault
from tdl_tui.plugins.known import PLUGINS

RESERVE = ".reserve"
RESERVE_BYTES = 1 << 18


def work(folder: Path, lock_fd: int) -> None:
    """Trains the run in this process, which holds its lock, to the run's end. Returns with the run's state written."""
    from .watch import CommandWatcher

    PLUGINS.here = True
    hold(lock_fd)
    reserve(folder)
    watcher = CommandWatcher(folder, lambda: give_up(folder))
    signal.signal(signal.SIGTERM, lambda number, frame: watcher.terminate())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # what came while this process was starting is heard
    watcher.start()
    try:
        import torch  # noqa: F401  # the compiler stack is put off once torch is there

        from . import compiler

        compiler.put_off()
        from tdl_tui.training.session import run_training

        run_training(folder, watcher.control)
    except Exception as error:  # noqa: BLE001  # whatever it was, the run says so
        release(folder)
        report_failure(folder, error)
    finally:
        release(folder)
        watcher.close()
        os.close(lock_fd)  # ending the interpreter takes torch a while: nobody needs to wait for that


def detach() -> None:
    """Lets a hang-up and the terminal's Ctrl-C pass: only SIGTERM and commands reach a worker. What it writes is its
    owner's alone."""
    os.umask(0o077)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def hold(lock_fd: int) -> None:
    """Keeps the lock to this process: neither programs nor forks that it starts have hold of it."""
    os.set_inheritable(lock_fd, False)
    os.register_at_fork(after_in_child=lambda: os.close(lock_fd))


def reserve(folder: Path) -> None:
    """Takes a little room on the disk, so that a run whose disk becomes full can still say so (after `release`)."""
    with suppress(OSError):  # full already: the run's first words will fail, and tell
        (folder / RESERVE).write_bytes(os.urandom(RESERVE_BYTES))  # nothing that a filesystem could compress


def release(folder: Path) -> None:
    """Gives the room back."""
    with suppress(OSError):  # gone with its folder
        (folder / RESERVE).unlink(missing_ok=True)


def print_to(log: Path) -> None:
    """Sends standard output and error to the end of a file, a line at a time."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(line_buffering=True)


def report_failure(folder: Path, error: Exception) -> None:
    """Ends the run as failed for what went wrong outside of training itself."""
    from tdl_tui.runs.records import State
    from tdl_tui.runs.writer import RunWriter

    with suppress(OSError):  # a full disk takes no log either
        traceback.print_exception(error)
    message = one_line(error)
    writer = RunWriter(folder)
    writer.update(state=State.FAILED, message=message)
    writer.event("error", message, 0)
    writer.close()


def give_up(folder: Path) -> None:
    """Ends the process at once, and the run as stopped: it was told to end, and a step, the reading of data or a
    checkpoint takes longer than there is time. It can be resumed from the checkpoint that it has.
    """
    from tdl_tui.runs.reader import RunReader
    from tdl_tui.runs.records import State
    from tdl_tui.runs.writer import RunWriter

    try:
        release(folder)
        with RunReader(folder) as reader:
            state, step = State(reader.facts()["state"]), reader.summary().progress.step
        if state in (State.QUEUED, State.STARTING, State.RUNNING, State.PAUSED):
            with RunWriter(folder) as writer:
                writer.update(state=State.STOPPED, message="")
                writer.event("state", f"stopped at step {step:,} without a checkpoint: there was no time for one", step)
    except Exception as error:  # noqa: BLE001  # whatever it was, there is no time left: the run will read as lost
        traceback.print_exception(error)
    finally:
        os._exit(0)


def one_line(error: Exception) -> str:
    """What went wrong, for people."""
    return fault(error) or str(error).partition("\n")[0] or type(error).__name__


def main() -> None:
    parser = argparse.ArgumentParser(description="Train one run; tdl starts this.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lock", type=int, required=True)
    arguments = parser.parse_args()
    detach()
    print_to(arguments.folder / "log.txt")
    work(arguments.folder, arguments.lock)


if __name__ == "__main__":
    main()
