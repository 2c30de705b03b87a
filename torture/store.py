"""What befalls a run's files: `run.db` locked, read by one who stops, cut off, changed; checkpoints changed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from tdl_tui.runs import home as homes
from tdl_tui.runs import schema
from tdl_tui.runs.check import check_run
from tdl_tui.runs.reader import RunReader
from tdl_tui.training import checkpoints
from tdl_tui.worker import steer
from tdl_tui.worker.launch import launch

from .training import (
    EXACT,
    Points,
    Recovery,
    all_series,
    begun,
    checkpoint_step,
    ended,
    kill,
    outcome,
    record,
    resumed,
    same_end,
    small,
    sound,
    summary,
    survived,
    undisturbed,
    wait_for_some_step,
    wait_until,
)

LOCKED = 10.0
LOCKS = """
import sqlite3, sys
sys.stdin.readline()
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
connection.execute("BEGIN EXCLUSIVE")
print("here", flush=True)
sys.stdin.read()
"""
READS = """
import sqlite3, sys
sys.stdin.readline()
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
connection.execute("BEGIN")
connection.execute("SELECT * FROM fact").fetchall()
print("here", flush=True)
sys.stdin.read()
"""
WITHOUT_WAL = """
from tdl_tui.runs import schema
from tdl_tui.worker import process
schema.supports_wal = lambda folder: False
process.main()
"""


def locked(random: Random, home: Path) -> Recovery:
    """Another program keeps `run.db` to itself for ten seconds."""
    folder = launch(small(), home).folder
    with program(LOCKS, folder) as start:
        wait_for_some_step(random, folder)
        start()
        time.sleep(LOCKED)
        assert not ended(folder), "it did not wait"
        step = summary(folder).progress.step
    again = wait_until(lambda: summary(folder).progress.step > step or ended(folder))
    survived(folder)
    return Recovery(again=(again,))


def stopped_reader(random: Random, home: Path) -> Recovery:
    """A program that reads `run.db` is stopped (SIGSTOP) in a transaction, and goes on when the training has ended."""
    folder = launch(small(), home).folder
    with program(READS, folder) as start:
        wait_for_some_step(random, folder)
        reader = start()
        reader.send_signal(signal.SIGSTOP)
        step = summary(folder).progress.step
        try:
            again = wait_until(lambda: summary(folder).progress.step > step or ended(folder))
            wait_until(lambda: ended(folder))
        finally:
            reader.send_signal(signal.SIGCONT)
    survived(folder)
    return Recovery(again=(again,))


def stopped_reader_without_wal(random: Random, home: Path) -> Recovery:
    """The same with a rollback journal, as on a network's filesystem: until the reader goes on nothing is written."""
    run = homes.create(home, small().document(), title="")
    command = [sys.executable, "-P", "-c", WITHOUT_WAL, str(run.folder), "--lock", str(run.lock_fd)]
    worker = subprocess.Popen(command, pass_fds=[run.lock_fd], start_new_session=True, stdin=subprocess.DEVNULL)
    os.close(run.lock_fd)
    folder = run.folder
    with program(READS, folder) as start:
        wait_for_some_step(random, folder)
        assert not (folder / f"{schema.FILE}-wal").exists()
        reader = start()
        reader.send_signal(signal.SIGSTOP)
        try:
            time.sleep(LOCKED / 2)
            assert not ended(folder), "it did not wait"
        finally:
            reader.send_signal(signal.SIGCONT)
    step = summary(folder).progress.step
    again = wait_until(lambda: summary(folder).progress.step > step or ended(folder))
    assert worker.wait(60) == 0
    survived(folder)
    return Recovery(again=(again,))


def cut_off(random: Random, home: Path) -> Recovery:
    """A run's record loses its end."""
    path = left(random, home)
    cut(random, path)
    return mended(path.parent)


def bits_flipped(random: Random, home: Path) -> Recovery:
    """In a run's record a few bits are others."""
    path = left(random, home)
    flip(random, path, 8)
    return mended(path.parent)


def begun_anew(random: Random, home: Path) -> Recovery:
    """A record is cut off, or bits in it are others. It is mended, and trained from the start: all is there again."""
    path = left(random, home)
    if random.random() < 0.5:
        cut(random, path)
    else:
        flip(random, path, 8)
    folder = path.parent
    began = time.monotonic()
    check_run(folder, repair=True)
    for checkpoint in (folder / "checkpoints").iterdir():
        checkpoint.unlink()
    again = time.monotonic() - began + resumed(folder)
    survived(folder)
    return Recovery(again=(again,))


