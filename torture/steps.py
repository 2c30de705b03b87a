"""What goes wrong in the middle of a step, and a clock that goes back."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State
from tdl_tui.spec import Experiment

from .training import (
    Recovery,
    all_events,
    begun,
    ended,
    record,
    resumed,
    small,
    summary,
    survived,
    wait_for_some_step,
    wait_until,
)

PLUGIN = Path(__file__).with_name("brittle.py")
WORDS = {
    "exception": "made to go wrong",
    "not a number": "not finite",
    "out of memory": "out of memory: a smaller data.batch_size",
}


def exception(random: Random, home: Path) -> Recovery:
    return failed_step("exception", random, home)


def not_a_number(random: Random, home: Path) -> Recovery:
    return failed_step("not a number", random, home)


def out_of_memory(random: Random, home: Path) -> Recovery:
    return failed_step("out of memory", random, home)


def failed_step(fault: str, random: Random, home: Path) -> Recovery:
    """A step that fails ends the run, in words, and is made again once what was wrong is put right."""
    folder = begun(home, brittle(home)).folder
    wait_for_some_step(random, folder)
    marker(home).write_text(fault)
    said = wait_until(lambda: ended(folder))
    marker(home).unlink()
    found, held = summary(folder), record(folder)
    assert found.state is State.FAILED, f"it is {found.state}"
    assert WORDS[fault] in found.message and "\n" not in found.message, found.message
    again = resumed(folder)
    survived(folder, held)
    return Recovery(said=(said,), again=(again,))


def clock_back(random: Random, home: Path) -> Recovery:
    """The clock goes back by an hour: training goes on, and says what it did in its order."""
    folder = begun(home, brittle(home)).folder
    wait_for_some_step(random, folder)
    marker(home).write_text("clock")
    wait_until(lambda: not marker(home).exists() or ended(folder))
    step = summary(folder).progress.step
    again = wait_until(lambda: summary(folder).progress.step > step or ended(folder))
    assert summary(folder).state in (State.RUNNING, State.FINISHED), f"it is {summary(folder).state}"
    survived(folder)
    with RunReader(folder) as reader:
        events = all_events(reader)
        _, times, _ = reader.columns("train/loss")
    assert events[0].time - events[-1].time > 3000, "the clock did not go back"
    assert max(times) - times[-1] > 3000, "the clock did not go back"
    return Recovery(again=(again,))


def brittle(home: Path) -> Experiment:
    """The experiment with a model in which a fault can be made."""
    os.environ["TORTURE_FAULT"] = str(marker(home))
    return small(model={"architecture": "brittle", "options": small().model.options}, plugins=[str(PLUGIN)])


def marker(home: Path) -> Path:
    """A file that tells the model what to do wrong."""
    return home / "fault"
