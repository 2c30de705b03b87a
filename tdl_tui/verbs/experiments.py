"""The experiment that is asked for by a file and flags. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tdl_tui.cli import WrongRequest
from tdl_tui.registry import parse_value
from tdl_tui.sizes import PartSizes, steps_per_epoch
from tdl_tui.spec import Experiment, assign, assign_text, experiment, read


def asked_for(
    spec: Path | None,
    dataset: str | None,
    model: str | None,
    assignments: list[str] | None,
    device: str | None,
    seed: str | None,
    name: str | None = None,
) -> Experiment:
    """What was asked for, the flags over the file and --set over both. Raises SpecError."""
    document = read(spec) if spec else {}
    _choose(document, "data", "dataset", dataset)
    _choose(document, "model", "architecture", model)
    if device is not None:
        assign(document, "training.device", device)
    if seed is not None:
        assign(document, "seed", parse_value(seed))
    if name is not None:
        assign(document, "name", name)
    for assignment in assignments or ():
        assign_text(document, assignment)
    return experiment(document)


def _choose(document: dict[str, Any], section: str, key: str, name: str | None) -> None:
    """Takes another dataset or architecture than the file says; the options of the one before go with it."""
    if name is None:
        return
    table = document.get(section)
    if isinstance(table, dict) and table.get(key, name) != name:
        table.pop("options", None)
    assign(document, f"{section}.{key}", name)


def epoch_of(made: Experiment) -> tuple[PartSizes, int]:
    """How many examples its parts have, and how many steps an epoch. Raises WrongRequest."""
    try:
        sizes = made.part_sizes
    except ValueError as error:
        raise WrongRequest(f"data.split: {error}") from None
    return sizes, steps_per_epoch(sizes.train, made.data.batch_size)
