"""Runs that wait for their turn: each is started once, in its turn, whatever becomes of who starts them."""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from worker_runs import alive, document, summary_of, wait_for, wait_for_end, wait_until

from tdl_tui.runs import home as runs_home
from tdl_tui.runs import lock, queue
from tdl_tui.runs.home import HomeError
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State, Summary
from tdl_tui.runs.table import RunTable
from tdl_tui.runs.writer import RunWriter
from tdl_tui.spec import Experiment, experiment
from tdl_tui.worker import launch as launching
from tdl_tui.worker import queue_runner, steer
from tdl_tui.worker.launch import LaunchError, enqueue, ensure_runner, launch, take_turn

ENDED = (State.FINISHED, State.STOPPED, State.FAILED)


def tiny(seed: int = 0, epochs: int = 1) -> Experiment:
    """An experiment of a couple of steps."""
    options = {"data": {"dataset": "digits", "batch_size": 1024}, "telemetry": {"budget": 0.0}, "seed": seed}
    return experiment(document(epochs, model={"architecture": "mlp", "options": {"widths": [4]}}, **options))


def waiting_run(home: Path, made: Experiment) -> Path:
    """A queued run that no runner was told of."""
    run = runs_home.create(home, made.document(), title=made.title, state=State.QUEUED)
    os.close(run.lock_fd)
    return run.folder


def span(folder: Path) -> tuple[float, float]:
    """When the run's one training began and ended, by its events."""
    with RunReader(folder) as reader:
        said = [(event.text, event.time) for event in reader.events() if event.kind == "state"]
    begun = [time for text, time in said if text.startswith("training ") and " on cpu" in text]
    ended = [time for text, time in said if text.startswith("finished")]
    assert (len(begun), len(ended)) == (1, 1), said
    return begun[0], ended[0]


def at_once(spans: list[tuple[float, float]]) -> int:
    """How many trainings there were at the busiest moment."""
    changes = sorted([(begin, 1) for begin, _ in spans] + [(end, -1) for _, end in spans])
    now = most = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


def is_over(home: Path) -> bool:
    """Whether the runner has ended."""
    return not lock.held(queue.folder(home))


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):  # it had nothing left to do
        os.kill(pid, signal.SIGKILL)


# -- the decision

RUNS = st.lists(
    st.builds(
        Summary,
        id=st.text("abc", min_size=1, max_size=6),
        name=st.just("n"),
        state=st.sampled_from(State),
        created=st.floats(0, 9),
        changed=st.just(0.0),
        experiment=st.sampled_from(
            [{}, {"training": 3}, *({"training": {"device": name}} for name in ("auto", "cpu", "cuda", "cuda:1"))]
        ),
        device=st.sampled_from(["", "cpu", "cuda:0 NVIDIA A100"]),
    ),
    unique_by=lambda run: run.id,
)


@given(RUNS, st.integers(1, 4), st.sampled_from(["cpu", "cuda:0"]))
def test_each_device_is_filled_up_in_order_and_never_beyond(runs: list[Summary], at_most: int, auto: str) -> None:
    chosen = queue.due(runs, at_most, auto)
    waits = queue.waiting(runs)
    live = Counter(queue.device_of(run, auto) for run in runs if run.state.live)
    taken = Counter(queue.device_of(run, auto) for run in chosen)
    for device in {queue.device_of(run, auto) for run in waits}:
        line = [run for run in waits if queue.device_of(run, auto) == device]
        free = max(0, at_most - live[device])
        assert [run for run in chosen if run in line] == line[:free]
        assert taken[device] == min(free, len(line))
        assert [queue.places(runs, auto)[run.id] for run in line] == list(range(1, len(line) + 1))
    assert all(run.state is State.QUEUED for run in chosen)
    assert queue.places(runs, auto).keys() == {run.id for run in waits}


@pytest.mark.parametrize(
    ("asked", "auto", "taken"),
    [("auto", "cuda:0", "cuda:0"), ("auto", "cpu", "cpu"), ("cuda", "cpu", "cuda:0"), ("cuda:1", "cpu", "cuda:1")],
)
def test_the_device_that_is_waited_for(asked: str, auto: str, taken: str) -> None:
    run = Summary("a", "a", State.QUEUED, 0.0, 0.0, {"training": {"device": asked}})
    assert queue.device_of(run, auto) == taken


# -- what is set


def test_how_many_may_be_at_work_is_kept(tmp_path: Path) -> None:
    assert queue.at_most(tmp_path) == 1
    queue.set_at_most(tmp_path, 3)
    assert queue.at_most(tmp_path) == 3
    assert {path.name: path.stat().st_mode & 0o777 for path in queue.folder(tmp_path).iterdir()} == {
        queue.SETTINGS: 0o600
    }
    assert queue.folder(tmp_path).stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("content", ["", "{", "[]", '{"at_most": 0}', '{"at_most": true}', '{"at_most": "2"}', "\xff"])
