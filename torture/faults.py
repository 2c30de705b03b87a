"""Every fault that is made, in one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from . import disk, interface, kills, steps, store, waiting
from .training import Recovery


@dataclass(frozen=True)
class Fault:
    """`make` trains in a home of its own, which is made there, does the damage at moments that are drawn, sees the
    training to its end, and compares it with one that nothing happened to. It raises AssertionError with what was lost,
    disk.Impossible where this machine cannot make the fault. `times`: how often the long suite makes it.
    """

    name: str
    times: int
    make: Callable[[Random, Path], Recovery]


FAULTS = (
    Fault("worker killed (SIGKILL)", 100, kills.killed),
    Fault("worker told to end (SIGTERM), as when the machine goes down", 10, kills.terminated),
    Fault("worker held up for a second (SIGSTOP)", 3, kills.held_up),
    Fault("process that reads data killed", 5, kills.reader_of_data_killed),
    Fault("worker killed whose data-reading processes outlive it", 3, kills.worker_of_readers_killed),
    Fault("disk full for two seconds (limit to the size of files)", 3, disk.full_for_points),
    Fault("disk full until the run gives up", 2, disk.full_for_long),
    Fault("disk full for a checkpoint", 3, disk.full_for_a_checkpoint),
    Fault("filesystem turned read-only", 3, disk.read_only),
    Fault("run.db locked by another program for ten seconds", 3, store.locked),
    Fault("reader stopped in a transaction", 3, store.stopped_reader),
    Fault("reader stopped in a transaction, rollback journal", 3, store.stopped_reader_without_wal),
    Fault("run.db cut off", 8, store.cut_off),
    Fault("run.db with bits flipped", 8, store.bits_flipped),
    Fault("run.db cut off or with bits flipped, trained from the start", 4, store.begun_anew),
    Fault("last checkpoint damaged", 5, store.damaged_checkpoint),
    Fault("both checkpoints damaged", 3, store.damaged_checkpoints),
    Fault("clock gone back by an hour", 3, steps.clock_back),
    Fault("exception in a step", 3, steps.exception),
    Fault("loss not a number", 3, steps.not_a_number),
    Fault("out of memory in a step (simulated)", 3, steps.out_of_memory),
    Fault("interface killed (SIGKILL)", 3, interface.killed),
    Fault("interface hung up (SIGHUP)", 3, interface.hung_up),
    Fault("terminal gone", 3, interface.without_terminal),
    Fault("interface held up (SIGSTOP)", 3, interface.held_up),
    Fault("queue's runner killed (SIGKILL)", 10, waiting.runner_killed),
)
