"""The main job in a real terminal: launch by keys, lose the terminal, come back, see it finish."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest
from terminal import Terminal

from tdl_tui.runs.home import run_folders
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State, Summary

TDL = str(Path(sys.executable).with_name("tdl"))
PAGE_DOWN, CTRL_L = "\x1b[6~", "\x0c"
EPOCHS = "600"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"TDL_HOME": str(tmp_path / "home")}


def summary(environment: dict[str, str]) -> Summary:
    (folder,) = run_folders(Path(environment["TDL_HOME"]))
    reader = RunReader(folder)
    try:
        return reader.summary()
    finally:
        reader.close()


def launch_by_keys(terminal: Terminal) -> None:
    terminal.wait_for("No runs yet")
    terminal.type("n")
    terminal.wait_for("New training")
    for section in ("Architecture", "Objective", "Optimizer", "Schedule", "Training"):
        terminal.type(PAGE_DOWN)
        terminal.wait_for(section)
    terminal.wait_for("training.epochs")
    terminal.type(EPOCHS)
    terminal.wait_for(f"training.epochs={EPOCHS}")
    terminal.type(CTRL_L)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGHUP])
def test_a_training_outlives_its_terminal(environment: dict[str, str], end: signal.Signals) -> None:
    terminal = Terminal([TDL], environment)
    launch_by_keys(terminal)
    terminal.wait_for("running")
    terminal.wait_for("at step")

    if end is signal.SIGKILL:
        terminal.kill()
        terminal.close()
    else:
        terminal.close()
        terminal.wait_for_end()
    left = summary(environment)
    assert left.state is State.RUNNING
    assert psutil.pid_exists(left.pid)
    assert os.getsid(left.pid) != os.getsid(0)

    again = Terminal([TDL, "open", "last"], environment, columns=80, rows=24)
    again.wait_for(f"{EPOCHS} ", f"/{EPOCHS}")
    again.wait_for("✓ finished", deadline=240)
    again.type("q")
    again.wait_for("Runs")
    again.type("q")
    assert again.wait_for_end() == 0
    again.close()

    ended = summary(environment)
    assert ended.state is State.FINISHED
    assert ended.progress.step > left.progress.step
    assert ended.test is not None
    assert ended.test["accuracy"] >= 0.95


def test_the_workbench_says_when_the_terminal_is_too_small(environment: dict[str, str]) -> None:
    terminal = Terminal([TDL], environment, columns=40, rows=8)
    terminal.wait_for("make it larger")
    terminal.resize(100, 30)
    terminal.wait_for("No runs yet")
    terminal.type("q")
    assert terminal.wait_for_end() == 0
