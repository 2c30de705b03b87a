"""What a long run costs to look at: opening it and drawing its first plot, 10,000,000 points against 10,000.

Each opening is a process of its own, as of somebody who has just started the workbench: the run is opened, its state
and series are asked for, one series is put in buckets and drawn with the workbench's own chart, whose plotting library
is imported for it. Then the data of a plot of 1,000 buckets, alone.
"""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from array import array
from pathlib import Path

from tdl_tui.runs import home
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import Bucket, State
from tdl_tui.runs.writer import RunWriter
from tdl_tui.widgets.axes import covering
from tdl_tui.widgets.chart import draw_chart
from tdl_tui.widgets.chart_view import View
from tdl_tui.widgets.curves import curve_of, y_span
from tdl_tui.widgets.palette import DARK

LONG, SHORT = 10_000_000, 10_000
BLOCK = 5_000
WIDTH = 1000
ROUNDS = 7


def make(place: Path, points: int) -> Path:
    """A run with one series of so many points, and its worker gone."""
    new = home.create(place, {}, title=f"{points} points", state=State.FINISHED)
    noise = array("d", (random.random() for _ in range(BLOCK)))
    with RunWriter(new.folder) as writer:
        for step in range(1, points + 1, BLOCK):
            writer.extend("train/loss", step, 1, noise, step / 1000, (step + BLOCK - 1) / 1000)
    os.close(new.lock_fd)
    return new.folder


def draw(buckets: list[Bucket]) -> None:
    """One chart of 80 by 20 characters."""
    view, palette = View(), DARK
    curves = [curve_of("train/loss", palette.curves[0], buckets, view, steps_per_epoch=0, start=0.0)]
    x = covering(0.0, buckets[-1].last, log=False)
    draw_chart("loss", "", curves, x=x, y=y_span(curves, False), view=view, width=80, height=20, palette=palette)


def look(folder: Path) -> dict[str, float]:
    """Milliseconds to the first drawn plot, and for the data of a plot once the run is open; peak memory in MiB."""
    started = time.perf_counter()
    with RunReader(folder) as reader:
        reader.summary()
        reader.series_names()
        draw(reader.buckets("train/loss", 80))
        opened = time.perf_counter() - started
        spans = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            buckets = reader.buckets("train/loss", WIDTH)
            spans.append(time.perf_counter() - started)
    assert len(buckets) >= WIDTH
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"opened": opened * 1e3, "buckets": min(spans) * 1e3, "memory": memory}


def look_in_a_process(folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.open_run", str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folders = [make(Path(place), points) for points in (LONG, SHORT)]
        rounds = [[look_in_a_process(folder) for folder in folders] for _ in range(ROUNDS)]
    long, short = ({key: min(r[i][key] for r in rounds) for key in rounds[0][i]} for i in (0, 1))
    ratio = long["opened"] / short["opened"]
    figures: list[dict[str, object]] = [
        {
            "name": "opening a run of 10,000,000 points, to its first drawn plot",
            "goal": "<= 500 ms, and <= 1.5 x of one of 10,000",
            "value": long["opened"],
            "unit": "ms",
            "ratio": ratio,
            "MiB": long["memory"],
            "MiB with 10,000": short["memory"],
            "met": long["opened"] <= 500 and ratio <= 1.5,
        },
        {
            "name": "the data of a plot of 1,000 buckets, of 10,000,000 points",
            "goal": "<= 5 ms",
            "value": long["buckets"],
            "unit": "ms",
            "ms with 10,000": short["buckets"],
            "met": long["buckets"] <= 5,
        },
    ]
    for figure in figures:
        print(json.dumps(figure, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(look(Path(sys.argv[1]))))
    else:
        main()
