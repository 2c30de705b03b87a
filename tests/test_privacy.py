"""What a person trains is theirs alone, whatever the umask that they work with."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

TRAIN = (
    "train", "--dataset", "digits", "--model", "mlp", "--device", "cpu",
    "--set", "training.epochs=2", "--set", "training.threads=1", "--set", "training.checkpoint_seconds=0.05",
)  # fmt: skip


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_a_home_is_open_to_its_owner_alone(tmp_path: Path, umask: int) -> None:
    home = tmp_path / "somewhere" / "home"

    def tdl(*arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "-c", "from tdl_tui.cli import main; main()", *arguments],
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
