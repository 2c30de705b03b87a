"""What a person does to a run: pause, resume, stop, go back, change a value, … For screens and commands.

Each function returns, with one line to show, when the run has acknowledged it. No torch.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tdl_tui.runs import commands, kept, lock, profiles, queue
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import Event, State, Summary
from tdl_tui.runs.schema import UnreadableRun
from tdl_tui.runs.writer import WriteError
from tdl_tui.settables import PATHS, settable
from tdl_tui.spec import SpecError

from . import launch
from .spare import Spare

SECONDS = 60.0
PROFILE_SECONDS = 600.0
LIVE = (State.STARTING, State.RUNNING, State.PAUSED)
OUT_OF_QUEUE = "taken out of the queue before it began"
ENDED = (State.FINISHED, State.STOPPED, State.FAILED, State.LOST)


class SteerError(Exception):
    """Why a run does not do what it was told, in one line."""


class AskedWrongly(SteerError):
    """No run would do that: there is no such value or checkpoint."""


def pause(folder: Path, timeout: float = SECONDS) -> str:
    """Lets training wait after the step in progress. Raises SteerError, as all here do."""
    summary = _summary(folder)
    if summary.state is State.PAUSED:
        raise SteerError(f"{summary.id} is paused already; resume lets it go on")
    return _command(summary, folder, "pause", timeout)


def resume(folder: Path, timeout: float = SECONDS, spare: Spare | None = None) -> str:
    """Lets a paused run go on; starts a worker on a stopped, failed or lost one, from its last checkpoint, and on a
    queued one before its turn."""
    summary = _summary(folder)
    match summary.state:
        case State.PAUSED:
            return _command(summary, folder, "resume", timeout)
        case State.STOPPED | State.FAILED | State.LOST | State.QUEUED:
            return _restart(summary, folder, timeout, spare)
        case State.STARTING:
            raise SteerError(f"{summary.id} is starting already")
        case State.RUNNING:
            raise SteerError(f"{summary.id} is running already, as process {summary.pid} on {summary.host}")
        case State.FINISHED:
            more = f"tdl fork {summary.id} goes on, with more epochs or patience"
            raise SteerError(f"{summary.id} has finished, nothing is left to train; {more}")
    raise SteerError(_out_of_reach(summary))


def stop(folder: Path, timeout: float = SECONDS) -> str:
    """Ends training after the step in progress, with a checkpoint to resume from; takes a queued run out of the
    queue."""
    summary = _summary(folder)
    if summary.state is State.QUEUED:
        try:
            if queue.leave(folder, State.STOPPED, OUT_OF_QUEUE):
                return f"{summary.id} is out of the queue"
        except (OSError, UnreadableRun, WriteError) as error:
            raise SteerError(f"{summary.id} cannot be taken out of the queue: {error}") from None
        summary = _summary(folder)  # its turn came just then
    return _command(summary, folder, "stop", timeout)


def stop_at_epoch_end(folder: Path, timeout: float = SECONDS) -> str:
    """Ends training, with a checkpoint, after the epoch under way and its validation."""
    return _command(_summary(folder), folder, "stop_at_epoch_end", timeout)


def cancel_stop(folder: Path, timeout: float = SECONDS) -> str:
    """Takes a stop at the end of the epoch back."""
    return _command(_summary(folder), folder, "cancel_stop", timeout)


def stops_after(folder: Path) -> int | None:
    """The epoch (from 1) after which a live run is to stop; None where nobody asked for that."""
    with RunReader(folder) as reader:
        found = reader.facts().get("stops_after")
    return found if isinstance(found, int) else None


def settings(folder: Path) -> dict[str, Any]:
    """The values of a run that have been changed since its launch, by path, as they are now. Raises UnreadableRun."""
    with RunReader(folder) as reader:
        found = reader.facts().get("settings")
    known = found if isinstance(found, dict) else {}
    return {path: value for path, value in known.items() if path in PATHS and isinstance(value, (int, float))}


def checkpoint(folder: Path, timeout: float = SECONDS) -> str:
    """Writes a checkpoint that is kept, after the step in progress."""
    return _command(_summary(folder), folder, "checkpoint", timeout)


def probe(folder: Path, examples: Sequence[int], timeout: float = SECONDS) -> str:
    """Follows more held-out examples of the run's data, by their numbers, from the next step on."""
    return _command(_summary(folder), folder, "probe", timeout, examples=list(examples))


def profile(folder: Path, steps: int = profiles.STEPS, timeout: float = PROFILE_SECONDS) -> Event:
    """Has the next steps profiled, and returns the event that holds what was found (`profiles.profile_of`)."""
    summary = _summary(folder)
    if summary.state in (State.STOPPED, State.FAILED, State.LOST, State.FINISHED):
        raise SteerError(f"{summary.id} is {summary.state}: a profile is taken of a training at work")
    asked = _acknowledged(summary, folder, "profile", min(timeout, SECONDS), steps=steps)
    deadline = time.monotonic() + timeout
    with RunReader(folder) as reader:
        while True:
            ended = not lock.held(folder)
            found = next((event for event in reader.events(asked.id) if event.kind == "profile"), None)
            if found is not None:
                return found
            if ended:
                raise SteerError(f"{summary.id} ended before it was profiled: it is {_summary(folder).state}")
            if time.monotonic() >= deadline:
                raise SteerError(f"{summary.id} has not made {steps} steps within {timeout:g} s; its events will tell")
            time.sleep(commands.POLL_SECONDS)


