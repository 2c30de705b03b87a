"""Every layout that was ever written opens, is read as it was, and goes on; a newer one stays as it is."""

import gzip
import json
import math
import os
import shutil
import sqlite3
from array import array
from pathlib import Path
from typing import Any

import pytest

from tdl_tui.runs import home, schema
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.writer import RunWriter

FIXTURES = Path(__file__).with_name("fixtures")
VERSIONS = range(1, schema.VERSION + 1)


@pytest.fixture(params=VERSIONS, ids="version {}".format)
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def run(tmp_path: Path, version: int) -> Path:
    new = home.create(tmp_path / "home", {}, title="")
    os.close(new.lock_fd)
    packed = FIXTURES / f"version-{version}" / f"{schema.FILE}.gz"
    (new.folder / schema.FILE).write_bytes(gzip.decompress(packed.read_bytes()))
    return new.folder


@pytest.fixture
def recorded(version: int) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FIXTURES / f"version-{version}" / "recorded.json").read_text())
    return document


def user_version(folder: Path) -> int:
    connection = sqlite3.connect(folder / schema.FILE)
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    return int(found)


def check(folder: Path, recorded: dict[str, Any]) -> None:
    with RunReader(folder) as reader:
        summary = reader.summary()
        assert (summary.damage, summary.name, str(summary.state)) == ("", recorded["name"], recorded["state"])
        assert summary.progress.step == recorded["step"]
        assert [[event.step, event.kind, event.text] for event in reader.events()] == recorded["events"]
        assert len(reader.probes()) == recorded["probes"]
        for name, wanted in recorded["series"].items():
            steps, times, values = reader.columns(name)
            assert (steps[0], steps[-1], [times[0], times[-1]]) == (wanted["first"], wanted["last"], wanted["times"])
            assert [value if math.isfinite(value) else None for value in values] == wanted["value"]
            check_buckets(reader, name, wanted["value"])


def check_buckets(reader: RunReader, name: str, values: list[float | None]) -> None:
    for width in (3, 20, 100):
        buckets = reader.buckets(name, width)
        assert sum(bucket.count + bucket.nonfinite for bucket in buckets) == len(values)
        finite = [value for value in values if value is not None]
        known = [bucket for bucket in buckets if bucket.count]
        assert min(bucket.minimum for bucket in known) == min(finite)
        assert max(bucket.maximum for bucket in known) == max(finite)
        assert math.isclose(sum(bucket.mean * bucket.count for bucket in known), math.fsum(finite), rel_tol=1e-9)


def test_the_fixture_is_of_its_version(run: Path, version: int) -> None:
    assert user_version(run) == version


def test_a_reader_reads_it_and_leaves_it_as_it_is(run: Path, recorded: dict[str, Any]) -> None:
    before = (run / schema.FILE).read_bytes()
    check(run, recorded)
    assert (run / schema.FILE).read_bytes() == before


def test_what_an_earlier_one_did_not_know_of_a_layer_is_no_number(run: Path, version: int) -> None:
    with RunReader(run) as reader:
        for sample in reader.layer_samples():
            assert all(row[:6] == (0.5, 1.0, 0.001, 0.25, 0.5, 0.0) for row in sample.rows)
            assert all(row[6] == 0.125 if version >= 4 else math.isnan(row[6]) for row in sample.rows)


def test_a_writer_goes_on_in_todays_layout(run: Path, recorded: dict[str, Any]) -> None:
    with RunWriter(run) as writer:
        writer.drop_after(8000)
        steps = range(8001, 13_001)
        writer.extend("train/loss", steps[0], 1, array("d", map(float, steps)), 3e4, 4e4)
    assert user_version(run) == schema.VERSION
    with RunReader(run) as reader:
        values = reader.columns("train/loss")[2].tolist()
        assert [value if math.isfinite(value) else None for value in values[:8000]] == (
            recorded["series"]["train/loss"]["value"][:8000]
        )
        assert values[8000:] == list(map(float, steps))
        check_buckets(reader, "train/loss", [value if math.isfinite(value) else None for value in values])


def test_taking_it_up_changes_nothing_that_is_read(run: Path, recorded: dict[str, Any]) -> None:
    RunWriter(run).close()
    check(run, recorded)


@pytest.mark.parametrize("left", ["closed", "killed"])
def test_a_newer_one_is_refused_and_stays_as_it_is(run: Path, tmp_path: Path, left: str) -> None:
    connection = schema.open_writable(run)
    connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    folder = run
    if left == "killed":  # what was written is in SQLite's log still
        folder = tmp_path / "home" / "runs" / "killed00"
        shutil.copytree(run, folder)
        (folder / "run.db-shm").unlink()
        assert (folder / "run.db-wal").stat().st_size > 0
    else:
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    before = {path.name: path.read_bytes() for path in folder.glob("run.db*") if path.suffix != ".db-shm"}
    for attempt in (RunWriter, schema.open_writable, schema.open_readonly):
        with pytest.raises(schema.NewerSchema) as refused:
            attempt(folder)
        assert "newer version" in str(refused.value) and "\n" not in str(refused.value)
    with RunReader(folder) as reader:
        assert "newer version" in reader.summary().damage
    after = {path.name: path.read_bytes() for path in folder.glob("run.db*") if path.suffix != ".db-shm"}
    assert after == before
