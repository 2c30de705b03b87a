"""Every illness happens in a real training, and the rule speaks; healthy trainings are left in peace."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterator
from itertools import count
from math import inf, isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from toy_training import (
    CPU,
    Asked,
    AtSteps,
    Recording,
    merged,
    new_run,
    prepared_for,
    run_toy,
    same,
    toy,
    trainer_for,
    weights,
)

from tdl_tui.data.batches import Batches
from tdl_tui.diagnosis import limits
from tdl_tui.diagnosis.changes import changed
from tdl_tui.diagnosis.evidence import SERIES, of_reader, recall
from tdl_tui.diagnosis.in_force import of_events
from tdl_tui.diagnosis.rules import RULES, diagnose
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import LAYER_COLUMNS, Event, State
from tdl_tui.runs.writer import RunWriter
from tdl_tui.spec import Experiment, experiment
from tdl_tui.training.control import CommandQueue
from tdl_tui.training.diagnosing import Diagnosing
from tdl_tui.training.loop import train
from tdl_tui.training.nonfinite import NotFinite
from tdl_tui.training.session import run_training
from tdl_tui.training.telemetry import Telemetry
from tdl_tui.training.trainer import Trainer

Spoil = Callable[[Batches], Batches]


@pytest.fixture
def at_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules and telemetry look at every step, whatever it costs."""

    def plan(telemetry: Telemetry, step: int) -> None:
        telemetry.next_step = step + 1

    monkeypatch.setattr(Telemetry, "plan", plan)
    monkeypatch.setattr(Telemetry, "_is_due", lambda telemetry, spacing: True)
    monkeypatch.setattr("tdl_tui.training.blocks.SECONDS", 0.0)
    monkeypatch.setattr("tdl_tui.training.diagnosing.SECONDS", 0.0)
    monkeypatch.setattr("tdl_tui.training.diagnosing.BUDGET", inf)


def described(**changes: Any) -> Experiment:
    return experiment(merged({"training": {"device": "cpu", "threads": 1}, "telemetry": {"budget": 1.0}}, changes))


def watched(chosen: Experiment, home: Path, spoil: Spoil = lambda batches: batches) -> Recording:
    """What was recorded of a training under diagnosis."""
    recording = Recording()
    diagnosing = Diagnosing(recording, chosen, prepared_for(chosen, home), "cpu")
    trainer = trainer_for(chosen, home, diagnosing)  # type: ignore[arg-type]  # a Recorder in front of a Recording
    trainer.batches = spoil(trainer.batches)
    try:
        train(trainer)
    except NotFinite:
        assert recording.texts("error")
    return recording


def said(recording: Recording) -> dict[str, Event]:
    """By rule, the event of the first time that it spoke."""
    events = [event for event in recording.events if event.kind == "diagnosis" and not event.data["over"]]
    return {event.data["rule"]: event for event in reversed(events)}


