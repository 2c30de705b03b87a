"""A home of its own for each test, runs without a worker, and the command line as it is called."""

from __future__ import annotations

import os
import sys
from array import array
from pathlib import Path
from typing import Any

import pytest
from command_line import MakeRun, Result, Tdl

from tdl_tui import cli
from tdl_tui.runs import home as runs_home
from tdl_tui.runs.writer import RunWriter
from tdl_tui.spec import experiment


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("TDL_HOME", str(folder))
    return folder


@pytest.fixture
def tdl(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tdl:
    """Calls the command line in this process."""

    def call(*arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", ["tdl", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capsys.readouterr()
        assert isinstance(end.value.code, int)
        return Result(end.value.code, captured.out, captured.err)

    return call


@pytest.fixture
def make_run(home: Path) -> MakeRun:
    """Makes a run as a worker leaves it; nobody holds its lock."""

    def make(name: str = "", state: str = "finished", **facts: Any) -> Path:
        made = experiment({"name": name, "training": {"epochs": 4}})
        run = runs_home.create(home, made.document(), title=made.title)
        with RunWriter(run.folder) as writer:
            writer.extend("train/loss", 1, 1, array("d", [2.0, 1.5, float("nan"), float("inf")]), 100.0, 103.0)
            writer.point("val/loss", 4, 0.5, 104.0)
            writer.update(
                **{
                    "state": state,
                    "pid": 4242,
                    "host": "somewhere",
                    "device": "cpu",
                    "progress": {"step": 4, "epoch": 4, "total_steps": 4, "steps_per_epoch": 1, "seconds": 2.5},
                    "best": {"series": "val/loss", "step": 4, "value": 0.5},
                    "test": {"loss": 0.25, "accuracy": 0.9},
                    **facts,
                }
            )
        os.close(run.lock_fd)
        return run.folder

    return make
