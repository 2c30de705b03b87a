"""What of an experiment can be changed while it trains: the names, and what would be wrong. Imports no torch.

How each change is put into force is in `training/settings.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .registry import ARCHITECTURES, OPTIMIZERS, Option, nearest, shown
from .spec import Experiment, Problem, SpecError, section_options, with_values


@dataclass(frozen=True)
class Settable:
    """A value by its TOML path, as people call it, and for short."""

    path: str
    label: str
    short: str

    def option(self, document: Mapping[str, Any]) -> Option | None:
        """Its kind, range and help in an experiment; None where its architecture is not known here."""
        section, _, name = self.path.rpartition(".")
        if section != "model.options":
            options = section_options(section)
        else:
            architecture = _at(document, "model.architecture")
            options = ARCHITECTURES[architecture].options if architecture in ARCHITECTURES.names() else ()
        return next((option for option in options if option.name == name), None)

    def check(self, value: Any, document: Mapping[str, Any]) -> Any:
        """The value, or the one that a text means. Raises SpecError, saying what would be right."""
        option = self.option(document) or Option(self.path, 0.0, "")
        try:
            return option.parse(value) if isinstance(value, str) else option.check(value)
        except ValueError as error:
            raise SpecError([Problem(self.path, str(error))]) from None


DROPOUT = "model.options.dropout"
SETTABLES = (
    Settable("optimizer.lr", "learning rate", "lr"),
    Settable("optimizer.weight_decay", "weight decay", "weight_decay"),
    Settable("training.gradient_clip_norm", "clipping by norm", "clip_norm"),
    Settable("training.gradient_clip_value", "clipping by value", "clip_value"),
    Settable(DROPOUT, "dropout", "dropout"),
    Settable("training.epochs", "epochs", "epochs"),
    Settable("training.early_stopping.patience", "early stopping patience", "patience"),
    Settable("training.checkpoint_seconds", "seconds between checkpoints", "checkpoint_seconds"),
    Settable("telemetry.budget", "telemetry's share", "telemetry"),
)
PATHS = frozenset(settable.path for settable in SETTABLES)


def settables(document: Mapping[str, Any]) -> list[Settable]:
    """Those that an experiment's document has a use for: dropout is an option of some architectures, and clipping is
    for optimizers that go by gradients."""
    name = _at(document, "optimizer.name")
    gradients = not isinstance(name, str) or name not in OPTIMIZERS.names() or OPTIMIZERS[name].gradients
    return [
        settable
        for settable in SETTABLES
        if _at(document, settable.path) is not None and (gradients or "clip" not in settable.path)
    ]


def settable(name: str, document: Mapping[str, Any] | None = None) -> Settable:
    """The one that a person means by its path, its path's last part, or for short. Raises SpecError that says what can
    be set (with a `document`: of that experiment)."""
    there = SETTABLES if document is None else settables(document)
    for found in there:
        if name in (found.path, found.short, found.path.rpartition(".")[2]):
            return found
    near = nearest(name, [word for found in there for word in (found.path, found.short)])
    hint = f' (nearest: "{near}")' if near else ""
    can = ", ".join(found.short for found in there)
    raise SpecError([Problem("", f"{shown(name)} cannot be changed while a run trains{hint}; there are {can}")])


def values_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """What an experiment's document says of every settable that it has, by path."""
    found = {settable.path: _at(document, settable.path) for settable in SETTABLES}
    return {path: value for path, value in found.items() if value is not None}


def differing(one: Experiment, other: Experiment) -> dict[str, Any]:
    """The settable values of an experiment that are others in another one, by path."""
    before = values_of(other.document())
    return {path: value for path, value in values_of(one.document()).items() if value != before.get(path)}


def said(value: Any) -> str:
    """A value for people."""
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def changed(experiment: Experiment, values: Mapping[str, Any]) -> Experiment:
    """The experiment with other values, by path. Raises SpecError with what would be right."""
    there = {found.path for found in settables(experiment.document())}
    for path in values:
        if path not in there:
            settable(path, experiment.document())
    return with_values(experiment, values)


def _at(document: Mapping[str, Any], path: str) -> Any:
    value: Any = document
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
