"""What the training tells: the words it records with. `tdl_tui.runs.writer.RunWriter` writes them into a run."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any, Protocol

from tdl_tui.runs.records import LayerSample, Matrix, Probe, ProbeSample


class Recorder(Protocol):
    """Every call returns at once (or when the buffer has room again); what was recorded is durable after `flush`."""

    def extend(
        self, name: str, first_step: int, stride: int, values: array[float], first_time: float, last_time: float
    ) -> None:
        """Points of a series at `first_step`, `first_step + stride`, …; times are seconds since the epoch."""

    def point(self, name: str, step: int, value: float, time: float | None = None) -> None:
        """One point of a series."""

    def layers(self, names: Sequence[str]) -> None:
        """The order of the layers in every `layer_sample`."""

    def layer_sample(self, sample: LayerSample) -> None:
        """The layers' statistics at a step."""

    def probes(self, probes: Sequence[Probe]) -> None:
        """The examples that are followed."""

    def probe_sample(self, sample: ProbeSample) -> None:
        """The probes' outputs at a step."""

    def matrix(self, matrix: Matrix) -> None:
        """A named matrix at a step; the names are those of `Matrix`."""

    def event(self, kind: str, text: str, step: int, data: dict[str, Any] | None = None) -> None:
        """Something that happened."""

    def update(self, **facts: Any) -> None:
        """Facts of the run: state, progress, best, …"""

    def steps(self) -> dict[str, int]:
        """The last recorded step of each series."""

    def drop_after(self, step: int, again: Sequence[str] = ()) -> None:
        """Forgets what was recorded after a step, but events; of the series `again` also what they have at the step."""

    def flush(self) -> None:
        """Returns when all that was recorded before is durable."""

    def check(self) -> None:
        """Raises when what was recorded cannot be written."""
