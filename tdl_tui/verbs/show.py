"""`tdl show`: a run. Imports no torch."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tdl_tui.runs.early import stopped_early
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import Diagnosis, Summary
from tdl_tui.settables import said, values_of
from tdl_tui.spec import toml
from tdl_tui.worker import steer

from . import checkpoints, classes, costs, reports
from .options import Json, Run
from .reports import age, best_text, count, number, progress_text, span, table
from .which_run import folder_of, summary_of


def show(run: Run, as_json: Json = False) -> None:
    """A run: state, progress, best, experiment."""
    folder = folder_of(run)
    summary = summary_of(folder)
    spent, settings = costs.costs(folder, summary.experiment), steer.settings(folder)
    with RunReader(folder) as reader:
        counted, there = classes.classes(reader), checkpoints.checkpoints(reader)
        reason = stopped_early(reader, summary)
    if as_json:
        own = {"settings": settings, "classes": counted, "checkpoints": there}
        reports.print_json({**reports.run_document(summary, folder), **own, **spent})
    else:
        more = [
            *classes.classes_rows(counted),
            *settings_rows(summary.experiment, settings),
            *checkpoints.checkpoints_rows(there),
            *costs.costs_rows(spent),
        ]
        reports.say(run_text(summary, folder, more, reason))


def run_text(summary: Summary, folder: Path, more: Iterable[tuple[str, str]] = (), reason: str = "") -> str:
    """Everything `tdl show` says of a run; `more` are lines of others, each with its label, `reason` is why a finished
    one made no more epochs."""
    now, why = time.time(), summary.message or reason
    rows = [
        ("run", summary.id),
        ("name", summary.name),
        ("state", f"{summary.state}{f': {why}' if why else ''}"),
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
    return f"epoch {progress_text(summary)}, step {count(progress.step)}{of}, {span(progress.seconds)}"
