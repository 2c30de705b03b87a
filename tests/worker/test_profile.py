"""A training at work is profiled, and goes on; one that is not says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from worker_runs import endless, wait_for, wait_for_end

from tdl_tui.runs.profiles import profile_of
from tdl_tui.runs.records import State
from tdl_tui.worker import steer
from tdl_tui.worker.launch import launch


def test_a_training_at_work_is_profiled_and_goes_on(tmp_path: Path) -> None:
    folder = launch(endless(), tmp_path).folder
    wait_for(folder, State.RUNNING)
    event = steer.profile(folder, 4)
    found = profile_of(event.data)
    assert found.steps == 4
    assert found.first + 3 == event.step
    trace = folder / found.trace
    assert trace.stat().st_mode & 0o777 == 0o600
    assert "aten::addmm" in trace.read_text()
    steer.pause(folder)
    with pytest.raises(steer.SteerError, match="paused"):
        steer.profile(folder, 4)
    steer.stop(folder)
    wait_for_end(folder)
    with pytest.raises(steer.SteerError, match="stopped: a profile is taken of a training at work"):
        steer.profile(folder)
