"""The form's logic without a widget: defaults that follow, faults at their place, and the equivalent command line."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tdl_tui import spec
from tdl_tui.registry import ARCHITECTURES, DATASETS, OPTIMIZERS, SCHEDULES, DatasetEntry, Option, Undescribable
from tdl_tui.runs.kept import Kept
from tdl_tui.screens.form import Field, Form, parse, text_of
from tdl_tui.verbs.fork import change
from tdl_tui.worker.origin import Origin


def at(form: Form, path: str) -> Field:
    field = form.field(path)
    assert field is not None, path
    return field


def put(form: Form, **texts: str) -> Form:
    for path, text in texts.items():
        form.set(at(form, path.replace("__", ".")), text)
    return form


def said_by(words: list[str]) -> dict[str, Any]:
    """The document that `tdl train` makes of its words, as the design describes the options."""
    assert words[:2] == ["tdl", "train"]
    document: dict[str, Any] = {}
    places = {
        "--dataset": "data.dataset",
        "--model": "model.architecture",
        "--name": "name",
        "--device": "training.device",
    }
    for flag, text in zip(words[2::2], words[3::2], strict=True):
        if flag == "--set":
            spec.assign_text(document, text)
        elif flag == "--seed":
            spec.assign(document, "seed", int(text))
        else:
            spec.assign(document, places[flag], text)
    return document


def test_an_untouched_form_is_the_default_experiment() -> None:
    form = Form()
    assert not form.wrong
    assert form.experiment() == spec.experiment({})


def test_every_value_of_an_experiment_has_a_field() -> None:
    def leaves(table: dict[str, Any], prefix: str = "") -> set[str]:
        found: set[str] = set()
        for key, value in table.items():
            found |= leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}"}
        return found

    form = Form()
    assert {field.path for field in form.fields} == leaves(form.experiment().document()) - {"plugins"}


def _described(entry: DatasetEntry) -> bool:
    try:
        return bool(entry.describe(entry.defaults()))
    except Undescribable:
        return False


@pytest.mark.parametrize("dataset", [entry.name for entry in DATASETS if _described(entry)])
def test_a_dataset_brings_its_recipe_and_its_loss(dataset: str) -> None:
    form = put(Form(), data__dataset=dataset)
    expected = spec.experiment({"data": {"dataset": dataset}, "model": {"architecture": form.architecture}})
    assert form.experiment() == expected


@pytest.mark.parametrize("dataset", [entry.name for entry in DATASETS if not _described(entry)])
def test_data_of_ones_own_say_what_they_need_at_their_field(dataset: str) -> None:
    form = put(Form(), data__dataset=dataset)
    assert form.shape is None
    first = form.first_wrong
    assert first is not None and first.path.startswith("data.options.")
    assert form.refused(at(form, "model.architecture")) == {}


def test_what_was_typed_outlives_a_recipe_and_comes_back() -> None:
    form = put(Form(), data__options__image_size="32", training__epochs="7")
    other = next(name for name in DATASETS.names() if name != "digits")
    put(form, data__dataset=other)
    assert form.text(at(form, "training.epochs")) == "7"
    put(form, data__dataset="digits")
    assert form.text(at(form, "data.options.image_size")) == "32"
    form.reset(at(form, "data.options.image_size"))
    assert form.text(at(form, "data.options.image_size")) == "8"


def test_a_wrong_value_is_marked_where_it_stands() -> None:
    form = put(Form(), optimizer__lr="-1", training__epochs="many", data__split="0.5 0.2 0.2")
    assert "above 0" in form.wrong["optimizer.lr"]
    assert "a whole number" in form.wrong["training.epochs"]
    put(form, optimizer__lr="1e-2", training__epochs="3")
    assert "add up to 1" in form.wrong["data.split"]
    assert form.first_wrong == at(form, "data.split")
    with pytest.raises(spec.SpecError):
        form.experiment()
    put(form, data__split="0.6 0.2 0.2")
    assert form.experiment().data.split == (0.6, 0.2, 0.2)


def test_an_architecture_that_refuses_says_why() -> None:
    form = put(Form(), model__architecture="lenet5")
    assert "28" in form.wrong["model.architecture"]
    assert "lenet5" in form.refused(at(form, "model.architecture"))
    put(form, data__options__image_size="28")
    assert not form.wrong
    assert "lenet5" not in form.refused(at(form, "model.architecture"))


def test_cycling_goes_around() -> None:
    form = Form()
    names = OPTIMIZERS.names()
    seen = []
    for _ in names:
        form.cycle(at(form, "optimizer.name"), 1)
        seen.append(form.text(at(form, "optimizer.name")))
    assert sorted(seen) == sorted(names)
    form.cycle(at(form, "optimizer.name"), -1)
    assert form.text(at(form, "optimizer.name")) == seen[-2]


def test_lists_and_numbers_are_read_as_people_type_them() -> None:
    widths = Option("widths", (128, 64), "")
    assert parse(widths, "32 16") == parse(widths, "32, 16") == parse(widths, " [32, 16] ") == (32, 16)
    share = Option("share", 0.5, "", low=0, high=1)
    assert parse(share, ".25") == 0.25
    assert parse(share, "1.") == 1.0
    with pytest.raises(ValueError, match="0 to 1"):
        parse(share, "2")
    with pytest.raises(ValueError, match="a number"):
        parse(share, "")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_stand_short_and_exact(value: float) -> None:
    assert parse(Option("x", 0.0, ""), text_of(value)) == value


EDITS = {
    "data.dataset": st.sampled_from(DATASETS.names()),
    "model.architecture": st.sampled_from(ARCHITECTURES.names()),
    "optimizer.name": st.sampled_from(OPTIMIZERS.names()),
    "schedule.name": st.sampled_from(SCHEDULES.names()),
    "optimizer.lr": st.floats(1e-9, 10).map(text_of),
    "model.options.widths": st.lists(st.integers(1, 512), min_size=1, max_size=4).map(
        lambda widths: " ".join(map(str, widths))
    ),
    "model.options.activation": st.sampled_from(["relu", "tanh"]),
    "data.batch_size": st.integers(0, 600).map(str),
    "data.normalize": st.sampled_from(["true", "false"]),
    "training.device": st.sampled_from(["cpu", "cuda:1", "auto"]),
    "seed": st.integers(0, 99).map(str),
    "name": st.text(st.characters(exclude_categories=("C", "Z"), include_characters=" "), max_size=20),
}


@example([("name", " ")])
@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(sorted(EDITS)).flatmap(lambda path: st.tuples(st.just(path), EDITS[path]))))
def test_the_command_line_reproduces_the_experiment(edits: list[tuple[str, str]]) -> None:
    form = Form()
    for path, text in edits:
        if field := form.field(path):
            form.set(field, text)
    if form.wrong:
        return
    made = form.experiment()
    assert spec.experiment(said_by(shlex.split(form.command_line()))) == made
    assert Form(made.document()).experiment() == made
    assert Form(made.document()).command() == form.command()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(sorted(EDITS)).flatmap(lambda path: st.tuples(st.just(path), EDITS[path]))))
def test_the_command_line_of_a_fork_has_what_differs(edits: list[tuple[str, str]]) -> None:
    base = spec.experiment(
        {"data": {"batch_size": 32}, "optimizer": {"lr": 0.02}, "model": {"options": {"widths": [5]}}}
    ).document()
    origin = Origin(Path("abc"), "base", Kept("step-7.pt", 7, 0.0, 0), base, ())
    form = Form(origin.document)
    for path, text in edits:
        if field := form.field(path):
            form.set(field, text)
    if form.wrong:
        return
    words = shlex.split(form.command_line(origin))
    assert words[:5] == ["tdl", "fork", "abc", "--from", "step-7"]
    document = origin.document
    options = list(zip(words[5::2], words[6::2], strict=True))
    change(document, [text for option, text in options if option == "--set"])
    document["name"] = dict(options).get("--name", document["name"])
    assert {option for option, _ in options} <= {"--set", "--name"}
    assert spec.experiment(document) == form.experiment()
    if not edits:
        assert words[5:] == []


def test_a_document_is_taken_over_and_what_cannot_be_is_named() -> None:
    form = Form({"data": {"batch_size": -1}, "optimizer": {"lr": "fast"}, "colour": {"sky": "blue"}})
    assert form.left_out == ["colour.sky"]
    assert set(form.wrong) == {"data.batch_size", "optimizer.lr"}
    assert form.text(at(form, "optimizer.lr")) == "fast"


def test_an_unknown_name_is_a_fault_of_its_field() -> None:
    form = Form({"data": {"dataset": "digitz"}})
    assert "digits" in form.wrong["data.dataset"]
    assert form.shape is None


@pytest.mark.parametrize("dataset", ["digits", "mnist1d"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
def test_an_optimizer_brings_its_recipe(optimizer: str, dataset: str) -> None:
    form = put(Form(), data__dataset=dataset, optimizer__name=optimizer)
    chosen = {"data": {"dataset": dataset}, "optimizer": {"name": optimizer}}
    expected = spec.experiment({**chosen, "model": {"architecture": form.architecture}})
    assert form.experiment() == expected
    assert {field.path: form.value(field) for field in form.fields}["optimizer.lr"] == expected.optimizer.lr
