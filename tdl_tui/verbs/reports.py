"""What several verbs print, and how: aligned text for people, plain values for JSON. No torch."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.cells import cell_len, set_cell_size

from tdl_tui.runs.records import Summary
from tdl_tui.runs.text import printable


def say(text: str) -> None:
    """Lines that were asked for, on standard output; what would steer the terminal is made visible."""
    sys.stdout.write(f"{_shown(text)}\n")


def tell(text: str) -> None:
    """A line beside what was asked for, on standard error; what would steer the terminal is made visible."""
    sys.stderr.write(f"{_shown(text)}\n")


def _shown(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


def print_json(document: Any) -> None:
    """One JSON document on standard output; what is not finite becomes null."""
    json.dump(finite(document), sys.stdout, indent=2, allow_nan=False)
    sys.stdout.write("\n")


def finite(value: Any) -> Any:
    """The same plain value with None for every number that is not finite."""
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table(rows: Iterable[Sequence[str]], head: Sequence[str] = ()) -> str:
    """Rows with their columns aligned, two spaces between them; numbers are the caller's to align."""
    lines = [list(map(printable, row)) for row in ((head, *rows) if head else rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(set_cell_size(cell, width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def number(value: float | None) -> str:
    """Four digits that matter: 0.9713, 1.2e-05, nan; "–" for none."""
    return "–" if value is None else f"{value:.4g}"


def count(value: float) -> str:
    return f"{round(value):,}"


def duration(seconds: float) -> str:
    """A time span: 0:07, 12:34, 1:02:03."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def span(seconds: float) -> str:
    """A time span with its unit: 7.2 s, 12:34."""
    return f"{seconds:.1f} s" if seconds < 60 else duration(seconds)


def age(then: float, now: float) -> str:
    """How long ago, in the largest unit: 5 s, 3 min, 2 h, 9 d."""
    seconds = max(0.0, now - then)
    for limit, unit, name in ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds // unit)} {name}"
    return f"{int(seconds // 86400)} d"


# runs


def progress_text(summary: Summary) -> str:
    """ "epoch 3/20"; empty before the first."""
    progress, epochs = summary.progress, summary.experiment.get("training", {}).get("epochs", "?")
    if progress.steps_per_epoch:  # they may have been changed since
        epochs = -(-progress.total_steps // progress.steps_per_epoch)
    return f"{progress.epoch}/{epochs}" if progress.step else ""


def best_text(summary: Summary) -> str:
    return f"{summary.best.series} {number(summary.best.value)}" if summary.best else ""


def run_document(summary: Summary, folder: Path) -> dict[str, Any]:
    """A run as `tdl show --json` and `tdl ls --json` give it."""
    return {
        "run": summary.id,
        "name": summary.name,
        "state": str(summary.state),
        "message": summary.message,
        "damage": summary.damage,
        "pid": summary.pid or None,
        "host": summary.host,
        "device": summary.device,
        "folder": str(folder),
        "created": summary.created,
        "changed": summary.changed,
        "experiment": summary.experiment,
        "progress": asdict(summary.progress),
        "best": asdict(summary.best) if summary.best else None,
        "test": summary.test,
        "diagnoses": [asdict(diagnosis) for diagnosis in summary.diagnoses],
        "parent": asdict(summary.parent) if summary.parent else None,
    }