def test_settings_that_say_nothing_are_refused_in_one_line_and_can_be_written_anew(
    tmp_path: Path, content: str
) -> None:
    (queue.make_folder(tmp_path) / queue.SETTINGS).write_bytes(content.encode("latin-1"))
    with pytest.raises(HomeError, match="--at-most") as refused:
        queue.at_most(tmp_path)
    assert "\n" not in str(refused.value)
    queue.set_at_most(tmp_path, 2)
    assert queue.at_most(tmp_path) == 2


# -- a queued run


def test_a_queued_run_that_a_worker_was_handed_is_starting_and_queued_again_where_that_dies(tmp_path: Path) -> None:
    folder = waiting_run(tmp_path, tiny())
    assert summary_of(folder).state is State.QUEUED
    descriptor = lock.acquire(folder)
    assert summary_of(folder).state is State.STARTING
    assert take_turn(folder) is None
    with pytest.raises(HomeError, match="stop it first"):
        runs_home.delete(folder)
    os.close(descriptor)
    assert summary_of(folder).state is State.QUEUED


def test_a_copy_of_a_queued_run_is_not_in_the_queue(tmp_path: Path) -> None:
    folder = waiting_run(tmp_path, tiny())
    copied = shutil.copytree(folder, folder.with_name("copied"))
    assert summary_of(copied).state is State.ELSEWHERE
    assert summary_of(folder).state is State.QUEUED


def test_stopping_a_queued_run_takes_it_out_and_resuming_starts_it(tmp_path: Path) -> None:
    folder = waiting_run(tmp_path, tiny(epochs=1_000_000))
    assert steer.stop(folder) == f"{folder.name} is out of the queue"
    assert (summary_of(folder).state, summary_of(folder).message) == (State.STOPPED, steer.OUT_OF_QUEUE)
    assert take_turn(folder) is None
    assert queue.leave(folder, State.STOPPED, "again") is False
    steer.resume(folder)
    assert summary_of(folder).state is State.RUNNING
    assert summary_of(folder).message == ""
    steer.stop(folder)
    wait_for_end(folder)


def test_resuming_a_queued_run_starts_it_before_its_turn(tmp_path: Path) -> None:
    busy = runs_home.create(tmp_path, tiny().document(), title="at work")
    folder = waiting_run(tmp_path, tiny())
    steer.resume(folder)
    assert wait_for_end(folder).state is State.FINISHED
    os.close(busy.lock_fd)


def test_a_run_that_was_deleted_is_passed_over_and_waits_again_when_it_is_back(tmp_path: Path) -> None:
    folder = waiting_run(tmp_path, tiny())
    moved = runs_home.delete(folder)
    assert take_turn(folder) is None
    assert summary_of(runs_home.restore(moved)).state is State.QUEUED


def test_where_no_runner_can_be_started_nothing_is_queued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(launching, "start", refuse)
    with pytest.raises(LaunchError, match="no runner can be started"):
        enqueue(tiny(), tmp_path)
    assert runs_home.run_folders(tmp_path) == []


@pytest.mark.parametrize("device", ["cuda:99", "mps"])
def test_what_launch_refuses_is_not_queued(tmp_path: Path, device: str) -> None:
    wanted = experiment(document(1, training={"device": device}))
    with pytest.raises(LaunchError, match=device):
        enqueue(wanted, tmp_path / "home")
    assert list(tmp_path.iterdir()) == []


# -- the runner


def test_runs_are_started_in_their_turn_though_the_runner_is_killed(tmp_path: Path) -> None:
    folders = [waiting_run(tmp_path, tiny(seed)) for seed in range(3)]
    runner = ensure_runner(tmp_path)
    assert runner is not None
    wait_for(folders[0], State.RUNNING, *ENDED)
    kill(runner)
    wait_until(lambda: is_over(tmp_path))
    assert wait_for_end(folders[0]).state is State.FINISHED  # nobody told it
    assert summary_of(folders[2]).state is State.QUEUED
    last = enqueue(tiny(3), tmp_path)  # starts a runner again
    assert (last.device, last.place) in (("cpu", 3), ("cpu", 2))  # the second may have begun meanwhile
    folders.append(last.folder)
    for folder in folders:
        wait_for(folder, State.FINISHED)
    wait_until(lambda: is_over(tmp_path))
    spans = [span(folder) for folder in folders]
    assert at_once(spans) == 1
    assert spans == sorted(spans)


