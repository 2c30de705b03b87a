"""The writer: bounded, durable at a flush, patient with locks and full disks."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tdl_tui.runs import home, schema, writer
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import LAYER_COLUMNS, Best, LayerSample, Matrix, Probe, ProbeSample, Progress, State
from tdl_tui.runs.writer import RunWriter, WriteError


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    new = home.create(tmp_path, {"seed": 0}, title="a run")
    yield new.folder
    os.close(new.lock_fd)


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def layers(step: int, layers: int = 2) -> LayerSample:
    return LayerSample(step, float(step), tuple(tuple(step + i + j / 10 for j in range(7)) for i in range(layers)))


def test_everything_recorded_is_read(folder: Path) -> None:
    probe = Probe(7, "table", (2,), (0.5, -1.5), 1.0)
    with RunWriter(folder) as recorder:
        recorder.extend("train/loss", 1, 1, array("d", [3.0, 2.0, 1.0]), 10.0, 12.0)
        recorder.point("val/loss", 3, 1.5, 12.5)
        recorder.layers(["first", "second"])
        recorder.layer_sample(layers(2))
        recorder.probes([probe])
        recorder.probe_sample(ProbeSample(3, 12.0, ((1.0, 2.0, 3.0),)))
        recorder.event("command", "stopped", 3, {"command": "x"})
        recorder.update(state=State.RUNNING, progress=Progress(3, 1, 30, 3, 1.5), best=Best("val/loss", 3, 1.5))
        recorder.flush()
        with RunReader(folder) as reader:
            assert reader.series_names()[:2] == ["train/loss", "val/loss"]
            assert [tuple(point) for point in reader.points("train/loss")] == [(1, 10, 3), (2, 11, 2), (3, 12, 1)]
            assert [point.step for point in reader.points("train/loss", 2, 2)] == [2]
            assert reader.extent("train/loss") == (1, 3, 3)
            assert reader.last("val/loss") == (3, 12.5, 1.5)
            assert reader.first("nothing") is reader.last("nothing") is reader.extent("nothing") is None
            assert reader.layer_names() == ["first", "second"]
            assert reader.layer_samples() == [layers(2)]
            assert reader.layer_sample(1) is None
            assert reader.last("grad/norm/second") == (2, 2.0, layers(2).rows[1][0])
            assert reader.last("update/ratio/first") == (2, 2.0, layers(2).rows[0][2])
            assert reader.buckets("weight/norm/first", 10)[0].mean == layers(2).rows[0][1]
            assert reader.probes() == [probe]
            assert reader.probe_sample() == ProbeSample(3, 12.0, ((1.0, 2.0, 3.0),))
            (event,) = reader.events()
            assert (event.kind, event.text, event.step, event.data) == ("command", "stopped", 3, {"command": "x"})
            assert reader.events(event.id) == []
            summary = reader.summary()
    assert (summary.name, summary.state, summary.progress.total_steps) == ("a run", State.RUNNING, 30)
    assert summary.best == Best("val/loss", 3, 1.5)


def test_steps_cannot_go_back(folder: Path) -> None:
    with RunWriter(folder) as recorder:
        recorder.extend("x", 1, 1, array("d", [0.0] * 10), 0.0, 1.0)
        with pytest.raises(ValueError, match="step 5 does not lie after step 10"):
            recorder.point("x", 5, 0.0)
        recorder.drop_after(4)
        recorder.point("x", 5, 0.0)
        assert recorder.steps() == {"x": 5}
    with RunWriter(folder) as recorder:
        assert recorder.steps() == {"x": 5}


def test_resuming_forgets_what_came_after(folder: Path) -> None:
    with RunWriter(folder) as recorder:
        for step in range(1, 11):
            recorder.point("val/loss", step * 100, float(step))
            recorder.layer_sample(layers(step * 100))
            recorder.probe_sample(ProbeSample(step * 100, 0.0, ((0.0,),)))
        recorder.extend("train/loss", 1, 1, array("d", range(1000)), 0.0, 1.0)
        recorder.drop_after(450)
        recorder.extend("train/loss", 451, 1, array("d", [7.0] * 50), 2.0, 3.0)
        recorder.flush()
        with RunReader(folder) as reader:
            assert reader.extent("train/loss") == (1, 500, 500)
            assert list(reader.columns("train/loss")[2]) == [*range(450), *[7.0] * 50]
            assert reader.extent("val/loss") == (100, 400, 4)
            assert [sample.step for sample in reader.layer_samples()] == [100, 200, 300, 400]
            assert (sample := reader.probe_sample()) and sample.step == 400


def test_samples_are_bounded_thinned_evenly_and_end_with_the_newest(folder: Path) -> None:
    with RunWriter(folder) as recorder:
        for step in range(1, 10_001):
            recorder.layer_sample(layers(step, 1))
        recorder.flush()
        with RunReader(folder) as reader:
            steps = [sample.step for sample in reader.layer_samples()]
            few = [sample.step for sample in reader.layer_samples(10)]
    assert 1024 <= len(steps) <= 2050
    assert steps[0] == 1 and steps[-1] == 10_000
    assert len({b - a for a, b in pairwise(steps[:-1])}) == 1
    assert len(few) == 10 and few[0] == 1 and few[-1] == 10_000


def test_a_flushed_point_outlives_a_killed_worker(folder: Path) -> None:
    program = f"""
