"""Energy, from counters that the hardware keeps. What no counter tells is unknown, and never guessed.

A counter counts all that its part of the machine does, for whomever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tdl_tui.runs.reader import RunReader

POWERCAP = Path("/sys/class/powercap")
PREFIX = "system/energy"
KINDS = ("cpu", "gpu")


class Counter:
    """Joules used since the last look, from a counter that only grows, up to `span` (joules), where it begins anew at
    0: once between two looks at most, which takes a processor a quarter of an hour and more. None: it never does."""

    def __init__(self, read: Callable[[], float], span: float | None = None) -> None:
        """`read` says how far the counter is, or raises OSError."""
        self._read = read
        self._span = span
        self._last = read()

    def since(self) -> float:
        """Raises OSError; what was used meanwhile is told by the next look."""
        now = self._read()
        grown = now - self._last
        self._last = now
        if grown >= 0:
            return grown
        return grown + self._span if self._span else 0.0  # a driver that was loaded anew counts from 0


@dataclass(frozen=True, slots=True)
class Domain:
    """A part of the CPU's side of a machine with a counter of its own: Linux's zone ("intel-rapl:0"), its name
    ("package-0", "dram"), and why its counter cannot be read ("" where it can)."""

    zone: Path
    name: str
    trouble: str = ""

    def joules(self) -> float:
        """How far the counter is. Raises OSError."""
        return _number(self.zone / "energy_uj")


def rapl_domains(root: Path = POWERCAP) -> list[Domain]:
    """The CPU packages, and memory that lies outside of them: what adds up to all that is counted.

    Intel's and AMD's running average power limit as Linux shows it: <root>/intel-rapl:0 and, for a part of it,
    intel-rapl:0:1, each with `name`, `energy_uj` (microjoules) and `max_energy_range_uj`
    (https://docs.kernel.org/power/powercap/powercap.html). Since Linux 5.10 mostly root alone may read the second.
    """
    found = []
    for zone in sorted(root.glob("intel-rapl:*")):
        name = zone.name
        try:
            name = (zone / "name").read_text().strip()
            if not name.startswith("package-") and name != "dram":
                continue  # cores are a part of their package, "psys" is the whole machine over again
            _number(zone / "max_energy_range_uj")
            _number(zone / "energy_uj")
            found.append(Domain(zone, name))
        except OSError as error:
            found.append(Domain(zone, name, (error.strerror or str(error)).lower()))
    return found


def rapl_counters(root: Path = POWERCAP) -> list[Counter]:
    """Those of all domains; none unless every one can be read: a part of a machine's packages would be a guess."""
    domains = rapl_domains(root)
    if any(domain.trouble for domain in domains):
        return []
    try:
        return [Counter(domain.joules, _number(domain.zone / "max_energy_range_uj")) for domain in domains]
    except OSError:
        return []


def _number(path: Path) -> float:
    """Microjoules in joules. Raises OSError, also for what is no number."""
    try:
        return int(path.read_text()) / 1e6
    except ValueError as error:
        raise OSError(str(error)) from None


def spent(folder: Path) -> dict[str, float]:
    """The joules that a run has used so far, by part, also for steps that are to be made again."""
    with RunReader(folder) as reader:
        last = {part: reader.last(f"{PREFIX}/{part}") for part in KINDS}
    return {part: point.value for part, point in last.items() if point is not None}


class Energy:
    """Joules by part of the machine, of `KINDS`."""

    def __init__(self, counters: Mapping[str, list[Counter]]) -> None:
        self.spent: dict[str, float] = {}
        self._counters = {part: found for part, found in counters.items() if found}

    def carry_on(self, spent: Mapping[str, float]) -> None:
        """So many joules were used before."""
        self.spent = dict(spent)
        self.skip()

    def skip(self) -> None:
        """What was used since the last look was not for the training."""
        for _ in self._since():
            pass

    def figures(self) -> Iterator[tuple[str, float]]:
        """system/energy/<part> for each part, and system/energy, their sum: joules, as far as they are known."""
        for part, joules in self._since():
            self.spent[part] = self.spent.get(part, 0.0) + joules
        if self.spent:
            yield PREFIX, sum(self.spent.values())
        yield from ((f"{PREFIX}/{part}", joules) for part, joules in sorted(self.spent.items()))

    def _since(self) -> Iterator[tuple[str, float]]:
        for part, counters in self._counters.items():
            for counter in counters:
                try:
                    yield part, counter.since()
                except OSError:
                    continue
