"""Forks: what a run that begins with another's checkpoint takes over, and what is refused."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from worker_runs import short

from tdl_tui.data.prepare import prepare
from tdl_tui.runs import home as runs_home
from tdl_tui.runs import kept
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State
from tdl_tui.runs.writer import RunWriter
from tdl_tui.spec import Experiment, assign, experiment
from tdl_tui.training import checkpoints
from tdl_tui.training.control import CommandQueue
from tdl_tui.training.session import run_training
from tdl_tui.worker.checks import LaunchError
from tdl_tui.worker.origin import Origin, origin
from tdl_tui.worker.questions import QUESTIONS


class Plan:
    """A control that hands over commands when so many steps have been made, as far as it is asked."""

    def __init__(self, *commands: Any) -> None:
        self.pending = True
        self._commands = list(commands)

    def take(self) -> list[Any]:
        self.pending = False
        return self._commands

    def wait(self, timeout: float | None = None) -> bool:
        return False


def no_question(request: Mapping[str, Any]) -> dict[str, Any]:
    raise AssertionError("nothing has changed that could not fit")


def answers(request: Mapping[str, Any]) -> dict[str, Any]:
    return QUESTIONS[request["ask"]](experiment(request["experiment"]), Path(), request)


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


CHOSEN: Mapping[str, Any] = {
    "data": {"dataset": "iris", "batch_size": 16, "split": [0.5, 0.3, 0.2]},
    "model": {"architecture": "mlp", "options": {"widths": [8], "dropout": 0.3, "norm": "batch"}},
    "schedule": {"name": "cosine"},
    "training": {"epochs": 4, "device": "cpu", "threads": 1, "ema_decay": 0.9},
    "telemetry": {"probes": 5},
}


def parent(home: Path, *, ended: bool = True, followed: int | None = None) -> Path:
    """A run of 20 steps; one that was not ended has been stopped after the first, with a kept checkpoint. With
    `followed` that one of the test part is followed too, from then on."""
    chosen = experiment(CHOSEN)
    run = runs_home.create(home, chosen.document(), title="base")
    os.close(run.lock_fd)
    if not ended:
        from tdl_tui.runs.commands import Command

        asked = [Command(str(n), verb, 0.0, {}, Path()) for n, verb in enumerate(("checkpoint", "stop"))]
        if followed is not None:
            splits = prepare(chosen, home, torch.device("cpu")).splits
            asked.insert(0, Command("probe", "probe", 0.0, {"examples": [int(splits.test[followed])]}, Path()))
        assert run_training(run.folder, Plan(*asked)) is State.STOPPED
    else:
        assert run_training(run.folder, CommandQueue()) is State.FINISHED
    return run.folder


def forked(begun: Origin, **changes: Any) -> Path:
    """A fork with other values by their paths, trained to its end."""
    made = changed(begun, **changes)
    home = begun.folder.parent.parent
    run = runs_home.create(
        home, made.document(), title=made.title, origin=begun.fact(), fill=lambda folder: begun.copy_into(folder, made)
    )
    os.close(run.lock_fd)
    assert run_training(run.folder, CommandQueue()) is State.FINISHED, message(run.folder)
    return run.folder


def changed(begun: Origin, **changes: Any) -> Experiment:
    document = begun.document
    for path, value in changes.items():
        assign(document, path.replace("__", "."), value)
    return experiment(document)


def message(folder: Path) -> str:
    with RunReader(folder) as reader:
        return reader.summary().message


def said(folder: Path) -> list[str]:
    with RunReader(folder) as reader:
        return [event.text for event in reader.events() if event.kind == "fork"]


def last(folder: Path) -> dict[str, Any]:
    return checkpoints.load(folder / "checkpoints" / "last.pt")


def test_a_fork_without_changes_is_the_run_as_it_would_have_gone_on(tmp_path: Path) -> None:
    stopped, whole = parent(tmp_path, ended=False), parent(tmp_path)
    child = forked(origin(stopped, "last"))
    for name, tensor in last(whole)["model"].items():
        assert torch.equal(tensor, last(child)["model"][name]), name
    with RunReader(whole) as first, RunReader(child) as second:
        for series in ("train/loss", "val/loss", "lr"):
            points = [(p.step, p.value) for p in first.points(series) if p.step > 1]
            assert [(p.step, p.value) for p in second.points(series)] == points
        assert first.summary().test == second.summary().test
        assert second.facts()["parent"]["run"] == stopped.name
        assert second.summary().name == "base @1"
    assert said(child) == [f"begins with last.pt of {stopped.name}, step 1"]


def test_a_fork_that_is_killed_goes_on_as_other_runs_do(tmp_path: Path) -> None:
    begun = origin(parent(tmp_path, ended=False), "step-1")
    wanted = last(forked(begun))
    made = changed(begun)
    run = runs_home.create(
        tmp_path, made.document(), title="t", origin=begun.fact(), fill=lambda folder: begun.copy_into(folder, made)
    )
    os.close(run.lock_fd)

    class Crash(Plan):
        def take(self) -> list[Any]:
            raise RuntimeError("the power went")

    assert run_training(run.folder, Crash()) is State.FAILED
    assert run_training(run.folder, CommandQueue()) is State.FINISHED
    assert all(torch.equal(tensor, last(run.folder)["model"][name]) for name, tensor in wanted["model"].items())


@pytest.mark.parametrize(
    ("changes", "as_many"),
    [
        ({"optimizer__lr": 0.01}, 6),
        ({"telemetry__probes": 64}, 46),
        ({"telemetry__probes": 3}, 3),
        ({"data__split_seed": 1}, 5),
    ],
)
def test_the_examples_that_were_followed_are_followed(changes: dict[str, Any], as_many: int, tmp_path: Path) -> None:
    """Those that a person added too, where the data are the same; none is taken twice."""
    stopped = parent(tmp_path, ended=False, followed=-1)
    with RunReader(stopped) as first, RunReader(forked(origin(stopped), **changes)) as second:
        before, now = ([probe.index for probe in reader.probes()] for reader in (first, second))
        sample = second.probe_sample()
    assert len(before) == 6
    assert sample is not None
    assert len(now) == len(set(now)) == len(sample.outputs) == as_many
    assert (set(before) <= set(now)) == (as_many >= 6)


def test_an_example_that_is_trained_on_is_not_followed_and_that_is_said(tmp_path: Path) -> None:
    begun = origin(parent(tmp_path, ended=False))
    trained_on = int(prepare(experiment(CHOSEN), tmp_path, torch.device("cpu")).splits.train[0])
    with RunReader(forked(replace(begun, probes=(trained_on,)))) as reader:
        (warning,) = [event.text for event in reader.events() if event.kind == "warning"]
        assert trained_on not in {probe.index for probe in reader.probes()}
    assert warning.startswith(f"example {trained_on} is trained on")


def test_what_does_not_suit_begins_anew_and_is_said(tmp_path: Path) -> None:
    begun = origin(parent(tmp_path, ended=False), "last")
    document = {"optimizer__name": "sgd", "optimizer__options": {}, "data__batch_size": 8, "training__epochs": 2}
    child = forked(begun, **document)
    (line,) = said(child)
    assert "another optimizer, so that its state begins anew" in line
    assert "an epoch is another one now, so that the one under way begins anew" in line
    assert "split" not in line
    with RunReader(child) as reader:
        assert reader.summary().progress.total_steps == reader.summary().progress.step


def test_other_parts_of_the_same_data_are_warned_of(tmp_path: Path) -> None:
    begun = origin(parent(tmp_path, ended=False), "last")
    (line,) = said(forked(begun, data__split_seed=1))
    assert "what is held out may have been trained on" in line
    assert "the best so far counts anew" in line


def test_the_best_weights_have_nothing_beside(tmp_path: Path) -> None:
    begun = origin(parent(tmp_path), "best")
    child = forked(begun, training__epochs=6)
    assert said(child)[0].endswith("it has weights alone, so that the optimizer's state begins anew")
    with RunReader(child) as reader:
        first = reader.first("train/loss")
        assert first is not None and first.step == begun.checkpoint.step + 1


def test_values_changed_in_the_parent_are_those_of_the_fork(tmp_path: Path) -> None:
    from tdl_tui.runs.commands import Command

    run = runs_home.create(tmp_path, experiment(CHOSEN).document(), title="base")
    os.close(run.lock_fd)
    verbs = (("set", {"optimizer.lr": 0.5}), ("checkpoint", {}), ("set", {"optimizer.lr": 0.25}), ("stop", {}))
    asked = [Command(str(n), verb, 0.0, dict(values), Path()) for n, (verb, values) in enumerate(verbs)]
    assert run_training(run.folder, Plan(*asked)) is State.STOPPED
    assert changed(origin(run.folder, "step-1")).optimizer.lr == 0.5
    assert changed(origin(run.folder, "last")).optimizer.lr == 0.25


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"training__epochs": 4}, "has 4 epochs behind it, and training.epochs is 4: no epoch is left"),
        (
            {"training__epochs": 9, "model__options": {"widths": [9]}},
            "hidden1.weight is 9 × 4 in this network, 8 × 4 in the checkpoint",
        ),
        (
            {"training__epochs": 9, "model": {"architecture": "linear"}},
            "head.weight is 3 × 4 in this network, 3 × 8 in the checkpoint",
        ),
        ({"training__epochs": 9, "data": {"dataset": "wine", "batch_size": 16}}, "hidden1.weight is 8 × 13 in this"),
    ],
)
def test_a_fork_that_cannot_begin_is_refused_in_one_line(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    begun = origin(parent(tmp_path), "last")
    with pytest.raises(LaunchError) as refused:
        begun.refuse(changed(begun, **changes), answers)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_fork_whose_patience_is_over_is_refused_in_one_line(tmp_path: Path) -> None:
    training = {**CHOSEN["training"], "epochs": 100, "early_stopping": {"patience": 2}}
    still = experiment({**CHOSEN, "optimizer": {"lr": 1e-12}, "schedule": {"name": "constant"}, "training": training})
    run = runs_home.create(tmp_path, still.document(), title="still")
    os.close(run.lock_fd)
    assert run_training(run.folder, CommandQueue()) is State.FINISHED
    begun = origin(run.folder, "last")
    assert begun.checkpoint.waited == 2 and begun.checkpoint.epochs < 100
    words = (
        "which val/loss has not improved, and training.early_stopping.patience is 2: no epoch is left; set it higher"
    )
    with pytest.raises(LaunchError, match=words):
        begun.refuse(changed(begun), no_question)
    with pytest.raises(LaunchError, match=words):
        begun.refuse(changed(begun, optimizer__lr=0.5), no_question)
    for training in ({"patience": 3}, {"patience": 0}, {"patience": 2, "monitor": "val/accuracy"}):
        begun.refuse(changed(begun, training__early_stopping=training), no_question)
    begun.refuse(changed(begun, objective={"loss": "hinge"}), no_question)


def test_what_cannot_be_out_of_fit_is_not_asked(tmp_path: Path) -> None:
    begun = origin(parent(tmp_path), "last")
    begun.refuse(changed(begun, training__epochs=9, optimizer__lr=0.5), no_question)


def test_a_damaged_checkpoint_is_not_copied(tmp_path: Path) -> None:
    folder = parent(tmp_path)
    path = folder / "checkpoints" / "last.pt"
    content = bytearray(path.read_bytes())
    content[3000] ^= 4
    path.write_bytes(content)
    begun = origin(folder, "last")
    made = changed(begun, training__epochs=9)
    with pytest.raises(LaunchError, match=r"last\.pt of .* is damaged: its checksum is another"):
        runs_home.create(
            tmp_path, made.document(), title="t", origin=begun.fact(), fill=lambda to: begun.copy_into(to, made)
        )
    assert [run.name for run in runs_home.run_folders(tmp_path)] == [folder.name]


def test_which_checkpoints_there_are(tmp_path: Path) -> None:
    folder = parent(tmp_path, ended=False)
    with RunReader(folder) as reader:
        found = kept.kept(folder, reader)
    assert [(one.name, one.step, one.whole) for one in found] == [
        ("last.pt", 1, True),
        ("previous.pt", 1, True),
        ("step-1.pt", 1, True),
    ]
    for text in ("1", "step-1", "step-1.pt"):
        assert kept.choose(found, text).name == "step-1.pt"
    with pytest.raises(kept.UnknownCheckpoint, match="no checkpoint best; there is last, previous, step-1"):
        kept.choose(found, "best")
    with pytest.raises(LaunchError, match="there is no checkpoint yet"):
        origin(_empty(tmp_path), "last")


def _empty(home: Path) -> Path:
    run = runs_home.create(home, short().document(), title="t")
    os.close(run.lock_fd)
    RunWriter(run.folder).close()
    return run.folder
