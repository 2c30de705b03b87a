"""The table of all runs: what is opened first, what is looked at again, what is let go of."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tdl_tui.runs import home, lock, table
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State
from tdl_tui.runs.writer import RunWriter


def make(place: Path, *, age: int = 0, state: State = State.FINISHED) -> tuple[Path, int]:
    """A run, and the descriptor that holds its lock."""
    new = home.create(place, {}, title=f"{age} s old", state=state)
    created = 1_700_000_000.0 - age
    with RunWriter(new.folder) as writer:
        writer.update(created=created)
    os.utime(new.folder / lock.FILE, (created, created))
    return new.folder, new.lock_fd


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> list[RunReader]:
    """Every reader that a table makes."""
    made: list[RunReader] = []

    class Noted(RunReader):
        def __init__(self, folder: Path, patience: float) -> None:
            made.append(self)
            super().__init__(folder, patience)

    monkeypatch.setattr(table, "RunReader", Noted)
    return made


def test_the_newest_runs_are_opened_first_and_the_others_in_slices(
    tmp_path: Path, readers: list[RunReader], monkeypatch: pytest.MonkeyPatch
) -> None:
    for age in (5, 0, 3, 6, 1, 4, 2):
        os.close(make(tmp_path, age=age)[1])
    monkeypatch.setattr(table, "SLICE", 3)
    runs = table.RunTable(tmp_path)
    looks = [([run.name for run in known], left) for known, left in runs.read(2)]
    names = [f"{age} s old" for age in range(7)]
    assert looks == [(names[:2], 5), (names[:5], 2), (names, 0)]
    assert len(readers) == 7
    again = list(runs.read(2))
    assert [([run.name for run in known], left) for known, left in again] == [(names, 0)]


def test_where_the_hint_is_wrong_the_order_is_right_in_the_end(tmp_path: Path) -> None:
    for age in range(4):
        folder, descriptor = make(tmp_path, age=age)
        os.close(descriptor)
        os.utime(folder / lock.FILE, (age, age))
    *_, (known, left) = table.RunTable(tmp_path).read(1)
    assert ([run.name for run in known], left) == ([f"{age} s old" for age in range(4)], 0)


def test_a_table_in_which_nothing_changed_is_the_same_one(tmp_path: Path) -> None:
    folder, descriptor = make(tmp_path)
    os.close(descriptor)
    runs = table.RunTable(tmp_path)
    first = runs.refresh()
    assert runs.refresh() is first
    with RunWriter(folder) as writer:
        writer.update(message="changed")
    second = runs.refresh()
    assert second is not first and second[0].message == "changed"
    shutil.rmtree(folder)
    assert runs.refresh() == []


def test_the_reader_of_a_run_at_work_stays_open_until_it_ends(tmp_path: Path, readers: list[RunReader]) -> None:
    folder, descriptor = make(tmp_path, state=State.RUNNING)
    gone, other = make(tmp_path, state=State.RUNNING)
    runs = table.RunTable(tmp_path)
    for number in range(3):
        with RunWriter(folder) as writer:
            writer.update(message=str(number))
        assert {run.message for run in runs.refresh()} == {str(number), ""}
    assert len(readers) == 2
    shutil.rmtree(gone)
    os.close(descriptor)
    (run,) = runs.refresh()
    assert run.state is State.LOST
    assert [reader._connection for reader in readers] == [None, None]
    os.close(other)
