"""A training that was interrupted, at any step and however often, is the one that never was: bit for bit on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from toy_training import Asked, AtSteps, merged, new_run

from tdl_tui.models.build import build
from tdl_tui.registry import (
    ARCHITECTURES,
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    ArchitectureEntry,
    LossEntry,
    OptimizerEntry,
    ScheduleEntry,
)
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State
from tdl_tui.runs.writer import RunWriter
from tdl_tui.settables import SETTABLES
from tdl_tui.spec import Experiment, SpecError, experiment
from tdl_tui.training import checkpoints, session, validation
from tdl_tui.training.checkpoint_writer import CheckpointWriter
from tdl_tui.training.session import run_training
from tdl_tui.training.threads import Threads
from tdl_tui.training.trainer import Trainer

CRASH, STOP, KEEP = Asked("crash"), Asked("stop"), Asked("checkpoint")
Plan = Mapping[int, Sequence[Asked]]
CHAIN: Sequence[Plan] = ({3: [CRASH]}, {2: [KEEP], 4: [CRASH]}, {6: [STOP]}, {9: [CRASH]}, {})
"""Killed before the first checkpoint, two steps after one, stopped, killed in a later epoch, and then let be."""

BASE: Mapping[str, Any] = {"training": {"epochs": 3, "device": "cpu", "threads": 1}}
TABLE: Mapping[str, Any] = {
    "data": {"dataset": "iris", "batch_size": 16, "split": [0.5, 0.3, 0.2]},
    "model": {"architecture": "mlp", "options": {"widths": [8]}},
}
SMALL = 1_000_000
"""With fewer parameters an architecture's tiny member is trained here; a larger one's family has a smaller one."""
LONG: Mapping[str, Any] = {"training": {"epochs": 12}}
"""For data of a step an epoch."""
DATA: Sequence[Mapping[str, Any]] = (
    {"dataset": "iris", "batch_size": 16, "split": [0.5, 0.3, 0.2]},
    {"dataset": "digits", "batch_size": 12, "split": [0.03, 0.02, 0.95]},
    {"dataset": "digits", "batch_size": 12, "split": [0.03, 0.02, 0.95], "options": {"image_size": 28}},
    {"dataset": "digits", "batch_size": 12, "split": [0.03, 0.02, 0.95], "options": {"image_size": 64}},
    {"dataset": "text", "batch_size": 32, "split": [0.5, 0.3, 0.2], "options": {"length": 16}},
    {"dataset": "copy_memory", "batch_size": 16, "options": {"length": 3, "examples": 100}},
    {"dataset": "mnist1d", "batch_size": 32, "split": [0.04, 0.02, 0.94]},
    {"dataset": "diabetes", "batch_size": 48, "split": [0.5, 0.3, 0.2]},
    {"dataset": "karate"},
    {"dataset": "written", "batch_size": 16},
)


class Crashes(AtSteps):
    """At a crash nothing more is done: no checkpoint, no answer."""

    def take(self) -> list[Asked]:
        taken = super().take()
        if CRASH in taken:
            raise RuntimeError("the power went")
        return taken


@dataclass
class End:
    """What a run came to."""

    series: dict[str, list[tuple[int, float]]]
    test: dict[str, float] | None
    best: Any
    last: dict[str, Any]


pytestmark = pytest.mark.usefixtures("rows_with_steps")


@pytest.fixture(autouse=True)
def steered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control knows the trainer, and so the step."""

    class Steered(Trainer):
        def __init__(self, chosen: Experiment, *parts: Any, **named: Any) -> None:
            super().__init__(chosen, *parts, **named)
            self.control.trainer = self  # type: ignore[attr-defined]  # an AtSteps

    monkeypatch.setattr(session, "Trainer", Steered)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def carried_out(folder: Path, plan: Plan) -> State:
    """One worker's life."""
    torch.manual_seed(12345)  # whatever another process has done
    return run_training(folder, Crashes(plan))  # type: ignore[arg-type]  # a property is an attribute


