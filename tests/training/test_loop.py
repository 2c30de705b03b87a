from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toy_training import (
    CPU,
    TOY,
    Asked,
    AtSteps,
    Recording,
    merged,
    prepared_for,
    run_toy,
    same,
    toy,
    trainer_for,
    weights,
)

from tdl_tui.models.build import build
from tdl_tui.runs.records import LAYER_COLUMNS, State
from tdl_tui.spec import experiment
from tdl_tui.training import checkpoints, validation
from tdl_tui.training.history import Replay
from tdl_tui.training.loop import train
from tdl_tui.training.nonfinite import NotFinite
from tdl_tui.training.session import try_threads
from tdl_tui.training.steering import obey
from tdl_tui.training.telemetry import Telemetry

VARIANTS: dict[str, dict[str, Any]] = {
    "sgd with momentum": {"optimizer": {"name": "momentum", "lr": 0.05, "options": {"momentum": 0.9}}},
    "adam, dropout, batch norm": {"model": {"options": {"dropout": 0.3, "norm": "batch"}}},
    "adamw, cosine, warm-up, clipping": {
        "optimizer": {"name": "adamw", "weight_decay": 0.1},
        "schedule": {"name": "cosine", "warmup_steps": 4},
        "training": {"gradient_clip_norm": 0.5},
    },
    "regression": {"data": {"dataset": "diabetes"}},
    "bf16": {"training": {"precision": "bf16"}},
    "convolutions": {
        "data": {"dataset": "digits", "options": {"image_size": 28}, "batch_size": 128, "split": [0.2, 0.1, 0.7]},
        "model": {"architecture": "lenet5", "options": {}},
    },
    "lstm": {
        "data": {"dataset": "digits", "batch_size": 128, "split": [0.3, 0.1, 0.6]},
        "model": {"architecture": "lstm", "options": {"hidden_size": 8}},
    },
    "a target at every step": {
        "data": {"dataset": "copy_memory", "options": {"length": 5, "examples": 200}, "split": [0.6, 0.2, 0.2]},
        "model": {"architecture": "gru", "options": {"hidden_size": 8}},
    },
    "in parts, penalty, clipping by value, averaged weights": {
        "model": {"options": {"dropout": 0.3, "norm": "batch"}},
        "objective": {"l1_penalty": 1e-3, "options": {"label_smoothing": 0.1, "class_weights": "balanced"}},
        "training": {"accumulation": 3, "gradient_clip_value": 0.05, "ema_decay": 0.8},
    },
    "reduce on plateau": {
        "schedule": {
            "name": "reduce_on_plateau",
            "warmup_steps": 2,
            "options": {"factor": 0.5, "patience": 0, "threshold": 1e3},
        },
    },
    "l-bfgs": {
        "model": {"options": {"dropout": 0.3, "norm": "batch"}},
        "objective": {"l1_penalty": 1e-3},
        "data": {"batch_size": 64},
        "optimizer": {"name": "lbfgs", "lr": 0.1, "options": {"iterations": 2}},
        "training": {"gradient_clip_norm": 1.0},
    },
    "simulated annealing": {
        "optimizer": {"name": "simulated_annealing", "options": {"evaluations": 3}},
        "objective": {"l1_penalty": 1e-3},
    },
    "evolution strategy": {"optimizer": {"name": "evolution_strategy", "options": {"population": 6}}},
}


def variant(name: str, **changes: Any) -> Any:
    chosen = VARIANTS[name]
    if chosen.get("model", {}).get("architecture"):
        return experiment(merged({"training": TOY["training"]}, merged(chosen, changes)))
    return toy(**merged(chosen, changes))


def by_hand(chosen: Any, home: Path) -> list[float]:
    """The losses of a plain loop over the same batches."""
    from torch.nn.functional import cross_entropy

    torch.manual_seed(chosen.seed)
    model = build(chosen.model.architecture, chosen.shape, chosen.model.options)
    optimizer = torch.optim.Adam(model.parameters(), lr=chosen.optimizer.lr, fused=True)
    batches = prepared_for(chosen, home).batches
    losses = []
    for epoch in range(chosen.training.epochs):
        for inputs, targets in batches.epoch(epoch):
            optimizer.zero_grad()
            loss = cross_entropy(model(inputs), targets)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimizer.step()
            losses.append(loss.item())
    return losses


