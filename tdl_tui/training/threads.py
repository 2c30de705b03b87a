"""How many CPU threads to train with: as many as there are cores that nobody else uses."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from math import inf
from pathlib import Path
from statistics import median

import psutil
import torch

LOOK_SECONDS = 0.02
REVISE_SECONDS = 10.0
CLEARLY = 0.75  # cores by which what is free must differ from what is used, before the number changes
TRY_SECONDS = 0.02
TRIES = 4


def cores() -> int:
    """The cores that this process may use: by affinity and by the limits of its control group."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    physical = psutil.cpu_count(logical=False) or count
    with suppress(OSError, ValueError):
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            count = min(count, max(1, int(quota) // int(period)))
    return max(1, min(count, physical))


class Load:
    """How many cores others keep busy, since the last time this was asked."""

    def __init__(self) -> None:
        self._mark()

    def others(self) -> float:
        """Cores' worth of computing by other processes. Looks for a moment where the last look is too recent."""
        if time.monotonic() - self._time < LOOK_SECONDS:
            time.sleep(LOOK_SECONDS)
        before = self._time, self._busy, self._own
        self._mark()
        elapsed = self._time - before[0]
        used: float = (self._busy - before[1]) - (self._own - before[2])
        return max(0.0, used) / elapsed

    def _mark(self) -> None:
        self._time = time.monotonic()
        times = psutil.cpu_times()
        self._busy = sum(times) - times.idle - getattr(times, "iowait", 0.0)
        self._busy -= getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # counted in user already
        own = psutil.Process().cpu_times()
        self._own = own.user + own.system


def free(count: int, others: float) -> int:
    """The threads to use on `count` cores of which `others` are taken: the whole cores left, one at least."""
    return max(1, min(count, round(count - others)))


class Threads:
    """The number in use. Given, it is kept exactly; 0 chooses it now, by what is free, and again at the start of an
    epoch, no oftener than every ten seconds.
    """

    def __init__(self, asked: int) -> None:
        self._chooses = asked == 0
        self._load = Load()
        self._cores = cores()
        self._useful = self._cores
        self._due = time.monotonic() + REVISE_SECONDS
        self.use(asked or free(self._cores, running_others()))

    def use(self, count: int) -> None:
        """Computes with so many from here on."""
        self.count = count
        torch.set_num_threads(count)

    def try_out(self, step: Callable[[], object]) -> None:
        """Goes down to fewer threads where a step takes as long with them: small networks do not fill many cores.
        Steps of over 20 ms do, and are not tried. Does nothing where the number was given.
        """
        if not self._chooses or self.count == 1:
            return
        most = self.count
        _timed(step)  # the first also fills caches and starts threads
        if _timed(step) > TRY_SECONDS:
            return
        candidates = [n for n in (1, 2, 4, 8, 16, 32, 64, 128) if n < most] + [most]
        took = dict.fromkeys(candidates, inf)
        for _ in range(TRIES):
            for count in candidates:
                torch.set_num_threads(count)
                took[count] = min(took[count], _timed(step))
        fastest = min(took.values())
        self.use(next(count for count in candidates if took[count] <= 1.05 * fastest))
        if self.count < most:
            self._useful = self.count

    def revise(self) -> bool:
        """Chooses anew, if it is time. Whether the number changed."""
        if not self._chooses or time.monotonic() < self._due:
            return False
        self._due = time.monotonic() + REVISE_SECONDS
        others = self._load.others()
        count = min(self._useful, free(self._cores, others))
        if count == self.count or abs(self._cores - others - self.count) < CLEARLY:
            return False
        self.use(count)
        return True


def in_words(count: int) -> str:
    return "1 CPU thread" if count == 1 else f"{count} CPU threads"


def _timed(step: Callable[[], object]) -> float:
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def running_others() -> float:
    """Cores' worth of computing by others at this moment: Linux counts who wants to run; elsewhere a short look."""
    try:
        samples = []
        for _ in range(9):
            samples.append(_runnable() - 1)
            time.sleep(0.001)
        return float(max(0.0, median(samples)))
    except (OSError, ValueError):
        return Load().others()


def _runnable() -> int:
    """How many threads run or wait for a core, this one among them."""
    text = Path("/proc/stat").read_text(encoding="ascii")
    _, found, rest = text.partition("\nprocs_running ")
    if not found:
        raise ValueError("no procs_running")
    return int(rest.split(maxsplit=1)[0])