def ended(home: Path, chosen: Experiment, lives: Sequence[Plan]) -> End:
    """A run after so many workers; all but the last are interrupted."""
    folder = new_run(home, chosen)
    states = [carried_out(folder, plan) for plan in lives]
    assert State.FINISHED not in states[:-1], states
    return looked_at(folder)


def looked_at(folder: Path) -> End:
    """What a finished run holds; each series goes strictly up in steps."""
    with RunReader(folder) as reader:
        summary = reader.summary()
        assert summary.state is State.FINISHED, summary.message
        series = {}
        for name in reader.series_names():
            steps, _, values = reader.columns(name)
            series[name] = list(zip(steps, values, strict=True))
            assert all(a < b for a, b in zip(steps, list(steps)[1:], strict=False)), f"{name}: {list(steps)}"
        last = checkpoints.load(folder / "checkpoints" / checkpoints.LAST)
        best = folder / "checkpoints" / checkpoints.BEST
        if best.exists():
            assert equal(checkpoints.load(best)["model"], last["best_weights"])
        return End(series, summary.test, summary.best, last)


def equal(first: Any, second: Any) -> bool:
    """Whether two contents are the same to the last bit."""
    if isinstance(first, Tensor):
        return isinstance(second, Tensor) and first.dtype == second.dtype and first.equal(second)
    if isinstance(first, dict):
        first.pop("_funhist_values", None)  # of the evolution strategy: memory that it has not written yet
        second.pop("_funhist_values", None)
        return first.keys() == second.keys() and all(equal(value, second[key]) for key, value in first.items())
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(equal, first, second))
    return bool(first == second)


def assert_same(found: End, wanted: End) -> None:
    count = wanted.last["position"]["step"]
    assert [step for step, _ in found.series["train/loss"]] == list(range(1, count + 1))
    for name in ("train/loss", "train/accuracy", "val/loss", "val/accuracy", "val/r2"):
        assert found.series.get(name) == wanted.series.get(name), name
    for name in ("model", "optimizer", "best", "best_weights", "waited", "average", "schedule", "random", "settings"):
        assert equal(found.last[name], wanted.last[name]), name
    assert found.last["position"]["step"] == count
    assert (found.test, found.best) == (wanted.test, wanted.best)
    assert found.test is not None


def check(home: Path, document: Mapping[str, Any], lives: Sequence[Plan] = CHAIN) -> None:
    """That so many interruptions change nothing. There must be steps enough for them."""
    chosen = experiment(merged(BASE, document))
    assert_same(ended(home, chosen, lives), ended(home, chosen, [{}]))


def tiny(entry: ArchitectureEntry) -> Mapping[str, Any] | None:
    """An experiment with the architecture's tiny member on the first data that it takes; None where that is large."""
    for data in DATA:
        document = {"data": data, "model": {"architecture": entry.name, "options": entry.tiny}}
        try:
            chosen = experiment(merged(BASE, document))
        except SpecError:
            continue
        with torch.device("meta"):
            model = build(entry.name, chosen.shape, chosen.model.options)
        if sum(p.numel() for p in model.parameters()) >= SMALL:
            return None
        return {**document, **(LONG if chosen.shape.kind == "graph" else {"training": {"epochs": 2}})}
    raise AssertionError(f"{entry.name} takes none of the data")


@pytest.mark.parametrize("entry", list(ARCHITECTURES), ids=lambda entry: entry.name)
def test_every_architecture(entry: ArchitectureEntry, tmp_path: Path) -> None:
    document = tiny(entry)
    if document is None:
        pytest.skip(f"even its smallest member has more than {SMALL:,} parameters")
    check(tmp_path, document)


