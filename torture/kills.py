"""Signals to a worker, and to the processes that read its data, at moments that are drawn."""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path
from random import Random

import psutil

from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State
from tdl_tui.training import checkpoints
from tdl_tui.worker.launch import launch, resume

from .training import (
    Recovery,
    all_events,
    begun,
    ended,
    kill,
    record,
    resumed,
    small,
    summary,
    survived,
    undisturbed,
    wait_for,
    wait_for_some_step,
    wait_until,
)

CHAIN = 4
"""Kills of one training, at most."""
IN_A_CHECKPOINT = "while a checkpoint was written"
GRACE = 10.0
STILL = 1.0


def killed(random: Random, home: Path, kills: int = CHAIN) -> Recovery:
    """Up to `kills` workers of one training, each at a moment of its start, of its steps, or of its checkpoints."""
    launched = launch(small(), home)
    folder, pid = launched.folder, launched.pid
    said, again, moments, before = [], [], Counter[str](), []
    for _ in range(kills):
        before_this = len(events(folder))
        await_a_moment(random, folder, before_this)
        if ended(folder):
            break  # it was sooner
        kill(pid)
        said.append(wait_until(lambda: ended(folder)) + told_lost(folder))
        moments[moment(folder, before_this)] += 1
        before.append(record(folder))
        if summary(folder).state is State.FINISHED:
            break  # all but the process had ended
        if random.random() < 0.5:  # in the midst of its start the next kill may come
            pid = resume(folder).pid
        else:
            again.append(resumed(folder))
            pid = summary(folder).pid
    survived(folder, *before)
    return Recovery(sum(moments.values()), tuple(said), tuple(again), moments)


def await_a_moment(random: Random, folder: Path, events_before: int) -> None:
    """Returns at a moment of a worker's life, however far it is in its start, or when it has ended."""
    kind = random.random()
    if kind < 0.25:
        time.sleep(random.uniform(0.0, undisturbed().starting))
        return
    wait_until(lambda: trains(folder, events_before) or ended(folder))
    wait_for_some_step(random, folder, 0.7)
    if kind < 0.55:
        wait_until(lambda: part(folder).exists() or ended(folder), every=0.0002)


def told_lost(folder: Path) -> float:
    """The seconds until a reader says that it is lost, where it had not ended."""
    return wait_for(folder, State.LOST, State.FINISHED)


def moment(folder: Path, events_before: int) -> str:
    """What a worker that was killed had been at."""
    if not trains(folder, events_before):
        return "while it started"
    if part(folder).exists():
        return IN_A_CHECKPOINT
    if not (folder / "checkpoints" / checkpoints.LAST).exists():
        return "before its first checkpoint"
    return "between checkpoints"


def part(folder: Path) -> Path:
    """Is there while a checkpoint is written."""
    return folder / "checkpoints" / f".{checkpoints.LAST}.part"


def events(folder: Path) -> list[str]:
    with RunReader(folder) as reader:
        return [event.text for event in all_events(reader)]


def trains(folder: Path, events_before: int) -> bool:
    """Whether a worker has said so, after so many events of others."""
    return any(text.startswith("training ") for text in events(folder)[events_before:])


def terminated(random: Random, home: Path) -> Recovery:
    """As when a machine goes down: it is to stop, with a checkpoint if there is something to keep."""
    launched = launch(small(), home)
    folder = launched.folder
    await_a_moment(random, folder, 0)
    if ended(folder):
        return terminated(random, home)
    kill(launched.pid, signal.SIGTERM)
    said = wait_until(lambda: ended(folder))
    assert said < GRACE, f"it took {said:.1f} s to end"
    found, held = summary(folder), record(folder)
    if found.state is State.FINISHED:
        return Recovery(said=(said,), moments=Counter(["at its end"]))
    assert found.state is State.STOPPED, f"it is {found.state}: {found.message}"
    assert held.step == found.progress.step, f"stopped at {found.progress.step}, checkpoint of {held.step}"
    again = resumed(folder)
    survived(folder, held)
    return Recovery(said=(said,), again=(again,), moments=Counter(["as it trained" if held.step else "as it started"]))


def held_up(random: Random, home: Path) -> Recovery:
    """Stopped for a second by SIGSTOP: it is at work all the while, and goes on when it may."""
    launched = begun(home, small())
    folder = launched.folder
    wait_for_some_step(random, folder)
    kill(launched.pid, signal.SIGSTOP)
    deadline = time.monotonic() + STILL
    try:
        while time.monotonic() < deadline and not ended(folder):
            assert summary(folder).state in (State.RUNNING, State.FINISHED), f"it is said to be {summary(folder).state}"
        step = summary(folder).progress.step
    finally:
        kill(launched.pid, signal.SIGCONT)
    again = wait_until(lambda: summary(folder).progress.step > step or ended(folder))
    survived(folder)
    return Recovery(again=(again,))


def reader_of_data_killed(random: Random, home: Path) -> Recovery:
    """A process that reads data is killed: the run says so, and is resumed."""
    launched = begun(home, small(data={"storage": "stream", "loader_workers": 2}))
    folder = launched.folder
    wait_for_some_step(random, folder)
    children = psutil.Process(launched.pid).children()
    assert len(children) >= 2, "nobody reads data"
    random.choice(children).kill()
    said = wait_until(lambda: ended(folder))
    found, held = summary(folder), record(folder)
    assert found.state is State.FAILED, f"it is {found.state}"
    assert "\n" not in found.message and "read" in found.message.lower(), found.message
    assert not any(child.is_running() for child in children), "its processes outlive it"
    again = resumed(folder)
    survived(folder, held)
    return Recovery(said=(said,), again=(again,))


def worker_of_readers_killed(random: Random, home: Path) -> Recovery:
    """The worker is killed, and the processes that read its data outlive it: it is lost all the same."""
    launched = begun(home, small(data={"storage": "stream", "loader_workers": 2}))
    folder = launched.folder
    wait_for_some_step(random, folder)
    children = psutil.Process(launched.pid).children()
    for child in children:
        child.suspend()  # they cannot notice
    kill(launched.pid)
    said = wait_until(lambda: ended(folder)) + told_lost(folder)
    assert all(child.is_running() for child in children), "nobody outlives it"
    held = record(folder)
    again = resumed(folder)
    for child in children:
        child.resume()
    survived(folder, held)
    psutil.wait_procs(children, timeout=60)
    assert not any(child.is_running() for child in children), "its processes never end"
    return Recovery(said=(said,), again=(again,))
