"""What a run's training cost: where its time went, and its energy; for people and as plain values. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tdl_tui.runs.bottleneck import PARTS, shares, verdict
from tdl_tui.runs.footprint import PARTS as MACHINE
from tdl_tui.runs.footprint import TOTAL, footprint
from tdl_tui.runs.reader import RunReader
from tdl_tui.widgets.numbers import joules, mass, percent


def costs(folder: Path, experiment: Mapping[str, Any]) -> dict[str, Any]:
    """As `tdl show --json` gives them: `time`, the shares and the verdict on them, and `energy`; None for what was not
    recorded."""
    with RunReader(folder) as reader:
        found = shares(reader)
        names = (TOTAL, *(f"{TOTAL}/{part}" for part in MACHINE))
        last = {name: point.value for name in names if (point := reader.last(name)) is not None}
    judged, used = verdict(found), footprint(last, experiment)
    return {
        "time": {"shares": found, "verdict": asdict(judged) if judged else None} if found else None,
        "energy": {"joules": used.joules, **used.parts, "co2_grams": used.grams} if used else None,
    }


def costs_rows(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The same as lines of `tdl show`."""
    rows = []
    if document["time"]:
        found = document["time"]["shares"]
        parts = sorted((part for part in PARTS if found.get(part, 0.0) >= 0.005), key=lambda part: -found[part])
        rows.append(("time", ", ".join(f"{part} {percent(found[part])}" for part in parts)))
        if judged := document["time"]["verdict"]:
            rows.append(("bound by", f"{judged['name']}: {judged['seen']}; {judged['advice']}"))
    if used := document["energy"]:
        of = " + ".join(MACHINE[part] for part in MACHINE if part in used)
        emitted = used["co2_grams"]
        carbon = f", {mass(emitted)} of CO₂" if emitted is not None and math.isfinite(emitted) else ""
        rows.append(("energy", f"{joules(used['joules'])} ({of}){carbon}"))
    elif document["time"]:
        rows.append(("energy", "unknown: no counter could be read"))
    return rows