DEEP = [64] * 8
EXPLOSIVE = {
    "data": {"dataset": "adding", "options": {"examples": 1000, "length": 60}},
    "model": {"architecture": "rnn", "options": {"init": "identity", "nonlinearity": "relu", "hidden_size": 32}},
    "optimizer": {"name": "sgd", "lr": 0.01},
    "training": {"epochs": 2, "gradient_clip_norm": 0.0},
}
FORGETFUL = {
    "data": {"dataset": "adding", "options": {"examples": 1000, "length": 60}},
    "model": {"architecture": "rnn", "options": {"hidden_size": 16}},
    "training": {"epochs": 20},
}
ILLNESSES: dict[str, tuple[str, dict[str, Any]]] = {
    "inputs of any size": (
        "initial_loss",
        {"data": {"dataset": "wine", "normalize": False}, "training": {"epochs": 2}},
    ),
    "steps too long for a linear model": (
        "diverges",
        {
            "data": {"dataset": "diabetes"},
            "model": {"architecture": "linear"},
            "optimizer": {"name": "sgd", "lr": 1.0},
        },
    ),
    "a loss that fell and came back": (
        "diverges",
        {"model": {"options": {"activation": "tanh"}}, "optimizer": {"name": "adam", "lr": 0.3}},
    ),
    "a line for two circles": (
        "stalls",
        {"data": {"dataset": "circles"}, "model": {"architecture": "softmax_regression"}, "training": {"epochs": 10}},
    ),
    "steps across the valley": (
        "oscillates",
        {"model": {"options": {"activation": "tanh"}}, "optimizer": {"name": "adam", "lr": 0.3}},
    ),
    "steps a thousand times too long": (
        "rate_too_high",
        {
            "model": {"options": {"activation": "tanh"}},
            "optimizer": {"name": "sgd", "lr": 100.0},
            "training": {"epochs": 3},
        },
    ),
    "steps a thousand times too short": (
        "rate_too_low",
        {"optimizer": {"name": "sgd", "lr": 1e-6}, "training": {"epochs": 3}},
    ),
    "eight layers of sigmoids": (
        "vanishing_gradients",
        {
            "model": {"options": {"widths": DEEP, "activation": "sigmoid"}},
            "optimizer": {"name": "sgd"},
            "training": {"epochs": 2},
        },
    ),
    "a recurrent identity": ("exploding_gradients", EXPLOSIVE),
    "a recurrent identity, through time": (
        "exploding_through_time",
        {**EXPLOSIVE, "optimizer": {"name": "sgd", "lr": 0.003}},  # of longer steps the gradient is infinite at once
    ),
    "what was read too long ago": ("vanishing_through_time", FORGETFUL),
    "ReLUs after one step too long": (
        "dead_units",
        {"optimizer": {"name": "momentum", "lr": 1.0}, "training": {"epochs": 2}},
    ),
    "tanhs of large numbers": (
        "saturated_units",
        {
            "data": {"dataset": "wine", "normalize": False},
            "model": {"options": {"activation": "tanh"}},
            "training": {"epochs": 3},
        },
    ),
    "a large network on few examples": (
        "overfitting",
        {"data": {"dataset": "diabetes"}, "model": {"architecture": "mlp"}, "training": {"epochs": 60}},
    ),
    "a line for a product": (
        "underfitting",
        {
            "data": {"dataset": "adding", "normalize": True, "options": {"examples": 2000, "length": 10}},
            "model": {"architecture": "linear"},
            "training": {"epochs": 12},
        },
    ),
    "dropout": (
        "validation_better",
        {"model": {"options": {"dropout": 0.7}}, "training": {"epochs": 12}},
    ),
}


@pytest.mark.parametrize("illness", ILLNESSES)
def test_the_rule_speaks_where_a_training_is_ill(illness: str, tmp_path: Path, at_every_step: None) -> None:
    rule, changes = ILLNESSES[illness]
    chosen = described(**changes)
    event = said(watched(chosen, tmp_path))[rule]
    diagnosis = event.data
    assert event.text == f"{diagnosis['word']}: {diagnosis['seen']}"
    assert any(letter.isdigit() for letter in diagnosis["seen"]) and diagnosis["means"] and diagnosis["tries"]
    assert 0 < event.step == diagnosis["step"]
    document = changed(chosen.document(), diagnosis["change"])
    assert bool(diagnosis["change"]) == (experiment(document) != chosen)


def test_dropout_explains_why_validation_is_better(tmp_path: Path, at_every_step: None) -> None:
    diagnosis = said(watched(described(**ILLNESSES["dropout"][1]), tmp_path))["validation_better"].data
    assert diagnosis["severity"] == "note"
    assert "dropout 0.7" in diagnosis["means"]


LENET = {"data": {"options": {"image_size": 28}}, "model": {"architecture": "lenet5"}, "optimizer": {"lr": 0.01}}


def test_a_network_that_grows_too_sure_is_told_from_one_that_grows_worse(tmp_path: Path, at_every_step: None) -> None:
    sure = described(data={"dataset": "iris"}, model={"architecture": "mlp"})
    assert "grows too sure" in said(watched(sure, tmp_path))["overfitting"].data["means"]
    worse = described(**ILLNESSES["a large network on few examples"][1])
    assert "by heart" in said(watched(worse, tmp_path))["overfitting"].data["means"]


