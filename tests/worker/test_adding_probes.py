"""A probe that is added to a real training: it is followed, outlives the worker, and its run is whole."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from worker_runs import endless, wait_for, wait_for_end, wait_until

from tdl_tui.runs.check import check_run
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State
from tdl_tui.training.session import SPLITS
from tdl_tui.worker import launch, steer


def test_an_added_probe_outlives_its_worker(tmp_path: Path) -> None:
    launched = launch.launch(endless(), tmp_path)
    folder = launched.folder
    wait_for(folder, State.RUNNING)
    with np.load(folder / SPLITS) as splits:
        train, test = int(splits["train"][0]), int(splits["test"][0])
    with pytest.raises(steer.SteerError, match=f"refused: example {train} is trained on"):
        steer.probe(folder, [train])
    assert steer.probe(folder, [test]).startswith(f"example {test} of the test part is probe 17, from step ")
    with RunReader(folder) as reader:
        assert [probe.index for probe in reader.probes()][16:] == [test]

        def newest() -> int:
            sample = reader.probe_sample()
            return len(sample.outputs) if sample else 0

        wait_until(lambda: newest() == 17)
        steer.checkpoint(folder)
        os.kill(launched.pid, signal.SIGKILL)
        wait_for_end(folder)
        seen = reader.probe_sample()
        assert seen is not None
        steer.resume(folder)
        wait_until(lambda: (reader.probe_sample() or seen).step > seen.step)
        assert newest() == 17
        assert [probe.index for probe in reader.probes()][16:] == [test]
        assert {len(sample.outputs) for sample in reader.probe_samples()} == {16, 17}
    steer.stop(folder)
    wait_for_end(folder)
    assert check_run(folder) == []
