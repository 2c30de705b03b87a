"""Every verb that steers, once each, on a training that is really under way; and forks of it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import Tdl

from tdl_tui.runs.host import user
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import Event, State

DEADLINE = 60.0
MODEL = ("--set", "model.options.dropout=0.1", "--set", "schedule.name=cosine", "--set", "training.threads=1")


class Program:
    """The command line, and the runs in its home."""

    def __init__(self, tdl: Tdl, home: Path) -> None:
        self.home = home
        self._tdl = tdl

    def says(self, *arguments: str) -> str:
        """What is printed where all went well."""
        done = self._tdl(*arguments)
        assert done.status == 0, done.err
        return done.out.strip()

    def says_at_last(self, *arguments: str, unless: tuple[str, ...]) -> str:
        """The same of what may be refused for these reasons: it is asked again until it is not."""
        end = time.monotonic() + DEADLINE
        while (done := self._tdl(*arguments)).status:
            assert any(reason in done.err for reason in unless), done.err
            assert time.monotonic() < end, done.err
        return done.out.strip()

    def refuses(self, *arguments: str) -> str:
        """The one line that says why not."""
        return self._refuses(arguments, 1)

    def blames(self, *arguments: str) -> str:
        """The one line that says what was asked wrongly."""
        return self._refuses(arguments, 2)

    def _refuses(self, arguments: tuple[str, ...], status: int) -> str:
        done = self._tdl(*arguments)
        assert done.status == status, done.err
        assert done.err.count("\n") == 1, done.err
        return done.err.strip()

    def events(self, run: str) -> list[Event]:
        with RunReader(self.home / "runs" / run) as reader:
            return reader.events()

    def waits(self, run: str, condition: Callable[[Any], bool]) -> Any:
        """The run in short as soon as the condition holds for it."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            with RunReader(self.home / "runs" / run) as reader:
                if condition(summary := reader.summary()):
                    return summary
            time.sleep(0.05)
        raise AssertionError("it did not happen in time")


@pytest.fixture
def program(tdl: Tdl, home: Path) -> Iterator[Program]:
    """Whatever still trains at the end is ended."""
    program = Program(tdl, home)
    yield program
    for run in json.loads(program.says("ls", "--json")):
        if run["state"] in ("starting", "running", "paused"):
            os.kill(run["pid"], signal.SIGKILL)


def test_a_training_is_steered_by_every_verb_and_forked(program: Program) -> None:
    long = ("--set", "training.epochs=1000000", "--device", "cpu", *MODEL)
    run = json.loads(program.says("train", "--detach", "--json", *long))["run"]
    program.waits(run, lambda now: now.best is not None)

    assert "learning rate 0.001 → 0.0005, dropout 0.1 → 0.3 from step" in program.says(
        "set", run, "lr=5e-4", "dropout=0.3"
    )
    assert "steps in all; the schedule cosine goes by them" in program.says("set", run, "epochs=500000")
    assert "there are lr, weight_decay, clip_norm" in program.blames("set", run, "momentum=0.5")
    assert "must be 0 to 0.95" in program.blames("set", run, "dropout=1")
    assert "training.epochs: epoch" in program.refuses("set", run, "epochs=1")
    assert program.says("undo", run).startswith("undone: epochs 500,000 → 1,000,000")
    assert program.says("undo", run).startswith("undone: learning rate 0.0005 → 0.001, dropout 0.3 → 0.1")
    assert "no value was changed" in program.refuses("undo", run)

    ends = ("a validation is under way", "epoch ends at this step")  # short epochs end just there now and then
    assert program.says_at_last("evaluate", run, unless=ends).startswith("validated at step ")
    step = int(program.says("checkpoint", run).rpartition(" kept as step-")[2].removesuffix(".pt"))
    assert f"to step {step:,} (step-{step}.pt)" in program.says("rollback", run, "--to", str(step))
    assert "it holds weights alone" in program.says("rollback", run, "--to", "best")
    assert "there is no checkpoint nowhere; there is " in program.blames("rollback", run, "--to", "nowhere")
    assert "a roll back cannot be undone" in program.refuses("undo", run)

    program.says("pause", run)
    program.says("stop", run, "--at-epoch-end")
    assert "already" in program.refuses("stop", run, "--at-epoch-end")
    assert "trains on" in program.says("stop", run, "--cancel")
    program.says("stop", run, "--at-epoch-end")
    program.says("resume", run)
    ended = program.waits(run, lambda now: now.state is State.STOPPED)
    assert ended.progress.step == ended.progress.epoch * ended.progress.steps_per_epoch
    assert "tdl fork" in program.refuses("rollback", run)
    assert "a stop cannot" in program.refuses("undo", run)

    carried = [event for event in program.events(run) if event.kind == "command"]
    assert {event.data["who"] for event in carried} == {user()}
    assert {event.data["verb"] for event in carried} == {
        *("set", "undo", "evaluate", "checkpoint", "rollback", "pause", "resume"),
        *("stop_at_epoch_end", "cancel_stop"),
    }

    epochs = f"training.epochs={ended.progress.epoch + 1}"
    assert "no epoch is left" in program.blames("fork", run, "--set", "training.epochs=1")
    widths = program.blames("fork", run, "--set", "model.options.widths=[7]")
    assert "hidden1.weight is 7 × 64 in this network, 128 × 64 in the checkpoint" in widths
    child = json.loads(program.says("fork", run, "--set", epochs, "--name", "child", "--json"))
    assert (child["state"], child["epochs"]) == ("finished", ended.progress.epoch + 1)
    shown = json.loads(program.says("show", "child", "--json"))
    assert shown["parent"] == {
        "run": run,
        "name": "mlp on digits",
        "step": ended.progress.step,
        "checkpoint": "last.pt",
    }
    assert "└─ child" in program.says("ls")
