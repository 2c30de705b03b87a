"""What the spare worker answers while a person is choosing, as plain values. Imports no torch.

An answer travels as one JSON object: `to_json` makes it, `from_json` reads it back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tdl_tui.runs.records import Probe


@dataclass(frozen=True, slots=True)
class LayerAnswer:
    """One layer. Shapes are of one example, without the batch; `receptive_field` is None where it sees all."""

    name: str
    kind: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    parameters: int
    macs: int
    receptive_field: int | None


@dataclass(frozen=True, slots=True)
class SummaryAnswer:
    """A network on its data: its layers, its size, what an epoch is, and what training it would take.

    `memory` estimates the bytes that training needs on its device, `free` are those it has now (both 0: unknown).
    `schedule` is the learning rate (step, lr) at about sixty steps from the first to the last.
    """

    layers: tuple[LayerAnswer, ...]
    parameters: int
    macs: int
    receptive_field: int | None
    training_examples: int
    steps_per_epoch: int
    memory: int = 0
    free: int = 0
    schedule: tuple[tuple[int, float], ...] = ()

    @property
    def fits(self) -> bool:
        """Whether training it can be expected to find the memory it needs."""
        return self.memory <= self.free

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> SummaryAnswer:
        layers = tuple(
            LayerAnswer(
                **{
                    **layer,
                    "input_shape": tuple(layer["input_shape"]),
                    "output_shape": tuple(layer["output_shape"]),
                }
            )
            for layer in document["layers"]
        )
        schedule = tuple((step, lr) for step, lr in document["schedule"])
        return cls(**{**document, "layers": layers, "schedule": schedule})


@dataclass(frozen=True, slots=True)
class SamplesAnswer:
    """A few examples of the data, as probes are stored; `classes` names their targets (none in regression).

    `counts` says how often each class is the target in all of the data (none in regression).
    """

    samples: tuple[Probe, ...]
    classes: tuple[str, ...]
    counts: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> SamplesAnswer:
        samples = tuple(
            Probe(**{**sample, "shape": tuple(sample["shape"]), "input": tuple(sample["input"])})
            for sample in document["samples"]
        )
        return cls(samples, tuple(document["classes"]), tuple(document["counts"]))


@dataclass(frozen=True, slots=True)
class LrRangeAnswer:
    """A learning-rate range test: each step's learning rate and loss, and the rate to take (None: none shows)."""

    lr: tuple[float, ...]
    loss: tuple[float, ...]
    suggestion: float | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> LrRangeAnswer:
        return cls(tuple(document["lr"]), tuple(document["loss"]), document["suggestion"])