@pytest.mark.slow
def test_fifty_runs_two_at_a_time_though_the_runner_is_killed_again_and_again(tmp_path: Path) -> None:
    queue.set_at_most(tmp_path, 2)
    folders = [waiting_run(tmp_path, tiny(seed)) for seed in range(50)]
    table, seen = RunTable(tmp_path), Counter[int]()

    def all_ended() -> bool:
        runs = table.refresh()
        seen[sum(run.state.live for run in runs)] += 1
        return all(run.state in ENDED for run in runs)

    chance, kills = random.Random(50), 0
    while not all_ended():
        runner = ensure_runner(tmp_path)
        assert runner is not None
        with suppress(AssertionError):  # the moment has come
            wait_until(all_ended, chance.uniform(0.0, 6.0))
        kill(runner)
        kills += 1
        wait_until(lambda: is_over(tmp_path))
    assert {summary_of(folder).state for folder in folders} == {State.FINISHED}
    assert at_once([span(folder) for folder in folders]) <= 2
    assert max(seen) == 2
    assert kills > 10


def test_runs_that_were_launched_by_hand_count_too(tmp_path: Path) -> None:
    busy = launch(tiny(epochs=1_000_000), tmp_path).folder
    waits = enqueue(tiny(), tmp_path)
    assert waits.place == 1
    wait_for(busy, State.RUNNING)
    assert summary_of(waits.folder).state is State.QUEUED
    assert not is_over(tmp_path)
    steer.stop(busy)
    wait_for(waits.folder, State.FINISHED)
    with RunReader(busy) as reader:
        (stopped,) = [event.time for event in reader.events() if event.data.get("verb") == "stop"]
    assert span(waits.folder)[0] > stopped


def test_more_may_be_at_work_as_soon_as_that_is_said(tmp_path: Path) -> None:
    busy = runs_home.create(tmp_path, tiny().document(), title="at work")
    waits = enqueue(tiny(), tmp_path)
    assert waits.place == 1
    queue.set_at_most(tmp_path, 2)
    wait_for(waits.folder, State.FINISHED)
    os.close(busy.lock_fd)


def test_one_that_cannot_be_started_fails_and_the_next_is_started(tmp_path: Path) -> None:
    gone = waiting_run(tmp_path, experiment(document(1, training={"device": "cuda:99"})))
    wrong = waiting_run(tmp_path, tiny())
    with RunWriter(wrong) as writer:
        writer.update(experiment={"model": {"architecture": "no such"}})
    good = waiting_run(tmp_path, tiny())
    ensure_runner(tmp_path)
    wait_for(good, State.FINISHED)
    for folder, says in ((gone, "training.device"), (wrong, "no such")):
        failed = wait_for(folder, State.FAILED)
        assert says in failed.message
        assert "\n" not in failed.message


def test_one_whose_worker_dies_before_its_first_word_is_not_started_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [waiting_run(tmp_path, tiny(seed)) for seed in range(2)]
    tried = []

    def start_and_die(folder: Path) -> launching.Launched:
        tried.append(folder)
        return launching.Launched(folder, 1)

    monkeypatch.setattr(queue_runner, "take_turn", start_and_die)
    monkeypatch.setattr(queue_runner, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(queue_runner, "LOOK_SECONDS", 0.0)
    queue_runner.serve(tmp_path)
    assert tried == folders
    assert {(summary_of(f).state, summary_of(f).message) for f in folders} == {(State.FAILED, queue_runner.DIED)}


def test_one_that_is_at_fault_does_not_keep_the_others_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [waiting_run(tmp_path, tiny(seed)) for seed in range(3)]
    processes = iter([False, True])

    def start(folder: Path) -> launching.Launched | None:
        if folder == folders[0]:
            raise ZeroDivisionError("no such luck")
        if folder == folders[1] and not next(processes):
            raise LaunchError("no worker can be started: Resource temporarily unavailable")
        queue.leave(folder, State.FINISHED, "as if")
        return None

    monkeypatch.setattr(queue_runner, "take_turn", start)
    monkeypatch.setattr(queue_runner, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(queue_runner, "LOOK_SECONDS", 0.0)
    queue_runner.serve(tmp_path)
    assert [summary_of(f).state for f in folders] == [State.FAILED, State.FINISHED, State.FINISHED]
    assert summary_of(folders[0]).message == "no such luck"


def test_a_runner_ends_where_its_home_is_gone(tmp_path: Path) -> None:
    busy = runs_home.create(tmp_path / "home", tiny().document(), title="at work")
    waiting_run(tmp_path / "home", tiny())
    runner = ensure_runner(tmp_path / "home")
    assert runner is not None
    wait_until(lambda: not is_over(tmp_path / "home"))
    (tmp_path / "home").rename(tmp_path / "elsewhere")
    wait_until(lambda: not alive(runner))
    log = (queue.folder(tmp_path / "elsewhere") / queue.LOG).read_text()
    assert "Traceback" not in log
    os.close(busy.lock_fd)


def test_a_second_runner_leaves_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = waiting_run(tmp_path, tiny())
    descriptor = lock.acquire(queue.make_folder(tmp_path))
    monkeypatch.setattr(queue_runner, "take_turn", lambda _: pytest.fail("started"))
    queue_runner.serve(tmp_path)
    assert ensure_runner(tmp_path) is None
    os.close(descriptor)
    assert summary_of(folder).state is State.QUEUED
