"""A launched training lives on its own, whatever becomes of who launched it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from worker_runs import alive, document, endless, short, summary_of, wait_for, wait_for_end, wait_until

from tdl_tui.runs import home as runs_home
from tdl_tui.runs import lock
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State
from tdl_tui.worker import steer
from tdl_tui.worker.launch import LaunchError, launch, resume
from tdl_tui.worker.process import RESERVE, report_failure

LAUNCH = """
import json, signal, sys
from pathlib import Path
from tdl_tui.spec import experiment
from tdl_tui.worker.launch import launch
launched = launch(experiment(json.loads(sys.argv[2])), Path(sys.argv[1]))
print(launched.pid, launched.folder, flush=True)
signal.pause()
"""


def test_a_training_goes_to_its_end_in_a_session_of_its_own(tmp_path: Path) -> None:
    launched = launch(short(), tmp_path)
    assert summary_of(launched.folder).state in (State.STARTING, State.RUNNING)
    assert os.getsid(launched.pid) == os.getpgid(launched.pid) == launched.pid
    fields = Path(f"/proc/{launched.pid}/stat").read_text().rpartition(")")[2].split()
    assert fields[4] == "0"  # no terminal
    assert {str(Path(f"/proc/{launched.pid}/fd/{n}").readlink()) for n in (1, 2)} == {str(launched.folder / "log.txt")}
    assert Path(f"/proc/{launched.pid}/fd/0").readlink() == Path(os.devnull)
    summary = wait_for_end(launched.folder)
    assert summary.state is State.FINISHED, (launched.folder / "log.txt").read_text()
    assert summary.pid == launched.pid
    assert summary.progress.epoch == 2
    wait_until(lambda: not Path(f"/proc/{launched.pid}").exists())  # reaped: no zombie


def test_it_outlives_its_parent_and_a_hang_up_and_stops_with_a_checkpoint(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", LAUNCH, str(tmp_path), json.dumps(document(1_000_000))]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, start_new_session=True) as parent:
        assert parent.stdout is not None
        pid, folder = parent.stdout.readline().split()
        os.killpg(parent.pid, signal.SIGKILL)
    run, worker = Path(folder), int(pid)
    wait_for(run, State.RUNNING)
    os.kill(worker, signal.SIGHUP)
    os.kill(worker, signal.SIGINT)
    before = summary_of(run).progress.step
    wait_until(lambda: summary_of(run).progress.step > before)
    os.kill(worker, signal.SIGTERM)
    assert wait_for_end(run).state is State.STOPPED
    assert (run / "checkpoints" / "last.pt").exists()


def test_commands_are_acknowledged_and_kept_as_events(tmp_path: Path) -> None:
    run = launch(endless(), tmp_path).folder
    steer.pause(run)  # may be asked before training has begun
    assert summary_of(run).state is State.PAUSED
    at = summary_of(run).progress.step
    steer.set_value(run, {"lr": 0.125})
    steer.checkpoint(run)
    with pytest.raises(steer.SteerError, match="paused already"):
        steer.pause(run)
    assert summary_of(run).progress.step == at
    steer.resume(run)
    wait_until(lambda: summary_of(run).progress.step > at)
    steer.stop(run)
    assert wait_for_end(run).state is State.STOPPED
    with RunReader(run) as reader:
        verbs = [event.data["verb"] for event in reader.events() if event.kind == "command"]
        assert reader.last("lr") is not None
        assert reader.last("lr").value == 0.125  # type: ignore[union-attr]  # checked the line before
    assert verbs == ["pause", "set", "checkpoint", "resume", "stop"]


def test_a_killed_worker_leaves_a_lost_run_that_can_be_resumed(tmp_path: Path) -> None:
    launched = launch(endless(), tmp_path)
    run = launched.folder
    wait_for(run, State.RUNNING)
    steer.checkpoint(run)
    with pytest.raises(LaunchError, match=f"has a worker already: process {launched.pid} on "):
        resume(run)
    os.kill(launched.pid, signal.SIGKILL)
    wait_for(run, State.LOST)
    with pytest.raises(steer.SteerError, match="lost"):
        steer.stop(run)
    assert "goes on at step" in steer.resume(run)
    again = summary_of(run)
    assert again.state is State.RUNNING
    assert again.pid != launched.pid
    steer.stop(run)
    wait_for_end(run)
    wait_until(lambda: not alive(again.pid))


def test_what_goes_wrong_ends_the_run_as_failed(tmp_path: Path) -> None:
    diverging = short(optimizer={"name": "sgd", "lr": 1e30})
    run = launch(diverging, tmp_path).folder
    summary = wait_for_end(run)
    assert summary.state is State.FAILED
    assert "not finite" in summary.message
    assert "Traceback" in (run / "log.txt").read_text()


def test_what_goes_wrong_before_training_is_said_too(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = runs_home.create(tmp_path, short().document(), title="t")
    report_failure(run.folder, ImportError("no module\nnamed so"))
    os.close(run.lock_fd)
    assert (summary_of(run.folder).state, summary_of(run.folder).message) == (State.FAILED, "no module")
    assert "ImportError" in capfd.readouterr().err


FULL_DISK = """
import sys
from pathlib import Path
from tdl_tui.runs.writer import WriteError
from tdl_tui.training import session
from tdl_tui.worker import process

