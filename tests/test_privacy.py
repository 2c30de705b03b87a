"""What a person trains is theirs alone, whatever the umask that they work with."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

TDL = (sys.executable, "-c", "from tdl_tui.cli import main; main()")
TRAIN = (
    "train", "--dataset", "digits", "--model", "mlp", "--device", "cpu",
    "--set", "training.epochs=2", "--set", "training.threads=1", "--set", "training.checkpoint_seconds=0.05",
)  # fmt: skip


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_a_home_is_open_to_its_owner_alone(tmp_path: Path, umask: int) -> None:
    home = tmp_path / "somewhere" / "home"

    def tdl(*arguments: str) -> None:
        done = subprocess.run(
            [*TDL, *arguments],
            env={**os.environ, "TDL_HOME": str(home)},
            umask=umask,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    tdl(*TRAIN)
    tdl("queue", "--at-most", "2")
    tdl("check")
    places = [home, *home.rglob("*")]
    names = {path.name for path in places}
    assert {"runs", "run.db", "log.txt", "last.pt", "best.pt", "splits.npz", "worker.lock", "commands"} <= names
    modes = {str(path): stat.S_IMODE(path.stat().st_mode) for path in places}
    wanted = {str(path): 0o700 if path.is_dir() else 0o600 for path in places}
    assert modes == wanted


def test_a_worker_listens_on_no_network(tmp_path: Path) -> None:
    environment = {**os.environ, "TDL_HOME": str(tmp_path / "home")}

    def tdl(*arguments: str) -> str:
        return subprocess.run([*TDL, *arguments], env=environment, capture_output=True, text=True, check=True).stdout

    launched = json.loads(tdl(*TRAIN, "--set", "training.epochs=1000000", "--detach", "--json"))
    try:
        tdl("checkpoint", launched["run"])  # answered: it is at work
        worker = psutil.Process(launched["pid"])
        processes = [worker, *worker.children(recursive=True)]
        assert [process.net_connections(kind="inet") for process in processes] == [[] for _ in processes]
    finally:
        tdl("stop", launched["run"])