def left(random: Random, home: Path) -> Path:
    """The file with most of a run's record: `run.db` where its worker was told to end, the log beside it where that was
    killed."""
    folder = killed(random, home, random.choice([signal.SIGKILL, signal.SIGTERM]))
    return max(folder.glob(f"{schema.FILE}*"), key=lambda path: path.stat().st_size)


def mended(folder: Path) -> Recovery:
    """Mends the run, resumes it, and waits for its end: what it learned is what it would have, and so is each point
    after the checkpoint. Counts those before it that could not be read, and those that were changed unnoticed."""
    step = checkpoint_step(folder)
    began = time.monotonic()
    found = check_run(folder, repair=True)
    again = time.monotonic() - began + resumed(folder)
    wait_until(lambda: ended(folder))
    same_end(outcome(folder), wanted := undisturbed())
    sound(folder)
    with RunReader(folder) as reader:
        series = all_series(reader)
    missing = changed = 0
    for name in EXACT:
        gone = wanted.series[name].keys() - series[name].keys()
        other = [at for at, value in series[name].items() if wanted.series[name].get(at) != value]
        assert all(at <= step for at in (*gone, *other)), f"{name} is not as it should be after the checkpoint"
        missing, changed = missing + len(gone), changed + len(other)
    words = "damage was found and mended" if found else "nothing was found"
    total = sum(map(len, wanted.series.values()))
    return Recovery(again=(again,), moments=Counter([words]), points=Points(missing, changed, total))


def damaged_checkpoint(random: Random, home: Path) -> Recovery:
    """A bit of a killed run's last checkpoint is another, or its end is gone: the one before is taken, and said."""
    folder = killed(random, home)
    place = folder / "checkpoints"
    before: int = checkpoints.load(place / checkpoints.PREVIOUS)["position"]["step"]
    held = record(folder).up_to(before)
    spoil(random, place / checkpoints.LAST)
    again = resumed(folder)
    with RunReader(folder) as reader:
        said = [event.text for event in reader.events() if event.kind == "warning"]
    assert any("the last checkpoint is damaged" in text for text in said), said
    survived(folder, held)
    return Recovery(again=(again,))


def damaged_checkpoints(random: Random, home: Path) -> Recovery:
    """Both of a killed run's checkpoints are spoilt: it begins nothing by itself. With copies of them it goes on."""
    folder = killed(random, home)
    place = folder / "checkpoints"
    copies = shutil.copytree(place, home / "copies")
    held = record(folder)
    for name in (checkpoints.LAST, checkpoints.PREVIOUS):
        spoil(random, place / name)
    began = time.monotonic()
    try:
        steer.resume(folder)
    except steer.SteerError as error:
        said = time.monotonic() - began
        assert "no checkpoint can be read" in str(error), error
    else:
        raise AssertionError("it began by itself")
    wait_until(lambda: ended(folder))
    shutil.copytree(copies, place, dirs_exist_ok=True)
    again = resumed(folder)
    survived(folder, held)
    return Recovery(said=(said,), again=(again,))


def killed(random: Random, home: Path, number: signal.Signals = signal.SIGKILL) -> Path:
    """The folder of a run that was ended by a signal, with two checkpoints in it."""
    launched = begun(home, small())
    folder = launched.folder
    wait_until(lambda: (folder / "checkpoints" / checkpoints.PREVIOUS).exists() or ended(folder))
    wait_for_some_step(random, folder)
    kill(launched.pid, number)
    wait_until(lambda: ended(folder))
    return folder


def spoil(random: Random, path: Path) -> None:
    if random.random() < 0.5:
        flip(random, path, 1)
    else:
        cut(random, path)


def flip(random: Random, path: Path, bits: int) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(bits):
        content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    path.write_bytes(content)


def cut(random: Random, path: Path) -> None:
    size = path.stat().st_size
    os.truncate(path, random.randrange(size // 2, size))


@contextmanager
def program(code: str, folder: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """A program that gets hold of the run's `run.db` at once when what this gives is called, until the end."""
    command = [sys.executable, "-c", code, str(folder / schema.FILE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def start() -> subprocess.Popen[str]:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "here\n"
            return process

        try:
            yield start
        finally:
            process.kill()