def test_the_losses_are_those_of_a_plain_loop(tmp_path: Path) -> None:
    chosen = toy()
    recording, _, result = run_toy(chosen, tmp_path)
    assert recording.values("train/loss") == by_hand(chosen, tmp_path)
    assert [step for step, _ in recording.series["train/loss"]] == list(range(1, result.step + 1))
    assert result.state is State.FINISHED
    assert recording.states == [State.RUNNING, State.FINISHED]


def test_it_learns_and_tests_with_the_best_weights(tmp_path: Path) -> None:
    chosen = toy(training={"epochs": 15})
    recording, trainer, result = run_toy(chosen, tmp_path)
    assert result.test is not None and result.test["accuracy"] > 0.9
    assert result.best is not None
    validations = recording.series["val/loss"]
    assert (result.best.step, result.best.value) == min(validations, key=lambda point: point[1])
    assert recording.facts["test"] == result.test
    assert recording.facts["progress"].epoch == 15
    assert trainer.best_weights is not None and same(weights(trainer), trainer.best_weights)


def test_every_series_is_there(tmp_path: Path) -> None:
    recording, _, _ = run_toy(toy(), tmp_path)
    classes = {"train/loss", "train/accuracy", "val/loss", "val/accuracy", "lr", "grad/norm", "telemetry/spacing"}
    assert classes <= set(recording.series)
    recording, _, _ = run_toy(variant("regression"), tmp_path)
    assert {"train/loss", "train/r2", "val/loss", "val/r2"} <= set(recording.series)
    assert recording.facts["test"].keys() == {"loss", "r2", "rmse"}


@pytest.mark.parametrize("name", VARIANTS)
def test_telemetry_changes_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def at_every_step(telemetry: Telemetry, step: int) -> None:
        telemetry.next_step = step + 1

    monkeypatch.setattr("tdl_tui.training.blocks.SECONDS", 0.0)
    blind, without, _ = run_toy(variant(name, telemetry={"budget": 0, "probes": 0}), tmp_path)
    monkeypatch.setattr(Telemetry, "plan", at_every_step)
    seeing, with_all, result = run_toy(variant(name, telemetry={"budget": 1, "probes": 16}), tmp_path)
    assert len(seeing.layer_samples) == result.step
    assert not blind.layer_samples
    assert blind.series["train/loss"] == seeing.series["train/loss"]
    assert blind.series["val/loss"] == seeing.series["val/loss"]
    assert same(weights(without), weights(with_all))


@pytest.mark.parametrize("name", VARIANTS)
def test_stopped_and_resumed_is_as_if_it_had_never_stopped(name: str, tmp_path: Path) -> None:
    chosen = variant(name)
    whole, trained, result = run_toy(chosen, tmp_path)
    middle = trained.batches.steps_per_epoch + 2
    folder = tmp_path / "checkpoints"
    first = Recording()
    stopped = train(trainer_for(chosen, tmp_path, first, AtSteps({middle: [Asked("stop")]}), folder=folder))
    assert (stopped.state, stopped.step) == (State.STOPPED, middle)
    torch.manual_seed(999)  # whatever another process has done
    content = checkpoints.load(folder / "last.pt")
    second, resumed, again = run_toy(chosen, tmp_path, content=content, folder=folder)
    assert again.test == result.test
    assert again.best == result.best
    for series in ("train/loss", "val/loss"):
        assert first.series[series] + second.series[series] == whole.series[series]
    assert same(weights(resumed), weights(trained))
    if "train/r2" in whole.series:
        found = first.values("train/r2") + second.values("train/r2")
        assert found == pytest.approx(whole.values("train/r2"), rel=1e-5)  # sums are made in other blocks


