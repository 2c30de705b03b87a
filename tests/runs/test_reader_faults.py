"""What befalls readers: files taken away, put in another's place, garbled, locked; and a reader that is stopped."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tdl_tui.runs import home, lock, schema, table, writer
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State
from tdl_tui.runs.writer import RunWriter


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    """A run at work, with a point."""
    new = home.create(tmp_path, {}, title="a run", state=State.RUNNING)
    with RunWriter(new.folder) as recorder:
        recorder.point("train/loss", 1, 0.5)
    yield new.folder
    os.close(new.lock_fd)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps the run's database locked, as a program would that repairs or copies it."""
    connection = sqlite3.connect(folder / schema.FILE, isolation_level=None)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.close()


def test_a_locked_run_is_not_taken_for_a_damaged_one(run: Path) -> None:
    with RunReader(run, 0.01) as reader, locked(run):
        with pytest.raises(schema.Locked, match="locked by another program"):
            reader.last("train/loss")
        assert "locked by another program" in reader.summary().damage
        token = reader.changed()
        assert reader.changed() == token
    with RunReader(run, 0.01) as reader:
        reader.changed()
        with locked(run):
            assert "locked" in str(reader.changed())
        assert reader.last("train/loss").value == 0.5


def test_in_the_table_a_locked_run_stays_as_it_was_and_is_looked_at_again(run: Path) -> None:
    runs = table.RunTable(run.parent.parent)
    runs.refresh()
    with RunWriter(run) as recorder:
        recorder.update(message="new words")
    with locked(run):
        (found,) = runs.refresh()
        assert (found.state, found.name, found.damage) == (State.RUNNING, "a run", "")
        assert "locked by another program" in found.message
        (fresh,) = table.RunTable(run.parent.parent).refresh()
        assert "locked by another program" in fresh.damage
    (found,) = runs.refresh()
    assert found.message == "new words"


def test_a_reader_notices_that_its_file_went_away_and_came_back(run: Path) -> None:
    aside = run.with_name("aside")
    with RunReader(run) as reader:
        assert reader.summary().damage == ""
        tokens = [reader.changed()]
        run.rename(aside)
        tokens.append(reader.changed())
        assert "is missing" in reader.summary().damage
        aside.rename(run)
        tokens.append(reader.changed())
        assert reader.summary().damage == ""
        copy = run / "copy"
        shutil.copy(run / schema.FILE, copy)
        with sqlite3.connect(copy) as connection:
            connection.execute("UPDATE fact SET value = '\"mended\"' WHERE key = 'title'")
        connection.close()
        copy.replace(run / schema.FILE)
        tokens.append(reader.changed())
        assert reader.summary().name == "mended"
    assert len(set(map(str, tokens))) == 4


def test_a_home_that_goes_away_is_told_from_an_empty_one(run: Path) -> None:
    place = run.parent.parent
    runs = table.RunTable(place)
    assert len(runs.refresh()) == 1
    place.rename(place.with_name("elsewhere"))
    with pytest.raises(home.HomeError, match="no longer there"):
        runs.refresh()
    place.with_name("elsewhere").rename(place)
    assert len(runs.refresh()) == 1
    shutil.rmtree(run)
    assert runs.refresh() == []


@pytest.mark.parametrize("wal", [True, False])
def test_recording_goes_on_beside_a_reader_that_was_stopped_in_the_middle(
    run: Path, wal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "supports_wal", lambda folder: wal)
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.05)
    monkeypatch.setattr(writer, "PATIENCE_SECONDS", 0.0)
    recorder = RunWriter(run)
    assert recorder._connection.execute("PRAGMA journal_mode").fetchone() == ("wal" if wal else "delete",)
    code = (
        "import pathlib, sys; from tdl_tui.runs.reader import RunReader\n"
        "with RunReader(pathlib.Path(sys.argv[1]))._transaction() as connection:\n"
        "    connection.execute('SELECT * FROM fact').fetchall(); print('reading', flush=True); sys.stdin.read()"
    )
    reader = subprocess.Popen(
        [sys.executable, "-c", code, str(run)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert reader.stdin and reader.stdout
    assert reader.stdout.readline() == "reading\n"
    os.kill(reader.pid, signal.SIGSTOP)
    try:
        flushed = threading.Event()
        for step in range(2, 1000):
            recorder.point("train/loss", step, 1 / step)
        flusher = threading.Thread(target=lambda: (recorder.flush(), flushed.set()))
        flusher.start()
        if wal:
            assert flushed.wait(60)
        else:
            tried: list[float] = []
            attempt = recorder._transaction.apply
            monkeypatch.setattr(recorder._transaction, "apply", lambda given: (tried.append(0.0), attempt(given)))
            wait_until(lambda: len(tried) > 3)  # in vain, and beyond its patience
            assert not flushed.is_set()
        recorder.check()
        recorder.point("train/loss", 1000, 0.001)
    finally:
        os.kill(reader.pid, signal.SIGCONT)
        reader.communicate("", timeout=60)
    flusher.join(60)
    recorder.close()
    with RunReader(run) as again:
        assert again.extent("train/loss") == (1, 1000, 1000)


def test_files_from_a_later_time_are_at_rest_too(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = table.RunTable(run.parent.parent)
    later = time.time() + 86400
    for file in run.iterdir():
        os.utime(file, (later, later))
    runs.refresh()
    monkeypatch.setattr(runs, "_summary", lambda run_id: pytest.fail("opened again"))
    runs.refresh()
    assert lock.held(run)
