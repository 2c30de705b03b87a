"""Whole trainings by the installed program: followed, detached, steered, interrupted, left alone, lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State, Summary

PROGRAM = (sys.executable, "-c", "from tdl_tui.cli import main; main()")
DEADLINE = 60.0
LONG = ("--set", "training.epochs=1000000", "--device", "cpu")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A home for this file's runs. Whatever still trains at the end is ended."""
    home = tmp_path_factory.mktemp("home")
    environment = {**os.environ, "TDL_HOME": str(home)}
    yield environment
    for run in json.loads(call(environment, "ls", "--json").stdout):
        if run["state"] in ("starting", "running", "paused"):
            os.kill(run["pid"], signal.SIGKILL)


def call(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*PROGRAM, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE, check=False)


def json_of(environment: dict[str, str], *arguments: str) -> Any:
    done = call(environment, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def wait_for(condition: Callable[[], Any]) -> Any:
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


def wait_until(environment: dict[str, str], run: str, condition: Callable[[Summary], bool]) -> Summary:
    """The run in short as soon as the condition holds for it."""

    def there() -> Summary | None:
        with RunReader(Path(environment["TDL_HOME"], "runs", run)) as reader:
            summary = reader.summary()
        return summary if condition(summary) else None

    found: Summary = wait_for(there)
    return found


def started(environment: dict[str, str], *arguments: str) -> tuple[subprocess.Popen[str], str]:
    """A followed training that has made its first steps, and its run."""
    process = subprocess.Popen(
        [*PROGRAM, "train", *LONG, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    run = process.stderr.readline().split()[0]
    for line in process.stderr:
        if line.startswith("epoch"):
            return process, run
    raise AssertionError(f"it ended with {process.wait()}")


def test_a_training_is_followed_to_its_end(environment: dict[str, str]) -> None:
    arguments = ["train", "--dataset", "digits", "--model", "mlp", "--set", "training.epochs=2", "--name", "short"]
    done = call(environment, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["state"], document["steps"], document["epochs"]) == ("finished", 46, 2)
    assert document["best"]["series"] == "val/loss"
    assert document["test"].keys() >= {"loss", "accuracy"}
    assert 0.5 < document["test"]["accuracy"] <= 1
    assert document["final"].keys() >= {"train/loss", "train/accuracy", "val/loss", "val/accuracy", "lr"}
    assert document["run"] in done.stderr
    assert "epoch 2/2" in done.stderr
    assert "\x1b" not in done.stderr
    series = json_of(environment, "metrics", "short", "train/loss", "lr")["series"]
    assert series["train/loss"]["step"] == list(range(1, 47))
    assert len(series["train/loss"]["time"]) == len(series["train/loss"]["value"]) == 46
    assert json_of(environment, "tail", "short")["final"] == document["final"]


def test_a_detached_training_lives_on_its_own_and_is_steered(environment: dict[str, str]) -> None:
    launched = json_of(environment, "train", "--detach", *LONG)
    run = launched["run"]
    folder = Path(environment["TDL_HOME"], "runs", run)
    wait_until(environment, run, lambda now: now.progress.step > 0)
    shown = json_of(environment, "show", run)
    assert (shown["state"], shown["pid"]) == ("running", launched["pid"])
    assert run in call(environment, "ls").stdout
    refused = call(environment, "rm", run)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert json_of(environment, "pause", run)["state"] == "paused"
    assert call(environment, "pause", run).returncode == 1
    assert json_of(environment, "resume", run)["state"] == "running"
    assert json_of(environment, "set", run, "lr=0.0005")["run"] == run
    assert json_of(environment, "checkpoint", run)["run"] == run
    assert json_of(environment, "stop", run)["run"] == run
    stopped = wait_until(environment, run, lambda now: now.state is State.STOPPED)
    assert (folder / "checkpoints" / "last.pt").exists()
    rates = json_of(environment, "metrics", run, "lr")["series"]["lr"]["value"]
    assert (rates[0], rates[-1]) == (0.001, 0.0005)
    assert json_of(environment, "resume", run)["run"] == run
    wait_until(environment, run, lambda now: now.progress.step > stopped.progress.step)
    assert call(environment, "stop", run).returncode == 0
    wait_until(environment, run, lambda now: now.state is State.STOPPED)
    assert json_of(environment, "rm", run) == {"removed": [run]}
    assert not folder.exists()
    assert call(environment, "show", run).returncode == 2


def test_ctrl_c_stops_with_a_checkpoint(environment: dict[str, str]) -> None:
    process, run = started(environment, "--json")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 130
    assert "stopping with a checkpoint" in err
    assert (json.loads(out)["run"], json.loads(out)["state"]) == (run, "stopped")
    assert Path(environment["TDL_HOME"], "runs", run, "checkpoints", "last.pt").exists()


@pytest.fixture
def heard_hang_ups() -> Iterator[None]:
    """Programs started here take a hang-up as they would in a terminal, though nohup may run the tests."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("heard_hang_ups")
def test_a_hang_up_only_lets_go_and_a_dead_worker_is_told(environment: dict[str, str]) -> None:
    process, run = started(environment)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=DEADLINE)
    left = wait_until(environment, run, lambda now: now.progress.step > 0)
    after = wait_until(environment, run, lambda now: now.progress.step > left.progress.step)
    assert after.state is State.RUNNING
    tail = subprocess.Popen(
        [*PROGRAM, "tail", run], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert tail.stdout is not None
    assert tail.stdout.readline().startswith("epoch")
    os.kill(after.pid, signal.SIGKILL)
    _, err = tail.communicate(timeout=DEADLINE)
    assert tail.returncode == 1
    assert err.count("\n") == 1
    assert "its worker died" in err
    wait_until(environment, run, lambda now: now.state is State.LOST)


QUICK = """
import sys
from tdl_tui.cli import main
sys.argv = ["tdl", *sys.argv[1:]]
heavy = ("torch", "numpy", "sklearn", "textual")
try:
    main()
finally:
    sys.stderr.write(" ".join(name for name in heavy if name in sys.modules))
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["--help"],
        ["ls", "--json"],
        ["models"],
        ["datasets"],
        ["train", "--dry-run"],
        ["doctor", "--json"],
    ],
    ids=" ".join,
)
def test_what_answers_at_once_imports_nothing_heavy(environment: dict[str, str], arguments: list[str]) -> None:
    command = [sys.executable, "-c", QUICK, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert done.returncode == 0
    assert done.stdout
    assert done.stderr == ""


WORKBENCH = """
import sys, types
from tdl_tui.cli import main
def run(home, folder, document, display):
    print(home, folder, document, [name for name in ("typer", "pydantic", "torch") if name in sys.modules])
sys.modules["tdl_tui.screens.app"] = screens = types.ModuleType("tdl_tui.screens.app")
screens.run = run
sys.argv = ["tdl"]
main()
"""


def test_without_a_verb_the_workbench_opens_before_anything_else_is_imported(environment: dict[str, str]) -> None:
    leader, follower = os.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", WORKBENCH],
            env=environment,
            stdin=follower,
            stdout=follower,
            stderr=subprocess.PIPE,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        said = os.read(leader, 4096).decode().strip()
    finally:
        os.close(leader)
        os.close(follower)
    assert said == f"{environment['TDL_HOME']} None None []"


def test_a_reader_who_has_read_enough_is_no_fault(environment: dict[str, str]) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "metrics", "short"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(DEADLINE) in (0, 1)