def evaluate(folder: Path, timeout: float = SECONDS) -> str:
    """Validates at this step. Training, early stopping and the best weights feel nothing of it."""
    return _command(_summary(folder), folder, "evaluate", timeout)


def rollback(folder: Path, to: str = "last", timeout: float = SECONDS) -> str:
    """Takes a live run back to one of its checkpoints ("last", "best", "step-500", 500); what was recorded after it is
    dropped."""
    summary = _summary(folder)
    if summary.state not in LIVE:
        reason = _out_of_reach(summary)
        with contextlib.suppress(SteerError):
            start = checkpoint_of(folder, to).short
            reason = f"{reason}; tdl fork {summary.id} --from {start} goes on from there"
        raise SteerError(reason)
    return _command(summary, folder, "rollback", timeout, to=checkpoint_of(folder, to).name)


def checkpoint_of(folder: Path, name: str) -> kept.Kept:
    """The checkpoint of a run that a person means. Raises SteerError, AskedWrongly where there is none such."""
    try:
        with RunReader(folder) as reader:
            return kept.choose(kept.kept(folder, reader), name)
    except kept.UnknownCheckpoint as error:
        raise AskedWrongly(f"{folder.name}: {error}") from None
    except UnreadableRun as error:
        raise SteerError(f"{folder.name}: {error}") from None


def undo(folder: Path, timeout: float = SECONDS) -> str:
    """Sets back what the last change of a value that was not undone has changed."""
    summary = _summary(folder)
    if summary.state not in LIVE:
        raise SteerError(f"{_out_of_reach(summary)}; of a live run a change of a value can be undone, a stop cannot")
    return _command(summary, folder, "undo", timeout)


def set_value(folder: Path, values: Mapping[str, Any], timeout: float = SECONDS) -> str:
    """Changes values of a live run from the next step on, by their paths or for short; which, `settables` knows."""
    summary = _summary(folder)
    return _command(summary, folder, "set", timeout, **_settings(summary.experiment, values))


def _settings(experiment: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    settings = {}
    for name, value in values.items():
        try:
            found = settable(name, experiment)
            settings[found.path] = found.check(value, experiment)
        except SpecError as error:
            raise AskedWrongly(str(error)) from None
    if not settings:
        raise AskedWrongly("nothing to change; say NAME=VALUE, as lr=3e-4")
    return settings


def _summary(folder: Path) -> Summary:
    with RunReader(folder) as reader:
        summary = reader.summary()
    if summary.damage:
        raise SteerError(summary.damage)
    return summary


def _command(summary: Summary, folder: Path, verb: str, timeout: float, **arguments: Any) -> str:
    """As `_acknowledged`; says what the run answered."""
    return _acknowledged(summary, folder, verb, timeout, **arguments).text


def _acknowledged(summary: Summary, folder: Path, verb: str, timeout: float, **arguments: Any) -> Event:
    """Sends a command to a live run and waits until it was carried out: the run's answer."""
    if summary.state not in LIVE:
        raise SteerError(_out_of_reach(summary))
    try:
        command = commands.send(folder, verb, **arguments)
    except commands.CommandError as error:
        raise SteerError(f"{summary.id} cannot be told to {verb}: {error}") from None
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            event = commands.wait_acknowledged(folder, command, min(1.0, timeout))
            if event.data.get("refused"):
                raise SteerError(event.text)
            return event
        except TimeoutError:
            if not lock.held(folder):
                ended = _summary(folder)
                raise SteerError(f"{ended.id} ended before it answered: it is {ended.state}") from None
    raise SteerError(
        f"{summary.id} has not answered within {timeout:g} s; it carries out the {verb} when its step is done"
    )


def _restart(summary: Summary, folder: Path, timeout: float, spare: Spare | None) -> str:
    try:
        launched = launch.resume(folder, spare)
    except launch.LaunchError as error:
        raise SteerError(str(error)) from None
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        now = _summary(folder)
        if now.pid == launched.pid and now.state is not State.STARTING:
            if now.state is State.FAILED:
                raise SteerError(f"{now.id} failed: {now.message}")
            return f"{now.id} goes on at step {now.progress.step:,}" if now.progress.step else f"{now.id} begins"
        if not lock.held(folder) and now.pid != launched.pid:
            raise SteerError(f"{now.id} could not be resumed; see {folder / 'log.txt'}")
        time.sleep(0.02)
    raise SteerError(f"{summary.id} has not started within {timeout:g} s; see {folder / 'log.txt'}")


def _out_of_reach(summary: Summary) -> str:
    match summary.state:
        case State.ELSEWHERE:
            return f"{summary.id} runs on {summary.host or 'another machine'}; go there to steer it"
        case State.QUEUED:
            return f"{summary.id} is queued: no worker has it yet; resume starts it at once"
        case State.LOST:
            return f"{summary.id} is lost, its worker died; resume starts it again"
        case State.STOPPED | State.FAILED:
            return f"{summary.id} is {summary.state} already; resume starts it again"
    return f"{summary.id} has {summary.state} already"