import os, signal
from array import array
from itertools import pairwise
from pathlib import Path
from tdl_tui.runs.writer import RunWriter
recorder = RunWriter(Path({str(folder)!r}))
recorder.extend("x", 1, 1, array("d", range(5000)), 0.0, 1.0)
recorder.flush()
recorder.extend("x", 5001, 1, array("d", range(5000)), 1.0, 2.0)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    with RunWriter(folder) as recorder:
        kept = recorder.steps()["x"]
        assert kept in (5000, 10_000)
        recorder.extend("x", kept + 1, 1, array("d", range(1000)), 3.0, 4.0)
        recorder.flush()
        with RunReader(folder) as reader:
            assert list(reader.columns("x")[2][:5000]) == list(range(5000))
            assert sum(bucket.count for bucket in reader.buckets("x", 20)) == kept + 1000


def test_a_locked_file_is_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.05)
    other = sqlite3.connect(folder / schema.FILE, isolation_level=None)
    with RunWriter(folder) as recorder:
        recorder.flush()
        other.execute("BEGIN IMMEDIATE")
        recorder.point("x", 1, 1.0)
        waiting = threading.Thread(target=recorder.flush)
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        other.execute("ROLLBACK")
        waiting.join(30)
        assert not waiting.is_alive()
        recorder.check()
    other.close()
    with RunReader(folder) as reader:
        assert reader.last("x") is not None


def test_a_full_disk_is_told_and_survived(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "PATIENCE_SECONDS", 0.2)
    with RunWriter(folder) as recorder:
        recorder.flush()
        connection = recorder._connection
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        recorder.extend("x", 1, 1, array("d", range(100_000)), 0.0, 1.0)
        with pytest.raises(WriteError, match=r"run\.db cannot be written: database or disk is full"):
            recorder.flush()
        with pytest.raises(WriteError):
            recorder.check()
        connection.execute("PRAGMA max_page_count = 1000000")
        until(lambda: recorder.error is None)
        recorder.flush()
        recorder.check()
        with RunReader(folder) as reader:
            assert reader.extent("x") == (1, 100_000, 100_000)


def test_the_buffer_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "BUFFER_POINTS", 1000)
    with RunWriter(folder) as recorder:
        for step in range(1, 100_001, 500):
            recorder.extend("x", step, 1, array("d", [1.0] * 500), 0.0, 1.0)
            assert recorder._points <= 1500
    with RunReader(folder) as reader:
        assert reader.extent("x") == (1, 100_000, 100_000)


def test_what_is_no_number_or_fact_is_refused_at_once(folder: Path) -> None:
    with RunWriter(folder) as recorder:
        with pytest.raises(TypeError):
            recorder.extend("x", 1, 1, array("f", [1.0]), 0.0, 1.0)
        with pytest.raises(TypeError):
            recorder.update(device=object())
        recorder.point("x", 1, 1.0)
        recorder.flush()


def test_a_closed_run_is_one_plain_file(folder: Path) -> None:
    with RunWriter(folder) as recorder:
        recorder.point("x", 1, 1.0)
    assert not list(folder.glob("run.db-*"))
    with pytest.raises(WriteError, match="closed"):
        recorder.point("x", 2, 1.0)