@pytest.mark.parametrize("entry", list(OPTIMIZERS), ids=lambda entry: entry.name)
def test_every_optimizer(entry: OptimizerEntry, tmp_path: Path) -> None:
    document = merged(TABLE, {"optimizer": {"name": entry.name, "weight_decay": 0.01}})
    if entry.full_batch:
        document = merged(document, {"data": {"batch_size": 0}, **LONG})
    check(tmp_path, document)


@pytest.mark.parametrize("entry", list(SCHEDULES), ids=lambda entry: entry.name)
def test_every_schedule(entry: ScheduleEntry, tmp_path: Path) -> None:
    options = {"patience": 0, "threshold": 1e3, "factor": 0.5} if entry.observes else {}
    check(tmp_path, merged(TABLE, {"schedule": {"name": entry.name, "warmup_steps": 2, "options": options}}))


@pytest.mark.parametrize("entry", list(LOSSES), ids=lambda entry: entry.name)
def test_every_loss(entry: LossEntry, tmp_path: Path) -> None:
    check(tmp_path, merged(TABLE, {"objective": {"loss": entry.name}}), lives=({4: [KEEP], 7: [CRASH]}, {}))


WHOLE: Mapping[str, Any] = {
    **TABLE,
    "model": {"architecture": "mlp", "options": {"widths": [8], "dropout": 0.3, "norm": "batch"}},
    "objective": {"l1_penalty": 1e-3, "options": {"label_smoothing": 0.1, "class_weights": "balanced"}},
    "schedule": {"name": "reduce_on_plateau", "warmup_steps": 2, "options": {"patience": 0, "threshold": 1e3}},
    "training": {"accumulation": 3, "gradient_clip_norm": 0.5, "gradient_clip_value": 0.05, "ema_decay": 0.8},
}
FEATURES: Mapping[str, Mapping[str, Any]] = {
    "all at once": WHOLE,
    "patience": merged(
        TABLE,
        {
            "optimizer": {"name": "sgd", "lr": 2.0},
            "training": {"epochs": 40, "early_stopping": {"monitor": "val/accuracy", "patience": 2}},
        },
    ),
    "bf16": merged(TABLE, {"training": {"precision": "bf16"}}),
    "a step an epoch": merged(TABLE, {"data": {"batch_size": 0}, **LONG}),
    "data read by other processes": merged(TABLE, {"data": {"storage": "stream", "loader_workers": 1}}),
}


