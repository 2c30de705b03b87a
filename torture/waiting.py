"""Runs that wait for their turn, and the process that starts them killed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from random import Random

from tdl_tui.runs import home as homes
from tdl_tui.runs import lock, queue
from tdl_tui.runs.records import State
from tdl_tui.worker.launch import ensure_runner

from .kills import events
from .training import Recovery, kill, small, summary, survived, undisturbed, wait_until

RUNS = 5


def runner_killed(random: Random, home: Path) -> Recovery:
    """The runner is killed again and again, and another started: each run is trained, once."""
    folders = [waiting_run(home) for _ in range(RUNS)]
    again = []
    while any(summary(folder).state is State.QUEUED for folder in folders):
        began = time.monotonic()
        runner = ensure_runner(home)
        assert runner is not None, "a runner that was killed is taken for one at work"
        wait_until(lambda: lock.held(queue.folder(home)))
        again.append(time.monotonic() - began)
        time.sleep(random.uniform(0.0, 2 * undisturbed().starting))
        kill(runner)
        wait_until(lambda: not lock.held(queue.folder(home)))
    for folder in folders:
        survived(folder)
        begun = [text for text in events(folder) if text.startswith("training ")]
        assert len(begun) == 1, f"it was trained {len(begun)} times"
    return Recovery(len(again), again=tuple(again))


def waiting_run(home: Path) -> Path:
    run = homes.create(home, small().document(), title="", state=State.QUEUED)
    os.close(run.lock_fd)
    return run.folder
