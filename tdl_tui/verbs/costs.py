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
from tdl_tui.runs.gpus import OWN, QUANTITIES, Figures, Gpu, figures
from tdl_tui.runs.reader import RunReader
from tdl_tui.widgets.numbers import joules, mass, percent, size


def costs(folder: Path, experiment: Mapping[str, Any]) -> dict[str, Any]:
    """As `tdl show --json` gives them: `time`, the shares and the verdict on them, `energy`, and `gpus`, all of the
    machine with what they do while it trains; None for what is not known."""
    with RunReader(folder) as reader:
        found = shares(reader)
        summary = reader.summary()
        names = [TOTAL, *(f"{TOTAL}/{part}" for part in MACHINE)]
        if summary.state.live:
            names += [f"system/{OWN}", *(gpu.series(quantity) for gpu in summary.gpus for quantity in QUANTITIES)]
        last = {name: point.value for name in names if (point := reader.last(name)) is not None}
    judged, used = verdict(found), footprint(last, experiment)
    return {
        "time": {"shares": found, "verdict": asdict(judged) if judged else None} if found else None,
        "energy": {"joules": used.joules, **used.parts, "co2_grams": used.grams} if used else None,
        "gpus": [_gpu_document(gpu, figures(gpu, last)) for gpu in summary.gpus] or None,
    }


def _gpu_document(gpu: Gpu, now: Figures) -> dict[str, Any]:
    """A GPU and its figures: percent, bytes, watts and °C; None for what is not known."""
    told = {
        "utilisation": now.utilisation,
        "memory_used": now.memory,
        "memory_own": now.own,
        "power": now.power,
        "temperature": now.temperature,
    }
    return {**asdict(gpu), **{name: value if math.isfinite(value) else None for name, value in told.items()}}


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
        rows.append(("energy", "unknown: no counter could be read (tdl doctor says why)"))
    for gpu in document["gpus"] or ():
        if gpu["utilisation"] is gpu["memory_used"] is None and not gpu["trains"]:
            continue
        told = [
            f"{gpu['name']} of {size(gpu['memory'])}" if gpu["memory"] else gpu["name"],
            "" if gpu["utilisation"] is None else f"{gpu['utilisation']:.0f} %",
            "" if gpu["memory_used"] is None else f"{size(gpu['memory_used'])} in use",
            "trains this run" if gpu["trains"] else "",
        ]
        rows.append((f"gpu {gpu['number']}", ", ".join(filter(None, told))))
    return rows
