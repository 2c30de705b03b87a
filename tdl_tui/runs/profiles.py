"""A profile of a run: what a few of its steps were made of, as an event of the kind "profile" holds it. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

FOLDER = "profiles"
MOST_STEPS = 100
STEPS = 10
"""Unless told otherwise."""


class Operator(NamedTuple):
    """One of torch's operators: how often it ran, its own seconds (without what it called), and those as a share of the
    profile's whole time."""

    name: str
    calls: int
    seconds: float
    share: float


@dataclass(frozen=True, slots=True)
class Profile:
    """`steps` steps from the step `first` on, which took so many seconds; the trace stands in the run's folder under
    the name `trace`, as Chrome's about:tracing and ui.perfetto.dev take it. The dearest operators come first."""

    trace: str
    first: int
    steps: int
    seconds: float
    operators: tuple[Operator, ...]

    def text(self) -> str:
        """In one line."""
        steps = f"{self.steps:,} steps from step {self.first:,}" if self.steps > 1 else f"step {self.first:,}"
        dearest = ", ".join(f"{operator.name} {operator.share * 100:.0f} %" for operator in self.operators[:3])
        return f"profiled {steps}: {dearest or 'no operators'}; {self.trace}"

    def document(self) -> dict[str, Any]:
        """As plain values."""
        return {**asdict(self), "operators": [operator._asdict() for operator in self.operators]}


def profile_of(data: Mapping[str, Any]) -> Profile:
    """The profile that an event holds. Raises KeyError, TypeError or ValueError for what is none."""
    operators = tuple(
        Operator(str(found["name"]), int(found["calls"]), float(found["seconds"]), float(found["share"]))
        for found in data["operators"]
    )
    return Profile(str(data["trace"]), int(data["first"]), int(data["steps"]), float(data["seconds"]), operators)
