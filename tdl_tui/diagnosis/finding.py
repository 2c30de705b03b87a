"""What a rule finds, and how it words figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tdl_tui.registry import ARCHITECTURES
from tdl_tui.runs.records import Severity

from . import limits
from .evidence import Evidence

USUAL = 1e-3
"""‖Δw‖/‖w‖ of a training that goes well (CS231n notes 2015)."""


@dataclass(frozen=True)
class Finding:
    """What is seen, what it means, and what to try: a Diagnosis without the rule's name and the step."""

    severity: Severity
    seen: str
    means: str
    tries: tuple[str, ...]
    change: dict[str, Any] = field(default_factory=dict)


def figure(value: float) -> str:
    """Three digits that matter: 2.3, 0.0012, 1e-05."""
    return f"{value:.3g}"


def share(value: float) -> str:
    return f"{100 * value:.0f} %"


def learning_rate(evidence: Evidence, factor: float) -> dict[str, Any]:
    """The learning rate times a factor, to one digit, as a change."""
    return {"optimizer.lr": float(f"{evidence.experiment.optimizer.lr * factor:.1g}")}


def to_usual(evidence: Evidence, ratio: float) -> dict[str, Any]:
    """The learning rate with which updates of `ratio` of the weights would be as long as is usual, a thousandth or a
    thousand times what it is at most, as a change."""
    return learning_rate(evidence, min(1000.0, max(1e-3, USUAL / ratio)) if ratio > 0 else 1000.0)


def large_inputs(evidence: Evidence) -> bool:
    """Whether inputs are far larger than a network is made for, or may be, and normalising them would help."""
    return not evidence.experiment.data.normalize and not evidence.input_size <= limits.LARGE


def model_option(evidence: Evidence, name: str, value: Any) -> dict[str, Any]:
    """An option of the architecture as a change; nothing where it has no such option, or that value already."""
    model = evidence.experiment.model
    option = next((o for o in ARCHITECTURES[model.architecture].options if o.name == name), None)
    if option is None or model.options.get(name) == value or (option.choices and value not in option.choices):
        return {}
    return {f"model.options.{name}": value}


def says(change: dict[str, Any]) -> str:
    """A change as it would be typed."""
    return ", ".join(f"{path}={_typed(value)}" for path, value in change.items())


def _typed(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
