"""Probes that are added while a model learns: followed from then on, and training does not notice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from toy_training import Asked, AtSteps, Recording, run_toy, same, toy, trainer_for, weights

from tdl_tui.data.dataset import DataError
from tdl_tui.training.trainer import Trainer

FULL = {"telemetry": {"budget": 1.0, "probes": 3}}


def held_out(trainer: Trainer, part: str) -> list[int]:
    """Examples of a part that are not followed yet."""
    taken = {probe.index for probe in trainer.following.probes}
    indices: list[int] = getattr(trainer.following.held_out.splits, part).tolist()
    return [index for index in indices if index not in taken]


def asked(home: Path, *examples: Any, step: int = 3) -> tuple[Recording, Trainer]:
    control = AtSteps({step: [Asked("probe", {"examples": list(examples)})]})
    recording, trainer, _ = run_toy(toy(**FULL), home, control=control)
    return recording, trainer


def test_it_is_followed_from_the_next_sample_on_and_training_is_the_same(tmp_path: Path) -> None:
    plain, alone, _ = run_toy(toy(**FULL), tmp_path)
    validation, test = held_out(alone, "validation")[0], held_out(alone, "test")[0]
    recording, trainer = asked(tmp_path, validation, test)
    assert recording.texts("command") == [
        f"example {validation} of the validation part is probe 4, example {test} of the test part is probe 5, "
        "from step 4 on"
    ]
    assert {len(sample.outputs) for sample in recording.probe_samples if sample.step <= 3} == {3}
    assert {len(sample.outputs) for sample in recording.probe_samples if sample.step > 3} == {5}
    assert [probe.index for probe in trainer.following.probes[3:]] == [validation, test]
    assert same(weights(trainer), weights(alone))
    assert recording.values("train/loss") == plain.values("train/loss")


def test_its_outputs_are_the_models(tmp_path: Path) -> None:
    trainer = trainer_for(toy(**FULL), tmp_path, Recording())
    added = held_out(trainer, "validation")[0]
    recording, trainer = asked(tmp_path, added)
    batches = list(trainer.batches.part("validation"))
    inputs = torch.cat([part for part, _ in batches])
    place = trainer.following.held_out.splits.validation.tolist().index(added)
    trainer.model.eval()
    with torch.no_grad():
        wanted = trainer.model(inputs[place : place + 1])[0].tolist()
    assert list(recording.probe_samples[-1].outputs[3]) == pytest.approx(wanted, rel=1e-5)


def refusal(home: Path, *examples: Any) -> str:
    recording, _ = asked(home, *examples)
    (event,) = [event for event in recording.events if event.kind == "command"]
    assert event.data["refused"]
    assert {len(sample.outputs) for sample in recording.probe_samples} == {3}
    return event.text


def test_what_cannot_be_followed_is_refused_in_words(tmp_path: Path) -> None:
    trainer = trainer_for(toy(**FULL), tmp_path, Recording())
    train = int(trainer.following.held_out.splits.train[0])
    free = held_out(trainer, "test")
    known = trainer.following.probes[1].index
    assert f"example {train} is trained on; a probe is one that is held out: of the validation" in refusal(
        tmp_path, train
    )
    assert "there is no example 10000: they are 0 to" in refusal(tmp_path, 10000)
    assert "there is no example -1" in refusal(tmp_path, -1)
    assert f"example {known} is followed already, as probe 2" in refusal(tmp_path, free[0], known)
    assert f"example {free[0]} is named twice" in refusal(tmp_path, free[0], free[0])
    assert "3 probes are followed already, 64 can be" in refusal(tmp_path, *free[:62])
    assert "which examples?" in refusal(tmp_path)
    assert "which examples?" in refusal(tmp_path, "12")
    assert "which examples?" in refusal(tmp_path, True)


def test_it_is_refused_where_nothing_would_be_recorded_of_it(tmp_path: Path) -> None:
    control = AtSteps({3: [Asked("probe", {"examples": [0]})]})
    recording, _, _ = run_toy(toy(telemetry={"budget": 0.0}), tmp_path, control=control)
    assert recording.texts("command") == [
        "refused: nothing is recorded of probes while telemetry.budget is 0: set that first"
    ]


def test_a_resume_follows_what_the_record_names(tmp_path: Path) -> None:
    trainer = trainer_for(toy(**FULL), tmp_path, Recording())
    chosen = [probe.index for probe in trainer.following.probes]
    added = held_out(trainer, "test")[:2]
    trainer.following.restore([*chosen, *added])
    assert [probe.index for probe in trainer.following.probes] == [*chosen, *added]
    with pytest.raises(DataError, match="names other probes"):
        trainer_for(toy(**FULL), tmp_path, Recording()).following.restore(added)
