"""A change that a diagnosis offers, put into an experiment."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from tdl_tui.spec import NAMED, assign

OWNERS = {f"{section}.{key}" for section, key, _ in NAMED}
"""Paths whose value has options of its own."""


def changed(document: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """The document of an experiment with values changed by their TOML paths. Another architecture, or whatever else has
    options, comes with its own defaults. Raises SpecError where a section is none."""
    made = deepcopy(dict(document))
    for path, value in change.items():
        if path in OWNERS:
            table = made.get(path.partition(".")[0])
            if isinstance(table, dict):
                table.pop("options", None)
        assign(made, path, value)
    return made
