"""When to do again what costs time, so that it takes no more than its share of all of it."""

from __future__ import annotations

import time
from collections import deque
from math import inf
from statistics import median

AHEAD = 1.0
"""Seconds whose share is there from the start, and is saved at most: so the first moments are seen closely."""


class Spacing:
    """Something is `due` at a time of `time.perf_counter`: at least `seconds` after the last time, and once what it
    has cost so far (each time the median of the last five) has been earned at a `share` of the time."""

    def __init__(self, share: float, seconds: float) -> None:
        self.due = 0.0
        self._share = share
        self._seconds = seconds
        self._costs: deque[float] = deque(maxlen=5)
        self._saved = AHEAD * share
        self._since = time.perf_counter()

    def begin(self) -> None:
        """It is being done: not due again before its cost is known."""
        self.due = inf

    def paid(self, cost: float) -> None:
        """It has cost so many seconds."""
        self._costs.append(cost)
        self._save()
        self._saved -= median(self._costs)
        self._wait()

    def change(self, share: float) -> None:
        """From now on it may take that share, above 0."""
        self._save()
        self._share = share
        if self._costs:
            self._wait()

    def _save(self) -> None:
        now = time.perf_counter()
        self._saved = min(AHEAD * self._share, self._saved + (now - self._since) * self._share)
        self._since = now

    def _wait(self) -> None:
        self.due = self._since + max(self._seconds, -self._saved / self._share)
