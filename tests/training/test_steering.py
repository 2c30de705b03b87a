"""What is asked of a running training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from toy_training import Asked, AtSteps, Recording, run_toy, toy

from tdl_tui.runs.commands import COMMANDS
from tdl_tui.runs.records import Event, State
from tdl_tui.settables import PATHS, values_of
from tdl_tui.spec import Experiment
from tdl_tui.training import checkpoints
from tdl_tui.training.history import replay, standing
from tdl_tui.training.settings import WAYS
from tdl_tui.training.steering import VERBS

EPOCH = 63
"""The steps of an epoch of the toy."""
KEEP = Asked("checkpoint")


def answers(recording: Recording) -> list[str]:
    return recording.texts("command")


def asked(plan: dict[int, list[Asked]], home: Path, chosen: Experiment | None = None) -> tuple[Recording, State, int]:
    recording, _, result = run_toy(chosen or toy(), home, control=AtSteps(plan), folder=home / "c")
    return recording, result.state, result.step


def test_each_command_that_can_be_sent_is_carried_out_by_something() -> None:
    assert set(VERBS) == set(COMMANDS)


def test_each_value_that_can_be_changed_is_put_into_force_by_something() -> None:
    assert set(WAYS) == PATHS


def test_the_end_of_an_epoch_is_waited_for(tmp_path: Path) -> None:
    recording, state, step = asked({3: [Asked("stop_at_epoch_end", who="ann@box")]}, tmp_path)
    assert (state, step) == (State.STOPPED, EPOCH)
    assert [at for at, _ in recording.series["val/loss"]] == [EPOCH]
    assert answers(recording) == ["stops at the end of epoch 1, after its validation"]
    assert recording.events[-1].text == f"stopped at step {EPOCH}, the end of epoch 1, as asked"
    assert recording.facts["state"] is State.STOPPED
    held = checkpoints.load(tmp_path / "c" / "last.pt")
    assert (held["position"]["step"], held["position"]["epoch"], held["position"]["step_in_epoch"]) == (EPOCH, 1, 0)


def test_a_stop_at_the_end_of_an_epoch_can_be_taken_back(tmp_path: Path) -> None:
    plan = {
        2: [Asked("stop_at_epoch_end"), Asked("stop_at_epoch_end")],
        5: [Asked("cancel_stop"), Asked("cancel_stop")],
    }
    recording, state, _ = asked(plan, tmp_path)
    assert state is State.FINISHED
    said = answers(recording)
    assert said[1] == "refused: it stops at the end of this epoch already"
    assert said[2] == "does not stop at the end of the epoch, and trains on"
    assert said[3].startswith("refused: ")
    assert recording.facts["stops_after"] is None


def test_an_end_that_is_the_end_anyway_is_one_that_is_tested(tmp_path: Path) -> None:
    recording, state, _ = asked({2 * EPOCH + 1: [Asked("stop_at_epoch_end")]}, tmp_path)
    assert state is State.FINISHED
    assert answers(recording) == ["epoch 3 is the last: training ends there anyway"]
    assert recording.facts["test"] is not None


def test_a_change_says_what_was_before_and_what_follows(tmp_path: Path) -> None:
    chosen = toy(schedule={"name": "cosine"})
    values = {"training.epochs": 6, "optimizer.weight_decay": 0.5}
    recording, _, step = asked({EPOCH: [Asked("set", values, "c", "ann@box")]}, tmp_path, chosen)
    (event,) = (event for event in recording.events if event.kind == "command")
    assert event.text.startswith(f"epochs 3 → 6, weight decay 0 → 0.5 from step {EPOCH + 1} on: 378 steps in all; the ")
    assert event.data["before"] == {"training.epochs": 3, "optimizer.weight_decay": 0.0}
    assert event.data["who"] == "ann@box"
    assert recording.facts["settings"] == values
    assert step == 6 * EPOCH
    assert recording.facts["progress"].total_steps == 6 * EPOCH


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"training.epochs": 1}, "training.epochs: epoch 2 is under way: must be at least 2, got 1"),
        ({"training.epochs": 2.5}, "training.epochs: must be a whole number"),
        ({"model.options.dropout": 0.5}, "this network was built without dropout"),
        ({"optimizer.lr": 0.1, "telemetry.budget": 2}, "telemetry.budget: must be a number 0 to 1, got 2"),
        ({"seed": 3}, '"seed" cannot be changed while a run trains; there are lr, '),
        ({}, "nothing to change"),
    ],
)
def test_a_value_that_cannot_be_is_refused_and_nothing_changed(
    values: dict[str, Any], words: str, tmp_path: Path
) -> None:
    recording, _, _ = asked({EPOCH + 2: [Asked("set", values)]}, tmp_path)
    (said,) = answers(recording)
    assert said.startswith("refused: ")
    assert words in said
    assert recording.facts["settings"] == {}


def test_changes_are_undone_one_after_another(tmp_path: Path) -> None:
    first, second = Asked("set", {"optimizer.lr": 0.5}), Asked("set", {"optimizer.lr": 0.25, "telemetry.budget": 0.5})
    undo = Asked("undo")
    recording, _, _ = asked({2: [first], 4: [second], 6: [undo], 8: [undo], 9: [undo]}, tmp_path)
    assert answers(recording)[2:] == [
        "undone: learning rate 0.25 → 0.5, telemetry's share 0.5 → 0.01 from step 7 on",
        "undone: learning rate 0.5 → 0.001 from step 9 on",
        "refused: no value was changed that could be set back",
    ]
    assert recording.facts["settings"] == {}


def test_a_roll_back_drops_what_came_after_and_says_so(tmp_path: Path) -> None:
    back = Asked("rollback", {"to": "step-4.pt"}, who="ann@box")
    plan = {4: [KEEP], 8: [back, Asked("undo")]}
    recording, state, step = asked(plan, tmp_path)
    assert (state, step) == (State.FINISHED, 3 * EPOCH)
    assert [at for at, _ in recording.series["train/loss"]] == list(range(1, step + 1))
    (event,) = (event for event in recording.events if event.data.get("verb") == "rollback")
    assert event.text == "rolled back from step 8 to step 4 (step-4.pt): what came after is dropped"
    said = {"command": "asked", "verb": "rollback", "to": "step-4.pt", "from_step": 8, "who": "ann@box", "heard": []}
    assert event.data == {**said, "settings": values_of(toy().document())}
    assert event.step == 4
    assert "refused: a roll back cannot be undone: what came after step 4 is gone" in answers(recording)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({4: [Asked("rollback", {"to": "step-3.pt"})]}, "cannot be read: No such file"),
        ({4: [Asked("rollback", {"to": "../../other.pt"})]}, "there is no checkpoint ../../other.pt"),
    ],
)
def test_a_roll_back_to_what_is_not_there_is_refused(plan: dict[int, list[Asked]], words: str, tmp_path: Path) -> None:
    recording, state, _ = asked(plan, tmp_path)
    assert state is State.FINISHED
    (said,) = answers(recording)
    assert said.startswith("refused: ")
    assert words in said


def test_a_checkpoint_of_a_course_that_was_rolled_back_is_no_way_back(tmp_path: Path) -> None:
    back = Asked("rollback", {"to": "step-3.pt"})
    dead = Asked("rollback", {"to": "step-6.pt"})
    recording, _, _ = asked({3: [KEEP], 6: [KEEP], 8: [back, dead], 12: [dead], 13: [back]}, tmp_path)
    said = answers(recording)
    assert "refused: step-6.pt is of step 6, which lies ahead; tdl fork goes on from it" in said
    assert said.count("refused: step-6.pt is of a course that was rolled back; tdl fork goes on from it") == 1
    assert sum(text.startswith("rolled back") for text in said) == 2


def test_what_was_rolled_back_is_no_part_of_the_history() -> None:
    def event(number: int, step: int, verb: str, **data: Any) -> Event:
        return Event(number, 0.0, step, "command", "", {"command": str(number), "verb": verb, **data})

    events = [
        event(1, 3, "set", **{"optimizer.lr": 1.0}),
        event(2, 5, "set", **{"optimizer.lr": 2.0}),
        event(3, 9, "undo"),
        event(4, 5, "rollback", to="step-5.pt"),
        event(5, 7, "set", **{"optimizer.lr": 3.0}),
    ]
    assert [found.id for found in standing(events)] == [1, 5]
    again = replay(standing(events), 5, 9)
    assert {step: [c.arguments for c in commands] for step, commands in again.commands.items()} == {
        7: [{"optimizer.lr": 3.0}]
    }
