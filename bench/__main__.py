"""Runs every benchmark in this folder, one after the other, and writes docs/benchmarks.md from what they print.

`python -m bench` runs all, `python -m bench store wire` those named. A benchmark is a module with a `__main__` part
that prints one JSON object a line: name, goal (in words), value, unit, met (null where it could not be measured), and
whatever else it measured.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
ORDER = (
    "training",
    "neighbour",
    "launch",
    "start",
    "first_plot",
    "wire",
    "keys",
    "peers",
    "open_run",
    "cursor",
    "home",
    "store",
    "checkpoints",
)
MET = {True: "yes", False: "**no**", None: "–"}  # nothing is said of what could not be measured
FIXED = ("name", "goal", "value", "unit", "met")


def measure(module: str) -> list[dict[str, Any]]:
    """The figures that one benchmark prints. A benchmark that fails is a figure too: one that is not met."""
    print(f"· {module}", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, "-m", f"bench.{module}"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    figures = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for figure in figures:
        print(json.dumps(figure), flush=True)
    if done.returncode:
        figures.append({"name": f"bench.{module}", "goal": "ends well", "value": done.returncode, "met": False})
    return figures


def row(figure: dict[str, Any]) -> str:
    unit = figure.get("unit", "")
    value = f"{shown(figure['value'])} {unit}".strip()
    rest = ", ".join(f"{key} {shown(item)}" for key, item in figure.items() if key not in FIXED)
    return f"| {figure['name']} | {figure['goal']} | {value} | {MET[figure['met']]} | {rest} |"


def shown(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    names = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line.partition(":")[2].strip() for line in names if line.startswith("model name")), "") or (
        platform.processor() or platform.machine()
    )


def page(figures: list[dict[str, Any]]) -> str:
    return "\n".join(
        [
            "# Benchmarks",
            "",
            "Written by `make bench`. Ratios are taken side by side in one run, so that they hold when the machine's",
            "speed drifts; the medians are given.",
            "",
            f"Measured on {date.today():%d %B %Y}: {processor()}, {os.cpu_count()} cores, "
            f"Python {platform.python_version()}, torch {version('torch')}, Textual {version('textual')}.",
            "",
            "| what | goal | measured | met | with |",
            "|---|---|---|---|---|",
            *map(row, figures),
            "",
        ]
    )


def main() -> None:
    chosen = sys.argv[1:] or ORDER
    figures = [figure for module in chosen for figure in measure(module)]
    if not sys.argv[1:]:
        PAGE.write_text(page(figures))
    missed = [figure["name"] for figure in figures if figure["met"] is False]
    print(
        f"{len(figures)} figures, {len(missed)} missed{': ' + '; '.join(missed) if missed else ''}",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