@pytest.mark.parametrize("name", FEATURES)
def test_what_a_step_may_have_beside(name: str, tmp_path: Path) -> None:
    check(tmp_path, FEATURES[name])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize(
    "model",
    [
        {"architecture": "mlp", "options": {"widths": [32], "dropout": 0.3, "norm": "batch"}},
        {"architecture": "lstm", "options": {"hidden_size": 16}},
        {"architecture": "cnn", "options": {}},
    ],
    ids=lambda model: model["architecture"],
)
def test_on_a_gpu(model: Mapping[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit too, where cuDNN is told to take the algorithms that add up in a fixed order."""
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    data = {"dataset": "digits", "batch_size": 12, "split": [0.03, 0.02, 0.95]}
    check(tmp_path, {"data": data, "model": model, "training": {"device": "cuda", "ema_decay": 0.9}})


def test_pictures_that_are_changed_anew_in_each_epoch(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for number in range(60):
        place = tmp_path / "pictures" / ("odd" if number % 2 else "even")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (28, 28, 3), dtype=np.uint8)).save(place / f"{number}.png")
    options = {"folder": str(tmp_path / "pictures"), "augmentation": "flip_crop_colour"}
    data = {"dataset": "image_folder", "options": options, "batch_size": 8, "split": [0.6, 0.2, 0.2]}
    check(tmp_path, {"data": data, "model": {"architecture": "cnn", "options": ARCHITECTURES["cnn"].tiny}})


EPOCH = 5
"""The steps of an epoch of TABLE."""


@pytest.mark.parametrize(
    "lives",
    [
        pytest.param(({EPOCH: [KEEP], EPOCH + 2: [CRASH]}, {}), id="kept just before a validation"),
        pytest.param(
            ({EPOCH: [STOP]}, {EPOCH + 1: [CRASH]}, {EPOCH + 1: [CRASH]}, {}), id="stopped before a validation"
        ),
        pytest.param(({1: [STOP]}, {2: [STOP]}, {3: [STOP]}, {}), id="stopped at each step"),
        pytest.param(({3 * EPOCH: [STOP]}, {}), id="stopped after the last step"),
        pytest.param(({3 * EPOCH: [CRASH]}, {3 * EPOCH: [KEEP, CRASH]}, {}), id="killed after the last step"),
    ],
)
@pytest.mark.parametrize("dataset", ["iris", "diabetes"])
def test_at_the_edge_of_an_epoch(dataset: str, lives: Sequence[Plan], tmp_path: Path) -> None:
    size = {"iris": 16, "diabetes": 48}[dataset]
    check(
        tmp_path,
        merged(WHOLE if dataset == "iris" else TABLE, {"data": {"dataset": dataset, "batch_size": size}}),
        lives,
    )


@pytest.mark.parametrize("part", ["validation", "test"])
@pytest.mark.parametrize("command", [STOP, CRASH], ids=["stopped", "killed"])
def test_in_the_middle_of_an_evaluation(
    command: Asked, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = experiment(merged(BASE, WHOLE))
    wanted = ended(tmp_path, chosen, [{}])
    evaluated = validation.evaluated
    times = iter([False, True])  # in the second validation, or the second time that it is tested

    def interrupted(trainer: Trainer, name: str, obey: validation.Obey) -> dict[str, float]:
        if name == part and (part == "test" or next(times, False)) and not done:
            trainer.control.plan[trainer.position.step] = [command]  # type: ignore[attr-defined]  # an AtSteps
            done.append(True)
        return evaluated(trainer, name, obey)

    done: list[bool] = []
    monkeypatch.setattr(validation, "evaluated", interrupted)
    assert_same(ended(tmp_path, chosen, [{3: [KEEP]}, {}]), wanted)
    assert done


RATE = Asked("set", {"optimizer.lr": 0.25}, "rate")
ANOTHER = Asked("set", {"optimizer.lr": 0.125}, "another")


@pytest.mark.parametrize(
    "lives",
    [
        pytest.param(({2: [KEEP], 4: [RATE], 6: [ANOTHER], 8: [CRASH]}, {}), id="after the last checkpoint"),
        pytest.param(({4: [RATE], 6: [ANOTHER, KEEP], 8: [CRASH]}, {}), id="before the last checkpoint"),
        pytest.param(({4: [RATE], 6: [KEEP, ANOTHER], 8: [CRASH]}, {}), id="right after the last checkpoint"),
        pytest.param(({4: [RATE], 5: [CRASH]}, {6: [ANOTHER], 8: [CRASH]}, {9: [STOP]}, {}), id="before the first one"),
    ],
)
def test_a_learning_rate_set_by_hand_is_set_again_at_its_step(lives: Sequence[Plan], tmp_path: Path) -> None:
    chosen = experiment(merged(BASE, {**TABLE, "schedule": {"name": "constant"}}))
    wanted = ended(tmp_path, chosen, [{4: [RATE], 6: [ANOTHER]}])
    found = ended(tmp_path, chosen, lives)
    assert_same(found, wanted)
    assert _rates(found) == _rates(wanted)
    assert set(_rates(wanted)[4:6]) == {0.25}
    assert set(_rates(wanted)[6:]) == {0.125}


def _rates(end: End) -> list[float]:
    """The rate at each step: a point holds until the next."""
    known, rates = dict(end.series["lr"]), [0.0]
    for step in range(1, end.last["position"]["step"] + 1):
        rates.append(known.get(step, rates[-1]))
    return rates[1:]


STEERED: Mapping[str, Any] = {
    **TABLE,
    "model": {"architecture": "mlp", "options": {"widths": [8], "dropout": 0.3}},
    "optimizer": {"name": "adamw", "lr": 0.05},
    "schedule": {"name": "cosine", "warmup_steps": 2},
    "training": {"epochs": 3},
}
CHANGES: Mapping[str, tuple[Any, Any]] = {
    "optimizer.lr": (0.25, 0.125),
    "optimizer.weight_decay": (0.5, 0.1),
    "training.gradient_clip_norm": (0.01, 0.0),
    "training.gradient_clip_value": (0.01, 0.0),
    "model.options.dropout": (0.9, 0.0),
    "training.epochs": (5, 4),
    "training.early_stopping.patience": (1, 2),
    "training.checkpoint_seconds": (600.0, 30.0),
    "telemetry.budget": (1.0, 0.0),
}
WITHOUT_EFFECT = ("training.checkpoint_seconds", "telemetry.budget")
"""Changes that the weights do not feel."""


def test_every_settable_is_tried_here() -> None:
    assert list(CHANGES) == [settable.path for settable in sorted(SETTABLES, key=lambda s: list(CHANGES).index(s.path))]


@pytest.mark.parametrize("path", CHANGES)
def test_any_value_changed_by_hand_is_changed_again_at_its_step(path: str, tmp_path: Path) -> None:
    """Changed twice, undone and changed again: after the last checkpoint, before it, at it, and before the first."""
    document = STEERED
    if path.endswith("patience"):
        document = merged(STEERED, {"optimizer": {"lr": 5.0}, "training": {"epochs": 12}})  # it never gets better
    chosen = experiment(merged(BASE, document))
    first, second = (Asked("set", {path: value}, f"to {value}") for value in CHANGES[path])
    again, undo = Asked("set", {path: CHANGES[path][0]}, "again"), Asked("undo", id="undo")
    plan = {4: [first], 6: [second], 7: [undo], 9: [undo], 10: [again]}
    wanted = ended(tmp_path, chosen, [plan])
    assert wanted.last["settings"][path] == CHANGES[path][0]
    plain = ended(tmp_path, chosen, [{}])
    assert equal(wanted.last["model"], plain.last["model"]) == (path in WITHOUT_EFFECT)
    lives: Sequence[Sequence[Plan]] = (
        [{2: [KEEP], **plan, 11: [CRASH]}, {}],
        [{4: [KEEP, first], 6: [second], 7: [undo, KEEP], 9: [undo], 10: [again, STOP]}, {12: [CRASH]}, {}],
        [{4: [first], 5: [CRASH]}, {6: [second, KEEP], 7: [undo], 8: [CRASH]}, {9: [KEEP, undo], 10: [again]}],
    )
    for life in lives:
        assert_same(ended(tmp_path, chosen, life), wanted)


LOOK = Asked("evaluate", id="look")


@pytest.mark.parametrize("document", [WHOLE, STEERED], ids=["whole", "steered"])
def test_a_validation_that_was_asked_for_changes_nothing_but_the_record(
    document: Mapping[str, Any], tmp_path: Path
) -> None:
    chosen = experiment(merged(BASE, document))
    plan = {2: [LOOK], EPOCH: [LOOK], 8: [LOOK], 9: [LOOK]}
    looked, plain = ended(tmp_path, chosen, [plan]), ended(tmp_path, chosen, [{}])
    names = ("model", "optimizer", "best", "best_weights", "waited", "average", "schedule", "random")
    assert all(equal(looked.last[name], plain.last[name]) for name in names)
    assert looked.series["train/loss"] == plain.series["train/loss"]
    assert [step for step, _ in looked.series["val/loss"]] == [2, EPOCH, 8, 9, 10, 15]
    assert set(plain.series["val/loss"]) < set(looked.series["val/loss"])
    for lives in ([{1: [KEEP], 2: [LOOK], 8: [LOOK], 9: [LOOK, CRASH]}, {9: [LOOK]}], [plan, {}][:1]):
        assert_same(ended(tmp_path, chosen, lives), looked)


def back_to(name: str) -> Asked:
    return Asked("rollback", {"to": name}, f"back to {name}")


ROLLED: Mapping[str, Sequence[Plan]] = {
    "at once": ({4: [KEEP], 6: [RATE], 9: [back_to("step-4.pt")]},),
    "from a paused run": ({4: [KEEP], 9: [RATE, Asked("pause"), back_to("step-4.pt"), Asked("resume")]},),
    "just before a validation": ({EPOCH: [KEEP], 7: [RATE], 12: [back_to("last.pt")]},),
    "twice": ({2: [KEEP], 4: [KEEP], 6: [RATE, back_to("step-4.pt")], 7: [back_to("step-2.pt")]},),
    "and killed": ({4: [KEEP], 6: [RATE], 9: [back_to("step-4.pt")], 10: [CRASH]}, {}),
    "and stopped": ({4: [KEEP], 6: [RATE], 9: [back_to("step-4.pt"), STOP]}, {7: [CRASH]}, {}),
    "to what a resume began with": ({4: [STOP]}, {6: [RATE], 8: [back_to("last.pt")], 12: [CRASH]}, {}),
}


@pytest.mark.parametrize("name", ROLLED)
def test_a_run_that_was_rolled_back_is_as_if_it_had_never_gone_on(name: str, tmp_path: Path) -> None:
    """Also what was changed after the checkpoint is as it was."""
    chosen = experiment(merged(BASE, WHOLE))
    found, wanted = ended(tmp_path, chosen, ROLLED[name]), ended(tmp_path, chosen, [{}])
    assert_same(found, wanted)
    assert _rates(found) == _rates(wanted)


def test_a_value_set_after_a_roll_back_is_set_again_and_one_from_before_it_is_not(tmp_path: Path) -> None:
    chosen = experiment(merged(BASE, STEERED))
    lives: Sequence[Plan] = (
        {4: [KEEP], 6: [RATE], 8: [back_to("step-4.pt")], 9: [ANOTHER], 11: [CRASH]},
        {},
    )
    assert_same(ended(tmp_path, chosen, lives), ended(tmp_path, chosen, [{9: [ANOTHER]}]))


def test_a_run_killed_while_it_is_rolled_back_goes_on_as_before_or_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the checkpoint's becoming the last and the record's being cut."""
    chosen = experiment(merged(BASE, STEERED))
    wanted = ended(tmp_path, chosen, [{6: [RATE]}])

    folder = new_run(tmp_path, chosen)
    done: list[bool] = []
    write_twice, drop_after = CheckpointWriter.write_twice, RunWriter.drop_after

    def written(writer: CheckpointWriter, content: dict[str, Any]) -> None:
        write_twice(writer, content)
        done.append(True)

    def crash(writer: RunWriter, step: int, again: Sequence[str] = ()) -> None:
        if done:
            raise RuntimeError("the power went")
        drop_after(writer, step, again)

    with monkeypatch.context() as patched:
        patched.setattr(RunWriter, "drop_after", crash)
        patched.setattr(CheckpointWriter, "write_twice", written)
        assert carried_out(folder, {4: [KEEP], 6: [RATE], 9: [back_to("step-4.pt")]}) is State.FAILED
    assert done
    carried_out(folder, {})
    assert_same(looked_at(folder), wanted)


def test_back_to_the_best_weights_alone(tmp_path: Path) -> None:
    """The optimizer begins anew, and the rest goes by the position: the same again whenever it is killed."""
    chosen = experiment(merged(BASE, {**TABLE, "optimizer": {"name": "adam", "lr": 0.02}}))
    plan: Plan = {EPOCH + 1: [KEEP], 8: [back_to("best.pt")]}
    whole = ended(tmp_path, chosen, [plan])
    assert whole.last["rollbacks"] == [EPOCH]
    assert_same(ended(tmp_path, chosen, [{**plan, 9: [CRASH]}, {}]), whole)
    plain = ended(tmp_path, chosen, [{}])
    assert whole.series["train/loss"][: EPOCH + 1] == plain.series["train/loss"][: EPOCH + 1]
    assert not equal(whole.last["model"], plain.last["model"])


@pytest.mark.parametrize("lives", [({2: [KEEP], 8: [CRASH]}, {}), ({8: [CRASH]}, {})], ids=["kept", "from the start"])
def test_threads_are_those_of_the_first_time(
    lives: Sequence[Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are chosen by what a machine has free, which is something else the next time."""
    counts = iter([2, 1])
    monkeypatch.setattr(Threads, "try_out", lambda threads, step: threads.use(next(counts)))
    monkeypatch.setattr(Threads, "revise", lambda threads: False)
    folder = new_run(tmp_path, experiment(merged(BASE, {**TABLE, "training": {"epochs": 3, "threads": 0}})))
    for plan in lives:
        carried_out(folder, plan)
        with RunReader(folder) as reader:
            assert reader.facts()["threads"] == 2


DAMAGE: Mapping[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut off": lambda content: content[: len(content) // 2],
    "a bit flipped": lambda content: content[:3000] + bytes([content[3000] ^ 4]) + content[3001:],
}


@pytest.mark.parametrize("name", DAMAGE)
def test_from_the_checkpoint_before_where_the_last_is_damaged(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one before was kept at the end of an epoch, and a rate was set after it."""
    chosen = experiment(merged(BASE, {**WHOLE, "schedule": {"name": "constant"}}))
    folder = new_run(tmp_path, chosen)
    carried_out(folder, {EPOCH: [KEEP], 7: [RATE], 8: [KEEP], 9: [CRASH]})
    last = folder / "checkpoints" / checkpoints.LAST
    last.write_bytes(DAMAGE[name](last.read_bytes()))
    carried_out(folder, {})
    assert_same(looked_at(folder), ended(tmp_path, chosen, [{7: [RATE]}]))
    with RunReader(folder) as reader:
        said = [event.text for event in reader.events() if event.kind == "warning"]
    assert len(said) == 1
    assert said[0].startswith("the last checkpoint is damaged (")
    assert said[0].endswith(f"going on from the one before, of step {EPOCH}")
    assert said[0] in capsys.readouterr().out


def test_nothing_is_begun_anew_where_every_checkpoint_is_damaged(tmp_path: Path) -> None:
    folder = new_run(tmp_path, experiment(merged(BASE, TABLE)))
    carried_out(folder, {3: [KEEP], 5: [KEEP], 7: [CRASH]})
    for name in (checkpoints.LAST, checkpoints.PREVIOUS):
        (folder / "checkpoints" / name).write_bytes(b"")
    assert carried_out(folder, {}) is State.FAILED
    with RunReader(folder) as reader:
        assert reader.summary().message.startswith("no checkpoint can be read: last.pt (it is cut off) and previous.pt")
        steps, _, _ = reader.columns("train/loss")
        assert len(steps) >= 5  # what was recorded is still there


@given(kills=st.lists(st.tuples(st.integers(0, 14), st.integers(1, 14)), min_size=1, max_size=4))
@settings(max_examples=6, deadline=None)
def test_any_chain_of_kills(kills: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each worker keeps a checkpoint at one step and is killed at another, where it comes to them."""
    home = tmp_path_factory.mktemp("home")
    chosen = experiment(merged(BASE, WHOLE))
    lives: list[Plan] = [{kept: [KEEP], killed: [CRASH]} for kept, killed in kills]
    folder = new_run(home, chosen)
    for plan in lives:
        if carried_out(folder, plan) is State.FINISHED:
            break
    else:
        carried_out(folder, {})
    assert_same(looked_at(folder), ended(home, chosen, [{}]))
