"""The queue as the command line shows and changes it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from command_line import MakeRun, Tdl, tree

from tdl_tui.runs import home as runs_home
from tdl_tui.runs import queue
from tdl_tui.runs.records import State
from tdl_tui.spec import experiment
from tdl_tui.verbs.follow import Look, Progressing
from tdl_tui.worker import launch

TINY = ("--model", "mlp", "--set", "training.epochs=1", "--set", "training.threads=1", "--device", "cpu")


@pytest.fixture
def runners(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The homes that a runner was asked for; none is started."""
    asked: list[Path] = []
    monkeypatch.setattr(launch, "ensure_runner", asked.append)
    return asked


def held_run(home: Path, state: State = State.RUNNING, **document: Any) -> tuple[str, int]:
    made = experiment(document)
    run = runs_home.create(home, made.document(), title=made.title, state=state)
    return run.folder.name, run.lock_fd


def test_a_queued_training_has_a_place_and_a_runner(tdl: Tdl, home: Path, runners: list[Path]) -> None:
    first = tdl("train", *TINY, "--queue", "--json").document
    assert first == {"run": first["run"], "place": 1}
    said = tdl("train", *TINY, "--queue", "--name", "after it")
    assert (said.status, said.err) == (0, "")
    assert said.out.count("\n") == 1
    assert "after it  (place 2 in the queue for cpu" in said.out
    assert runners == [home, home]
    assert [row["state"] for row in tdl("ls", "--json").document] == ["queued", "queued"]


def test_the_queue_lists_what_is_at_work_and_what_waits_by_device(tdl: Tdl, home: Path, runners: list[Path]) -> None:
    busy, descriptor = held_run(home, training={"device": "cpu"})
    waits = [tdl("train", *TINY, "--queue", "--json").document["run"] for _ in range(2)]
    other, lock_fd = held_run(home, State.QUEUED, training={"device": "cuda:1"})
    os.close(lock_fd)
    document = tdl("queue", "--json").document
    assert document["at_most"] == 1
    assert [(row["device"], row["run"], row["state"], row["place"]) for row in document["runs"]] == [
        ("cpu", busy, "running", None),
        ("cpu", waits[0], "queued", 1),
        ("cpu", waits[1], "queued", 2),
        ("cuda:1", other, "queued", 1),
    ]
    assert document["runs"][1].keys() == {"device", "run", "name", "state", "place", "created"}
    shown = tdl("queue")
    assert [line.split()[:4] for line in shown.out.splitlines()][1:3] == [
        ["cpu", busy, "running", "mlp"],
        ["cpu", waits[0], "queued", "1"],
    ]
    assert "3 runs waiting; at most 1" in shown.err
    assert runners[-1] == home
    os.close(descriptor)


def test_what_waits_is_listed_also_where_no_runner_can_be_started(
    tdl: Tdl, home: Path, runners: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tdl("train", *TINY, "--queue", "--json").document["run"]

    def refuse(home: Path) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(launch, "ensure_runner", refuse)
    shown = tdl("queue", "--json")
    assert [row["run"] for row in shown.document["runs"]] == [run]
    assert (shown.status, shown.err) == (1, "tdl: no runner can be started for the queue: Read-only file system\n")


def test_an_empty_queue_starts_nothing_and_leaves_the_home_as_it_was(
    tdl: Tdl, home: Path, runners: list[Path], make_run: MakeRun
) -> None:
    shown = tdl("queue")
    assert (shown.status, shown.out) == (0, "")
    assert "no runs waiting" in shown.err
    assert not home.exists()
    make_run()
    before = tree(home)
    assert tdl("queue", "--json").document == {"at_most": 1, "runs": []}
    assert tree(home) == before
    assert runners == []


def test_how_many_may_be_at_work_is_set(tdl: Tdl, home: Path, runners: list[Path]) -> None:
    assert tdl("queue", "--at-most", "3", "--json").document["at_most"] == 3
    assert queue.at_most(home) == 3
    for wrong in ("0", "many"):
        refused = tdl("queue", "--at-most", wrong)
        assert (refused.status, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert queue.at_most(home) == 3


@pytest.mark.parametrize(
    "wrong", [("--device", "cuda:99"), ("--dataset", "mnist", "--set", "data.options.folder=/nowhere")]
)
def test_what_is_refused_leaves_the_home_as_it_was(
    tdl: Tdl, home: Path, runners: list[Path], wrong: tuple[str, ...]
) -> None:
    refused = tdl("train", *wrong, "--queue")
    assert (refused.status, refused.out, refused.err.count("\n")) == (2, "", 1)
    assert not home.exists()
    assert runners == []


def test_a_queued_run_is_stopped_and_removed(tdl: Tdl, home: Path, runners: list[Path]) -> None:
    runs = [tdl("train", *TINY, "--queue", "--json").document["run"] for _ in range(3)]
    stopped = tdl("stop", runs[0], "--json").document
    assert (stopped["state"], stopped["message"]) == ("stopped", f"{runs[0]} is out of the queue")
    assert tdl("pause", runs[1]).status == 1
    assert tdl("rm", runs[1], "--json").document == {"removed": [runs[1]]}
    assert [row["run"] for row in tdl("queue", "--json").document["runs"]] == [runs[2]]


def test_a_queued_run_is_followed_from_its_wait_to_its_end(
    tdl: Tdl, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_the_way = [held_run(home)[1]]
    show = Progressing.show

    def show_and_let_go(self: Progressing, now: Look) -> None:
        show(self, now)
        while in_the_way:
            os.close(in_the_way.pop())

    monkeypatch.setattr(Progressing, "show", show_and_let_go)
    run = tdl("train", *TINY, "--queue", "--json").document["run"]
    told = tdl("tail", run)
    assert told.status == 0
    assert told.out.startswith("queued, waits for its turn\n")
    assert f"{run} finished" in told.out
