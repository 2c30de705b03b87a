"""What a reader makes of a run: alive, lost, elsewhere, damaged, newer; and where nothing can be written."""

import contextlib
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from array import array
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from random import Random

import pytest

from tdl_tui.runs import home, host, lock, schema
from tdl_tui.runs.home import NewRun
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import Best, LayerSample, Matrix, Probe, ProbeSample, Progress, State
from tdl_tui.runs.table import RunTable
from tdl_tui.runs.text import printable
from tdl_tui.runs.writer import RunWriter


@pytest.fixture
def run(tmp_path: Path) -> Iterator[NewRun]:
    new = home.create(tmp_path / "home", {"seed": 0}, title="a run")
    yield new
    with contextlib.suppress(OSError):  # the test may have let go of it
        os.close(new.lock_fd)


def state(folder: Path) -> State:
    with RunReader(folder) as reader:
        return reader.summary().state


def test_what_would_steer_a_terminal_is_made_visible(tmp_path: Path) -> None:
    new = home.create(tmp_path / "home", {"seed": 0}, title="\x1b[31mred\tor\x07")
    os.close(new.lock_fd)
    with RunWriter(new.folder) as writer:
        writer.update(state=State.FAILED, message="\x1b]0;title\x07", device="c\npu")
    with RunReader(new.folder) as reader:
        found = reader.summary()
    assert (found.name, found.message, found.device) == ("␛[31mred or␇", "␛]0;title␇", "c pu")


def test_a_live_run_without_its_lock_is_lost(run: NewRun) -> None:
    assert state(run.folder) is State.STARTING
    with RunWriter(run.folder) as writer:
        writer.update(state=State.RUNNING)
    assert state(run.folder) is State.RUNNING
    os.close(run.lock_fd)
    assert state(run.folder) is State.LOST


def test_a_finished_run_needs_no_lock(run: NewRun) -> None:
    with RunWriter(run.folder) as writer:
        writer.update(state=State.FINISHED)
    os.close(run.lock_fd)
    assert state(run.folder) is State.FINISHED


def test_a_run_that_ends_between_two_looks_is_not_lost(run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    real = lock.held

    def held(folder: Path) -> bool:
        monkeypatch.setattr(lock, "held", real)
        with RunWriter(folder) as writer:
            writer.update(state=State.FINISHED)
        os.close(run.lock_fd)
        return real(folder)

    monkeypatch.setattr(lock, "held", held)
    assert state(run.folder) is State.FINISHED


def test_a_run_that_is_taken_up_between_two_looks_is_not_lost(run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    os.close(run.lock_fd)
    real = lock.held
    taken = []

    def held(folder: Path) -> bool:
        monkeypatch.setattr(lock, "held", real)
        before = real(folder)
        taken.append(lock.acquire(folder))
        return before

    monkeypatch.setattr(lock, "held", held)
    assert state(run.folder) is State.STARTING
    os.close(taken[0])


def test_a_run_that_was_moved_away_under_a_reader_is_missing(run: NewRun) -> None:
    with RunReader(run.folder) as reader:
        assert reader.summary().state is State.STARTING
        run.folder.rename(run.folder.with_name("elsewhere"))
        assert reader.summary().damage == f"{run.folder / schema.FILE} is missing"


def test_a_copied_or_foreign_run_is_elsewhere(run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = run.folder.with_name("copied00")
    shutil.copytree(run.folder, copy)
    assert state(copy) is State.ELSEWHERE
    there = {"host": "elsewhere", "machine": "other", "boot": "other"}
    monkeypatch.setattr(host, "identity", lambda: there)
    with RunReader(run.folder) as reader:
        summary = reader.summary()
    assert summary.state is State.ELSEWHERE
    assert summary.changed > 0


def test_a_restarted_machine_has_lost_its_runs(run: NewRun, monkeypatch: pytest.MonkeyPatch) -> None:
    os.close(run.lock_fd)
    again = {**host.identity(), "boot": "another"}
    monkeypatch.setattr(host, "identity", lambda: again)
    assert state(run.folder) is State.LOST


@pytest.mark.parametrize("seed", range(60))
def test_whatever_bits_are_wrong_a_reader_reads_or_says_so(run: NewRun, seed: int) -> None:
    with RunWriter(run.folder) as writer:
        writer.update(state=State.RUNNING, best=Best("val/loss", 3, 0.5), progress=Progress(300, 3, 600, 100, 1.5))
        writer.extend("train/loss", 1, 1, array("d", range(300)), 0.0, 1.0)
        writer.layers(["hidden1", "head"])
        writer.layer_sample(LayerSample(7, 1.0, ((1.0,) * 7, (2.0,) * 7)))
        writer.probes([Probe(3, "table", (2,), (0.5, 1.5), 1.0)])
        writer.probe_sample(ProbeSample(7, 1.0, ((0.1, 0.9),)))
        writer.matrix(Matrix("confusion", 1, 1.0, ((1.0, 2.0), (3.0, 4.0))))
        writer.event("state", "training", 0)
    os.close(run.lock_fd)
    path, random = run.folder / schema.FILE, Random(seed)
    content = bytearray(path.read_bytes())
    filled = [place for place, byte in enumerate(content) if byte]  # most of the pages is empty
    for _ in range(random.choice((1, 4, 16))):
        content[random.choice(filled)] ^= 1 << random.randrange(8)
    path.write_bytes(content)
    with RunReader(run.folder) as reader:
        summary = reader.summary()
        assert "\n" not in summary.damage
        json.dumps(asdict(summary))
        names = ("train/loss", "grad/norm/head")
        questions: list[Callable[[], object]] = [
            reader.series_names,
            reader.layer_samples,
            reader.probes,
            reader.probe_sample,
            reader.events,
            *(partial(reader.columns, name) for name in names),
            *(partial(reader.buckets, name, 40) for name in names),
            *(partial(reader.last, name) for name in names),
        ]
        for ask in questions:
            with contextlib.suppress(schema.UnreadableRun):
                ask()


def test_looking_never_keeps_a_worker_from_its_lock(run: NewRun) -> None:
    os.close(run.lock_fd)
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            lock.held(run.folder)

    looking = [threading.Thread(target=look) for _ in range(3)]
    for thread in looking:
        thread.start()
    try:
        for _ in range(50):
            os.close(lock.acquire(run.folder))
    finally:
        stop.set()
        for thread in looking:
            thread.join()


def test_a_held_lock_is_refused_and_inherited(run: NewRun) -> None:
    with pytest.raises(lock.Held, match="worked on by another process"):
        lock.acquire(run.folder)
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[run.lock_fd])
    os.close(run.lock_fd)
    assert lock.held(run.folder)
    child.communicate()
    assert not lock.held(run.folder)


def spoil_header(path: Path) -> None:
    path.write_bytes(b"not a database" * 1000)


def spoil_pages(path: Path) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))