@pytest.mark.slow
@pytest.mark.parametrize("changes", [
    merged(LENET, {"model": {"options": {"activation": "relu"}}, "training": {"epochs": 40}}),
    {"optimizer": {"name": "muon"}},
], ids=["lenet5", "muon"])  # fmt: skip
def test_a_small_loss_that_has_risen_is_noticed(changes: dict[str, Any], tmp_path: Path, at_every_step: None) -> None:
    recording = watched(described(**changes), tmp_path)
    losses = recording.values("val/loss")
    assert "overfitting" in said(recording)
    assert min(losses[-5:]) < min(losses) + 0.05 * np.log(10)  # by so much they have not risen


def test_units_that_a_network_has_pushed_to_their_limits_as_it_learned_are_left_in_peace(
    tmp_path: Path, at_every_step: None
) -> None:
    recording = watched(described(**LENET, training={"epochs": 7}), tmp_path)
    shares = [row[LAYER_COLUMNS.index("saturated_share")] for row in recording.layer_samples[-1].rows]
    assert max(filter(isfinite, shares)) > limits.SATURATED
    assert said(recording) == {}


class Spoiled:
    """Batches whose training part is changed on its way."""

    def __init__(self, batches: Batches, spoil: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> None:
        self._batches = batches
        self._spoil = spoil

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batches, name)

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        for inputs, targets in self._batches.epoch(epoch, start_step):
            yield self._spoil(inputs, targets)


def test_a_validation_part_that_is_easier_is_noticed(tmp_path: Path, at_every_step: None) -> None:
    chance = torch.Generator().manual_seed(0)

    def wrong(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        some = torch.rand(len(targets), generator=chance) < 0.2
        return inputs, torch.where(some, (targets + 1) % 10, targets)

    chosen = described(training={"epochs": 12})
    found = said(watched(chosen, tmp_path, lambda batches: Spoiled(batches, wrong)))  # type: ignore[return-value]
    assert found["validation_better"].data["severity"] == "caution"
    assert found["validation_better"].data["change"] == {"data.split_seed": 1}


def test_a_loop_that_waits_for_its_data_is_noticed(
    tmp_path: Path, at_every_step: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tdl_tui.training.timers.SECONDS", 0.0)

    def slow(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        end = time.perf_counter() + 0.02  # many times what a step takes
        while time.perf_counter() < end:
            pass
        return inputs, targets

    chosen = described(data={"dataset": "iris"}, training={"epochs": 6})
    found = said(watched(chosen, tmp_path, lambda batches: Spoiled(batches, slow)))  # type: ignore[return-value]
    assert "wait for data" in found["data_bound"].data["seen"]


def test_a_rare_class_is_noticed(tmp_path: Path, at_every_step: None) -> None:
    file = tmp_path / "rare.npz"
    chance = np.random.default_rng(0)
    np.savez(file, x=chance.normal(size=(400, 3)).astype("float32"), y=np.array([0] * 380 + [1] * 20))
    chosen = described(data={"dataset": "npz", "options": {"file": str(file)}}, training={"epochs": 2})
    diagnosis = said(watched(chosen, tmp_path))["class_imbalance"].data
    assert diagnosis["change"] == {"objective.options.class_weights": "balanced"}
    balanced = experiment(changed(chosen.document(), diagnosis["change"]))
    assert "class_imbalance" not in said(watched(balanced, tmp_path))


def test_labels_among_the_inputs_do_not_show_in_the_first_loss(tmp_path: Path) -> None:
    """Which is why no rule looks for one that is far below ln C."""
    labels = np.random.default_rng(0).integers(10, size=400)
    np.savez(tmp_path / "leak.npz", x=np.eye(10, dtype="float32")[labels], y=labels)
    leak = {"dataset": "npz", "options": {"file": str(tmp_path / "leak.npz")}}
    recording = watched(described(data=leak, training={"epochs": 20}), tmp_path)
    losses = recording.values("train/loss")
    assert losses[0] == pytest.approx(np.log(10), rel=0.1)
    assert losses[-1] < 0.1


def test_a_network_that_does_not_fit_is_diagnosed_after_it_failed(tmp_path: Path) -> None:
    folder = new_run(tmp_path, described(model={"options": {"widths": [65536, 65536, 65536, 65536]}}))
    assert run_training(folder, CommandQueue()) is State.FAILED
    with RunReader(folder) as reader:
        (diagnosis,) = reader.summary().diagnoses
        assert [event.data["rule"] for event in reader.events() if event.kind == "diagnosis"] == ["does_not_fit"]
    assert (diagnosis.rule, diagnosis.change) == ("does_not_fit", {"training.accumulation": 2})
    assert diagnosis.seen.startswith("too little memory")


def test_a_loss_that_is_not_finite_is_diagnosed_after_the_run_failed(tmp_path: Path) -> None:
    folder = new_run(tmp_path, described(**ILLNESSES["steps too long for a linear model"][1]))
    assert run_training(folder, CommandQueue()) is State.FAILED
    with RunReader(folder) as reader:
        diagnoses = {diagnosis.rule: diagnosis for diagnosis in reader.summary().diagnoses}
        assert reader.events()[-1].text.startswith("failed: ")
    assert diagnoses["diverges"].severity == "bad"
    assert diagnoses["diverges"].change == {"optimizer.lr": 0.3}


HEALTHY: dict[str, dict[str, Any]] = {
    "adding, lstm": {
        "data": {"dataset": "adding", "options": {"examples": 2000, "length": 16}},
        "model": {"architecture": "lstm", "options": {"hidden_size": 32}},
        "training": {"epochs": 12},
    },
    "digits, mlp": {},
    "digits, lenet5": {
        "data": {"options": {"image_size": 28}},
        "model": {"architecture": "lenet5"},
        "training": {"epochs": 10},
    },
    "moons, mlp": {"data": {"dataset": "moons"}},
    "mnist1d, softmax regression": {
        "data": {"dataset": "mnist1d"},
        "model": {"architecture": "softmax_regression"},
        "training": {"epochs": 40},
    },
    "diabetes, linear": {"data": {"dataset": "diabetes"}, "model": {"architecture": "linear"}},
}


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_trainings_are_left_in_peace(name: str, tmp_path: Path, at_every_step: None) -> None:
    recording = watched(described(**HEALTHY[name]), tmp_path)
    assert len(recording.layer_samples) > 50
    assert said(recording) == {}
    assert not recording.texts("warning")


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"data": {"dataset": "mnist1d"}, "model": {"architecture": "softmax_regression"}},
        {"data": {"options": {"image_size": 28}}, "model": {"architecture": "lenet5"}},
        {"data": {"dataset": "circles"}},
        {"data": {"dataset": "spirals"}},
        {"data": {"dataset": "blobs"}},
        {"data": {"dataset": "text"}},
        {"model": {"architecture": "cnn"}},
        {"model": {"architecture": "resnet_cifar", "options": {"depth": 8}}, "training": {"epochs": 5}},
        *({"optimizer": {"name": name}} for name in ("sgd", "momentum", "rmsprop", "adafactor", "adadelta")),
        {"optimizer": {"name": "muon"}, "training": {"epochs": 8}},  # in twenty it overfits
    ],
    ids=str,
)
def test_whole_healthy_trainings_are_left_in_peace(
    changes: dict[str, Any], tmp_path: Path, at_every_step: None
) -> None:
    assert said(watched(described(**changes), tmp_path)) == {}


