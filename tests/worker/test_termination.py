"""A worker that is told to end ends in time, stopped, whatever it is at: a machine that goes down waits ten seconds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from worker_runs import endless, short, summary_of, wait_for, wait_for_end

from tdl_tui.runs import home as runs_home
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State
from tdl_tui.training import checkpoints
from tdl_tui.worker import process, steer, watch
from tdl_tui.worker.launch import launch

PROGRAM = """
import sys, threading
from pathlib import Path
from tdl_tui.training import assembly, checkpoints, loop, validation
from tdl_tui.worker import process, watch

watch.GRACE_SECONDS = float(sys.argv[3])

def forever():
    print("here", flush=True)
    threading.Event().wait()

{moment}
process.work(Path(sys.argv[1]), int(sys.argv[2]))
"""
READING = """
assembly.prepare = lambda *arguments, **named: forever()
"""
STEP = """
from tdl_tui.training import blocks
blocks.SECONDS = 0.0
loop._between_steps = lambda trainer: forever()
"""
VALIDATION = """
def evaluate(*arguments, between, **named):
    print("here", flush=True)
    while True:
        between()
        threading.Event().wait(0.01)
validation.evaluate = evaluate
"""
CHECKPOINT = """
save = checkpoints.save
def aside(path, content, *, abandoned=None, **named):
    if threading.current_thread() is threading.main_thread():
        return save(path, content, **named)
    print("here", flush=True)
    while not abandoned():
        threading.Event().wait(0.01)
    raise checkpoints.Abandoned
checkpoints.save = aside
"""


def terminated(home: Path, moment: str, grace: float, **sections: object) -> Path:
    """The folder of a run whose worker was told to end at that moment, and has."""
    run = runs_home.create(home, short(**sections).document(), title="t")
    program = PROGRAM.format(moment=moment)
    command = [sys.executable, "-c", program, str(run.folder), str(run.lock_fd), str(grace)]
    with subprocess.Popen(command, pass_fds=[run.lock_fd], stdout=subprocess.PIPE, text=True) as worker:
        os.close(run.lock_fd)
        assert worker.stdout is not None
        assert worker.stdout.readline() == "here\n"
        worker.terminate()
        assert worker.wait(60) == 0
    assert summary_of(run.folder).state is State.STOPPED
    assert not (run.folder / process.RESERVE).exists()
    return run.folder


def texts(folder: Path) -> list[str]:
    with RunReader(folder) as reader:
        return [event.text for event in reader.events()]


def test_there_is_time_for_a_last_word_within_ten_seconds() -> None:
    assert watch.GRACE_SECONDS < 8


@pytest.mark.parametrize("moment", [READING, STEP], ids=["reading data", "in a step"])
def test_what_takes_too_long_is_given_up(moment: str, tmp_path: Path) -> None:
    folder = terminated(tmp_path, moment, grace=0.2)
    assert "without a checkpoint: there was no time for one" in texts(folder)[-1]
    steer.resume(folder)
    assert wait_for_end(folder).state is State.FINISHED


@pytest.mark.parametrize("moment", [VALIDATION, CHECKPOINT], ids=["in a validation", "in a checkpoint"])
def test_else_it_ends_with_a_checkpoint(moment: str, tmp_path: Path) -> None:
    training = {"epochs": 2 if moment is VALIDATION else 100_000, "checkpoint_seconds": 0.001}
    folder = terminated(tmp_path, moment, grace=60, training={"device": "cpu", "threads": 1, **training})
    assert texts(folder)[-1].endswith("with a checkpoint")
    step = summary_of(folder).progress.step
    content = checkpoints.load(folder / "checkpoints" / "last.pt")
    assert content["position"]["step"] == step > 0


def test_while_it_is_paused(tmp_path: Path) -> None:
    launched = launch(endless(), tmp_path)
    steer.pause(launched.folder)
    os.kill(launched.pid, signal.SIGTERM)
    assert wait_for_end(launched.folder).state is State.STOPPED
    assert (launched.folder / "checkpoints" / "last.pt").exists()


def test_before_it_has_begun(tmp_path: Path) -> None:
    launched = launch(endless(), tmp_path)
    os.kill(launched.pid, signal.SIGTERM)  # the interpreter is just starting
    assert wait_for(launched.folder, State.STOPPED).pid == launched.pid
    assert wait_for_end(launched.folder).state is State.STOPPED
