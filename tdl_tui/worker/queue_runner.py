"""The queue's runner, a detached process a home: `python -m tdl_tui.worker.queue_runner HOME`. Imports no torch.

It starts queued runs, each in its turn, and ends when nothing waits. It holds nothing but the lock that keeps a second
runner away: the runs' own locks decide who starts which, so it may be killed at any moment, and another goes on.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from pathlib import Path

from tdl_tui.runs import lock, queue
from tdl_tui.runs.folders import HomeError, runs_folder
from tdl_tui.runs.records import State, Summary
from tdl_tui.runs.schema import UnreadableRun
from tdl_tui.runs.table import RunTable
from tdl_tui.runs.writer import WriteError

from .checks import LaunchError, auto_device
from .launch import take_turn
from .process import detach, one_line, print_to

POLL_SECONDS = 0.5
LOOK_SECONDS = 30.0  # between two looks at every run, however little seems to happen
DIED = "its worker died before it began; the log may say why"

Stamps = tuple[int | None, ...]


def serve(home: Path) -> None:
    """Starts what waits, until nothing does. Returns at once where another runner is there.

    Who queues a run starts a runner unless one holds the lock; so a runner looks once more after it has let go.
    """
    runner = Runner(home)
    while queue.waiting(runner.table.refresh()):
        try:
            descriptor = lock.acquire(queue.make_folder(home))
        except lock.Held:
            return
        try:
            runner.work()
        finally:
            os.close(descriptor)


class Runner:
    """Starts the runs of one home. Whoever lets it work holds the queue's lock."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.table = RunTable(home)
        self._auto = auto_device()
        self._started: set[str] = set()

    def work(self) -> None:
        """Returns when nothing waits and all that were started have said their first word."""
        while True:
            stamps = _stamps(self.home)
            runs = self.table.refresh()
            waits = queue.waiting(runs)
            if not waits and not any(run.state is State.STARTING and run.id in self._started for run in runs):
                return
            died = {run.id for run in waits if run.id in self._started}
            for run_id in died:
                self._fail(run_id, DIED)
            there = [run for run in runs if run.id not in died]
            for run in queue.due(there, queue.at_most(self.home), self._auto):
                self._start(run)
            self._rest(runs, stamps)

    def _start(self, run: Summary) -> None:
        try:
            launched = take_turn(runs_folder(self.home) / run.id)
        except LaunchError as error:
            say(f"{run.id} waits on: {error}")  # it is no fault of the run's
        except Exception as error:  # noqa: BLE001  # what is wrong with one run must not keep the others waiting
            traceback.print_exception(error)
            self._fail(run.id, one_line(error))
        else:
            if launched is not None:
                self._started.add(run.id)
                say(f"{run.id} started on {queue.device_of(run, self._auto)}, process {launched.pid}")

    def _fail(self, run_id: str, message: str) -> None:
        say(f"{run_id} failed: {message}")
        try:
            queue.leave(runs_folder(self.home) / run_id, State.FAILED, message)
        except (OSError, UnreadableRun, WriteError) as error:
            say(f"{run_id} cannot be written: {error}")

    def _rest(self, runs: list[Summary], stamps: Stamps) -> None:
        """Returns when the queue may have changed since `runs` were read: one was made, begun, ended, or removed."""
        folder = runs_folder(self.home)
        watched = [(folder / run.id, run.state.live) for run in runs if run.state.live or run.state is State.QUEUED]
        deadline = time.monotonic() + LOOK_SECONDS
        while time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            if _stamps(self.home) != stamps or any(lock.held(run) != live for run, live in watched):
                return


def _stamps(home: Path) -> Stamps:
    """When runs last came or went, and when something was set."""
    times: list[int | None] = []
    for path in (runs_folder(home), queue.folder(home) / queue.SETTINGS):
        try:
            times.append(path.stat().st_mtime_ns)
        except OSError:
            times.append(None)
    return tuple(times)


def say(line: str) -> None:
    """A line for the log."""
    sys.stderr.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")


def main() -> None:
    home = Path(sys.argv[1])
    detach()
    print_to(queue.make_folder(home) / queue.LOG)
    try:
        serve(home)
    except HomeError as error:
        say(f"the runner ends: {error}")


if __name__ == "__main__":
    main()
