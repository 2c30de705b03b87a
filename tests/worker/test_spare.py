"""The spare waits warmed, answers, becomes the worker, and goes when nobody needs it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from worker_runs import alive, short, wait_for_end, wait_until

from tdl_tui.runs import home as runs_home
from tdl_tui.runs import lock
from tdl_tui.runs.records import State
from tdl_tui.worker import spare as module
from tdl_tui.worker.launch import launch
from tdl_tui.worker.spare import Spare, SpareError

OPEN = """
import signal, sys
from pathlib import Path
from tdl_tui.worker.spare import Spare
spare = Spare(Path(sys.argv[1]))
spare.wait_ready()
print(spare.pid, flush=True)
signal.pause()
"""
MLP = {"data": {"dataset": "digits"}, "model": {"architecture": "mlp", "options": {"widths": [128, 64]}}}


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Spare]:
    """One spare for the tests that only ask."""
    made = Spare(tmp_path_factory.mktemp("home"))
    made.wait_ready()
    yield made
    pid = made.pid
    made.close()
    assert pid is not None
    wait_until(lambda: not Path(f"/proc/{pid}").exists())


@pytest.fixture
def spare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spare]:
    monkeypatch.setattr(module, "REPLACE_SECONDS", 0.05)
    made = Spare(tmp_path)
    yield made
    made.close()


def test_it_summarises_a_network_on_its_data(kept: Spare) -> None:
    answer = kept.summary(MLP)
    assert answer.parameters == 64 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10
    assert sum(layer.parameters for layer in answer.layers) == answer.parameters
    assert answer.macs >= 64 * 128 + 128 * 64 + 64 * 10
    assert answer.layers[-1].output_shape == (10,)
    assert answer.training_examples in range(1430, 1445)  # 0.8 of 1,797, stratified
    assert answer.steps_per_epoch == -(-answer.training_examples // 64)
    assert 16 * answer.parameters < answer.memory < answer.free  # weights, gradients, two moments
    assert answer.fits


def test_it_shows_samples_of_the_data(kept: Spare) -> None:
    answer = kept.samples(MLP, 10)
    assert [probe.shape for probe in answer.samples] == [(1, 8, 8)] * 10
    assert {int(probe.target) for probe in answer.samples} == set(range(10))  # one of each class
    assert all(0 <= value <= 1 for probe in answer.samples for value in probe.input)
    assert answer.classes == tuple("0123456789")
    assert sum(answer.counts) == 1797
    assert len(answer.counts) == 10


def test_it_gives_the_schedule_of_the_learning_rate(kept: Spare) -> None:
    chosen = {**MLP, "optimizer": {"lr": 0.1}, "schedule": {"name": "cosine", "warmup_steps": 10}}
    answer = kept.summary({**chosen, "training": {"epochs": 5}})
    steps, rates = zip(*answer.schedule, strict=True)
    assert (steps[0], steps[-1], len(steps)) == (1, 5 * answer.steps_per_epoch, 60)
    assert max(rates) == pytest.approx(0.1, rel=0.05)
    assert rates[-1] == 0


def test_it_says_what_cannot_fit(kept: Spare) -> None:
    wide = {**MLP, "model": {"architecture": "mlp", "options": {"widths": [65536] * 8}}}
    answer = kept.summary(wide)
    assert answer.memory > 7 * 4 * 65536**2 * 4
    assert not answer.fits
    with pytest.raises(SpareError, match="too little memory"):
        kept.lr_range(wide)


def test_it_finds_a_learning_rate(kept: Spare) -> None:
    document = {**MLP, "training": {"device": "cpu", "threads": 1}}
    answer = kept.lr_range(document)
    assert len(answer.lr) == len(answer.loss)
    assert answer.suggestion in answer.lr
    assert kept.lr_range(document) == answer
    with pytest.raises(SpareError, match="lr-find has the time"):
        kept.ask({"ask": "lr_range", "experiment": document, "seconds": 0})


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"ask": "summary", "experiment": {"data": {"dataset": "digitz"}}}, "digits"),
        ({"ask": "summary", "experiment": {"model": {"architecture": "lenet5"}}}, "28"),
        ({"ask": "summary", "experiment": {"optimizer": {"lr": "fast"}}}, "optimizer.lr"),
        ({"ask": "summary", "experiment": "none"}, "must be a document"),
        ({"ask": "summary"}, "experiment"),
        ({"ask": "samples", "experiment": MLP, "count": "many"}, "many"),
        ({"ask": "nonsense", "experiment": MLP}, "nonsense"),
        ({}, "no question"),
    ],
)
def test_a_wrong_request_gets_one_line_and_the_spare_lives_on(kept: Spare, request_: object, says: str) -> None:
    pid = kept.pid
    with pytest.raises(SpareError, match=says) as refused:
        kept.ask(request_)  # type: ignore[arg-type]  # wrong on purpose
    assert str(refused.value)
    assert "\n" not in str(refused.value)
    assert kept.pid == pid
    assert kept.ready


def test_it_becomes_the_worker_and_another_follows(spare: Spare, tmp_path: Path) -> None:
    spare.wait_ready()
    first = spare.pid
    launched = launch(short(), tmp_path, spare)
    assert launched.pid == first
    summary = wait_for_end(launched.folder)
    assert summary.state is State.FINISHED, (launched.folder / "log.txt").read_text()
    assert summary.pid == first
    wait_until(lambda: spare.pid not in (None, first))
    wait_until(lambda: not Path(f"/proc/{first}").exists())  # reaped
    spare.wait_ready()
    same = launch(short(), tmp_path, spare)
    again = wait_for_end(same.folder)
    assert again.test == summary.test  # a second spare trains to the same weights


def test_a_worker_that_was_a_spare_outlives_the_workbench(spare: Spare, tmp_path: Path) -> None:
    spare.wait_ready()
    launched = launch(short(), tmp_path, spare)
    spare.close()
    assert wait_for_end(launched.folder).state is State.FINISHED
    assert (launched.folder / "log.txt").read_text() == ""


def test_a_launch_does_not_wait_for_a_spare_that_is_not_ready(spare: Spare, tmp_path: Path) -> None:
    spare.start()
    warming = spare.pid
    launched = launch(short(), tmp_path, spare)
    assert launched.pid != warming
    assert wait_for_end(launched.folder).state is State.FINISHED


def test_a_spare_that_hangs_is_ended_and_never_has_the_run(spare: Spare, tmp_path: Path) -> None:
    spare.wait_ready()
    pid = spare.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    run = runs_home.create(tmp_path, short().document(), title="t")
    assert spare.become(run.folder, run.lock_fd) is None
    assert not alive(pid)
    os.close(run.lock_fd)
    assert not lock.held(run.folder)


def test_a_spare_that_died_is_replaced(spare: Spare) -> None:
    spare.wait_ready()
    pid = spare.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: spare.pid not in (None, pid))


def test_it_goes_when_the_workbench_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", OPEN, str(tmp_path)], stdout=subprocess.PIPE, text=True) as bench:
        assert bench.stdout is not None
        pid = int(bench.stdout.readline())
        assert alive(pid)
        bench.kill()
    wait_until(lambda: not alive(pid))


def test_it_goes_after_idle_minutes_and_comes_back_when_asked(tmp_path: Path) -> None:
    spare = Spare(tmp_path, idle_minutes=0.001)
    spare.start()
    pid = spare.pid
    wait_until(lambda: spare.pid is None)
    assert not spare.ready
    assert spare.summary(MLP).parameters > 0
    assert pid is not None
    wait_until(lambda: not Path(f"/proc/{pid}").exists())
    spare.close()


def test_after_close_there_is_none(tmp_path: Path) -> None:
    spare = Spare(tmp_path)
    spare.close()
    spare.start()
    assert spare.pid is None
    with pytest.raises(SpareError, match="closed"):
        spare.ask({"ask": "summary", "experiment": {}})


def test_the_home_is_left_alone_by_warming_up(kept: Spare) -> None:
    assert list(kept.home.iterdir()) == []