def test_a_checkpoint_changes_nothing(tmp_path: Path) -> None:
    chosen = variant("adam, dropout, batch norm")
    plain, _, _ = run_toy(chosen, tmp_path)
    plan = AtSteps({3: [Asked("checkpoint")], 7: [Asked("checkpoint")]})
    kept, _, _ = run_toy(chosen, tmp_path, control=plan, folder=tmp_path / "c")
    assert kept.series["train/loss"] == plain.series["train/loss"]
    names = {"last.pt", "previous.pt", "best.pt", "step-3.pt", "step-7.pt"}
    assert {path.name for path in (tmp_path / "c").iterdir()} == names


def test_points_are_durable_before_the_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = Recording()
    seen: list[tuple[int, int]] = []

    def save(path: Path, content: dict[str, Any], **_: Any) -> None:
        if path.name == "last.pt":
            seen.append((content["position"]["step"], recording.flushed["train/loss"]))

    monkeypatch.setattr(checkpoints, "save", save)
    train(trainer_for(toy(), tmp_path, recording, AtSteps({5: [Asked("checkpoint")]}), folder=tmp_path / "c"))
    assert seen[0] == (5, 5)
    assert len(seen) == 2
    assert seen[1][0] == seen[1][1]


def test_a_new_learning_rate_holds_from_the_next_step_on(tmp_path: Path) -> None:
    plan = AtSteps({4: [Asked("set", {"optimizer.lr": 0.5}, "c1", "ann@box")]})
    recording, _, result = run_toy(toy(), tmp_path, control=plan)
    rates = _rates(recording, result.step)
    assert rates[3] == 1e-3
    assert set(rates[4:]) == {0.5}
    answer = next(event for event in recording.events if event.kind == "command")
    assert answer.data == {
        "command": "c1",
        "verb": "set",
        "optimizer.lr": 0.5,
        "before": {"optimizer.lr": 1e-3},
        "who": "ann@box",
    }
    assert answer.step == 4


def _rates(recording: Recording, steps: int) -> list[float]:
    """The rate at every step: a point holds until the next."""
    known = dict(recording.series["lr"])
    rates = [math.nan]
    for step in range(1, steps + 1):
        rates.append(known.get(step, rates[-1]))
    return rates[1:]


def test_a_scheduled_rate_is_recorded_at_every_step(tmp_path: Path) -> None:
    chosen = toy(schedule={"name": "cosine", "warmup_steps": 4})
    recording, trainer, result = run_toy(chosen, tmp_path)
    expected = [(step, 1e-3 * trainer.schedule(step)) for step in range(1, result.step + 1)]
    assert recording.series["lr"] == expected