def test_a_rollback_journal_serves_where_wal_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "supports_wal", lambda folder: False)
    new = home.create(tmp_path, {}, title="")
    with RunReader(new.folder) as reader, RunWriter(new.folder) as recorder:
        for step in range(1, 2001, 100):
            recorder.extend("x", step, 1, array("d", [1.0] * 100), 0.0, 1.0)
            recorder.flush()
            assert reader.extent("x") == (1, step + 99, step + 99)
        assert not (new.folder / "run.db-wal").exists()
    os.close(new.lock_fd)


@pytest.mark.parametrize(
    ("kind", "expected"), [("ext4", True), ("nfs4", False), ("cifs", False), ("fuse.sshfs", False), ("overlay", True)]
)
def test_network_filesystems_are_known(tmp_path: Path, kind: str, expected: bool) -> None:
    mounts = tmp_path / "mounts"
    place = tmp_path / "a b"
    escaped = str(place).replace(" ", "\\040")
    mounts.write_text(f"root / ext4 rw 0 0\nserver:/x {escaped} {kind} rw 0 0\nother {escaped}else nfs rw 0 0\n")
    assert schema.supports_wal(place / "runs", mounts) is expected
    assert schema.supports_wal(tmp_path, mounts)


def test_matrices_come_back_by_name_and_step(folder: Path) -> None:
    with RunWriter(folder) as recorder:
        for step in (10, 20, 30):
            recorder.matrix(Matrix("confusion", step, float(step), ((float(step), 0.0), (1.0, 2.0))))
        recorder.matrix(Matrix("other", 15, 1.0, ((1.0, 2.0, 3.0),)))
    with RunReader(folder) as reader:
        assert reader.matrix_names() == ["confusion", "other"]
        assert [matrix.step for matrix in reader.matrices("confusion")] == [10, 20, 30]
        assert [matrix.step for matrix in reader.matrices("confusion", 2)] == [10, 30]
        assert reader.matrix("confusion", 29) == Matrix("confusion", 20, 20.0, ((20.0, 0.0), (1.0, 2.0)))
        assert reader.matrix("confusion", 9) is None
        assert reader.matrix("nothing") is None
        assert (newest := reader.matrix("other")) and newest.rows == ((1.0, 2.0, 3.0),)
    with RunWriter(folder) as recorder:
        recorder.drop_after(20)
    with RunReader(folder) as reader:
        assert [matrix.step for matrix in reader.matrices("confusion")] == [10, 20]


def test_of_a_matrix_that_comes_often_an_even_part_is_kept(folder: Path) -> None:
    with RunWriter(folder) as recorder:
        for step in range(1, 1001):
            recorder.matrix(Matrix("confusion", step, 0.0, ((1.0,),)))
    with RunReader(folder) as reader:
        steps = [matrix.step for matrix in reader.matrices("confusion")]
    assert steps[-1] == 1000 and 128 <= len(steps) <= 257
    assert {b - a for a, b in pairwise(steps[:-1])} == {4}


def test_a_run_is_read_as_it_was_at_a_step(folder: Path) -> None:
    with RunWriter(folder) as writer:
        writer.layers(["a"])
        writer.extend("train/loss", 3, 2, array("d", (float(step) for step in range(3, 2003, 2))), 1.0, 2.0)
        for step in (10, 20, 20, 35):
            writer.point("lr", step, step / 10)
            writer.event("note", f"event {step}", step)
        writer.layer_sample(LayerSample(7, 1.0, ((0.0,) * len(LAYER_COLUMNS),)))
        for step in (5, 7, 11):
            writer.probe_sample(ProbeSample(step, 1.0, ((0.0,),)))
    with RunReader(folder) as reader:
        for step in (0, 2, 3, 4, 1200, 2001, 5000):
            last = reader.last("train/loss", step)
            assert (last and last.value) == (None if step < 3 else min(2001.0, float(step - (step + 1) % 2)))
        for step, value in ((9, None), (10, 1.0), (20, 2.0), (34, 2.0)):
            last = reader.last("lr", step)
            assert (last and last.value) == value
        assert reader.last("lr") == reader.last("lr", 35) and reader.last("nothing", 9) is None
        assert reader.sampled_steps() == [5, 7, 11]
        ids = [event.id for event in reader.events()]
        assert [event.text for event in reader.events_before(ids[-1], 20, 2)] == ["event 20", "event 20"]
        assert [event.text for event in reader.events_before(ids[-1], 15)] == ["event 10"]