def test_diagnosing_changes_nothing_of_a_training(tmp_path: Path, at_every_step: None) -> None:
    chosen = toy(optimizer={"name": "momentum", "lr": 3.0})
    bare, trainer, _ = run_toy(chosen, tmp_path)
    recording = Recording()
    diagnosing = Diagnosing(recording, chosen, prepared_for(chosen, tmp_path), CPU.type)
    diagnosed = trainer_for(chosen, tmp_path, diagnosing)  # type: ignore[arg-type]  # a Recorder in front of one
    train(diagnosed)
    assert same(weights(trainer), weights(diagnosed))
    assert said(recording)
    assert recording.series["train/loss"] == bare.series["train/loss"]


def test_the_looks_stay_within_their_share_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on by a second with each look at it, a look costs one: two thousand go by to the next."""
    chosen = toy()
    diagnosing = Diagnosing(Recording(), chosen, prepared_for(chosen, tmp_path), "cpu")
    seconds = count(1.0)
    monkeypatch.setattr("tdl_tui.training.diagnosing.time.perf_counter", lambda: next(seconds))
    asked: list[int] = []
    monkeypatch.setattr("tdl_tui.training.diagnosing.diagnose", lambda evidence: asked.append(evidence.step) or [])
    for step in range(1, 8001):
        diagnosing.extend("train/loss", step, 1, array("d", [1.0]), 0.0, 0.0)
    assert 3 <= len(asked) <= 5


RATE = "rate_too_low"


def asked_of(chosen: Experiment, plan: dict[int, list[Asked]], home: Path) -> tuple[Recording, Trainer]:
    """What was recorded of a training under diagnosis of which something is asked at some steps."""
    recording, control = Recording(), AtSteps(plan)
    diagnosing = Diagnosing(recording, chosen, prepared_for(chosen, home), "cpu")
    trainer = trainer_for(chosen, home, diagnosing, control, folder=home)  # type: ignore[arg-type]  # as above
    train(trainer)
    trainer.close()
    return recording, trainer


def told_of(recording: Recording, rule: str) -> list[tuple[int, bool]]:
    """Steps at which a rule spoke, and whether it said that it is over."""
    events = [event for event in recording.events if event.kind == "diagnosis" and event.data["rule"] == rule]
    return [(event.step, event.data["over"]) for event in events]


def test_rules_see_the_values_in_force_and_look_afresh_after_a_change(tmp_path: Path, at_every_step: None) -> None:
    slow = described(optimizer={"name": "sgd", "lr": 1e-6}, training={"epochs": 20})
    recording, _ = asked_of(slow, {150: [Asked("set", {"optimizer.lr": 2e-6})]}, tmp_path)
    (first, _), (over, is_over), (again, _) = told_of(recording, RATE)
    assert first == limits.EARLIEST < 150 < over <= 152 and is_over
    assert again == 150 + limits.EARLIEST
    offers = [e.data["change"] for e in recording.events if (e.data.get("rule"), e.data.get("over")) == (RATE, False)]
    assert offers == [{"optimizer.lr": 1e-3}, {"optimizer.lr": 2e-3}]  # a thousand times what was in force
    cured, _ = asked_of(slow, {150: [Asked("set", {"optimizer.lr": 0.1})]}, tmp_path)
    assert [is_over for _, is_over in told_of(cured, RATE)] == [False, True]
    assert cured.facts["diagnoses"] == []


def test_a_roll_back_undoes_what_was_said_of_the_steps_after_it(tmp_path: Path, at_every_step: None) -> None:
    slow = described(optimizer={"name": "sgd", "lr": 1e-6}, training={"epochs": 8})
    plan = {
        20: [Asked("checkpoint")],
        100: [Asked("rollback", {"to": "step-20.pt"}), Asked("set", {"optimizer.lr": 0.1})],
    }
    recording, _ = asked_of(slow, plan, tmp_path)
    assert told_of(recording, RATE) == [(limits.EARLIEST, False)]
    assert recording.facts["diagnoses"] == []


def test_a_roll_back_undoes_a_change_that_came_after_its_checkpoint_at_the_same_step(
    tmp_path: Path, at_every_step: None
) -> None:
    slow = described(optimizer={"name": "sgd", "lr": 1e-6}, training={"epochs": 8})
    kept, there = Asked("checkpoint", id="kept"), {"to": "step-60.pt"}
    before = Asked("set", {"optimizer.weight_decay": 0.1}, "before")
    after = Asked("set", {"optimizer.lr": 0.1}, "after")
    recording, trainer = asked_of(slow, {60: [before, kept, after], 100: [Asked("rollback", there)]}, tmp_path)
    assert (trainer.experiment.optimizer.lr, trainer.experiment.optimizer.weight_decay) == (1e-6, 0.1)
    first, over, again = told_of(recording, RATE)
    assert (first, over, again[1]) == ((limits.EARLIEST, False), (61, True), False)
    assert again[0] == 60 + limits.LAYER_SAMPLES  # not afresh: the value was never another
    known = of_events(slow, recording.events, 180)
    assert (known.experiment, known.changes) == (trainer.experiment, {"optimizer.weight_decay": 60})


def test_a_roll_back_to_the_best_weights_leaves_values_as_they_are(tmp_path: Path, at_every_step: None) -> None:
    chosen = described(training={"epochs": 4})
    lower, back_to_best = Asked("set", {"optimizer.lr": 1e-9}, "set"), Asked("rollback", {"to": "best.pt"}, "back")
    plan = {30: [lower, Asked("checkpoint")], 40: [back_to_best]}
    recording, trainer = asked_of(chosen, plan, tmp_path)
    (back,) = (event for event in recording.events if event.data.get("verb") == "rollback")
    known = of_events(chosen, recording.events, trainer.position.step)
    assert back.step < 30 and known.experiment == trainer.experiment
    assert known.changes == {"optimizer.lr": back.step}  # the steps up to there had the value of the launch


def test_a_resume_knows_which_values_are_in_force(tmp_path: Path) -> None:
    chosen = toy()
    folder = new_run(tmp_path, chosen)
    with RunWriter(folder) as writer:
        writer.extend("train/loss", 1, 1, array("d", [1.0] * 40), 0.0, 1.0)
        for step, data in (
            (10, {"verb": "set", "optimizer.lr": 0.5}),
            (20, {"verb": "set", "optimizer.lr": 0.7, "refused": True}),
            (30, {"verb": "undo", "optimizer.lr": 1e-3}),
            (35, {"verb": "set", "optimizer.weight_decay": 0.1}),
        ):
            writer.event("command", "", step, data)
    with RunReader(folder) as reader:
        held, early = recall(reader, chosen, 40).in_force, recall(reader, chosen, 12).in_force
    assert (held.experiment.optimizer.lr, held.experiment.optimizer.weight_decay) == (1e-3, 0.1)
    assert held.changes == {"optimizer.lr": 30, "optimizer.weight_decay": 35}
    assert (early.experiment.optimizer.lr, early.changes) == (0.5, {"optimizer.lr": 10})


def run_until(state: State, folder: Path, control: CommandQueue | None = None) -> tuple[list[Event], list[str]]:
    """The events that say a diagnosis, and the rules of those that hold."""
    assert run_training(folder, control or CommandQueue()) is state
    with RunReader(folder) as reader:
        events = [event for event in reader.events() if event.kind == "diagnosis"]
        return events, [diagnosis.rule for diagnosis in reader.summary().diagnoses]


class StopAtLook(CommandQueue):
    """Asks for a stop once so many looks were taken at it."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._looks = looks

    @property
    def pending(self) -> bool:  # type: ignore[override]  # a property in an attribute's place
        self._looks -= 1
        if self._looks == 0:
            self.put(Asked("stop"))
        return bool(self._commands)

    @pending.setter
    def pending(self, value: bool) -> None:
        pass


