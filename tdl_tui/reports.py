"""What the command line prints: runs, catalogs, summaries; aligned text for people, plain values for JSON. No torch."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.cells import cell_len, set_cell_size

from tdl_tui.registry import DatasetEntry, DataShape, Entry, Option, shown
from tdl_tui.runs.family import branches, in_families
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import Diagnosis, Summary
from tdl_tui.runs.text import printable
from tdl_tui.settables import said, values_of
from tdl_tui.spec import toml

NAME_WIDTH = 32


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


def _span(seconds: float) -> str:
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


def runs_table(summaries: Sequence[Summary], now: float, width: int | None = None) -> str:
    """A line a run, forks below what they were forked from. Where that is wider than `width` it does without data and
    architecture: names mostly say them."""

    def row(summary: Summary, branch: str) -> list[str]:
        name = f"{branch} {summary.name}" if branch else summary.name
        name = name if cell_len(name) <= NAME_WIDTH else f"{set_cell_size(name, NAME_WIDTH - 1)}…"
        data, model = summary.experiment.get("data", {}), summary.experiment.get("model", {})
        facts = [data.get("dataset", ""), model.get("architecture", ""), progress_text(summary), best_text(summary)]
        if summary.damage:
            facts = ["", "", "", summary.damage]
        return [summary.id, "damaged" if summary.damage else summary.state, name, *facts, age(summary.created, now)]

    ordered = in_families(summaries)
    rows = map(row, ordered, branches(ordered))
    lines = [["RUN", "STATE", "NAME", "DATA", "MODEL", "EPOCH", "BEST", "AGE"], *rows]
    whole = table(lines)
    if width is None or max(map(cell_len, whole.splitlines())) <= width:
        return whole
    return table([[*line[:3], *line[5:]] for line in lines])


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


def end_document(reader: RunReader, summary: Summary) -> dict[str, Any]:
    """What a training came to: the document that `tdl train --json` ends with."""
    last = {name: reader.last(name) for name in reader.series_names()}
    return {
        "run": summary.id,
        "state": str(summary.state),
        "message": summary.message,
        "steps": summary.progress.step,
        "epochs": summary.progress.epoch,
        "seconds": summary.progress.seconds,
        "best": asdict(summary.best) if summary.best else None,
        "final": {name: point.value for name, point in last.items() if point is not None},
        "test": summary.test,
    }


def end_text(summary: Summary) -> str:
    """What a training came to, on one line."""
    progress = summary.progress
    parts = [f"{summary.id} {summary.state}"]
    if progress.step:
        parts.append(f"{progress.epoch} epochs, {count(progress.step)} steps in {_span(progress.seconds)}")
    if summary.best:
        parts.append(f"best {best_text(summary)} at step {count(summary.best.step)}")
    if summary.test:
        parts.append("test " + ", ".join(f"{name} {number(value)}" for name, value in summary.test.items()))
    return " · ".join(parts)


def run_text(summary: Summary, folder: Path, more: Iterable[tuple[str, str]] = ()) -> str:
    """Everything `tdl show` says of a run; `more` are lines of others, each with its label."""
    now = time.time()
    rows = [
        ("run", summary.id),
        ("name", summary.name),
        ("state", f"{summary.state}{f': {summary.message}' if summary.message else ''}"),
        ("progress", _progress_line(summary)),
        ("best", f"{best_text(summary)} at step {count(summary.best.step)}" if summary.best else ""),
        ("test", ", ".join(f"{name} {number(value)}" for name, value in (summary.test or {}).items())),
        *(("doctor", _diagnosis_line(diagnosis)) for diagnosis in summary.diagnoses),
        *more,
        ("from", _parent_line(summary)),
        ("device", f"{summary.device} on {summary.host}, process {summary.pid}" if summary.pid else ""),
        (
            "made",
            f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(summary.created))} ({age(summary.created, now)} ago)",
        ),
        ("folder", str(folder)),
    ]
    facts = table([row for row in rows if row[1]])
    return f"{facts}\n\n{_experiment_text(summary.experiment)}" if summary.experiment else facts


def _diagnosis_line(diagnosis: Diagnosis) -> str:
    attempt = f"; try {diagnosis.tries[0]}" if diagnosis.tries else ""
    return f"{diagnosis.word} (step {count(diagnosis.step)}): {diagnosis.seen}{attempt}"


def settings_rows(experiment: Mapping[str, Any], settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """A row of the values that have been changed since the launch, as `steer.settings` gives them."""
    launched = values_of(experiment)
    changes = [f"{path} {said(launched[path])} → {said(now)}" for path, now in settings.items() if path in launched]
    return [("changed", ", ".join(changes))]


def _parent_line(summary: Summary) -> str:
    """What a fork was forked from, "" for other runs."""
    if (parent := summary.parent) is None:
        return ""
    return f"{parent.run} ({parent.name}) at step {count(parent.step)}, {parent.checkpoint}"


def _experiment_text(document: dict[str, Any]) -> str:
    """As TOML; one from somewhere else may hold what only JSON can say."""
    try:
        return toml(document).rstrip()
    except (TypeError, ValueError, AttributeError):
        return json.dumps(document, indent=2)


def _progress_line(summary: Summary) -> str:
    progress = summary.progress
    if not progress.step:
        return ""
    of = f" of {count(progress.total_steps)}" if progress.total_steps else ""
    return f"epoch {progress_text(summary)}, step {count(progress.step)}{of}, {_span(progress.seconds)}"


# what there is


def option_document(option: Option) -> dict[str, Any]:
    return {
        "name": option.name,
        "default": option.default,
        "kind": option.kind,
        "low": option.low,
        "high": option.high,
        "above": option.above,
        "choices": list(option.choices) or None,
        "help": option.help,
    }


def entry_document(entry: Entry) -> dict[str, Any]:
    """An entry as `tdl models --json` and `tdl datasets --json` give it. The shape of data in a person's own files is
    null as long as none is named."""
    document: dict[str, Any] = {"name": entry.name, "help": entry.help, "source": entry.source}
    if entry.plugin:
        document["plugin"] = entry.plugin
    if isinstance(entry, DatasetEntry):
        missing = entry.missing(entry.defaults())
        shape = None if entry.own and missing else entry.describe(entry.defaults())
        document |= {**shape_document(shape), "missing": missing}
    return {**document, "options": [option_document(option) for option in entry.options]}


def shape_document(shape: DataShape | None) -> dict[str, Any]:
    """What data are, every value null where that is not known."""
    return {
        "task": shape and shape.task,
        "kind": shape and shape.kind,
        "input": shape and list(shape.input),
        "outputs": shape and shape.outputs,
        "examples": shape and shape.examples,
    }


def entries_text(entries: Iterable[Entry], section: str) -> str:
    """Entries with their options, as they are typed after --set, their defaults, ranges and help."""
    blocks, entries = [], list(entries)
    width = max((len(entry.name) for entry in entries), default=0) + 2
    for entry in entries:
        lines = [f"{entry.name:<{width}}{entry.help}"]
        if isinstance(entry, DatasetEntry):
            missing = entry.own and entry.missing(entry.defaults())
            lines.append(f"{'':<{width}}{missing or shape_text(entry.describe(entry.defaults()))}")
        if entry.plugin:
            lines.append(f"{'':<{width}}from {entry.plugin}")
        options = [
            (f"  {section}.options.{option.name}", shown(option.default), option.wanted, option.help)
            for option in entry.options
        ]
        blocks.append("\n".join(lines + ([table(options)] if options else [])))
    return "\n\n".join(blocks)


def shape_text(shape: DataShape) -> str:
    """A data shape in words: "classification, image 1×8×8, 10 classes, 1,797 examples"."""
    outputs = "classes" if shape.task == "classification" else "targets" if shape.outputs > 1 else "target"
    size = "×".join(map(str, shape.input))
    return f"{shape.task}, {shape.kind} {size}, {shape.outputs} {outputs}, {count(shape.examples)} examples"


RANGE_ROWS = 25
RANGE_BAR = 40


def lr_range_text(rates: Sequence[float], losses: Sequence[float], suggestion: float | None, now: float) -> str:
    """A range test as a table of learning rates with the loss as a bar, and what to take.

    A row is the mean of several steps where there are many. Bars end at one and a half times the first loss: beyond
    that the training diverges.
    """
    each = -(-len(rates) // RANGE_ROWS)
    full = 1.5 * losses[0] or 1.0
    rows = []
    for start in range(0, len(rates), each):
        part = losses[start : start + each]
        mean = sum(part) / len(part)
        mark = "  ← steepest descent" if suggestion in rates[start : start + each] else ""
        share = min(1.0, max(0.0, mean / full))
        rows.append([f"{rates[start]:.1e}", f"{mean:>9.4g}", f"{'█' * round(share * RANGE_BAR)}{mark}"])
    said = "the loss fell at no learning rate, nothing is suggested: try more --steps, or another batch size"
    if suggestion is not None:
        said = f"the loss falls fastest at {suggestion:.1e} (now {now:.1e}): --set optimizer.lr={suggestion:.1e}"
    return f"{table(rows, ('LR', '     LOSS', ''))}\n\n{said}"


def layers_text(document: Mapping[str, Any]) -> str:
    """The layers of `tdl summary`."""

    def row(layer: Mapping[str, Any]) -> list[str]:
        seen = layer["receptive_field"]
        return [
            layer["name"],
            layer["kind"],
            "×".join(map(str, layer["input_shape"])),
            "×".join(map(str, layer["output_shape"])),
            f"{layer['parameters']:>12,}",
            f"{layer['macs']:>14,}",
            f"{'all' if seen is None else seen:>5}",
        ]

    head = ("LAYER", "KIND", "INPUT", "OUTPUT", f"{'PARAMETERS':>12}", f"{'MACS':>14}", " SEES")
    total = ["all", "", "", "", f"{document['parameters']:>12,}", f"{document['macs']:>14,}", ""]
    return table([*map(row, document["layers"]), total], head)
