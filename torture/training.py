"""The training that is damaged: a second or two of it, and what it must come to whatever befalls it."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from torch import Tensor

from tdl_tui.runs import lock
from tdl_tui.runs.check import check_run
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import Event, State, Summary
from tdl_tui.runs.writer import COMMIT_SECONDS
from tdl_tui.spec import Experiment, experiment
from tdl_tui.training import checkpoints
from tdl_tui.worker import steer
from tdl_tui.worker.launch import Launched, launch

PATIENCE = 240.0
EXACT = ("train/loss", "train/accuracy", "val/loss", "val/accuracy")
"""The series that are the same whenever, and however often, a training is begun. The others tell of the machine."""
EPOCHS = 120
STEPS = EPOCHS * 23


class Points(NamedTuple):
    """How many points are missing, and how many are others than they were, of how many."""

    missing: int
    changed: int
    total: int


@dataclass(frozen=True)
class Recovery:
    """What became of one training: how often it was damaged; how many seconds after each damage it, or its run, said
    so; how many after the damage was over, or a resume was asked for, it trained again. `moments` says what it was at;
    `points` how many were lost, where some may be: all else that is lost is raised.
    """

    times: int = 1
    said: tuple[float, ...] = ()
    again: tuple[float, ...] = ()
    moments: Counter[str] = field(default_factory=Counter)
    points: Points | None = None


def small(**sections: Any) -> Experiment:
    """The experiment; `sections` go over it. It has what a resume could forget: randomness, a schedule, an average."""
    document: dict[str, Any] = {
        "data": {"dataset": "digits"},
        "model": {"architecture": "mlp", "options": {"widths": [128], "dropout": 0.1}},
        "schedule": {"name": "cosine", "warmup_steps": 20},
        "training": {
            "epochs": EPOCHS,
            "device": "cpu",
            "threads": 1,
            "ema_decay": 0.9,
            "checkpoint_seconds": 0.2,
        },
    }
    for name, section in sections.items():
        document[name] = {**document.get(name, {}), **section} if isinstance(section, Mapping) else section
    return experiment(document)


def begun(home: Path, chosen: Experiment) -> Launched:
    """A run of it whose worker has made its first steps."""
    launched = launch(chosen, home)
    wait_until(lambda: summary(launched.folder).progress.step > 0 or ended(launched.folder))
    return launched


def resumed(folder: Path) -> float:
    """Resumes the run, and returns after how many seconds it trained again."""
    began = time.monotonic()
    steer.resume(folder, PATIENCE)
    return time.monotonic() - began


# ---------------------------------------------------------------------------------------------------------- waiting


def wait_until(condition: Callable[[], object], every: float = 0.01) -> float:
    """Looks so often, and returns, with the seconds that it took, when the condition holds. Raises AssertionError where
    it never does."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < PATIENCE, "waited in vain: the training hangs"
        time.sleep(every)
    return time.monotonic() - began


def wait_for(folder: Path, *states: State) -> float:
    return wait_until(lambda: summary(folder).state in states)


def wait_for_some_step(random: Random, folder: Path, share: float = 0.4) -> None:
    """Returns at a moment that is drawn from what is left of the first `share` of the training, or when it has ended.

    (What a run says of its progress it says every COMMIT_SECONDS.)
    """
    wait_until(lambda: summary(folder).progress.step > 0 or ended(folder))
    progress = summary(folder).progress
    wanted = random.randint(min(progress.step, STEPS), max(progress.step, int(share * STEPS)))
    wait_until(lambda: summary(folder).progress.step >= wanted or ended(folder))
    time.sleep(random.uniform(0.0, COMMIT_SECONDS))


def ended(folder: Path) -> bool:
    """Whether no worker is at work on it."""
    return not lock.held(folder)


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def summary(folder: Path) -> Summary:
    with RunReader(folder) as reader:
        return reader.summary()


# ------------------------------------------------------------------------------------------------- what was recorded


Series = dict[str, dict[int, float]]


@dataclass(frozen=True)
class Record:
    """What a run's folder says: its events, its series, and the step of the checkpoint it would go on from."""

    events: list[Event]
    series: Series
    step: int

    def up_to(self, step: int) -> Record:
        """The same where only an earlier checkpoint can be gone on from."""
        return replace(self, step=min(step, self.step))


def record(folder: Path) -> Record:
    """What the folder says now. Raises AssertionError for a step that is there twice, or is missing before the
    checkpoint."""
    with RunReader(folder) as reader:
        events, series = all_events(reader), all_series(reader)
    step = checkpoint_step(folder)
    losses = list(series.get("train/loss", {}))
    assert losses == list(range(1, len(losses) + 1)), f"steps are missing: {gaps(losses)}"
    assert len(losses) >= step, f"the checkpoint is of step {step}, the losses end at {len(losses)}"
    return Record(events, series, step)


def all_events(reader: RunReader) -> list[Event]:
    events: list[Event] = []
    while more := reader.events(events[-1].id if events else 0):
        events += more
    return events


