"""What waits for its turn: queued runs, their order, and how many may be at work at a time. Starts nothing. No torch.

A queued run is one in state QUEUED; its turn is by when it was made. Whoever takes its lock may start it, or take it
out of the queue. `<home>/queue/` holds the lock of the runner that starts them, its log, and what was set.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from . import lock
from .folders import HomeError
from .reader import RunReader
from .records import State, Summary
from .writer import RunWriter

FOLDER = "queue"
SETTINGS = "settings.json"
LOG = "log.txt"
AT_MOST = 1


def waiting(runs: Iterable[Summary]) -> list[Summary]:
    """The queued runs, the one that was queued first in front."""
    return sorted((run for run in runs if run.state is State.QUEUED), key=lambda run: (run.created, run.id))


def device_of(run: Summary, auto: str) -> str:
    """The device that a run takes or waits for: cpu, mps or cuda:N. `auto` is what auto stands for on this machine."""
    training = run.experiment.get("training")
    asked = training.get("device", "auto") if isinstance(training, dict) else "auto"
    device = str(run.device.partition(" ")[0] if run.state.live and run.device else asked)
    return {"auto": auto, "cuda": "cuda:0"}.get(device, device)


def due(runs: Iterable[Summary], at_most: int, auto: str) -> list[Summary]:
    """The queued runs whose turn it is, in order: with them, at most `at_most` are live on a device.

    Live runs count whoever started them, paused ones too.
    """
    runs = list(runs)
    live = Counter(device_of(run, auto) for run in runs if run.state.live)
    found = []
    for run in waiting(runs):
        device = device_of(run, auto)
        if live[device] < at_most:
            live[device] += 1
            found.append(run)
    return found


def places(runs: Iterable[Summary], auto: str) -> dict[str, int]:
    """The place of each queued run (by id) among those that wait for the same device: 1 is the next."""
    ahead: Counter[str] = Counter()
    found = {}
    for run in waiting(runs):
        device = device_of(run, auto)
        ahead[device] += 1
        found[run.id] = ahead[device]
    return found


def leave(folder: Path, state: State, message: str) -> bool:
    """Takes a queued run out of the queue, to a state in which a person may resume it. False: it was queued no more.

    Raises OSError, UnreadableRun or WriteError where its folder cannot be written.
    """
    try:
        descriptor = lock.acquire(folder)
    except lock.Held:
        return False
    try:
        if not is_queued(folder):
            return False
        with RunWriter(folder) as writer:
            writer.update(state=state, message=message)
            writer.event("state", f"{state}: {message}", 0)
        return True
    finally:
        os.close(descriptor)


def is_queued(folder: Path) -> bool:
    """Whether the run was last said to be queued, whoever holds its lock. Raises UnreadableRun."""
    with RunReader(folder) as reader:
        return reader.facts().get("state") == State.QUEUED


def folder(home: Path) -> Path:
    """Where the queue keeps what is its own."""
    return home / FOLDER


def at_most(home: Path) -> int:
    """How many runs may be live on a device while others wait for it. Raises HomeError for what is no such number."""
    path = folder(home) / SETTINGS
    try:
        number = json.loads(path.read_text(encoding="utf-8"))["at_most"]
    except FileNotFoundError:
        return AT_MOST
    except OSError as error:
        raise HomeError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        number = None
    if type(number) is not int or number < 1:
        raise HomeError(f"{path} does not say how many runs may be at work; tdl queue --at-most N writes it anew")
    return number


def set_at_most(home: Path, number: int) -> None:
    """Keeps how many runs may be live on a device, 1 or more. Raises HomeError where that cannot be written."""
    path = folder(home) / SETTINGS
    draft = path.with_name(f".{SETTINGS}-{os.getpid()}")
    try:
        make_folder(home)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"at_most": number}, file)
        draft.rename(path)
    except OSError as error:
        with suppress(OSError):  # where nothing can be written, nothing was
            draft.unlink(missing_ok=True)
        raise HomeError(f"{path} cannot be written: {error.strerror}") from None


def make_folder(home: Path) -> Path:
    """The queue's folder, made where there is none. Raises OSError."""
    made = folder(home)
    made.mkdir(mode=0o700, parents=True, exist_ok=True)
    return made