def cut(path: Path) -> None:
    os.truncate(path, 5000)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def other(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE x (y)")
    connection.close()


def wrong_facts(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE fact SET value = '[1' WHERE key = 'experiment'")
    connection.close()


def wrong_state(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE fact SET value = '\"flying\"' WHERE key = 'state'")
    connection.close()


def wrong_progress(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO fact VALUES ('progress', '{\"steps\": 3}')")
    connection.close()


def wrong_schema(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_master SET name = CAST(x'66ac' AS TEXT), sql = 'x' WHERE name = 'fact'")
    connection.close()


@pytest.mark.parametrize(
    "spoil",
    [spoil_header, spoil_pages, cut, empty, other, wrong_facts, wrong_state, wrong_progress, wrong_schema, Path.unlink],
)
def test_a_damaged_run_says_so_in_one_line_and_leaves_the_others_alone(run: NewRun, spoil) -> None:  # type: ignore[no-untyped-def]  # any of the above
    good = home.create(run.folder.parent.parent, {}, title="good")
    spoil(run.folder / schema.FILE)
    table = {summary.id: summary for summary in RunTable(run.folder.parent.parent).refresh()}
    assert table[run.folder.name].damage.count("\n") == 0
    assert "run.db" in table[run.folder.name].damage
    assert table[good.folder.name].damage == ""
    os.close(good.lock_fd)


def test_a_newer_run_says_so(run: NewRun) -> None:
    with sqlite3.connect(run.folder / schema.FILE) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    connection.close()
    with RunReader(run.folder) as reader:
        assert "newer version" in reader.summary().damage
        with pytest.raises(schema.NewerSchema):
            reader.facts()
    with pytest.raises(schema.NewerSchema):
        RunWriter(run.folder)


READ = """
import os, sys
from pathlib import Path
from tdl_tui.runs.reader import RunReader
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
folder = Path(sys.argv[1])
assert not os.access(folder, os.W_OK) and not os.access(folder / "run.db", os.W_OK)
with RunReader(folder) as reader:
    print(reader.summary().damage, reader.extent("x"), [bucket.mean for bucket in reader.buckets("x", 10)])
"""


@pytest.mark.parametrize("left", ["closed", "killed", "log without its index"])
def test_a_home_that_cannot_be_written_can_be_read(left: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        new = home.create(Path(place, "home"), {}, title="")
        os.close(new.lock_fd)
        writer = RunWriter(new.folder)
        writer.extend("x", 1, 1, array("d", [1.0, 2.0, 3.0]), 0.0, 1.0)
        writer.flush()
        folder = new.folder
        if left != "closed":
            folder = folder.with_name("snapshot")
            shutil.copytree(new.folder, folder)
            assert (folder / "run.db-wal").stat().st_size > 0
        writer.close()
        if left == "log without its index":
            (folder / "run.db-shm").unlink()
        for path in [Path(place), *Path(place).rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        done = subprocess.run(
            [sys.executable, "-c", READ, str(folder)], capture_output=True, text=True, check=False, cwd="/"
        )
        for path in [Path(place), *Path(place).rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert done.stdout.strip() == "(1, 3, 3) [1.0, 2.0, 3.0]", done.stderr


def test_only_its_owner_reads_a_run(run: NewRun) -> None:
    with RunWriter(run.folder) as writer:
        writer.point("x", 1, 1.0)
        writer.flush()
        for path in [run.folder, *run.folder.rglob("*")]:
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_a_reader_sees_a_run_grow(run: NewRun) -> None:
    with RunReader(run.folder) as reader, RunWriter(run.folder) as writer:
        writer.flush()
        token = reader.changed()
        assert reader.changed() == token
        writer.point("x", 1, 1.0)
        writer.flush()
        assert reader.changed() != token
        token = reader.changed()
        os.close(run.lock_fd)
        assert reader.changed() != token


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain name", "plain name"),
        ("\x1b[31mred\x07", "␛[31mred␇"),
        ("a\nb\tc", "a b c"),
        ("\u202eabc\x9b", "�abc�"),
        ("日本", "日本"),
    ],
)
def test_text_cannot_steer_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown
