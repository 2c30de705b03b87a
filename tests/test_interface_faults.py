"""The interface and a real training, in a real terminal: it is stopped and let go on; the worker is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from terminal import DEADLINE, Terminal

from tdl_tui.runs.home import run_folders
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State, Summary

TDL = str(Path(sys.executable).with_name("tdl"))


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    home = tmp_path / "home"
    yield {"TDL_HOME": str(home)}
    for folder in run_folders(home):
        if summary(folder).state.live:
            kill_worker(folder)


def launch(environment: dict[str, str]) -> Path:
    """A training that ends only when it is told to."""
    command = [TDL, "train", "--dataset", "digits", "--set", "training.epochs=1000000", "--detach", "--json"]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=True)
    folder = Path(environment["TDL_HOME"], "runs", json.loads(done.stdout)["run"])
    wait_until(lambda: summary(folder).progress.step)
    return folder


def summary(folder: Path) -> Summary:
    with RunReader(folder) as reader:
        return reader.summary()


def kill_worker(folder: Path) -> int:
    """Kills it; which it was."""
    pid = summary(folder).pid
    os.kill(pid, signal.SIGKILL)
    return pid


def wait_for_another(folder: Path, killed: int) -> None:
    """Returns when a worker trains that is not the killed one."""
    wait_until(lambda: (now := summary(folder)).pid != killed and now.state is State.RUNNING)


def test_a_stopped_interface_holds_nothing_up_and_catches_up(environment: dict[str, str]) -> None:
    folder = launch(environment)
    terminal = Terminal([TDL, "open", folder.name], environment)
    terminal.wait_for("running")
    for _ in range(5):  # wherever it happens to be
        os.kill(terminal.pid, signal.SIGSTOP)
        before = summary(folder).progress.step
        wait_until(lambda: summary(folder).progress.step > before)  # noqa: B023  # asked before the loop goes on
        os.kill(terminal.pid, signal.SIGCONT)
    terminal.type("s")
    terminal.wait_for("Stop this training?")
    terminal.type("y")
    terminal.wait_for("■ stopped")
    terminal.type("qq")
    assert terminal.wait_for_end() == 0
    terminal.close()
    with RunReader(folder) as reader:
        first, last, count = reader.extent("train/loss") or (0, 0, 0)
        assert (first, count) == (1, last) and reader.summary().state is State.STOPPED


def test_a_lost_run_is_said_to_be_and_resumed_from_both_screens(environment: dict[str, str]) -> None:
    folder = launch(environment)
    terminal = Terminal([TDL], environment)
    terminal.wait_for("▶ running")
    killed = kill_worker(folder)
    terminal.wait_for("? lost")
    terminal.wait_for("r resume")
    terminal.type("r")
    wait_for_another(folder, killed)
    terminal.wait_for("▶ running")
    terminal.type("\r")
    terminal.wait_for("1 loss")
    killed = kill_worker(folder)
    terminal.wait_for("the worker is gone")
    terminal.wait_for("r resume")
    terminal.type("r")
    wait_for_another(folder, killed)
    terminal.wait_for("▶ running")
    terminal.close()
    terminal.wait_for_end()
    assert run_folders(Path(environment["TDL_HOME"])) == [folder]
