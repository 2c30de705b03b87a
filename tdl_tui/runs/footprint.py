"""The energy that a training has used, as far as counters tell, and what that means in carbon dioxide. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TOTAL = "system/energy"
PARTS = {"cpu": "CPU", "gpu": "GPU"}
"""Each part of a machine whose energy is recorded, as system/energy/<part>, with its name for people."""
JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True, slots=True)
class Footprint:
    """Joules, the parts of the machine that they are of, and the grams of CO₂ that generating them gave off; None where
    nobody said what the grid gives off."""

    joules: float
    parts: Mapping[str, float]
    grams: float | None

    @property
    def of(self) -> str:
        """The parts in words: "CPU + GPU"; a part that is not among them is not known."""
        return " + ".join(PARTS[part] for part in self.parts) or "?"


def footprint(latest: Mapping[str, float], experiment: Mapping[str, Any]) -> Footprint | None:
    """That of a run whose series have these values, by the grid that its experiment states (telemetry.grid_intensity,
    grams a kWh; 0: not stated); None where no counter could be read."""
    joules = latest.get(TOTAL, math.nan)
    if not math.isfinite(joules):
        return None
    parts = {part: latest[f"{TOTAL}/{part}"] for part in PARTS if f"{TOTAL}/{part}" in latest}
    telemetry = experiment.get("telemetry")
    intensity = telemetry.get("grid_intensity") if isinstance(telemetry, Mapping) else None
    stated = isinstance(intensity, (int, float)) and intensity > 0
    return Footprint(joules, parts, joules / JOULES_PER_KWH * float(intensity or 0) if stated else None)
