"""Runs of many points: written out, copied and removed without being held in memory."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import MakeRun, Tdl

from tdl_tui.runs import home as runs_home
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.writer import RunWriter

MEBIBYTE = 1 << 20
BLOCK = 100_000
MEASURE = """
import re, sys
from pathlib import Path
from tdl_tui import cli
sys.argv[0] = "tdl"
try:
    cli.main()
finally:
    sys.stderr.write("\\npeak " + re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def make_long(home: Path, points: int) -> Path:
    new = runs_home.create(home, {"seed": 0}, title="a long one")
    with RunWriter(new.folder) as writer:
        writer.update(state="finished")
        for start in range(0, points, BLOCK):
            block = array("d", range(start, start + BLOCK))
            block[7] = math.nan
            writer.extend("train/loss", start + 1, 1, block, float(start), float(start + BLOCK))
    os.close(new.lock_fd)
    return new.folder


def test_the_document_is_the_same_however_long_the_run(tdl: Tdl, home: Path) -> None:
    folder = make_long(home, BLOCK)
    with RunWriter(folder) as writer:
        writer.point("val/loss", 1, 0.5, 1.0)
    result = tdl("metrics", "last", "--json")
    with RunReader(folder) as reader:
        wanted = {"run": folder.name, "series": {}}
        for name in reader.series_names():
            steps, times, values = reader.columns(name)
            finite = [value if math.isfinite(value) else None for value in values]
            wanted["series"][name] = {"step": list(steps), "time": list(times), "value": finite}
    assert result.out == json.dumps(wanted, allow_nan=False) + "\n"


def test_a_run_cut_while_it_is_written_out_is_told(tdl: Tdl, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_long(home, BLOCK)
    pages = RunReader.pages

    def cutting(self: RunReader, name: str, count: int) -> Iterator[tuple[array[int], array[float], array[float]]]:
        for number, page in enumerate(pages(self, name, count)):
            if number == 2:
                with RunWriter(folder) as writer:
                    writer.drop_after(10)
            yield page

    monkeypatch.setattr(RunReader, "pages", cutting)
    result = tdl("metrics", "last", "--json")
    assert result.status == 1
    assert "was resumed from an earlier step meanwhile; ask again" in result.err


def test_removing_and_checking_a_run_leaves_its_copy(tdl: Tdl, home: Path, make_run: MakeRun) -> None:
    folder = make_long(home, BLOCK)
    copy = folder.with_name("copied00")
    shutil.copytree(folder, copy)
    assert tdl("rm", folder.name).status == 0
    with RunReader(copy) as reader:
        assert reader.extent("train/loss") == (1, BLOCK, BLOCK)
    assert tdl("check", copy.name).status == 0


def peak(home: Path, *arguments: str, out: Path | None = None) -> int:
    """The most memory that a verb took, in bytes."""
    with (out or Path(os.devnull)).open("w") as file:
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, *arguments],
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "TDL_HOME": str(home)},
        )
    assert done.returncode == 0, done.stderr
    return int(done.stderr.rpartition("peak ")[2]) * 1024


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is told in Linux's way")
def test_ten_million_points_take_no_memory(home: Path, tmp_path: Path) -> None:
    points = 10**7
    folder = make_long(home, points)
    assert (folder / "run.db").stat().st_size > 8 * points
    little = peak(home, "ls")
    found = {
        "metrics --json": peak(home, "metrics", "last", "--json", out=tmp_path / "document.json"),
        "metrics": peak(home, "metrics", "last", out=tmp_path / "lines.txt"),
        "check": peak(home, "check"),
        "show": peak(home, "show", "last"),
        "rm": peak(home, "rm", "last"),
    }
    assert {name: taken - little for name, taken in found.items() if taken - little > 24 * MEBIBYTE} == {}
    assert not folder.exists()
    with (tmp_path / "lines.txt").open() as lines:
        assert sum(1 for _ in lines) == points
    with (tmp_path / "document.json").open() as document:
        commas = sum(part.count(",") for part in iter(lambda: document.read(MEBIBYTE), ""))
    assert commas == 3 * (points - 1) + 3  # between points, and between run, series and their columns
