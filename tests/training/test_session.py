from __future__ import annotations

import random
import threading
from array import array
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from toy_training import Asked, new_run, toy

from tdl_tui.data.dataset import DataError
from tdl_tui.data.prepare import Prepared, prepare
from tdl_tui.registry import DataShape
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State
from tdl_tui.runs.writer import RunWriter
from tdl_tui.training import session, validation
from tdl_tui.training.assembly import assemble
from tdl_tui.training.control import CommandQueue
from tdl_tui.training.session import run_training


def losses(folder: Path) -> array[float]:
    reader = RunReader(folder)
    try:
        steps, _, values = reader.columns("train/loss")
        assert list(steps) == list(range(1, len(steps) + 1))
        return array("d", values)
    finally:
        reader.close()


class StopAt(CommandQueue):
    """Asks for a stop once so many looks were taken at it: a look a step."""

    def __init__(self, looks: int) -> None:
        self.looks = looks
        super().__init__()

    @property
    def pending(self) -> bool:  # type: ignore[override]  # a property in an attribute's place
        self.looks -= 1
        if self.looks == 0:
            self.put(Asked("stop"))
        return bool(self._commands)

    @pending.setter
    def pending(self, value: bool) -> None:
        pass


def test_a_run_from_start_to_end(tmp_path: Path) -> None:
    chosen = toy()
    folder = new_run(tmp_path, chosen)
    assert run_training(folder, CommandQueue()) is State.FINISHED
    reader = RunReader(folder)
    summary, facts = reader.summary(), reader.facts()
    assert summary.state is State.FINISHED
    assert summary.progress.step == summary.progress.total_steps == 3 * facts["steps_per_epoch"]
    assert summary.best is not None and summary.test is not None
    assert summary.pid and summary.host and summary.device == "cpu"
    assert facts["threads"] == 1
    assert len(reader.probes()) == 16
    assert reader.layer_names() == ["hidden1", "hidden2", "head"]
    assert {"train/loss", "train/accuracy", "val/loss", "val/accuracy", "lr"} <= set(reader.series_names())
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == ["best.pt", "last.pt"]
    splits = np.load(folder / session.SPLITS)
    assert {name: len(splits[name]) for name in ("train", "validation", "test")} == facts["splits"]
    reader.close()


def test_a_stopped_run_goes_on_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    chosen = toy(model={"options": {"dropout": 0.2}})
    whole = new_run(tmp_path, chosen)
    run_training(whole, CommandQueue())
    folder = new_run(tmp_path, chosen)
    assert run_training(folder, StopAt(6)) is State.STOPPED
    assert 0 < len(losses(folder)) < len(losses(whole))
    assert run_training(folder, CommandQueue()) is State.FINISHED
    assert losses(folder) == losses(whole)
    first, second = RunReader(whole), RunReader(folder)
    assert first.summary().test == second.summary().test
    assert list(first.points("val/loss"))[-1].value == list(second.points("val/loss"))[-1].value
    first.close(), second.close()


def test_a_run_that_died_goes_on_from_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = toy(training={"checkpoint_seconds": 1e-9})
    whole = new_run(tmp_path, chosen)
    run_training(whole, CommandQueue())
    folder = new_run(tmp_path, chosen)
    monkeypatch.setattr("tdl_tui.training.blocks.SECONDS", 0.0)
    original = validation.validate

    def die(trainer: Any, obey: validation.Obey) -> None:
        original(trainer, obey)
        raise RuntimeError("the power went")

    monkeypatch.setattr(validation, "validate", die)
    assert run_training(folder, CommandQueue()) is State.FAILED
    monkeypatch.undo()
    assert run_training(folder, CommandQueue()) is State.FINISHED
    assert losses(folder) == losses(whole)


