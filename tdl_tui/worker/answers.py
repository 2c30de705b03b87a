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
    """A network on its data: its layers, its size, and what an epoch is."""

    layers: tuple[LayerAnswer, ...]
    parameters: int
    macs: int
    receptive_field: int | None
    training_examples: int
    steps_per_epoch: int

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
        return cls(**{**document, "layers": layers})


@dataclass(frozen=True, slots=True)
class SamplesAnswer:
    """A few examples of the data, as probes are stored; `classes` names their targets (none in regression)."""

    samples: tuple[Probe, ...]
    classes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> SamplesAnswer:
        samples = tuple(
            Probe(**{**sample, "shape": tuple(sample["shape"]), "input": tuple(sample["input"])})
            for sample in document["samples"]
        )
        return cls(samples, tuple(document["classes"]))
