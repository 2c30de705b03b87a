"""What watching a training costs: bytes a second to a 160x45 terminal, the interface's share of a core, its memory.

A process writes a run as a training would (500 steps a second, layer statistics and probes twice a second); the
workbench watches it in a pseudo-terminal. `--seconds` sets how long each part is measured.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import math
import multiprocessing
import os
import pty
import random
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from array import array
from dataclasses import dataclass
from pathlib import Path

import psutil

from tdl_tui.runs import home as homes
from tdl_tui.runs.records import Best, LayerSample, Probe, ProbeSample, Progress, State
from tdl_tui.runs.writer import RunWriter
from tdl_tui.spec import experiment

COLUMNS, LINES = 160, 45
RATE, TICK = 500, 0.1  # steps a second, seconds between two writes
EACH = 225  # steps an epoch
CLASSES = 10
SETTLING = 12.0  # seconds for the workbench to open and settle
GRID = "6"  # the key that shows every series
LAYERS = ("conv1", "conv2", "dense1", "dense2", "dense3")
WATCH = (
    "import sys; from pathlib import Path; from tdl_tui.screens.app import Workbench; "
    "Workbench(*map(Path, sys.argv[1:]), spare=False).run()"
)


def write(folder: Path, seconds: float) -> None:
    """Trains nothing, and records it: `seconds` of a run that then finishes."""
    noise = random.Random(0)
    total = int(seconds * RATE)
    writer = RunWriter(folder)
    size = 28 * 28
    writer.probes(
        [
            Probe(i, "image", (1, 28, 28), tuple(noise.random() for _ in range(size)), float(i % CLASSES))
            for i in range(16)
        ]
    )
    writer.layers(LAYERS)
    writer.update(state=State.RUNNING, device="cpu, 2 threads")
    writer.event("state", "running", 0)
    began, step, samples, best = time.time(), 0, 0, math.inf

    def loss(at: int, offset: float) -> float:
        return 2.3 * math.exp(-4 * at / total) + offset + 0.1 * noise.gauss(0, 1) * math.exp(-at / total)

    while step < total:
        due = min(total, int((time.time() - began) * RATE))
        if due > step:
            steps = range(step + 1, due + 1)
            now = time.time()
            losses = array("d", (abs(loss(s, 0.05)) for s in steps))
            writer.extend("train/loss", step + 1, 1, losses, now - TICK, now)
            writer.extend("train/accuracy", step + 1, 1, array("d", (math.exp(-v) for v in losses)), now - TICK, now)
            writer.extend("lr", step + 1, 1, array("d", [1e-3] * len(steps)), now - TICK, now)
            for s in steps:
                if s % EACH == 0:
                    held = abs(loss(s, 0.1))
                    writer.point("val/loss", s, held)
                    writer.point("val/accuracy", s, math.exp(-held))
                    best = min(best, held)
            step = due
            writer.update(progress=Progress(step, -(-step // EACH), total, EACH, now - began))
            if math.isfinite(best):
                writer.update(best=Best("val/loss", step, best))
        if time.time() - began >= samples * 0.5:
            samples += 1
            _sample(writer, max(1, step), total, noise)
        time.sleep(TICK)
    writer.update(state=State.FINISHED, test={"loss": 0.2, "accuracy": 0.95})
    writer.event("state", "finished", step)
    writer.close()


def _sample(writer: RunWriter, step: int, total: int, noise: random.Random) -> None:
    now = time.time()
    rows = tuple(
        (
            math.exp(-step / total) * 0.1 * (1 + i) * math.exp(0.3 * noise.gauss(0, 1)),
            4 + i + step / total,
            1e-3 * math.exp(0.3 * noise.gauss(0, 1)),
            noise.gauss(0, 0.1),
            1 + noise.gauss(0, 0.1),
            0.1 * noise.random(),
            0.1 * noise.random(),
        )
        for i in range(len(LAYERS))
    )
    writer.layer_sample(LayerSample(step, now, rows))
    outputs = tuple(
        tuple((8 * step / total if c == p % CLASSES else 0) + 0.5 * noise.gauss(0, 1) for c in range(CLASSES))
        for p in range(16)
    )
    writer.probe_sample(ProbeSample(step, now, outputs))
    writer.point("speed/samples_per_s", step, 32000 + 500 * noise.gauss(0, 1), now)
    writer.point("system/cpu", step, 60 + 5 * noise.gauss(0, 1), now)
    writer.point("system/memory", step, 400e6 + 1e6 * noise.random(), now)


class Watched:
    """The workbench on a run, or on all of a home, in a pseudo-terminal of its own."""

    def __init__(self, home: Path, *folder: Path) -> None:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self._child = subprocess.Popen(
            [sys.executable, "-c", WATCH, str(home), *map(str, folder)],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
        )
        os.close(slave)
        self._master = master
        self._process = psutil.Process(self._child.pid)

    def bytes_for(self, seconds: float) -> int:
        """How many bytes come in so many seconds."""
        count, end = 0, time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self._master], [], [], left)[0]:
                with contextlib.suppress(OSError):
                    count += len(os.read(self._master, 65536))
        return count

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def cpu_seconds(self) -> float:
        used = self._process.cpu_times()
        return float(used.user + used.system)

    def memory(self) -> float:
        """Resident megabytes."""
        return float(self._process.memory_info().rss) / 1e6

    def close(self) -> None:
        self._child.send_signal(signal.SIGTERM)
        try:
            self._child.wait(5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        os.close(self._master)


@dataclass(frozen=True, slots=True)
class Cost:
    """What watching cost: bytes a second, and after the run; a share of a core; megabytes, before and after."""

    sent: float
    idle: int
    share: float
    before: float
    later: float


def watch(seconds: float, keys: str = "") -> Cost:
    """Watches a run for so long, after `keys` were pressed."""
    document = experiment({"data": {"dataset": "digits"}, "model": {"architecture": "mlp"}}).document()
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        made = homes.create(home, document, title="watched")
        writer = multiprocessing.get_context("fork").Process(target=write, args=(made.folder, SETTLING + seconds))
        writer.start()
        os.close(made.lock_fd)
        watched = Watched(home, made.folder)
        try:
            watched.bytes_for(SETTLING * 2 / 3)
            watched.press(keys)
            watched.bytes_for(SETTLING / 3)
            memory, cpu, began = watched.memory(), watched.cpu_seconds(), time.monotonic()
            sent = watched.bytes_for(seconds - 1)
            elapsed = time.monotonic() - began
            share = (watched.cpu_seconds() - cpu) / elapsed
            later = watched.memory()
            writer.join()
            watched.bytes_for(3)
            idle = watched.bytes_for(min(5.0, seconds))
        finally:
            watched.close()
            writer.kill()
    return Cost(sent / elapsed, idle, share, memory, later)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=40.0)
    seconds = parser.parse_args().seconds
    cost = watch(seconds)
    report("bytes a second while watching, 160x45", "at most 4,000", cost.sent, "B/s", cost.sent <= 4000)
    report("bytes a second once the run has ended", "0", cost.idle, "B/s", cost.idle == 0)
    report("interface's share of one core while watching", "at most 5 %", 100 * cost.share, "%", cost.share <= 0.05)
    report(
        "memory of the interface while watching",
        "at most 100 MB",
        cost.later,
        "MB",
        cost.later <= 100,
        before=cost.before,
    )
    grid = watch(seconds, GRID)
    report("bytes a second with a full grid of series, 160x45", "at most 6,000", grid.sent, "B/s", grid.sent <= 6000)
    report("share of one core with a full grid of series", "at most 5 %", 100 * grid.share, "%", grid.share <= 0.05)


def report(name: str, goal: str, value: float, unit: str, met: bool, **more: float) -> None:
    print(json.dumps({"name": name, "goal": goal, "value": round(value, 2), "unit": unit, "met": met} | more))


if __name__ == "__main__":
    main()