def all_series(reader: RunReader) -> Series:
    series: Series = {}
    for name in reader.series_names():
        steps, _, values = reader.columns(name)
        assert all(a < b for a, b in zip(steps, list(steps)[1:], strict=False)), f"{name} has a step twice"
        series[name] = dict(zip(steps, values, strict=True))
    return series


def checkpoint_step(folder: Path) -> int:
    """The step of the checkpoint that a resume would take; 0 where there is none."""
    for name in (checkpoints.LAST, checkpoints.PREVIOUS):
        with suppress(checkpoints.CheckpointError):
            step: int = checkpoints.load(folder / "checkpoints" / name)["position"]["step"]
            return step
    return 0


def gaps(steps: list[int]) -> str:
    missing = sorted(set(range(1, max(steps, default=0) + 1)) - set(steps))
    return f"{len(missing)} of {max(steps, default=0)}, from {missing[0] if missing else 0} on"


# ------------------------------------------------------------------------------------------- what it must have come to


@dataclass(frozen=True)
class Outcome:
    """What a finished run came to."""

    series: Series
    test: dict[str, float]
    content: dict[str, Any]
    starting: float  # seconds


def outcome(folder: Path, starting: float = 0.0) -> Outcome:
    with RunReader(folder) as reader:
        found = reader.summary()
        assert found.state is State.FINISHED, f"it is {found.state}: {found.message}"
        series = {name: values for name, values in all_series(reader).items() if name in EXACT}
    assert found.test is not None
    content = checkpoints.load(folder / "checkpoints" / checkpoints.LAST)
    return Outcome(series, found.test, content, starting)


def undisturbed(chosen: Experiment | None = None) -> Outcome:
    """What the experiment (`small()`, unless told) comes to where nothing happens, and how many seconds its start
    takes."""
    return _undisturbed(json.dumps((chosen or small()).document()))


@cache
def _undisturbed(document: str) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="torture-") as home:
        began = time.monotonic()
        launched = begun(Path(home), experiment(json.loads(document)))
        starting = time.monotonic() - began
        wait_until(lambda: ended(launched.folder))
        return outcome(launched.folder, starting)


def survived(folder: Path, *before: Record, wanted: Outcome | None = None) -> None:
    """Waits for the run's end. Raises AssertionError where it differs from one that nothing happened to, where an event
    or a point that was there before, and lay before the checkpoint, is gone, or where its folder is not sound."""
    wait_until(lambda: ended(folder))
    found, wanted = outcome(folder), wanted or undisturbed()
    for name in EXACT:
        steps, values = found.series[name], wanted.series[name]
        assert steps.keys() == values.keys(), f"{name}: {gaps(list(steps))}"
        wrong = [step for step in values if steps[step] != values[step]]
        assert not wrong, f"{name} is another at {len(wrong)} steps, from {wrong[0]} on"
    same_end(found, wanted)
    now = record(folder)
    for held in before:
        events = set(map(repr, now.events))
        gone = [event.text for event in held.events if repr(event) not in events]
        assert not gone, f"events are gone: {gone}"
        for name, values in held.series.items():
            lost = [s for s, value in values.items() if s <= held.step and not alike(now.series[name].get(s), value)]
            assert not lost, f"{name}: points are gone at {lost}, before the checkpoint of {held.step}"
    sound(folder)


def same_end(found: Outcome, wanted: Outcome) -> None:
    """Raises AssertionError where test figures, weights, or anything else that a checkpoint holds are not the same."""
    assert found.test == wanted.test, f"the test gives {found.test}, not {wanted.test}"
    # it takes as long as it takes, and some faults want checkpoints seldom
    apart = {"position": {"seconds": 0}, "settings": {"training.checkpoint_seconds": 0}}
    for name in wanted.content:
        first, second = (
            {**content[name], **apart[name]} if name in apart else content[name]
            for content in (found.content, wanted.content)
        )
        assert equal(first, second), f"the last checkpoint's {name} is another"


def sound(folder: Path) -> None:
    """Raises AssertionError where `tdl check` finds more than what a killed program leaves behind."""
    found = [finding for finding in check_run(folder, repair=True) if not finding.mended]
    assert not found, f"tdl check finds: {'; '.join(map(str, found))}"
    assert not check_run(folder)


def alike(first: float | None, second: float) -> bool:
    return first is not None and (first == second or (math.isnan(first) and math.isnan(second)))


def equal(first: Any, second: Any) -> bool:
    """Whether two contents are the same to the last bit."""
    if isinstance(first, Tensor):
        return isinstance(second, Tensor) and first.dtype == second.dtype and first.equal(second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(equal(value, second[key]) for key, value in first.items())
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(equal, first, second))
    return bool(first == second)


def removed(home: Path) -> None:
    """Ends what is still at work in a home, and takes it away."""
    for folder in (home / "runs").glob("*"):
        if lock.held(folder):
            with suppress(Exception):  # damaged runs name no worker
                kill(summary(folder).pid)
    shutil.rmtree(home, ignore_errors=True)