def run_training(folder, control):
    assert (folder / process.RESERVE).stat().st_size == process.RESERVE_BYTES
    raise WriteError("run.db cannot be written: disk is full")

report_failure = process.report_failure

def report(folder, error):
    assert not (folder / process.RESERVE).exists()
    report_failure(folder, error)

session.run_training, process.report_failure = run_training, report
sys.stderr = open("/dev/full", "w", buffering=1)
process.work(Path(sys.argv[1]), int(sys.argv[2]))
"""


def test_a_run_whose_disk_is_full_has_room_left_to_say_so(tmp_path: Path) -> None:
    run = runs_home.create(tmp_path, short().document(), title="t")
    command = [sys.executable, "-c", FULL_DISK, str(run.folder), str(run.lock_fd)]
    subprocess.run(command, pass_fds=[run.lock_fd], check=False, timeout=60)
    os.close(run.lock_fd)
    summary = summary_of(run.folder)
    assert (summary.state, summary.message) == (State.FAILED, "run.db cannot be written: disk is full")
    assert not (run.folder / RESERVE).exists()


@pytest.mark.parametrize("device", ["cuda:99", "mps"])
def test_a_device_that_is_not_there_leaves_the_home_as_it_was(tmp_path: Path, device: str) -> None:
    with pytest.raises(LaunchError, match=device):
        launch(short(training={"device": device}), tmp_path / "home")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_the_data_leaves_the_home_as_it_was(tmp_path: Path) -> None:
    wanted = short(data={"dataset": "mnist", "options": {"folder": "/nowhere"}})
    with pytest.raises(LaunchError, match=r"put train-images.*/nowhere"):
        launch(wanted, tmp_path / "home")
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(LaunchError, match="cannot be written") as refused:
        launch(short(), tmp_path / "file" / "home")
    assert "\n" not in str(refused.value)


def test_no_process_leaves_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(LaunchError, match="no worker can be started"):
        launch(short(), tmp_path / "home")
    assert runs_home.run_folders(tmp_path / "home") == []


def test_processes_that_training_starts_do_not_hold_the_lock(tmp_path: Path) -> None:
    program = (
        "import os, signal, subprocess, sys\n"
        "from pathlib import Path\n"
        "from tdl_tui.runs import lock\n"
        "from tdl_tui.worker.process import hold\n"
        "hold(lock.acquire(Path(sys.argv[1])))\n"
        "forked = os.fork() or signal.pause()\n"
        "started = subprocess.Popen(['sleep', '60'], close_fds=False, stdout=subprocess.DEVNULL).pid\n"
        "print(forked, started, flush=True)\n"
        "sys.stdin.readline()\n"
        "os._exit(0)"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], text=True, **pipes) as worker:  # type: ignore[call-overload]  # of the pipes
        children = [int(pid) for pid in worker.stdout.readline().split()]
        assert lock.held(tmp_path)
        worker.stdin.write("\n")
        worker.stdin.flush()
        worker.wait()
    assert all(map(alive, children))
    assert not lock.held(tmp_path)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