def test_what_was_set_after_the_checkpoint_is_set_again_at_its_step(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    rate = Asked("set", {"optimizer.lr": 0.02})
    whole, trained, _ = run_toy(toy(), tmp_path, control=AtSteps({5: [Asked("checkpoint")], 8: [rate]}), folder=folder)
    content = checkpoints.load(folder / "step-5.pt")
    again, resumed, _ = run_toy(toy(), tmp_path, content=content, replay=Replay({8: [rate]}))
    assert again.series["train/loss"] == whole.series["train/loss"][5:]
    assert same(weights(resumed), weights(trained))


def test_what_was_set_at_the_checkpoints_own_step(tmp_path: Path) -> None:
    folder = tmp_path / "c"
    both = [Asked("checkpoint", id="c1"), Asked("set", {"optimizer.lr": 0.02}, "c2")]
    whole, _, _ = run_toy(toy(), tmp_path, control=AtSteps({5: both}), folder=folder)
    content = checkpoints.load(folder / "step-5.pt")
    again, _, _ = run_toy(toy(), tmp_path, content=content, replay=Replay({5: [both[1]]}))
    assert again.series["train/loss"] == whole.series["train/loss"][5:]


def test_a_pause_waits_for_the_resume(tmp_path: Path) -> None:
    plan = AtSteps({4: [Asked("pause", id="p"), Asked("checkpoint", id="k"), Asked("resume", id="r")]})
    plain, _, _ = run_toy(toy(), tmp_path)
    recording, _, result = run_toy(toy(), tmp_path, control=plan)
    assert plan.waits == 1
    assert recording.states == [State.RUNNING, State.PAUSED, State.RUNNING, State.FINISHED]
    assert [e.data["command"] for e in recording.events if e.kind == "command"] == ["p", "k", "r"]
    assert recording.series["train/loss"] == plain.series["train/loss"]
    assert result.state is State.FINISHED


def test_a_paused_run_can_be_stopped(tmp_path: Path) -> None:
    plan = AtSteps({4: [Asked("pause"), Asked("stop")]})
    recording, _, result = run_toy(toy(), tmp_path, control=plan, folder=tmp_path / "c")
    assert result.state is State.STOPPED
    assert recording.states == [State.RUNNING, State.PAUSED, State.STOPPED]
    assert checkpoints.load(tmp_path / "c" / "last.pt")["position"]["step"] == 4


@pytest.mark.parametrize(
    "command",
    [
        Asked("dance"),
        Asked("set", {"optimizer.lr": -1}),
        Asked("set", {"optimizer.lr": "fast"}),
        Asked("set", {"optimizer.lr": math.inf}),
        Asked("set", {"optimizer.lr": True}),
        Asked("set", {"data.batch_size": 3}),
        Asked("set"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_refused_and_training_goes_on(command: Asked, tmp_path: Path) -> None:
    plain, _, _ = run_toy(toy(), tmp_path)
    recording, _, _ = run_toy(toy(), tmp_path, control=AtSteps({4: [command]}))
    answer = next(event for event in recording.events if event.kind == "command")
    assert answer.text.startswith("refused: ")
    assert answer.data == {"command": "asked", "verb": command.verb, "refused": True}
    assert recording.series["train/loss"] == plain.series["train/loss"]


def test_a_stop_during_validation_is_made_good_on_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _, result = run_toy(toy(), tmp_path)
    recording = Recording()
    control = AtSteps({})
    trainer = trainer_for(toy(), tmp_path, recording, control, folder=tmp_path / "c")
    epoch, evaluate = trainer.batches.steps_per_epoch, validation.evaluate

    def stopping(*arguments: Any, **named: Any) -> dict[str, float]:
        control.plan[epoch] = [Asked("stop")]
        return evaluate(*arguments, **named)

    monkeypatch.setattr(validation, "evaluate", stopping)
    assert train(trainer).state is State.STOPPED
    assert "val/loss" not in recording.series
    content = checkpoints.load(tmp_path / "c" / "last.pt")
    monkeypatch.undo()
    again, _, resumed = run_toy(toy(), tmp_path, content=content)
    assert again.series["val/loss"] == whole.series["val/loss"]
    assert resumed.test == result.test


def test_patience_ends_the_training_and_the_best_weights_come_back(tmp_path: Path) -> None:
    chosen = toy(
        optimizer={"name": "sgd", "lr": 5.0},
        training={"epochs": 200, "early_stopping": {"monitor": "val/accuracy", "patience": 3}},
    )
    recording, trainer, result = run_toy(chosen, tmp_path)
    accuracies = recording.values("val/accuracy")
    assert result.epochs < 200
    assert len(accuracies) == result.epochs
    assert max(accuracies[:-3]) == max(accuracies)
    assert accuracies.index(max(accuracies)) == len(accuracies) - 4
    assert "has not improved for 3 validations" in recording.texts("early_stopping")[0]
    assert trainer.best_weights is not None and same(weights(trainer), trainer.best_weights)


def test_without_restoring_the_last_weights_are_tested(tmp_path: Path) -> None:
    chosen = toy(training={"early_stopping": {"restore_best": False}}, optimizer={"lr": 0.5})
    _, trainer, result = run_toy(chosen, tmp_path)
    assert result.best is not None
    trainer.model.load_state_dict({k: v.clone() for k, v in weights(trainer).items()})
    assert validation.evaluated(trainer, "test", obey) == pytest.approx(result.test)


def test_without_held_out_parts_it_trains_all_the_same(tmp_path: Path) -> None:
    recording, _, result = run_toy(toy(data={"split": [1, 0, 0]}), tmp_path)
    assert result.state is State.FINISHED
    assert (result.best, result.test) == (None, None)
    assert "val/loss" not in recording.series
    assert not recording.probe_samples


class Breaks(nn.Module):
    """A model whose outputs are not finite from the given training step on."""

    def __init__(self, shape: Any, step: int) -> None:
        super().__init__()
        self.good = nn.Linear(shape.input[0], shape.outputs)
        self.bad = nn.Linear(shape.outputs, shape.outputs)
        self.step = step
        self.steps = 0

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.bad(self.good(x).detach())
        if self.training:
            self.steps += 1
            if self.steps >= self.step:
                outputs = outputs * math.nan
        return outputs


@pytest.mark.parametrize("step", [1, 5, 9])
def test_a_loss_that_is_not_finite_ends_the_run_and_names_step_and_layers(step: int, tmp_path: Path) -> None:
    chosen = toy()
    recording = Recording()
    trainer = trainer_for(chosen, tmp_path, recording, model=Breaks(chosen.shape, step), folder=tmp_path / "c")
    with pytest.raises(NotFinite, match=rf"not finite from step {step} on; not finite at step \d+: bad$"):
        train(trainer)
    assert math.isnan(dict(recording.series["train/loss"])[step])
    assert not (tmp_path / "c" / "last.pt").exists()  # no checkpoint of what is broken


@pytest.mark.parametrize(
    ("split", "part"), [([0.5, 0.25, 0.25], "validation"), ([0.75, 0.0, 0.25], "test")], ids=["validation", "test"]
)
def test_weights_that_the_last_step_broke_are_noticed(split: list[float], part: str, tmp_path: Path) -> None:
    huge = {"name": "sgd", "lr": 1e38}
    chosen = toy(data={"batch_size": 10_000, "split": split}, training={"epochs": 1}, optimizer=huge)
    recording = Recording()
    with pytest.raises(NotFinite, match=rf"^the {part} loss is not finite at step 1"):
        train(trainer_for(chosen, tmp_path, recording))
    assert all(map(math.isfinite, recording.values("train/loss")))


def test_a_broken_step_just_before_the_validation_is_named(tmp_path: Path) -> None:
    chosen = toy()
    last = trainer_for(chosen, tmp_path, Recording()).batches.steps_per_epoch
    trainer = trainer_for(chosen, tmp_path, Recording(), model=Breaks(chosen.shape, last))
    with pytest.raises(NotFinite, match=rf"^the loss is not finite from step {last} on; not finite at step {last}: "):
        train(trainer)


def test_it_goes_on_when_told_to(tmp_path: Path) -> None:
    chosen = toy(training={"stop_on_nonfinite": False})
    recording, _, result = run_toy(chosen, tmp_path, model=Breaks(chosen.shape, 5))
    assert result.state is State.FINISHED
    assert len(recording.texts("warning")) == 1


def test_a_recorder_that_cannot_write_ends_the_training(tmp_path: Path) -> None:
    recording = Recording(error=OSError("no space left"))
    with pytest.raises(OSError, match="no space"):
        train(trainer_for(toy(), tmp_path, recording))


def test_clipping_records_the_norm_of_every_step(tmp_path: Path) -> None:
    chosen = toy(training={"gradient_clip_norm": 1e-3})
    recording, _, result = run_toy(chosen, tmp_path)
    assert [step for step, _ in recording.series["grad/norm"]] == list(range(1, result.step + 1))
    free, _, _ = run_toy(toy(), tmp_path)
    assert recording.values("grad/norm")[0] == pytest.approx(free.values("grad/norm")[0], rel=1e-5)


def test_the_same_seed_gives_the_same_losses_and_another_others(tmp_path: Path) -> None:
    first, _, _ = run_toy(toy(), tmp_path)
    torch.rand(17)
    second, _, _ = run_toy(toy(), tmp_path)
    other, _, _ = run_toy(toy(seed=1), tmp_path)
    assert first.series["train/loss"] == second.series["train/loss"]
    assert first.series["train/loss"] != other.series["train/loss"]


def test_weights_stay_where_they_are(tmp_path: Path) -> None:
    _, trainer, _ = run_toy(toy(), tmp_path)
    assert all(p.device == CPU for p in trainer.model.parameters())


def test_trying_threads_out_changes_nothing(tmp_path: Path) -> None:
    chosen = variant("adam, dropout, batch norm", training={"threads": 0})
    plain, without, _ = run_toy(variant("adam, dropout, batch norm"), tmp_path)
    recording = Recording()
    trainer = trainer_for(chosen, tmp_path, recording)
    trainer.threads.use(2)
    try_threads(trainer)
    trainer.threads.use(1)
    train(trainer)
    assert recording.series["train/loss"] == plain.series["train/loss"]
    assert same(weights(trainer), weights(without))


def test_guessing_learns_without_a_gradient_being_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a gradient was computed")

    for name in ("backward", "grad"):
        monkeypatch.setattr(torch.autograd, name, refuse)
    chosen = variant("simulated annealing", training={"epochs": 12, "threads": 0})
    recording = Recording()
    trainer = trainer_for(chosen, tmp_path, recording)
    trainer.threads.use(2)
    try_threads(trainer)
    trainer.threads.use(1)
    result = train(trainer)
    assert result.best is not None and result.best.value < 0.5 * recording.values("val/loss")[0]
    assert "grad/norm" not in recording.series
    gradients = [row[LAYER_COLUMNS.index("gradient_norm")] for row in recording.layer_samples[-1].rows]
    changes = [row[LAYER_COLUMNS.index("update_ratio")] for row in recording.layer_samples[0].rows]
    assert all(map(math.isnan, gradients))
    assert all(change >= 0 for change in changes)


def test_l_bfgs_is_that_of_a_plain_loop(tmp_path: Path) -> None:
    from torch.nn.functional import cross_entropy

    chosen = toy(optimizer={"name": "lbfgs", "lr": 0.01, "options": {"line_search": "none", "iterations": 4}})
    recording, _, _ = run_toy(chosen, tmp_path)
    torch.manual_seed(chosen.seed)
    model = build(chosen.model.architecture, chosen.shape, chosen.model.options)
    optimizer = torch.optim.LBFGS(model.parameters(), 0.01, max_iter=4, history_size=10)
    batches, losses = prepared_for(chosen, tmp_path).batches, []
    for epoch in range(chosen.training.epochs):
        for inputs, targets in batches.epoch(epoch):

            def closure(inputs: Tensor = inputs, targets: Tensor = targets) -> Tensor:
                optimizer.zero_grad()
                loss = cross_entropy(model(inputs), targets)
                loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
                return loss

            losses.append(float(optimizer.step(closure).detach()))  # type: ignore[arg-type]  # as torch's own examples do
    assert recording.values("train/loss") == losses


def test_a_batch_in_parts_learns_as_the_whole(tmp_path: Path) -> None:
    whole, _, _ = run_toy(toy(), tmp_path)
    parts, _, result = run_toy(toy(training={"accumulation": 5}), tmp_path)
    assert len(parts.values("train/loss")) == result.step == len(whole.values("train/loss"))
    assert parts.values("train/loss") == pytest.approx(whole.values("train/loss"), rel=1e-4)
    assert parts.values("train/accuracy") == pytest.approx(whole.values("train/accuracy"), abs=0.05)


@pytest.mark.parametrize("batch_size", [1, 10_000])
def test_batches_of_one_example_and_of_all(batch_size: int, tmp_path: Path) -> None:
    chosen = toy(data={"batch_size": batch_size}, training={"epochs": 1})
    recording, trainer, result = run_toy(chosen, tmp_path)
    assert result.step == (trainer.batches.sizes["train"] if batch_size == 1 else 1)
    assert len(recording.values("train/accuracy")) == result.step


def test_a_penalty_shrinks_the_weights_and_is_no_part_of_the_loss(tmp_path: Path) -> None:
    free, without, _ = run_toy(toy(), tmp_path)
    held, penalised, _ = run_toy(toy(objective={"l1_penalty": 0.05}), tmp_path)
    assert held.values("train/loss")[0] == free.values("train/loss")[0]
    sizes = [sum(p.abs().sum().item() for p in t.model.parameters()) for t in (penalised, without)]
    assert sizes[0] < sizes[1]


def test_the_average_is_what_is_validated_tested_and_kept(tmp_path: Path) -> None:
    chosen = toy(training={"ema_decay": 0.9, "early_stopping": {"restore_best": False}}, optimizer={"lr": 0.05})
    plain, without, _ = run_toy(
        toy(training={"early_stopping": {"restore_best": False}}, optimizer={"lr": 0.05}), tmp_path
    )
    recording = Recording()
    trainer = trainer_for(chosen, tmp_path, recording, folder=tmp_path / "c")
    assert trainer.average is not None
    average = trainer.average
    result = train(trainer)
    assert recording.series["train/loss"] == plain.series["train/loss"]
    assert recording.series["val/loss"] != plain.series["val/loss"]
    assert same(weights(trainer), average.model.state_dict())
    assert not same(weights(trainer), weights(without))
    assert validation.evaluated(trainer, "test", obey) == pytest.approx(result.test)
    content = checkpoints.load(tmp_path / "c" / "last.pt")
    assert same(content["model"], weights(without))
    assert same(content["average"], weights(trainer))


def test_a_plateau_lowers_the_rate_and_says_so(tmp_path: Path) -> None:
    recording, trainer, result = run_toy(variant("reduce on plateau"), tmp_path)
    epoch = trainer.batches.steps_per_epoch
    rates = _rates(recording, result.step)
    assert rates[epoch - 1] == 1e-3  # the first validation is the best so far
    assert rates[2 * epoch - 1 : 2 * epoch + 1] == [1e-3, 5e-4]
    assert (
        recording.texts("schedule")[0]
        == f"val/loss stands still: 0.5 of the learning rate from step {2 * epoch + 1} on"
    )


def test_a_plateau_goes_by_what_early_stopping_monitors(tmp_path: Path) -> None:
    chosen = variant("reduce on plateau", training={"early_stopping": {"monitor": "val/accuracy"}})
    trainer = trainer_for(chosen, tmp_path, Recording())
    assert trainer.observer is not None
    validation.observe(trainer, {"loss": 1.0, "accuracy": 0.5})
    assert trainer.observer.state()["best"] == -0.5


def test_each_step_with_a_target_counts(tmp_path: Path) -> None:
    recording, trainer, result = run_toy(variant("a target at every step"), tmp_path)
    inputs, targets = next(trainer.batches.part("test"))
    trainer.model.eval()
    outputs = trainer.model(inputs).detach()
    assert outputs.shape == (len(targets), 10, 25)
    assert result.test is not None
    assert result.test["accuracy"] == pytest.approx(float((outputs.argmax(1) == targets).float().mean()))
    assert result.test["loss"] == pytest.approx(float(nn.functional.cross_entropy(outputs, targets)), rel=1e-5)
    assert 0 < recording.values("train/accuracy")[-1] < 1
    with torch.no_grad():
        last = trainer.model(trainer.telemetry._probe_inputs)[..., -1]
    assert len(recording.probe_samples[-1].outputs[0]) == 10
    if result.best is not None and result.best.step == recording.probe_samples[-1].step:
        torch.testing.assert_close(torch.tensor(recording.probe_samples[-1].outputs), last)
    assert not recording.texts("sample")  # it reads tokens, and writes no text


def test_a_model_of_text_writes_at_each_validation(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("the cat sat on the mat\n" * 60, encoding="utf-8")
    document = {
        "data": {"dataset": "text", "options": {"file": str(tmp_path / "book.txt"), "length": 16}, "batch_size": 8},
        "model": {"architecture": "gru", "options": {"hidden_size": 8}},
        "training": {**TOY["training"], "epochs": 2},
    }
    recording, _, _ = run_toy(experiment(document), tmp_path)
    samples = [event for event in recording.events if event.kind == "sample"]
    assert [event.step for event in samples] == [step for step, _ in recording.series["val/loss"]]
    for event in samples:
        assert len(event.text) == 200 and event.text.isprintable()
        assert set(event.data["text"]) <= set("the cat sat on the mat\n")
    again, _, _ = run_toy(experiment(document), tmp_path)
    assert again.texts("sample") == recording.texts("sample")
    assert again.series["train/loss"] == recording.series["train/loss"]
