"""Checkpoints written aside are those of the step they were asked at, whatever training does meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toy_training import Recording

from tdl_tui.training import checkpoints
from tdl_tui.training.checkpoint_writer import CheckpointWriter
from tdl_tui.training.checkpoints import CheckpointError


class Gate(Recording):
    """A recorder whose points are durable when the gate is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = threading.Event()
        self.reached = threading.Event()

    def flush(self) -> None:
        self.reached.set()
        assert self.opened.wait(60)


class Learner:
    """A model whose steps change everything in place."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's overloads leave it out
        self.optimizer = torch.optim.Adam(self.model.parameters(), 0.1)
        self.best = checkpoints.weights(self.model)
        self.changes: list[int] = []
        self.steps = 0
        self.step()

    def step(self) -> None:
        self.optimizer.zero_grad()
        self.model(torch.randn(4, 2, 5, 5)).square().mean().backward()
        self.optimizer.step()
        self.steps += 1
        self.changes.append(self.steps)
        for kept, now in zip(self.best.values(), self.model.state_dict().values(), strict=True):
            kept.copy_(now)

    def content(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "position": {"step": self.steps, "epoch": 0},
            "best": {"step": self.steps},
            "best_epoch": 0,
            "rollbacks": [],
            "settings": {},
            "best_weights": self.best,
            "changes": self.changes,
        }


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def writer(tmp_path: Path, gate: Gate) -> Iterator[CheckpointWriter]:
    writer = CheckpointWriter(tmp_path, gate)
    yield writer
    gate.opened.set()
    writer.close()


def until(condition: Callable[[], bool]) -> None:
    waited = threading.Event()
    for _ in range(6000):
        if condition():
            return
        waited.wait(0.01)
    raise AssertionError("waited in vain")


def plain(value: Any) -> Any:
    """The same in values that can be compared and that nobody changes."""
    if isinstance(value, Tensor):
        return value.dtype, value.stride(), value.tolist()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def test_the_content_is_that_of_the_moment_it_was_asked_at(
    writer: CheckpointWriter, gate: Gate, tmp_path: Path
) -> None:
    learner = Learner()
    until(lambda: writer.ready(learner.content))
    wanted = plain(learner.content())
    metadata = learner.model.state_dict()._metadata  # type: ignore[attr-defined]  # torch's own, for its versions
    writer.write_later(learner.content())
    learner.step()
    assert gate.reached.wait(60)
    assert not writer.ready(learner.content)
    assert list(tmp_path.iterdir()) == []  # not before the points are durable
    learner.step()
    gate.opened.set()
    until(lambda: writer.idle)
    found = checkpoints.load(tmp_path / "last.pt")
    assert found["model"]._metadata == metadata
    del found["format"]
    assert plain(found) == wanted
    assert plain(checkpoints.load(tmp_path / "best.pt")["model"]) == wanted["best_weights"]
    assert [(event.step, event.text) for event in gate.events] == [(1, "checkpoint at step 1")]


def test_one_that_is_asked_for_does_not_wait_for_an_older_one(
    writer: CheckpointWriter, gate: Gate, tmp_path: Path
) -> None:
    learner = Learner()
    until(lambda: writer.ready(learner.content))
    writer.write_later(learner.content())
    assert gate.reached.wait(60)
    learner.step()

    class Opens(threading.Event):
        def set(self) -> None:
            super().set()
            gate.opened.set()  # the flush under way ends once it was given up

    writer._abandoned = Opens()
    writer.write(learner.content(), "step-2.pt")
    assert [event.step for event in gate.events] == [2]
    assert checkpoints.load(tmp_path / "last.pt")["position"]["step"] == 2
    assert {path.name for path in tmp_path.iterdir()} == {"last.pt", "best.pt", "step-2.pt"}
    writer.check()


def test_what_goes_wrong_aside_is_said_at_the_next_look(writer: CheckpointWriter, gate: Gate, tmp_path: Path) -> None:
    gate.opened.set()
    learner = Learner()
    until(lambda: writer.ready(learner.content))
    (tmp_path / "last.pt").mkdir()
    (tmp_path / "previous.pt").write_text("in the way")
    writer.write_later(learner.content())
    with pytest.raises(CheckpointError, match=r"last\.pt cannot be written: Not a directory"):
        until(lambda: writer.idle)


def test_points_that_cannot_be_written_leave_no_checkpoint(
    writer: CheckpointWriter, gate: Gate, tmp_path: Path
) -> None:
    def fail() -> None:
        raise OSError("the disk went\nand more")

    gate.flush = fail  # type: ignore[method-assign]  # what is to fail
    learner = Learner()
    until(lambda: writer.ready(learner.content))
    writer.write_later(learner.content())
    with pytest.raises(CheckpointError, match=r"^no checkpoint can be written: the disk went$"):
        until(lambda: writer.idle)
    assert list(tmp_path.iterdir()) == []
