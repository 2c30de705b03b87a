"""What may be asked of a run in which state, and what the asker hears."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from worker_runs import short, wait_until

from tdl_tui.runs import commands
from tdl_tui.runs import home as runs_home
from tdl_tui.runs.records import State
from tdl_tui.runs.writer import RunWriter
from tdl_tui.worker import steer
from tdl_tui.worker.steer import AskedWrongly, SteerError
from tdl_tui.worker.watch import CommandWatcher

VERBS = {
    "pause": steer.pause,
    "resume": steer.resume,
    "stop": steer.stop,
    "checkpoint": steer.checkpoint,
    "set": lambda folder: steer.set_value(folder, {"lr": 0.1}),
}


def make(home: Path, state: State) -> tuple[Path, int]:
    run = runs_home.create(home, short().document(), title="t")
    with RunWriter(run.folder) as writer:
        writer.update(state=state)
    return run.folder, run.lock_fd


@contextmanager
def worker(folder: Path, **answer: Any) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """A worker that acknowledges everything; what it heard, as (verb, arguments)."""
    heard: list[tuple[str, dict[str, Any]]] = []
    watcher, done = CommandWatcher(folder), threading.Event()

    def work() -> None:
        with RunWriter(folder) as writer:
            while not done.is_set():
                watcher.control.wait(0.01)
                for command in watcher.control.take():
                    heard.append((command.verb, dict(command.arguments)))
                    writer.event("command", f"did {command.verb}", 3, {"command": command.id, **answer})

    thread = threading.Thread(target=work)
    thread.start()
    watcher.start()
    try:
        yield heard
    finally:
        done.set()
        thread.join()
        watcher.close()


@pytest.mark.parametrize(("state", "verb"), [(State.RUNNING, "pause"), (State.PAUSED, "resume")])
def test_what_suits_the_state_is_carried_out(tmp_path: Path, state: State, verb: str) -> None:
    folder, lock_fd = make(tmp_path, state)
    with worker(folder) as heard:
        assert VERBS[verb](folder) == f"did {verb}"
    os.close(lock_fd)
    assert heard == [(verb, {})]


@pytest.mark.parametrize("state", [State.STARTING, State.RUNNING, State.PAUSED])
def test_stop_checkpoint_and_set_suit_every_live_state(tmp_path: Path, state: State) -> None:
    folder, lock_fd = make(tmp_path, state)
    with worker(folder) as heard:
        for verb in ("set", "checkpoint", "stop"):
            VERBS[verb](folder)
    os.close(lock_fd)
    assert heard == [("set", {"optimizer.lr": 0.1}), ("checkpoint", {}), ("stop", {})]


@pytest.mark.parametrize(
    ("state", "verb"),
    [
        *product([State.FINISHED, State.STOPPED, State.FAILED], ["pause", "stop", "checkpoint", "set"]),
        *product([State.QUEUED], ["pause", "checkpoint", "set"]),  # stop takes it out of the queue
    ],
)
def test_a_run_without_a_worker_refuses_at_once(tmp_path: Path, state: State, verb: str) -> None:
    folder, lock_fd = make(tmp_path, state)
    os.close(lock_fd)
    with pytest.raises(SteerError, match=state.value) as refused:
        VERBS[verb](folder)
    assert "\n" not in str(refused.value)
    assert commands.pending(folder) == []


@pytest.mark.parametrize(("state", "says"), [(State.FINISHED, "has finished"), (State.RUNNING, "running already")])
def test_what_cannot_be_resumed(tmp_path: Path, state: State, says: str) -> None:
    folder, lock_fd = make(tmp_path, state)
    with pytest.raises(SteerError, match=says):
        steer.resume(folder)
    os.close(lock_fd)


def test_pausing_twice_is_said(tmp_path: Path) -> None:
    folder, lock_fd = make(tmp_path, State.PAUSED)
    with pytest.raises(SteerError, match="paused already"):
        steer.pause(folder)
    os.close(lock_fd)


def test_a_lost_run_says_what_would_help(tmp_path: Path) -> None:
    folder, lock_fd = make(tmp_path, State.RUNNING)
    os.close(lock_fd)
    with pytest.raises(SteerError, match="resume starts it again"):
        steer.pause(folder)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"momentum": 0.9}, '"momentum" cannot be changed while a run trains.*there are lr, weight_decay'),
        ({"lr": 0}, "above 0"),
        ({"lr": -1.0}, "above 0"),
        ({"optimizer.lr": float("nan")}, "above 0"),
        ({"lr": float("inf")}, "above 0"),
        ({"lr": True}, "above 0"),
        ({"lr": "fast"}, 'got "fast"'),
        ({"epochs": 0.5}, "training.epochs: must be a whole number"),
        ({"dropout": 0.5, "lr": 0}, "above 0"),
        ({"telemetry": 2}, "telemetry.budget: must be 0 to 1"),
        ({}, "nothing to change"),
    ],
)
def test_only_a_sensible_learning_rate_is_sent(tmp_path: Path, values: dict[str, Any], says: str) -> None:
    folder, lock_fd = make(tmp_path, State.RUNNING)
    with pytest.raises(AskedWrongly, match=says):
        steer.set_value(folder, values)
    os.close(lock_fd)
    assert commands.pending(folder) == []


def test_a_roll_back_names_only_a_checkpoint_that_is_there(tmp_path: Path) -> None:
    folder, lock_fd = make(tmp_path, State.RUNNING)
    with RunWriter(folder) as writer:
        writer.event("checkpoint", "checkpoint at step 4", 4, {"name": "step-4.pt"})
    (folder / "checkpoints" / "step-4.pt").write_bytes(b"weights")
    with pytest.raises(AskedWrongly, match="there is no checkpoint 7; there is step-4"):
        steer.rollback(folder, "7")
    with RunWriter(folder) as writer:
        writer.update(state=State.FINISHED)
    os.close(lock_fd)
    with pytest.raises(SteerError, match=f"has finished already; tdl fork {folder.name} --from step-4 goes on from"):
        steer.rollback(folder, "4")
    with pytest.raises(SteerError, match=r"has finished already$"):
        steer.rollback(folder, "7")


def test_a_refusal_of_the_worker_is_raised(tmp_path: Path) -> None:
    folder, lock_fd = make(tmp_path, State.RUNNING)
    with worker(folder, refused=True), pytest.raises(SteerError, match="did pause"):
        steer.pause(folder)
    os.close(lock_fd)


def test_a_worker_that_does_not_answer_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    folder, lock_fd = make(tmp_path, State.RUNNING)
    with pytest.raises(SteerError, match=r"not answered within 0\.05 s"):
        steer.pause(folder, timeout=0.05)
    os.close(lock_fd)


def test_a_worker_that_ends_before_it_answers_is_noticed(tmp_path: Path) -> None:
    folder, lock_fd = make(tmp_path, State.RUNNING)

    def end() -> None:
        wait_until(lambda: commands.pending(folder))
        os.close(lock_fd)

    thread = threading.Thread(target=end)
    thread.start()
    with pytest.raises(SteerError, match="ended before it answered: it is lost"):
        steer.pause(folder)
    thread.join()


def test_a_damaged_run_is_said_in_one_line(tmp_path: Path) -> None:
    folder, lock_fd = make(tmp_path, State.RUNNING)
    os.close(lock_fd)
    (folder / "run.db").write_bytes(b"nothing of the sort")
    with pytest.raises(SteerError, match=r"damaged|not the record"):
        steer.stop(folder)


def test_a_signal_becomes_a_stop(tmp_path: Path) -> None:
    folder, lock_fd = make(tmp_path, State.RUNNING)
    watcher = CommandWatcher(folder)
    watcher.start()
    watcher.terminate()
    assert watcher.control.wait(10)
    assert [command.verb for command in watcher.control.take()] == ["stop"]
    watcher.close()
    os.close(lock_fd)


def test_what_is_no_command_is_left_alone(tmp_path: Path) -> None:
    folder, lock_fd = make(tmp_path, State.RUNNING)
    (folder / "commands" / "notes.txt").write_text("mine")
    with worker(folder) as heard:
        steer.stop(folder)
    os.close(lock_fd)
    assert [verb for verb, _ in heard] == ["stop"]
    assert (folder / "commands" / "notes.txt").exists()
