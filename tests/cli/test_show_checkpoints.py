"""What `tdl show` says of the checkpoints that a fork or a roll back can name."""

from __future__ import annotations

from pathlib import Path

from command_line import MakeRun, Tdl

from tdl_tui.runs.records import Best
from tdl_tui.runs.writer import RunWriter


def with_checkpoints(folder: Path, *steps: int) -> Path:
    """A run with a checkpoint at each of the steps, and the best weights at the first."""
    with RunWriter(folder) as writer:
        writer.update(best=Best("val/loss", steps[0], 0.5))
        for step in steps:
            writer.event("checkpoint", f"checkpoint at step {step}", step, {"name": f"step-{step}.pt"})
    for name in ("last", "previous", "best", *(f"step-{step}" for step in steps)):
        (folder / "checkpoints" / f"{name}.pt").write_bytes(b"weights")
    return folder


def test_checkpoints_are_told_by_the_names_that_can_be_asked_for(make_run: MakeRun, tdl: Tdl) -> None:
    folder = with_checkpoints(make_run("kept"), 500, 1200)
    assert "kept      last (step 1,200), step-1200, best (step 500), step-500\n" in tdl("show", folder.name).out
    first, *_ = told = tdl("show", folder.name, "--json").document["checkpoints"]
    assert [one["name"] for one in told] == ["last", "step-1200", "best", "step-500"]
    assert (first["step"], first["bytes"]) == (1200, len(b"weights")) and first["time"] > 0


def test_of_many_the_latest_are_told(make_run: MakeRun, tdl: Tdl) -> None:
    folder = with_checkpoints(make_run("kept"), *range(1, 21))
    shown = tdl("show", folder.name).out
    assert "step-20, step-19" in shown and ", 14 more\n" in shown and "step-1," not in shown


def test_a_run_without_checkpoints_says_nothing_of_them(make_run: MakeRun, tdl: Tdl) -> None:
    folder = make_run("new")
    assert "\nkept" not in tdl("show", folder.name).out
    assert tdl("show", folder.name, "--json").document["checkpoints"] == []
