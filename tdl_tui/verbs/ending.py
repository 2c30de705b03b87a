"""How a run that was followed has ended: what is printed of it, and the exit status. Imports no torch."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from tdl_tui.cli import DONE, FAILED, FailedRequest, complain
from tdl_tui.runs.early import stopped_early
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State, Summary

from .follow import event_documents
from .reports import best_text, count, number, print_json, say, span


def ended(folder: Path, summary: Summary, as_json: bool) -> int:
    """Says what the training came to, or why it goes on no more. The exit status."""
    if summary.damage:
        raise FailedRequest(summary.damage)
    if as_json:
        with RunReader(folder) as reader:
            print_json(end_document(reader, summary) | {"events": event_documents(reader)})
    elif summary.state in (State.FINISHED, State.STOPPED):
        with RunReader(folder) as reader:
            say(end_text(summary, stopped_early(reader, summary)))
    match summary.state:
        case State.FAILED:
            complain(f"{folder.name} failed: {summary.message or 'see its log'} (log: {folder / 'log.txt'})")
        case State.LOST:
            complain(
                f"{folder.name} is lost: its worker died (log: {folder / 'log.txt'}); "
                f"tdl resume {folder.name} goes on from its last checkpoint"
            )
        case State.ELSEWHERE:
            complain(f"{folder.name} runs on {summary.host or 'another machine'}; follow it there")
        case _:
            return DONE
    return FAILED


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


def end_text(summary: Summary, reason: str = "") -> str:
    """What a training came to, on one line, and the reason where it made no more epochs."""
    progress = summary.progress
    parts = [f"{summary.id} {summary.state}"]
    if progress.step:
        parts.append(f"{progress.epoch} epochs, {count(progress.step)} steps in {span(progress.seconds)}")
    if summary.best:
        parts.append(f"best {best_text(summary)} at step {count(summary.best.step)}")
    if summary.test:
        parts.append("test " + ", ".join(f"{name} {number(value)}" for name, value in summary.test.items()))
    if reason:
        parts.append(reason)
    return " · ".join(parts)
