"""Experiments: completed, written and read back whole; everything wrong is refused with its place."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, reject, settings
from hypothesis import strategies as st

from tdl_tui.registry import (
    ARCHITECTURES,
    DATASETS,
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    DatasetEntry,
    Entry,
    Option,
    Undescribable,
)
from tdl_tui.spec import (
    SECTIONS,
    Experiment,
    SpecError,
    assign,
    assign_text,
    experiment,
    read,
    section_options,
)


def known_at_once(dataset: DatasetEntry) -> bool:
    """Whether it can be described as it is, without a file of a person's own."""
    try:
        dataset.describe(dataset.defaults())
    except Undescribable:
        return False
    return True


KNOWN_AT_ONCE = [dataset for dataset in DATASETS if known_at_once(dataset)]


def problems(document: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(SpecError) as refusal:
        experiment(document)
    assert "\n" not in str(refusal.value)
    return {problem.path: problem.message for problem in refusal.value.problems}


def toml(text: str) -> dict[str, Any]:
    return tomllib.loads(text)


def values(option: Option) -> st.SearchStrategy[Any]:
    """Right values of an option."""
    low = None if option.low is None else option.low
    high = option.high
    if option.choices:
        return st.sampled_from(option.choices)
    if isinstance(option.default, bool):
        return st.booleans()
    if isinstance(option.default, str):
        return st.just(option.default)
    sample = option.default[0] if isinstance(option.default, tuple) else option.default
    number: st.SearchStrategy[Any]
    if isinstance(sample, int):
        number = st.integers(int(low or 0), int(high) if high is not None else 10**6)
    else:
        number = st.floats(low, high, exclude_min=option.above, allow_nan=False, allow_infinity=False)
    if not isinstance(option.default, tuple):
        return number
    count = len(option.default)
    return st.lists(number, min_size=count if option.fixed else 1, max_size=count if option.fixed else 4)


def some(options: tuple[Option, ...]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={option.name: values(option) for option in options})


def _given(entry: Entry, options: dict[str, Any]) -> list[tuple[Option, Any]]:
    return [(option, options[option.name]) for option in entry.options if option.name in options]


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Experiments that a person may write: any part left out, any right value anywhere."""
    dataset = draw(st.sampled_from(KNOWN_AT_ONCE))
    data_options = draw(some(dataset.options))
    try:
        shape = dataset.describe({**dataset.defaults(), **data_options})
    except Undescribable:  # options that do not go together
        reject()
    architecture = draw(st.sampled_from([a for a in ARCHITECTURES if a.refusal(shape, a.defaults()) is None]))
    loss = draw(st.sampled_from([loss for loss in LOSSES if shape.task in loss.tasks]))
    optimizer = draw(st.sampled_from(list(OPTIMIZERS)))
    validated = not shape.fixed_train or shape.fixed_train + shape.fixed_test < shape.examples
    schedule = draw(st.sampled_from([s for s in SCHEDULES if validated or not s.observes]))

    def section(path: str, key: str, entry: Entry) -> dict[str, Any]:
        scalars = tuple(option for option in section_options(path) if option.name != "split")
        return {key: entry.name, **draw(some(scalars)), "options": draw(some(entry.options))}

    document = {
        "name": draw(st.text(st.characters(exclude_categories=["C", "Z"]), max_size=30)),
        "data": {**section("data", "dataset", dataset), "options": data_options},
        "model": section("model", "architecture", architecture),
        "objective": section("objective", "loss", loss),
        "optimizer": section("optimizer", "name", optimizer),
        "schedule": section("schedule", "name", schedule),
        "training": draw(some(section_options("training"))),
        "telemetry": draw(some(section_options("telemetry"))),
    }
    chosen = {option.name: option.check(value) for option, value in _given(architecture, document["model"]["options"])}
    assume(architecture.refusal(shape, {**architecture.defaults(), **chosen}) is None)
    document["data"].pop("batch_size", None)  # whole batches are for some optimizers alone
    document["training"].pop("accumulation", None)  # as many parts as a batch has examples, at most
    if not optimizer.gradients:
        for name in ("gradient_clip_norm", "gradient_clip_value"):
            document["training"].pop(name, None)
    return {
        key: value for key, value in document.items() if draw(st.booleans()) or key in ("data", "model", "objective")
    }


@settings(max_examples=60, deadline=None)
@given(documents())
def test_an_experiment_survives_toml_and_json(document: dict[str, Any]) -> None:
    made = experiment(document)
    assert experiment(tomllib.loads(made.toml())) == made
    assert experiment(json.loads(json.dumps(made.document(), allow_nan=False))) == made
    for section, table in document.items():
        if isinstance(table, dict):
            kept = made.document()[section]
            assert {key: kept[key] for key in table if key != "options"} == {
                key: value for key, value in table.items() if key != "options"
            }
            assert kept["options"].items() >= table["options"].items() if "options" in table else True


def test_the_empty_document_is_the_default_experiment_and_says_everything() -> None:
    made = experiment({})
    assert (made.data.dataset, made.model.architecture, made.title) == ("digits", "mlp", "mlp on digits")
    assert made.model.options == ARCHITECTURES["mlp"].defaults()
    document = made.document()
    for path, section in SECTIONS.items():
        table = document
        for key in path.split("."):
            table = table[key]
        assert table.keys() == section.model_fields.keys()


def test_a_recipe_goes_before_the_defaults_and_after_the_person() -> None:
    for dataset in KNOWN_AT_ONCE:
        for path, value in dataset.recipe.items():
            kept: Any = experiment({"data": {"dataset": dataset.name}}).document()
            for key in path.split("."):
                kept = kept[key]
            assert (tuple(kept) if isinstance(kept, list) else kept) == value
    assert experiment(toml('training.epochs = 3\ndata.dataset = "digits"')).training.epochs == 3


WRONG = [
    ("seed = true", "seed", "must be a whole number 0 to 4294967295, got true"),
    ("seed = -1", "seed", "got -1"),
    ("seed = 99999999999999999999", "seed", "must be a whole number"),
    ("seed = 1.5", "seed", "must be a whole number"),
    ('seed = "1"', "seed", 'got "1"'),
    ("name = 5", "name", "must be text, got 5"),
    ('name = "last"', "name", "must be another name"),
    ('name = "a\\nb"', "name", "must be printable text on one line"),
    ('name = "a\\u001b[2J"', "name", "must be printable text on one line"),
    (f'name = "{"x" * 300}"', "name", "must be at most 200 characters, got 300"),
    ("data = 5", "data", 'must be a section, got 5; nearest: "data.dataset"'),
    ("[[data]]", "data", "must be a section"),
    ('optimizer = "adam"', "optimizer", 'must be a section, got "adam"; nearest: "optimizer.name"'),
    ("training.early_stopping = 5", "training.early_stopping", "must be a section, got 5"),
    ("data.options = 5", "data.options", "must be a section, got 5"),
    ('data.dataset = "digts"', "data.dataset", 'no dataset "digts" (nearest: "digits")'),
    ("data.dataset = 7", "data.dataset", "must be a dataset's name, got 7"),
    ('model.architecture = "lenet"', "model.architecture", 'nearest: "lenet5"'),
    ('model.architecture = "lenet5"', "model.architecture", "needs images of at least 28×28"),
    ('model.architecture = "resnet"\nseed = -1', "seed", "must be a whole number"),
    ("data.options.image_size = true", "data.options.image_size", "must be a whole number 8 to 256, got true"),
    ("data.options.image_size = 1000", "data.options.image_size", "must be 8 to 256, got 1000"),
    ("data.batch_size = -1", "data.batch_size", "must be a whole number at least 0"),
    ("data.normalize = 1", "data.normalize", "must be true or false, got 1"),
    ('data.storage = "disk"', "data.storage", 'must be one of auto, memory, stream, got "disk"'),
    ("data.split = [0.5, 0.5]", "data.split", "must be 3 numbers in brackets, each 0 to 1, got [0.5, 0.5]"),
    ("data.split = [0.5, 0.5, true]", "data.split", "got true"),
    ("data.split = [0.5, 0.5, 0.5]", "data.split", "three shares that add up to 1"),
    ("data.split = [0.0, 0.5, 0.5]", "data.split", "three shares that add up to 1"),
    ("data.split = [nan, 0.5, 0.5]", "data.split", "must be 3 numbers"),
    ("model.options.widths = []", "model.options.widths", "must be whole numbers in brackets"),
    ("objective.options.weight = 1", "objective.options.weight", "cross_entropy has no such option"),
    ("objective.loss = 3", "objective.loss", "must be a loss's name, got 3"),
    ("optimizer.lr = 0", "optimizer.lr", "must be a number above 0, got 0"),
    ("optimizer.lr = nan", "optimizer.lr", "must be a number above 0, got nan"),
    ("optimizer.lr = inf", "optimizer.lr", "must be a number above 0, got inf"),
    ("optimizer.lr = true", "optimizer.lr", "must be a number above 0, got true"),
    ('optimizer.lr = "fast"', "optimizer.lr", 'must be a number above 0, got "fast"'),
    ("optimizer.lr = [1e-3]", "optimizer.lr", "got [0.001]"),
    ("optimizer.lr = {start = 1}", "optimizer.lr", "got a section"),
    ("optimizer.options.betas = [0.9]", "optimizer.options.betas", "must be 2 numbers in brackets"),
    (
        "optimizer.options.momentum = 0.9",
        "optimizer.options.momentum",
        "no such option; it has betas, eps, amsgrad; momentum has momentum",
    ),
    ("model.options.hidden = 9", "model.options.hidden", "no such option; it has widths, activation, norm, dropout"),
    ("optimizer.options.momentun = 0.9", "optimizer.options.momentun", "momentum has momentum"),
    ('[optimizer]\nname = "momentum"\noptions.momentum = 0', "optimizer.options.momentum", "must be above 0"),
    ("training.epochs = 0", "training.epochs", "must be a whole number at least 1, got 0"),
    ("training.epochs = 1000000001", "training.epochs", "must be a whole number at most 1000000000, got 1000000001"),
    ('training.device = "gpu"', "training.device", 'must be auto, cpu, mps, cuda or cuda:N, got "gpu"'),
    ('training.precision = "fp16"', "training.precision", "must be one of fp32, bf16"),
    ('training.early_stopping.monitor = "val/r2"', "training.early_stopping.monitor", "val/loss, val/accuracy"),
    ("telemetry.budget = nan", "telemetry.budget", "must be a number 0 to 1, got nan"),
    ("telemetry.budget = 1.5", "telemetry.budget", "must be a number 0 to 1, got 1.5"),
    ("telemetry.probes = 65", "telemetry.probes", "must be a whole number 0 to 64, got 65"),
]


@pytest.mark.parametrize(("text", "path", "words"), WRONG, ids=[text[:40] for text, _, _ in WRONG])
def test_a_wrong_value_is_refused_with_its_path(text: str, path: str, words: str) -> None:
    assert words in problems(toml(text))[path]


UNKNOWN = [
    ("optimizer.momentum = 0.9", "optimizer.momentum", '"optimizer.options.momentum" (of momentum)'),
    ("optimizer.momentun = 0.9", "optimizer.momentun", '"optimizer.options.momentum" (of momentum)'),
    ('optimizer = {name = "momentum", momentun = 0.9}', "optimizer.momentun", '"optimizer.options.momentum"'),
    ("model.widths = 3", "model.widths", '"model.options.widths"'),
    ("model.dropout = 0.1", "model.dropout", '"model.options.dropout"'),
    ("lr = 0.1", "lr", '"optimizer.lr"'),
    ("epochs = 3", "epochs", '"training.epochs"'),
    ("data.epochs = 3", "data.epochs", '"training.epochs"'),
    ("data.batchsize = 3", "data.batchsize", '"data.batch_size"'),
    ("[optimiser]\nlr = 0.1", "optimiser", '"optimizer"'),
    ("training.earlystopping.patience = 3", "training.earlystopping", '"training.early_stopping"'),
    ('"data.dataset" = "digits"', "data.dataset", '"data.dataset"'),
]


@pytest.mark.parametrize(("text", "path", "nearest"), UNKNOWN, ids=[text for text, _, _ in UNKNOWN])
def test_an_unknown_key_names_the_nearest_right_one(text: str, path: str, nearest: str) -> None:
    assert problems(toml(text))[path] == f"unknown key; nearest: {nearest}"


def test_an_unknown_key_like_nothing_is_still_refused() -> None:
    assert problems({"qqqqqq": 1, "data": {"xxxxxxxx": 1}}) == {
        "qqqqqq": "unknown key",
        "data.xxxxxxxx": "unknown key",
    }


def test_every_fault_is_reported_at_once() -> None:
    found = problems(toml('seed = -1\ndata.dataset = "digts"\noptimizer.lr = 0\nmodel.options.dropout = 2'))
    assert set(found) == {"seed", "data.dataset", "optimizer.lr", "model.options.dropout"}


anything: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
paths = [f"{section}.{name}" for section, model in SECTIONS.items() for name in model.model_fields]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([*SECTIONS, *paths, "name", "seed", "data.options.image_size"]), anything)))
def test_whatever_stands_anywhere_is_an_experiment_or_is_refused(faults: list[tuple[str, Any]]) -> None:
    document: dict[str, Any] = {}
    try:
        for path, value in faults:
            assign(document, path, value)
        made = experiment(document)
    except SpecError as refusal:
        assert refusal.problems
        assert all(problem.message for problem in refusal.problems)
    else:
        assert experiment(tomllib.loads(made.toml())) == made


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"seed = \n", "not valid TOML: Invalid value (at line 1, column 8)"),
        (b"[data\nseed = 1", "(at line 1, column 6)"),
        (b"seed = 1\nseed = 2\n", "(at line 2, column 9)"),
        (b"name = \xff", "not UTF-8 text (byte 7)"),
        (b"seed = " + b"9" * 5000, "not valid TOML"),
        (b"seed = " + b"[" * 20000, "nested too deeply"),
    ],
)
def test_a_malformed_file_is_refused_with_its_place(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "experiment.toml"
    path.write_bytes(content)
    with pytest.raises(SpecError) as refusal:
        read(path)
    assert str(refusal.value).startswith(f"{path}: ")
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.toml", tmp_path):
        with pytest.raises(SpecError, match="cannot be read"):
            read(path)


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "experiment.toml"
    path.write_bytes(b"\xef\xbb\xbfseed = 3\r\n")
    assert read(path) == {"seed": 3}


@pytest.mark.parametrize(
    ("assignment", "document"),
    [
        ("optimizer.lr=3e-4", {"optimizer": {"lr": 3e-4}}),
        (" optimizer.lr = 3e-4 ", {"optimizer": {"lr": 3e-4}}),
        ("model.options.widths=[8, 8]", {"model": {"options": {"widths": [8, 8]}}}),
        ("model.architecture=mlp", {"model": {"architecture": "mlp"}}),
        ("name=5", {"name": "5"}),
        ("name=a=b", {"name": "a=b"}),
        ("name=", {"name": ""}),
    ],
)
def test_an_assignment_is_a_path_and_a_value(assignment: str, document: dict[str, Any]) -> None:
    made: dict[str, Any] = {}
    assign_text(made, assignment)
    assert made == document


@pytest.mark.parametrize("assignment", ["", "=3", "optimizer.lr", " = "])
def test_an_assignment_without_path_or_value_is_refused(assignment: str) -> None:
    with pytest.raises(SpecError, match="--set takes path=value"):
        assign_text({}, assignment)


def test_an_assignment_below_a_value_is_refused() -> None:
    with pytest.raises(SpecError, match=r"data\.dataset\.x: dataset is a value, not a section"):
        assign_text({"data": {"dataset": "digits"}}, "data.dataset.x=1")


def test_the_forms_options_are_the_fields() -> None:
    options = {option.name: option for option in section_options("optimizer")}
    assert set(options) == {"lr", "weight_decay"}
    assert (options["lr"].low, options["lr"].above, options["lr"].range) == (0, True, "above 0")
    assert {option.name for option in section_options("")} == {"name", "seed"}
    split = next(option for option in section_options("data") if option.name == "split")
    assert split.wanted == "3 numbers in brackets, each 0 to 1"
    for path in ("", *SECTIONS):
        for option in section_options(path):
            assert option.check(option.default) == option.default
            assert option.help


def test_a_title_is_the_name_or_says_what_it_is() -> None:
    assert experiment({"name": "  mine "}).title == "mine"
    assert experiment({"name": "   "}).title == "mlp on digits"
    assert isinstance(experiment({}), Experiment)


@pytest.mark.parametrize(
    ("document", "path", "message"),
    [
        ("training.accumulation = 65", "training.accumulation", "must be at most data.batch_size, 64, got 65"),
        ("training.accumulation = 0", "training.accumulation", "must be a whole number at least 1, got 0"),
        ("training.ema_decay = 1", "training.ema_decay", "must be a number 0 to 0.999999, got 1"),
        ("training.gradient_clip_value = -1", "training.gradient_clip_value", "must be a number at least 0, got -1"),
        ("objective.l1_penalty = -1", "objective.l1_penalty", "must be a number at least 0, got -1"),
        (
            'schedule.name = "reduce_on_plateau"\ndata.split = [0.9, 0, 0.1]',
            "schedule.name",
            "reduce_on_plateau needs a validation part (data.split)",
        ),
        (
            'optimizer.name = "random_search"\ntraining.gradient_clip_value = 1',
            "training.gradient_clip_value",
            "random_search computes no gradient: must be 0",
        ),
        (
            'objective.loss = "hinge"\ndata.dataset = "diabetes"',
            "objective.loss",
            "hinge is not for regression; there is mse, l1, huber, l2_norm",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(document: str, path: str, message: str) -> None:
    assert problems(toml(document)) == {path: message}


def test_a_search_without_gradients_clips_none_though_the_data_would() -> None:
    document = {"data": {"dataset": "adding"}, "optimizer": {"name": "random_search"}}
    assert experiment(document).training.gradient_clip_norm == 0
