"""The examples that are followed while a model learns: those chosen at the start, and those a person adds."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tdl_tui.data.dataset import DataError
from tdl_tui.data.prepare import Prepared
from tdl_tui.data.probes import MOST
from tdl_tui.runs.records import Probe

from .recorder import Recorder
from .telemetry import Telemetry


class Following:
    """Adds probes between two steps. Training does not notice: nothing is drawn, and no weight is touched."""

    def __init__(self, prepared: Prepared, telemetry: Telemetry, recorder: Recorder) -> None:
        self.held_out = prepared.held_out
        self.probes: tuple[Probe, ...] = prepared.probes
        self._telemetry = telemetry
        self._recorder = recorder

    def add(self, examples: Sequence[int]) -> str:
        """Follows more examples, all or none, and says which they are. Raises DataError."""
        known = {probe.index: number for number, probe in enumerate(self.probes, 1)}
        for position, index in enumerate(examples):
            if index in known:
                raise DataError(f"example {index} is followed already, as probe {known[index]}")
            if index in examples[:position]:
                raise DataError(f"example {index} is named twice")
        if len(known) + len(examples) > MOST:
            raise DataError(f"{len(known)} probes are followed already, {MOST} can be")
        found = [self.held_out.find(index) for index in examples]
        self._take([*self.probes, *(probe for probe, _, _ in found)])
        self._telemetry.follow(torch.cat([inputs for _, inputs, _ in found]))
        first = len(known) + 1
        named = (f"example {p.index} of the {part} part is probe {first + i}" for i, (p, _, part) in enumerate(found))
        return ", ".join(named)

    def add_missing(self, examples: Sequence[int]) -> None:
        """Follows those of the examples that are not followed yet, as many as there is room for. Raises DataError."""
        known = {probe.index for probe in self.probes}
        if missing := [index for index in examples if index not in known][: MOST - len(known)]:
            self.add(missing)

    def restore(self, recorded: Sequence[int]) -> None:
        """Goes on with the examples that the run's record names, in its order; the first are those chosen at the start.
        Raises DataError where one of them cannot be followed."""
        chosen = [probe.index for probe in self.probes]
        if list(recorded[: len(chosen)]) != chosen:
            raise DataError("the record names other probes than are chosen here: outputs of two examples may be mixed")
        if added := recorded[len(chosen) :]:
            self.add(added)

    def _take(self, probes: Sequence[Probe]) -> None:
        self.probes = tuple(probes)
        self._recorder.probes(probes)
