"""Progress as it is shown: one line written over, or a line an epoch."""

from __future__ import annotations

import io
import math
from pathlib import Path

import pytest

from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import Best, Progress, State, Summary
from tdl_tui.runs.writer import RunWriter
from tdl_tui.verbs.follow import PAST, Happenings, Interrupts, Look, Progressing, follow, look, seconds_left
from tdl_tui.verbs.ls import runs_table
from tdl_tui.verbs.reports import age, best_text, duration, finite, number, table

EXPERIMENT = {"training": {"epochs": 20}}


def at(step: int, epoch: int, *, validated: int = 0, state: State = State.RUNNING, message: str = "") -> Look:
    progress = Progress(step=step, epoch=epoch, total_steps=400, steps_per_epoch=20, seconds=step / 10)
    summary = Summary("abcdefgh", "a run", state, 0, 0, EXPERIMENT, progress, message=message)
    return Look(summary, {"train/loss": 0.5, "lr": 1e-3, "speed/samples_per_s": 12345.6}, validated)


def test_a_line_says_how_far_it_is_and_how_long_it_takes() -> None:
    assert at(100, 5).line() == "epoch 5/20  step 100/400  0:30 left  loss 0.5  lr 0.001  12,346 samples/s"
    assert at(100, 5).line(60) == "epoch 5/20  step 100/400  0:30 left  loss 0.5  lr 0.001"
    assert at(100, 5).line(5) == "epoch"
    assert "step 100/400  paused  loss" in at(100, 5, state=State.PAUSED).line()
    assert at(0, 0, state=State.STARTING, message="downloading mnist").line() == "downloading mnist"
    assert at(0, 0, state=State.STARTING).line() == "starting"


def test_plain_lines_come_once_an_epoch_and_when_something_happens() -> None:
    out = io.StringIO()
    progressing = Progressing(out, rewrites=False)
    for now in (
        at(0, 0, state=State.STARTING),
        at(0, 0, state=State.STARTING),
        at(10, 0),
        at(15, 0),
        at(25, 1, validated=20),
        at(30, 1, validated=20),
        at(30, 1, validated=20, state=State.PAUSED),
        at(45, 2, validated=40),
    ):
        progressing.show(now)
    starts = [line.split("  ")[:2] for line in out.getvalue().splitlines()]
    assert starts == [
        ["starting"],
        ["epoch 0/20", "step 10/400"],
        ["epoch 1/20", "step 25/400"],
        ["epoch 1/20", "step 30/400"],
        ["epoch 2/20", "step 45/400"],
    ]
    assert "\x1b" not in out.getvalue()


def test_a_terminals_line_is_written_over_and_never_wraps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    out = io.StringIO()
    progressing = Progressing(out, rewrites=True)
    progressing.show(at(10, 0))
    progressing.show(at(10, 0))
    first = out.getvalue()
    assert first.startswith("\repoch 0/20")
    assert first == "\repoch 0/20  step 10/400\x1b[K"
    assert "\n" not in first
    progressing.clear()
    assert out.getvalue() == f"{first}\r\x1b[K"


KINDS = ("state", "command", "checkpoint", "warning", "error", "best", "sample", "some_new_kind")


def events_of(folder: Path, count: int) -> list[str]:
    """Writes events of every kind, and says how each must read."""
    with RunWriter(folder) as writer:
        for step in range(count):
            kind = KINDS[step % len(KINDS)]
            writer.event(
                kind, f"what happened at {step}", step, {"text": f"one\ntwo {step}"} if kind == "sample" else {}
            )
    words = {"warning": "warning: ", "error": "error: ", "sample": "sample: ", "some_new_kind": "some new kind: "}
    return [
        words.get(kind, "") + (f"one two {step}" if kind == "sample" else f"what happened at {step}")
        for step in range(count)
        for kind in [KINDS[step % len(KINDS)]]
    ]


def test_every_event_is_told_once_and_of_those_before_the_newest(make_run) -> None:
    folder = make_run()
    told = events_of(folder, PAST + 8)
    with RunReader(folder) as reader:
        happenings = Happenings(reader)
        first = happenings.fresh()
        assert [line.split("  ")[-1] for line in first] == told[-PAST:]
        assert first[-1].split("  ")[1] == f"step {PAST + 7}"
        assert happenings.fresh() == []
        later = events_of(folder, 3)
        assert [line.split("  ")[-1] for line in happenings.fresh()] == later


def test_events_are_in_the_document_that_a_training_ends_with(tdl, make_run) -> None:
    folder = make_run("told")
    told = events_of(folder, 12)
    lines = tdl("tail", "told").out.splitlines()
    assert [line.split("  ")[-1] for line in lines[:-1]][-12:] == told and lines[-1].startswith(
        f"{folder.name} finished"
    )
    events = tdl("tail", "told", "--json").document["events"]
    assert [(event["kind"], event["step"]) for event in events[-12:]] == [
        (KINDS[step % len(KINDS)], step) for step in range(12)
    ]


def test_following_an_ended_run_shows_nothing_and_tells_how_it_stands(make_run) -> None:
    out = io.StringIO()
    folder = make_run()
    assert follow(folder, Progressing(out, rewrites=False), Interrupts()).state is State.FINISHED
    assert out.getvalue() == ""
    with RunReader(folder) as reader:
        now = look(reader)
    assert now.validated == 4
    assert "val 0.5" in now.line()


def test_time_left_is_unknown_before_the_first_step_and_after_the_last() -> None:
    assert seconds_left(Progress(step=0, total_steps=10)) is None
    assert seconds_left(Progress(step=10, total_steps=10, seconds=1)) is None
    assert seconds_left(Progress(step=5, total_steps=10, seconds=2)) == 2


def test_figures_in_words() -> None:
    assert [number(value) for value in (0.97134, 1.2e-5, math.nan, None)] == ["0.9713", "1.2e-05", "nan", "–"]
    assert [duration(seconds) for seconds in (0, 59.6, 754, 3723)] == ["0:00", "1:00", "12:34", "1:02:03"]
    assert [age(0, now) for now in (-5, 5, 119, 7200, 864000)] == ["0 s", "5 s", "1 min", "2 h", "10 d"]
    assert finite({"a": [1.0, math.inf, (math.nan, "x")]}) == {"a": [1.0, None, [None, "x"]]}
    assert best_text(Summary("a", "b", State.RUNNING, 0, 0, best=Best("val/r2", 1, 0.5))) == "val/r2 0.5"


def test_a_narrow_table_of_runs_does_without_data_and_architecture() -> None:
    experiment = {"data": {"dataset": "digits"}, "model": {"architecture": "mlp"}}
    runs = [Summary("abcdefgh", "a run", State.RUNNING, 0, 0, experiment, best=Best("val/r2", 1, 0.5))]
    assert "digits" in runs_table(runs, 5, 80)
    narrow = runs_table(runs, 5, 60)
    assert "digits" not in narrow
    assert narrow.splitlines()[1] == "abcdefgh  running  a run         val/r2 0.5  5 s"


def test_a_table_is_aligned_by_cells() -> None:
    assert table([["日本", "x"], ["abc", "yy"]], ["A", "B"]).splitlines() == ["A     B", "日本  x", "abc   yy"]
