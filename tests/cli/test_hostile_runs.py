"""Runs from somebody who means harm: shown, not obeyed, by every verb; nothing in them is followed or executed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import MakeRun, Tdl
from hostile import STEERING, make_hostile, steering

from tdl_tui.runs import schema
from tdl_tui.runs.writer import RunWriter

VERBS = (
    ("ls",),
    ("show", "hostile0"),
    ("tail", "hostile0"),
    ("metrics", "hostile0"),
    ("metrics", "hostile0", STEERING),
    ("metrics", "hostile0", "nothing"),
    ("pause", "hostile0"),
    ("resume", "hostile0"),
    ("stop", "hostile0"),
    ("checkpoint", "hostile0"),
    ("set", "hostile0", "lr=0.1"),
    ("set", "hostile0", f"{STEERING}=0.1"),
    ("show", STEERING),
    ("show", "nothing"),
    ("check",),
    ("check", "hostile0"),
    ("check", "--repair"),
    ("queue",),
    ("rm", "hostile0"),
)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: " ".join(verb).encode("unicode_escape").decode())
def test_text_in_a_run_does_not_steer_the_terminal(tdl: Tdl, home: Path, verb: tuple[str, ...]) -> None:
    make_hostile(home, "hostile0")
    make_hostile(home, f"\x1b[2J{STEERING.replace('/', '')}")
    result = tdl(*verb)
    assert result.out + result.err
    assert not steering(result.out), result.out
    assert not steering(result.err), result.err
    assert "a fault of tdl" not in result.err


@pytest.mark.parametrize("verb", ["ls", "show", "tail", "metrics"])
def test_documents_of_it_hold_what_it_says(tdl: Tdl, home: Path, verb: str) -> None:
    make_hostile(home, "hostile0")
    result = tdl(verb, *(["hostile0"] if verb != "ls" else []), "--json")
    assert result.document
    assert not steering(result.out)


def wrong(value: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        connection = sqlite3.connect(folder / schema.FILE)
        with connection:
            key = value.partition("=")[0]
            connection.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (key, value.partition("=")[2]))
        connection.close()

    return change


@pytest.mark.parametrize(
    "fact",
    [
        'experiment={"training": 5}',
        'experiment={"training": {"epochs": [1]}}',
        'experiment={"data": {"dataset": ["x"]}}',
        'experiment={"optimizer": {"lr": 1' + "0" * 400 + "}}",
        'experiment={"x": ' + "[" * 300 + "]" * 300 + "}",
        'experiment={"x": NaN, "y": null, "z": [[null]]}',
        "experiment=" + "[" * 100_000,
        'progress={"step": "x"}',
        'progress={"step": 1e400}',
        'progress={"seconds": Infinity}',
        'progress={"total_steps": 1' + "0" * 400 + "}",
        'best={"series": 5, "step": 1, "value": 1}',
        'best={"series": "x", "step": 1, "value": "1"}',
        'best={"series": "x", "step": 1, "value": NaN}',
        'test={"loss": "x"}',
        "test=[1]",
        "created=1e300",
        "created=-1e10",
        "created=NaN",
        'worker={"lock": {}}',
        "state=null",
        'state="queued"',
        "pid=1e5",
    ],
    ids=lambda fact: fact[:40],
)
def test_facts_of_any_type_are_told_in_one_line(tdl: Tdl, make_run: MakeRun, fact: str) -> None:
    run = make_run("one")
    make_run("two")
    wrong(fact)(run)
    listed = tdl("ls")
    assert listed.status == 0
    assert len(listed.out.splitlines()) == 3
    for verb in ("show", "tail", "metrics"):
        for more in ((), ("--json",)):
            result = tdl(verb, run.name, *more)
            assert "a fault of tdl" not in result.err, result.err
            assert len(result.err.splitlines()) <= 2


@pytest.mark.parametrize("name", ["log.txt", "splits.npz", "checkpoints/last.pt", "worker.lock", "run.db"])
def test_a_run_with_a_link_in_it_is_not_resumed(tdl: Tdl, make_run: MakeRun, tmp_path: Path, name: str) -> None:
    run = make_run("one", "stopped")
    secret = tmp_path / "secret"
    secret.write_bytes((run / "run.db").read_bytes() if name == "run.db" else b"secret")
    before = secret.read_bytes()
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(secret)
    result = tdl("resume", run.name)
    assert result.status in (1, 2)
    assert len(result.err.splitlines()) == 1
    assert secret.read_bytes() == before


def test_a_pipe_among_commands_keeps_nobody_waiting(make_run: MakeRun) -> None:
    from tdl_tui.runs import commands

    run = make_run("one")
    os.mkfifo(run / "commands" / f"{'1' * 20}-{'a' * 8}.json")
    commands.send(run, "stop")
    assert [command.verb for command in commands.pending(run)] == ["stop"]


PLUGIN = """
from pathlib import Path
Path(__file__).with_name("executed").touch()
from torch import nn
from tdl_tui.registry import ARCHITECTURES, ArchitectureEntry
class Mine(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.head = nn.Linear(64, 10)
    def forward(self, inputs):
        return self.head(inputs.flatten(1))
ARCHITECTURES.register(ArchitectureEntry("mine", "a plugin's", Mine))
"""


def test_a_plugin_that_only_the_run_names_is_not_executed(
    tdl: Tdl, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run("foreign", "stopped")
    plugin = run / "plugin.py"  # it comes along with the run
    plugin.write_text(PLUGIN)
    monkeypatch.delenv("TDL_PLUGINS", raising=False)
    with RunWriter(run) as writer:
        writer.update(experiment={"plugins": [str(plugin)], "model": {"architecture": "mine"}})
    (run / "checkpoints").mkdir(exist_ok=True)
    (run / "checkpoints" / "step-4.pt").touch()
    for verb in ("ls", "show", "tail", "metrics", "check", "fork", "resume"):
        result = tdl(verb, *([run.name] if verb != "ls" else []), *(["--from", "4"] if verb == "fork" else []))
        assert not (run / "executed").exists(), verb
        if verb in ("fork", "resume"):
            assert result.status != 0
            assert f"the run names it, you have not: look at what it does, then say --plugin {plugin}" in result.err
