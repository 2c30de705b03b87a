"""The home folder: found, runs made and named, put away; commands; the table of all runs."""

import errno
import os
import threading
from pathlib import Path

import pytest

from tdl_tui.runs import commands, home, table
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State
from tdl_tui.runs.writer import RunWriter


def make(place: Path, title: str = "", state: State = State.FINISHED) -> Path:
    new = home.create(place, {"seed": 0}, title=title, state=state)
    os.close(new.lock_fd)
    return new.folder


def test_the_home_is_the_one_named_or_the_nearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TDL_HOME", str(tmp_path / "named"))
    assert home.find_home() == tmp_path / "named"
    monkeypatch.delenv("TDL_HOME")
    (tmp_path / ".tdl").mkdir()
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert home.find_home() == tmp_path / ".tdl"
    assert home.run_folders(tmp_path / "named") == []


def test_a_new_run_is_complete_when_it_is_seen(tmp_path: Path) -> None:
    new = home.create(tmp_path / "deep" / "home", {"seed": 3}, title="a\x1bb")
    assert home.run_folders(tmp_path / "deep" / "home") == [new.folder]
    with RunReader(new.folder) as reader:
        summary = reader.summary()
    assert summary.name == "a␛b"
    assert summary.state is State.STARTING
    assert summary.experiment == {"seed": 3}
    assert len(summary.id) == 8 and summary.id[0].isalpha() and summary.id.isalnum()
    os.close(new.lock_fd)


@pytest.mark.parametrize("step", ["mkdir", "rename"])
def test_a_home_that_cannot_be_written_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    place = tmp_path / "a" / "home"
    original = getattr(Path, step)

    def fail(self: Path, *arguments: object, **options: object) -> object:
        if self.name.startswith("."):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(self, *arguments, **options)

    monkeypatch.setattr(Path, step, fail)
    with pytest.raises(home.HomeError, match="cannot be written: No space left"):
        home.create(place, {}, title="")
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("x")
    with pytest.raises(home.HomeError, match="cannot be written"):
        home.create(tmp_path / "home", {}, title="")
    with pytest.raises(home.HomeError, match="cannot be read"):
        home.run_folders(tmp_path / "home")


def test_runs_go_by_id_beginning_name_and_last(tmp_path: Path) -> None:
    first, second, third = (make(tmp_path, title) for title in ("one", "two", "two"))
    assert home.resolve(tmp_path, first.name) == first
    assert home.resolve(tmp_path, "one") == first
    assert home.resolve(tmp_path, "last") == third
    assert home.resolve(tmp_path, second.name[:7]) == second
    with pytest.raises(home.AmbiguousRun, match=r"\(two\)"):
        home.resolve(tmp_path, "two")
    with pytest.raises(home.UnknownRun, match="no run"):
        home.resolve(tmp_path, "none of them")
    with pytest.raises(home.UnknownRun):
        home.resolve(tmp_path / "nowhere", "last")
    with pytest.raises(home.UnknownRun):
        home.resolve(tmp_path, "")


def test_a_deleted_run_can_be_restored_or_purged(tmp_path: Path) -> None:
    folder = make(tmp_path)
    deleted = home.delete(folder)
    assert home.run_folders(tmp_path) == []
    assert home.restore(deleted) == folder
    assert home.run_folders(tmp_path) == [folder]
    with pytest.raises(home.HomeError):
        home.purge(folder)
    home.purge(home.delete(folder))
    assert list(home.runs_folder(tmp_path).iterdir()) == []
    new = home.create(tmp_path, {}, title="")
    with pytest.raises(home.HomeError, match="stop it first"):
        home.delete(new.folder)
    os.close(new.lock_fd)


def test_commands_wait_in_order_until_taken(tmp_path: Path) -> None:
    folder = make(tmp_path)
    first = commands.send(folder, "set", **{"optimizer.lr": 0.1})
    second = commands.send(folder, "stop")
    (folder / "commands" / "evil").write_text("{}")
    (folder / "commands" / f"{'9' * 20}-00000000.json").write_text("[1, 2")
    (folder / "commands" / f"{'8' * 20}-00000000.json").write_text('{"verb": "rm", "time": 0, "arguments": {}}')
    waiting = commands.pending(folder)
    assert [(c.id, c.verb, c.arguments) for c in waiting] == [
        (first, "set", {"optimizer.lr": 0.1}),
        (second, "stop", {}),
    ]
    commands.take(waiting[0])
    assert [c.id for c in commands.pending(folder)] == [second]
    with pytest.raises(commands.CommandError, match='no command "rm"'):
        commands.send(folder, "rm")


def test_an_acknowledgement_is_waited_for(tmp_path: Path) -> None:
    folder = make(tmp_path)
    command = commands.send(folder, "pause")
    with pytest.raises(TimeoutError, match="did not answer"):
        commands.wait_acknowledged(folder, command, 0.05)
    with RunWriter(folder) as writer:
        answer = threading.Timer(0.05, lambda: writer.event("command", "paused", 5, {"command": command}))
        answer.start()
        event = commands.wait_acknowledged(folder, command, 30)
        answer.join()
    assert (event.step, event.text) == (5, "paused")


def test_runs_at_rest_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folders = [make(tmp_path, str(i)) for i in range(20)]
    monkeypatch.setattr(table, "SETTLED_NS", 0)
    runs = table.RunTable(tmp_path)
    assert [summary.name for summary in runs.refresh()] == [str(i) for i in reversed(range(20))]
    opened: list[Path] = []

    class Counting(RunReader):
        def __init__(self, folder: Path, patience: float) -> None:
            opened.append(folder)
            super().__init__(folder, patience)

    monkeypatch.setattr(table, "RunReader", Counting)
    runs.refresh()
    assert opened == []
    with RunWriter(folders[3]) as writer:
        writer.update(message="changed")
    home.delete(folders[4])
    again = {summary.id: summary for summary in runs.refresh()}
    assert set(opened) == {folders[3]}
    assert again[folders[3].name].message == "changed"
    assert folders[4].name not in again


def test_what_a_killed_program_left_behind_is_removed_after_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = home.create(tmp_path, {}, title="kept")
    deleted = home.create(tmp_path, {}, title="deleted")
    making = home.create(tmp_path, {}, title="made now")
    os.close(kept.lock_fd)
    os.close(deleted.lock_fd)
    gone = home.delete(deleted.folder)
    locked = making.folder.rename(making.folder.with_name(f".{making.folder.name}"))
    draft = kept.folder.with_name(".abcdefgh")
    other = kept.folder.with_name(".something-else")
    for folder in (draft, other):
        folder.mkdir()
    home.tidy(tmp_path)
    assert gone.exists()
    assert draft.exists()
    monkeypatch.setattr(home, "LEFT_BEHIND_SECONDS", -1.0)
    home.tidy(tmp_path)
    assert set(kept.folder.parent.iterdir()) == {kept.folder, locked, other}
    os.close(making.lock_fd)
    home.tidy(tmp_path / "nowhere")