def test_a_resume_says_nothing_twice(tmp_path: Path, at_every_step: None) -> None:
    ill = described(**ILLNESSES["inputs of any size"][1], seed=1)
    whole, held = run_until(State.FINISHED, new_run(tmp_path, ill))
    assert sorted(event.data["rule"] for event in whole) == sorted(held) == ["dead_units", "initial_loss"]
    folder = new_run(tmp_path, ill)
    stopped, _ = run_until(State.STOPPED, folder, StopAtLook(9))
    assert [event.data["rule"] for event in stopped] == [event.data["rule"] for event in whole]
    resumed, held_again = run_until(State.FINISHED, folder)
    assert resumed == stopped and held_again == held


def test_what_the_folder_has_gives_the_same_diagnoses_as_what_the_worker_saw(
    tmp_path: Path, at_every_step: None
) -> None:
    chosen = described(**EXPLOSIVE)
    folder = new_run(tmp_path, chosen)
    _, held = run_until(State.FINISHED, folder)
    with RunReader(folder) as reader:
        evidence = of_reader(reader, chosen)
    assert evidence.step == 26 and set(evidence.series) <= set(SERIES)
    assert {diagnosis.rule for diagnosis in diagnose(evidence)} == set(held) >= {"exploding_gradients"}


def test_a_broken_rule_does_not_break_the_training(
    tmp_path: Path, at_every_step: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tdl_tui.training.diagnosing.diagnose", lambda evidence: 1 / 0)
    recording = watched(toy(), tmp_path)
    assert len(recording.texts("warning")) == 1
    assert recording.facts["state"] is State.FINISHED
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_every_rule_has_an_illness_here() -> None:
    ours = {rule for rule, _ in ILLNESSES.values()} | {"class_imbalance", "data_bound", "does_not_fit"}
    assert {rule.name for rule in RULES} - ours == {"idle_gpu"}  # which takes a GPU: see tests/diagnosis
