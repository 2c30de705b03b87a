"""A run's plugins are executed where a person here has named them, and nowhere else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tdl_tui.plugins.faults import PluginError
from tdl_tui.plugins.named import FILE, refuse_unnamed, remember
from tdl_tui.runs import home as runs_home
from tdl_tui.runs.records import State
from tdl_tui.runs.writer import RunWriter
from tdl_tui.worker import launch


@pytest.fixture(autouse=True)
def nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TDL_PLUGINS", raising=False)


def test_what_was_named_once_is_remembered_by_the_home(tmp_path: Path) -> None:
    refuse_unnamed(tmp_path, {})
    with pytest.raises(PluginError, match=r"plugin /a\.py: the run names it, you have not"):
        refuse_unnamed(tmp_path, {"plugins": ["/a.py"]})
    remember(tmp_path, ["/a.py", "/a.py"])
    remember(tmp_path, ["/a.py", "module"])
    assert (tmp_path / FILE).read_text() == "/a.py\nmodule\n"
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    refuse_unnamed(tmp_path, {"plugins": ["/a.py", "module"]})
    with pytest.raises(PluginError, match=r"plugin /b\.py"):
        refuse_unnamed(tmp_path, {"plugins": ["/a.py", "/b.py"]})


def test_the_environment_names_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TDL_PLUGINS", f"{tmp_path / 'a.py'}{os.pathsep}module")
    refuse_unnamed(tmp_path, {"plugins": [str(tmp_path / "a.py"), "module"]})


@pytest.mark.parametrize("plugins", ["/a.py", {"/a.py": 1}, [["/a.py"]], 5])
def test_what_is_no_list_of_names_is_refused(tmp_path: Path, plugins: object) -> None:
    with pytest.raises(PluginError):
        refuse_unnamed(tmp_path, {"plugins": plugins})


def test_a_line_end_in_a_name_names_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(PluginError):
        remember(tmp_path, ["/a.py\n/evil.py"])
    with pytest.raises(PluginError):
        refuse_unnamed(tmp_path, {"plugins": ["/evil.py"]})


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("state", [State.STOPPED, State.QUEUED])
def test_no_worker_is_started_for_one_that_only_the_run_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: State, named: bool
) -> None:
    started: list[Path] = []
    monkeypatch.setattr(
        launch, "_put_to_work", lambda folder, lock_fd, spare: os.close(lock_fd) or started.append(folder) or 1
    )
    new = runs_home.create(tmp_path, {"plugins": ["/a.py"]}, title="", state=state)
    os.close(new.lock_fd)
    with RunWriter(new.folder) as writer:
        writer.update(state=state)
    if named:
        monkeypatch.setenv("TDL_PLUGINS", "/a.py")
    try:
        launch.resume(new.folder) if state is State.STOPPED else launch.take_turn(new.folder)
    except (launch.LaunchError, PluginError) as error:
        assert "the run names it, you have not" in str(error)
    assert started == ([new.folder] if named else [])
