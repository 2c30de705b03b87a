"""When to do again what costs time, so that it takes no more than its share of all of it."""

from __future__ import annotations

import time
from collections import deque
from math import inf
from statistics import median


class Spacing:
    """Something is `due` at a time of `time.perf_counter`: at least `seconds` after the last time, and once what it
    costs (the median of the last five) has been saved up at a `share` of the time."""

    def __init__(self, share: float, seconds: float) -> None:
        self.due = 0.0
        self._share = share
        self._seconds = seconds
        self._costs: deque[float] = deque(maxlen=5)

    def begin(self) -> None:
        """It is being done: not due again before its cost is known."""
        self.due = inf

    def paid(self, cost: float) -> None:
        """It has cost so many seconds. The first, for which nothing was saved up, is paid off beside the next."""
        times = 1 if self._costs else 2
        self._costs.append(cost)
        self._wait(times)

    def change(self, share: float) -> None:
        """From now on it may take that share, above 0."""
        self._share = share
        if self._costs:
            self._wait(1)

    def _wait(self, times: int) -> None:
        self.due = time.perf_counter() + max(self._seconds, times * median(self._costs) / self._share)