def test_a_run_that_died_before_its_first_checkpoint_starts_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = toy()
    whole = new_run(tmp_path, chosen)
    run_training(whole, CommandQueue())
    folder = new_run(tmp_path, chosen)

    def die(trainer: Any, obey: validation.Obey) -> None:
        raise RuntimeError("the power went")

    monkeypatch.setattr(validation, "validate", die)
    assert run_training(folder, CommandQueue()) is State.FAILED
    monkeypatch.undo()
    assert run_training(folder, CommandQueue()) is State.FINISHED
    assert losses(folder) == losses(whole)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (DataError("mnist is not here: put it there"), "mnist is not here: put it there"),
        (RuntimeError("shapes differ\nand more"), "RuntimeError: shapes differ"),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB. GPU 0 has 10 GiB"),
            f"{session.OUT_OF_MEMORY} (CUDA out of memory. Tried to allocate 20 GiB)",
        ),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
            f"{session.OUT_OF_MEMORY} ([enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory)",
        ),
        (MemoryError(), session.OUT_OF_MEMORY),
        (KeyError("x"), "KeyError: 'x'"),
    ],
)
def test_what_goes_wrong_ends_the_run_as_failed_in_one_line(
    error: Exception,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("tdl_tui.training.assembly.prepare", fail)
    folder = new_run(tmp_path, toy())
    assert run_training(folder, CommandQueue()) is State.FAILED
    reader = RunReader(folder)
    assert reader.summary().state is State.FAILED
    assert reader.summary().message == message
    assert reader.events()[-1].text == f"failed: {message}"
    assert "Traceback" in capsys.readouterr().err
    reader.close()


def test_commands_are_answered_while_training(tmp_path: Path) -> None:
    folder = new_run(tmp_path, toy(training={"epochs": 100_000}))
    control = CommandQueue()
    worker = threading.Thread(target=run_training, args=(folder, control))
    worker.start()
    for command in (
        Asked("pause", id="a"),
        Asked("set", {"optimizer.lr": 0.1}, "b"),
        Asked("resume", id="c"),
        Asked("checkpoint", id="d"),
        Asked("stop", id="e"),
    ):
        control.put(command)
    worker.join(timeout=60)
    assert not worker.is_alive()
    reader = RunReader(folder)
    assert [e.data["command"] for e in reader.events() if e.kind == "command"] == ["a", "b", "c", "d", "e"]
    assert reader.summary().state is State.STOPPED
    reader.close()


def test_a_run_can_be_stopped_while_its_data_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    control = CommandQueue()

    def download(*_: Any, report: Callable[[str], None], **__: Any) -> None:
        report("digits: 1 of 3 MB")
        control.put(Asked("pause", id="a"))
        control.put(Asked("stop", id="b"))
        report("digits: 2 of 3 MB")
        raise AssertionError("the download went on")

    monkeypatch.setattr("tdl_tui.training.assembly.prepare", download)
    folder = new_run(tmp_path, toy())
    assert run_training(folder, control) is State.STOPPED
    with RunReader(folder) as reader:
        assert (reader.summary().state, reader.summary().message) == (State.STOPPED, "")
        answers = {e.data["command"]: (e.data.get("refused", False), e.text) for e in reader.events()}
    assert answers == {"a": (True, session.UNHEARD), "b": (False, "stopped before training began")}
    monkeypatch.undo()
    assert run_training(folder, CommandQueue()) is State.FINISHED


class Sees(nn.Module):
    """Adds up what it is shown."""

    def __init__(self, shape: DataShape) -> None:
        super().__init__()
        self.head = nn.Linear(shape.input[0], shape.outputs)
        self.shown: list[float] = []

    def see(self, context: Mapping[str, Tensor]) -> None:
        self.shown.append(float(context["features"].sum()))

    def forward(self, x: Tensor) -> Tensor:
        assert x.is_meta or self.shown == [6.0]  # shapes alone are asked for before there are data
        outputs: Tensor = self.head(x)
        return outputs


def test_a_model_is_shown_what_belongs_to_the_whole_set_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def with_context(*arguments: Any, **options: Any) -> Prepared:
        return replace(prepare(*arguments, **options), context={"features": torch.tensor([1.0, 2.0, 3.0])})

    monkeypatch.setattr("tdl_tui.training.assembly.prepare", with_context)
    monkeypatch.setattr("tdl_tui.training.assembly.build", lambda name, shape, options: nn.Sequential(Sees(shape)))
    folder = new_run(tmp_path, toy())
    assert run_training(folder, CommandQueue()) is State.FINISHED


def test_a_model_too_large_for_its_optimizer_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    chosen = toy(optimizer={"name": "evolution_strategy"}, model={"options": {"widths": [100, 100]}})
    folder = new_run(tmp_path, chosen)
    assert run_training(folder, CommandQueue()) is State.FAILED
    with RunReader(folder) as reader:
        assert reader.summary().message.startswith(
            "optimizer.name: evolution_strategy is for models of up to 5,000 parameters, this one has 10,"
        )
        assert not reader.series_names()


def test_what_draws_from_pythons_own_random_state_draws_the_same_again(tmp_path: Path) -> None:
    drawn = []
    for again in range(2):
        random.seed(again)
        assemble(toy(), tmp_path, torch.device("cpu"))
        drawn.append(random.random())
    assert drawn[0] == drawn[1]


def test_a_record_that_ends_before_the_checkpoint_is_said_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = new_run(tmp_path, toy(training={"checkpoint_seconds": 1e-9}))
    monkeypatch.setattr(validation, "test", lambda trainer, obey: 1 / 0)
    assert run_training(folder, CommandQueue()) is State.FAILED
    monkeypatch.undo()
    with RunWriter(folder) as writer:
        last = writer.steps()["train/loss"]
        writer.drop_after(3)
    assert run_training(folder, CommandQueue()) is State.FINISHED
    with RunReader(folder) as reader:
        (said,) = [event.text for event in reader.events() if event.kind == "warning"]
    assert said == f"the record was damaged: it ends at step 3, the checkpoint is of step {last}"
