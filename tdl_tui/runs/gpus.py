"""The GPUs of the machine that trains a run, and which series are whose. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .text import printable

FACT = "gpus"
"""The fact of a run that holds them."""
MOST = 16
"""GPUs of a machine that are recorded."""
UTILISATION, MEMORY, POWER, TEMPERATURE = QUANTITIES = "gpu", "gpu_memory", "gpu_power", "gpu_temperature"
"""What is recorded of each: percent of the time in which it was busy, bytes in use on it, watts, °C."""
OWN = "gpu_memory_own"
"""Bytes of the training GPU's memory that the training itself holds."""
SPARE = 1 << 30
"""Bytes in use, below which nobody holds a GPU: what a driver keeps for itself is less."""
BUSY = 5.0
"""Percent, from which on somebody computes on it."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU. `number` is the driver's, as nvidia-smi counts, whatever CUDA_VISIBLE_DEVICES leaves of them; `memory` all
    that it has, in bytes (0: not known). Of a part of one (MIG) that trains, `memory` is the part's."""

    number: int
    name: str
    memory: int
    trains: bool

    def series(self, quantity: str) -> str:
        """Where a quantity of it is recorded: system/<quantity> of the one that trains, and system/<quantity>/<number>
        of another."""
        return f"system/{quantity}" if self.trains else f"system/{quantity}/{self.number}"


@dataclass(frozen=True, slots=True)
class Figures:
    """What a GPU does: percent, bytes, watts and °C; NaN for what is not known. `own` is what of the memory in use is
    the training's."""

    utilisation: float
    memory: float
    power: float
    temperature: float
    own: float = math.nan

    @property
    def known(self) -> bool:
        return not (math.isnan(self.utilisation) and math.isnan(self.memory))

    @property
    def free(self) -> bool:
        """Nobody computes on it or holds memory of it, as far as is known."""
        return self.known and not (self.utilisation >= BUSY or self.memory >= SPARE)

    @property
    def others(self) -> float:
        """Bytes that other processes hold."""
        return max(0.0, self.memory - self.own)


def figures(gpu: Gpu, latest: Mapping[str, float]) -> Figures:
    """A GPU's, of the values that series have."""
    names = [*map(gpu.series, QUANTITIES), f"system/{OWN}" if gpu.trains else ""]
    values = (latest.get(name, math.nan) for name in names)
    return Figures(*(value if math.isfinite(value) else math.nan for value in values))


def gpus_of(facts: Mapping[str, Any]) -> tuple[Gpu, ...]:
    """Those that a run's facts hold, the one that trains first; none in older runs, and of machines without. Raises
    TypeError or ValueError for what no writer wrote."""
    found = facts.get(FACT) or []
    if not isinstance(found, list):
        raise TypeError(f"{FACT} is {found!r}"[:200])
    gpus = [_gpu(document) for document in found[:MOST]]
    return tuple(sorted(gpus, key=lambda gpu: (not gpu.trains, gpu.number)))


def _gpu(document: Any) -> Gpu:
    try:
        number, name, memory, trains = (document[key] for key in ("number", "name", "memory", "trains"))
    except (KeyError, TypeError):
        raise ValueError(f"a GPU is {document!r}"[:200]) from None
    if not (type(number) is type(memory) is int and isinstance(name, str) and isinstance(trains, bool)):
        raise TypeError(f"a GPU is {document!r}"[:200])
    if not (0 <= number < 1000 and 0 <= memory < 1 << 60):
        raise ValueError(f"a GPU is {document!r}"[:200])
    return Gpu(number, printable(name), memory, trains)
