"""Figures of the machine, about twice a second."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import psutil
import torch

from tdl_tui.runs.gpus import FACT

from .energy import Counter, Energy, rapl_counters
from .gpu import Gpus, gpus_of
from .recorder import Recorder

SECONDS = 0.5


class Meters:
    """Records speed/samples_per_s, system/cpu (percent of all cores, 0 to 100), system/memory (bytes that this process
    holds), system/disk_written (bytes a second that it writes, where the system tells) and, once `watch` was told
    where runs are kept, system/disk_free (bytes); on CUDA what `Gpus.figures` has; and of what has a counter,
    system/energy (joules) as `Energy.figures` has it.
    """

    def __init__(self, recorder: Recorder, device: torch.device) -> None:
        self._recorder = recorder
        self._process = psutil.Process()
        self._gpus = gpus_of(device)
        self._energy = Energy({"cpu": rapl_counters(), "gpu": _counters(self._gpus)})
        self._folder: Path | None = None
        self._written = _written(self._process)
        self._due = 0.0
        self._next = 1
        self._examples = 0
        self._since = self._last = time.perf_counter()
        psutil.cpu_percent(None)

    def watch(self, folder: Path, spent: Mapping[str, float]) -> None:
        """Runs are kept on the file system of `folder`; so many joules by part were used before this process."""
        self._folder = folder
        self._energy.carry_on(spent)
        self._recorder.update(**{FACT: self._gpus.known})

    def start(self, step: int) -> None:
        """The next step is `step`: those before it have their figures."""
        self._next = step

    def count(self, examples: int, step: int) -> None:
        """So many examples were trained on since the last call, up to `step`."""
        self._examples += examples
        now = time.perf_counter()
        if now < self._due or step < self._next:
            return
        self._next = step + 1
        wall = time.time()
        if now - self._since > 0.05:
            self._recorder.point("speed/samples_per_s", step, self._examples / (now - self._since), wall)
        for name, value in self._figures(now):
            self._recorder.point(name, step, value, wall)
        for kind, text in self._gpus.news():
            self._recorder.event(kind, text, step)
        self._examples = 0
        self._since = time.perf_counter()
        self._due = now + SECONDS

    def _figures(self, now: float) -> Iterator[tuple[str, float]]:
        yield "system/cpu", psutil.cpu_percent(None)
        yield "system/memory", float(self._process.memory_info().rss)
        if self._folder is not None:
            with suppress(OSError):  # its folder is gone: what is recorded will say so
                yield "system/disk_free", float(psutil.disk_usage(str(self._folder)).free)
        written = _written(self._process)
        if written is not None and self._written is not None and now > self._last:
            yield "system/disk_written", max(0, written - self._written) / (now - self._last)
        self._written, self._last = written, now
        yield from self._gpus.figures()
        yield from self._energy.figures()

    def leave_out(self, seconds: float) -> None:
        """So many seconds since the last call were not training, but a validation."""
        self._since += seconds

    def skip(self) -> None:
        """Starts counting anew: what went before (a pause) is not training."""
        self._examples = 0
        self._since = self._last = time.perf_counter()
        self._written = _written(self._process)
        self._energy.skip()


def _written(process: psutil.Process) -> int | None:
    """The bytes that a process has had written to a disk so far; None where the system does not tell."""
    try:
        return int(process.io_counters().write_bytes)
    except (AttributeError, OSError, psutil.Error):
        return None


def _counters(gpus: Gpus) -> list[Counter]:
    try:
        return [Counter(gpus.joules)] if gpus.joules else []
    except OSError:
        return []
