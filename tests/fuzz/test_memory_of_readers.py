"""A file of a megabyte that was made to be hard takes no reader more than a gigabyte, or more than a minute."""

from __future__ import annotations

import io
import os
import resource
import sqlite3
import subprocess
import sys
import zipfile
from array import array
from collections.abc import Callable
from pathlib import Path

import pytest

from tdl_tui.runs import home, schema
from tdl_tui.runs.writer import RunWriter

MEGABYTE = 1 << 20
READ = """
import sys
from pathlib import Path
from tdl_tui.registry import DATASETS, Undescribable
from tdl_tui.runs.check import check_run
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.schema import UnreadableRun
from tdl_tui.spec import SpecError, experiment, read

def run(folder):
    check_run(folder)
    with RunReader(folder) as reader:
        reader.summary()
        for ask in (reader.series_names, reader.events, reader.layer_samples, reader.probe_sample):
            try:
                ask()
            except UnreadableRun as error:
                print(error)
        for name in ("x", "y"):
            try:
                reader.buckets(name, 100)
                sum(1 for _ in reader.points(name))
            except UnreadableRun as error:
                print(error)
    check_run(folder, repair=True)

path, kind, *options = sys.argv[1:]
try:
    if kind == "toml":
        experiment(read(Path(path)))
    elif kind == "run":
        run(Path(path))
    else:
        entry = DATASETS[kind]
        entry.describe({**entry.defaults(), "file": path, **{name: True for name in options}})
except (Undescribable, SpecError) as error:
    print(str(error)[:300])
"""


def text(content: str) -> Callable[[Path], Path]:
    def write(place: Path) -> Path:
        path = place / "file.txt"
        path.write_bytes(content.encode()[:MEGABYTE])
        return path

    return write


def header(shape: tuple[int, ...], kind: str) -> bytes:
    words = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(words).to_bytes(2, "little") + words


def bomb(name: str, kind: str, size: int, total: int = 3 * 10**8) -> Callable[[Path], Path]:
    """An archive in which one array is `total` bytes of zeros, packed."""

    def write(place: Path) -> Path:
        path = place / "file.npz"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for array_name in ("x", "y"):
                count = total // size if array_name == name else 10
                shape = (count, 1) if array_name == "x" else (count,)
                with archive.open(f"{array_name}.npy", "w", force_zip64=True) as file:
                    file.write(header(shape, kind if array_name == name else "<i8"))
                    left = count * (size if array_name == name else 8)
                    while left:
                        left -= file.write(bytes(min(left, MEGABYTE)))
        assert path.stat().st_size < 1.1 * MEGABYTE
        return path

    return write


def claims(shape: tuple[int, ...]) -> Callable[[Path], Path]:
    def write(place: Path) -> Path:
        path = place / "file.npz"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", header((shape[0], 3), "<f4") + bytes(12))
            archive.writestr("y.npy", header(shape, "<i8") + bytes(MEGABYTE))
        return path

    return write


def members(place: Path) -> Path:
    path, out = place / "file.npz", io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(8000):
            archive.writestr(f"{number}.npy", b"")
    path.write_bytes(out.getvalue())
    return path


def record(*statements: tuple[str, tuple[object, ...]]) -> Callable[[Path], Path]:
    def write(place: Path) -> Path:
        new = home.create(place, {"seed": 0}, title="")
        with RunWriter(new.folder) as writer:
            writer.extend("x", 1, 1, array("d", range(40_000)), 0.0, 1.0)
            for step in range(1, 9):
                writer.point("y", step, 1.0)
        os.close(new.lock_fd)
        connection = sqlite3.connect(new.folder / schema.FILE)
        with connection:
            for statement, parameters in statements:
                connection.execute(statement, parameters)
        connection.close()
        return new.folder

    return write


LARGEST = 2**62
SAMPLE = array("d", [1e18]).tobytes()
CASES: dict[str, tuple[Callable[[Path], Path], str, tuple[str, ...]]] = {
    "a table of half a million columns": (text("1," * 520_000), "csv", ()),
    "two rows of many columns": (text(f"{'a,' * 250_000}a\n{'1,' * 250_000}1\n"), "csv", ()),
    "a table of one long cell": (text("x" * MEGABYTE), "csv", ()),
    "a quotation without an end": (text('a,b\n1,"' + "x\n" * MEGABYTE), "csv", ()),
    "a table of many rows": (text("a,b\n" + "".join(f"{i},{i % 7}\n" for i in range(120_000))), "csv", ()),
    "a table of many texts": (text("a,b\n" + "".join(f"t{i},u{i}\n" for i in range(90_000))), "csv", ()),
    "a text of many words": (text("".join(f"{i:x} " for i in range(200_000))), "text", ()),
    "a text of one character": (text("a" * MEGABYTE), "text", ()),
    "series of many classes": (text("".join(f"{i} 1\n" for i in range(140_000))), "ucr", ()),
    "one long series among short ones": (text("1 " * 250_000 + "\n" + "1 2\n2 2\n" * 60_000), "ucr", ("fill",)),
    "inputs of a gigabyte": (bomb("x", "<f4", 4, 10**9), "npz", ()),
    "many targets": (bomb("y", "|u1", 1), "npz", ()),
    "many texts": (bomb("y", "<U9", 36), "npz", ()),
    "more than there is": (claims((10**15,)), "npz", ()),
    "an archive of many files": (members, "npz", ()),
    "an experiment of one word": (text("a" * MEGABYTE), "toml", ()),
    "an experiment of many sections": (text("".join(f"[a{i}]\n" for i in range(120_000))), "toml", ()),
    "an experiment of many tables": (text("[[a]]\n" * 170_000), "toml", ()),
    "an experiment of one long list": (text("a = [" + "0.1," * 250_000), "toml", ()),
    "an experiment of long keys": (text((".".join("a" * 49) + " = 1\n") * 10_000), "toml", ()),
    "points without end": (record(("UPDATE chunk SET count = ?, first = first * ?", (LARGEST, 2**40))), "run", ()),
    "steps without end": (record(("UPDATE chunk SET stride = ?", (2**55,))), "run", ()),
    "levels without end": (record(("UPDATE rollup SET level = 60, row = (row + 99 * level) * ?", (2**50,))), "run", ()),
    "samples without end": (
        record(*(("INSERT INTO layer_sample VALUES (?, 1, 1.0, ?)", (number, SAMPLE)) for number in range(20))),
        "run",
        (),
    ),
    "facts of many lists": (record(("INSERT INTO fact VALUES ('x', ?)", ("[" + "[]," * 300_000 + "0]",))), "run", ()),
    "rows far apart": (record(("UPDATE chunk SET rowid = rowid * ?", (2**50,))), "run", ()),
}


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))


@pytest.mark.parametrize("case", CASES)
def test_memory_and_time_are_bounded(tmp_path: Path, case: str) -> None:
    make, kind, options = CASES[case]
    path = make(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path), kind, *options],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limited,
    )
    assert done.returncode == 0, done.stderr[-2000:]
