"""The form on the screen: filled by keys alone, explained, previewed, saved, launched."""

from __future__ import annotations

import re
import threading
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tdl_tui import spec
from tdl_tui.registry import LOSSES, OPTIMIZERS, SCHEDULES, DataShape, LossEntry
from tdl_tui.runs.records import Probe
from tdl_tui.screens.app import Workbench
from tdl_tui.screens.choose import Choice, Choices, ChooseScreen, draw_choices, matching, told_lines
from tdl_tui.screens.confirm import AskScreen, ConfirmScreen
from tdl_tui.screens.explanation import Explanation, command_lines
from tdl_tui.screens.form import Form
from tdl_tui.screens.form_view import FormView
from tdl_tui.screens.frame import TooSmall
from tdl_tui.screens.lr_range import LrRangeScreen, RangeChart, draw_lr_range
from tdl_tui.screens.new import NewScreen
from tdl_tui.screens.preview import Preview, draw_preview
from tdl_tui.screens.preview_pane import PreviewPane
from tdl_tui.screens.preview_training import obstacle
from tdl_tui.screens.runs import RunsScreen
from tdl_tui.widgets.palette import DARK, LIGHT
from tdl_tui.worker import launch
from tdl_tui.worker.answers import LayerAnswer, LrRangeAnswer, SamplesAnswer, SummaryAnswer
from tdl_tui.worker.spare import SpareError

Bench = Callable[..., Workbench]
Until = Any

SUMMARY = SummaryAnswer(
    layers=(
        LayerAnswer("hidden1", "Linear", (64,), (128,), 8320, 8192, None),
        LayerAnswer("activation1", "ReLU", (128,), (128,), 0, 0, None),
        LayerAnswer("head", "Linear", (128,), (10,), 1290, 1280, None),
    ),
    parameters=9610,
    macs=9472,
    receptive_field=None,
    training_examples=1437,
    steps_per_epoch=23,
    schedule=tuple((step, 1e-3) for step in range(1, 461, 8)),
)


def picture(number: int) -> Probe:
    return Probe(number, "image", (1, 8, 8), tuple((x * number) % 17 / 16 for x in range(64)), float(number % 10))


SAMPLES = SamplesAnswer(tuple(picture(i) for i in range(24)), tuple("0123456789"))
TRACES = SamplesAnswer(
    tuple(
        Probe(i, "sequence", (40, 1), tuple(((t * (i + 1)) % 13) / 13 for t in range(40)), float(i)) for i in range(8)
    ),
    tuple("0123456789"),
)
ROWS = SamplesAnswer((Probe(0, "table", (4,), (5.1, 3.5, 1.4, 0.2), 0.0),), ("setosa", "versicolor", "virginica"))
POINTS = SamplesAnswer(
    tuple(Probe(i, "table", (2,), (float(i % 7), float(i % 5)), float(i % 2)) for i in range(40)), ("0", "1")
)
NUMBERS = SamplesAnswer((Probe(0, "table", (3,), (0.1, 0.2, 0.3), 151.0),), ())


RANGE = LrRangeAnswer(
    tuple(1e-5 * 10 ** (n / 10) for n in range(50)),
    tuple(2.3 - n / 30 if n < 40 else n - 38.0 for n in range(50)),
    0.0316,
)
LETTERS = tuple("\n !abcdefghijklmnopqrstuvwxy")


class FakeSpare:
    """Answers at once, and remembers what it was asked."""

    ready = True
    summary = SUMMARY

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(dict(request))
        if request["ask"] == "samples":
            return SAMPLES.to_json()
        if request["ask"] == "lr_range":
            return RANGE.to_json()
        if request["experiment"]["model"]["architecture"] == "lstm":
            raise SpareError("lstm is not to be had today")
        return self.summary.to_json()

    def close(self) -> None:
        pass


@pytest.fixture
def app(bench: Bench) -> Workbench:
    made = bench()
    made.spare = FakeSpare()  # type: ignore[assignment]  # the one method that the form needs
    return made


def view(pilot: Pilot[None]) -> FormView:
    return pilot.app.screen.query_one(FormView)


def at(pilot: Pilot[None]) -> str:
    field = view(pilot).current
    return field.path if field else "launch"


def text(pilot: Pilot[None], path: str) -> str:
    field = view(pilot).form.field(path)
    assert field is not None
    return view(pilot).form.text(field)


def preview(pilot: Pilot[None]) -> Preview:
    return pilot.app.screen.query_one(PreviewPane).preview


def lines(widget: Any) -> str:
    return "\n".join(widget.render_line(y).text for y in range(widget.content_size.height))


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch, app: Workbench) -> list[spec.Experiment]:
    made: list[spec.Experiment] = []

    def fake(experiment: spec.Experiment, home: Path, spare: object, origin: object) -> launch.Launched:
        assert origin is None
        made.append(experiment)
        return launch.Launched(home / "runs" / "new", 1)

    monkeypatch.setattr(launch, "launch", fake)
    app.open_run = lambda folder: None  # type: ignore[method-assign]  # the run's screen is tested beside it
    return made


async def test_two_keys_launch_the_default(app: Workbench, launched: list[spec.Experiment], until: Until) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n", "ctrl+l")
        await until(pilot, lambda: launched)
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
    assert launched == [spec.experiment({})]


async def test_the_launch_line_launches(app: Workbench, launched: list[spec.Experiment], until: Until) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n", "up")
        assert at(pilot) == "launch"
        await pilot.press("enter")
        await until(pilot, lambda: launched)


async def test_another_dataset_and_architecture_by_keys(
    app: Workbench, launched: list[spec.Experiment], until: Until
) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("n", "enter", *"iris", "enter")
        assert text(pilot, "data.dataset") == "iris"
        await pilot.press("pagedown")
        assert at(pilot) == "model.architecture"
        await pilot.press("s")
        assert text(pilot, "model.architecture") == "softmax_regression"
        await pilot.press("f5")
        await until(pilot, lambda: launched)
    wanted = {"data": {"dataset": "iris"}, "model": {"architecture": "softmax_regression"}}
    assert launched == [spec.experiment(wanted)]


async def test_letters_choose_among_what_can_be_taken(app: Workbench) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n", "m")
        assert text(pilot, "data.dataset") == "mnist1d"
        await pilot.press("pagedown", "l")
        assert text(pilot, "model.architecture") not in ("lenet5", "mlp")
        await pilot.press("s")
        assert text(pilot, "model.architecture") == "lstm"
        await pilot.press("l")
        assert text(pilot, "model.architecture") == "linear"
        await pilot.press("pagedown", "pagedown", *"mo", "down", "down", "down", *"0.5")
        assert text(pilot, "optimizer.name") == "momentum"
        assert text(pilot, "optimizer.options.momentum") == "0.5"


async def test_moving_between_fields_and_sections(app: Workbench) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        assert at(pilot) == "data.dataset"
        seen = []
        for key in ("down", "tab", "up", "shift+tab", "shift+tab", "down", "pagedown", "pagedown", "pageup", "pageup"):
            await pilot.press(key)
            seen.append(at(pilot))
        assert seen == [
            "data.options.image_size",
            "data.batch_size",
            "data.options.image_size",
            "data.dataset",
            "launch",
            "data.dataset",
            "model.architecture",
            "objective.loss",
            "model.architecture",
            "data.dataset",
        ]


async def test_every_field_can_be_reached_and_is_in_sight(app: Workbench) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        for field in view(pilot).form.fields:
            assert at(pilot) == field.path
            assert f"▸  {'  ' if field.nested else ''}{field.label}"[:20] in lines(view(pilot))
            assert "Launch" in lines(view(pilot))
            await pilot.press("down")
        assert at(pilot) == "launch"


async def test_typing_replaces_and_enter_goes_on(app: Workbench) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n", "down", "down", "1", "2", "8", "enter")
        assert text(pilot, "data.batch_size") == "128"
        assert at(pilot) == "data.split"
        await pilot.press("up", "end", "backspace", "left", "7")
        assert text(pilot, "data.batch_size") == "172"
        await pilot.press("ctrl+r")
        assert text(pilot, "data.batch_size") == "64"
        await pilot.press("down", "down", "down", "space")
        assert text(pilot, "data.normalize") == "false"
        await pilot.press("right")
        assert text(pilot, "data.normalize") == "true"


async def test_a_pasted_text_goes_into_the_field(app: Workbench) -> None:
    from textual import events

    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n", "down", "down")
        app.post_message(events.Paste("256\nmore"))
        await pilot.pause()
        assert text(pilot, "data.batch_size") == "256"


async def test_a_wrong_value_is_told_and_not_launched(app: Workbench, launched: list[spec.Experiment]) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n", "down", "down", *"-1", "pagedown", "ctrl+l")
        assert at(pilot) == "data.batch_size"
        assert "✗ batch size" in lines(view(pilot))
        assert re.search(r"must be .*0.*got -1", lines(view(pilot)))
        assert "1 to put right first" in lines(view(pilot))
    assert not launched


async def test_a_refused_architecture_says_why_in_the_list_and_the_form(app: Workbench) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("n", "pagedown", "enter")
        assert isinstance(app.screen, ChooseScreen)
        listed = lines(app.screen.query_one(Choices))
        assert re.search(r"lenet5 +✗ needs images of at least 28×28", listed)
        await pilot.press(*"lenet", "enter")
        assert text(pilot, "model.architecture") == "lenet5"
        assert "needs images" in lines(view(pilot))


async def test_the_list_is_left_as_it_was(app: Workbench) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n", "enter", "down", "down", "escape")
        assert isinstance(app.screen, NewScreen)
        assert text(pilot, "data.dataset") == "digits"
        await pilot.press("space", *["number_sign"] * 3, "enter", *["backspace"] * 3, "enter")
        assert text(pilot, "data.dataset") == "digits"


async def test_the_preview_follows_the_form(app: Workbench, until: Until) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("n")
        await until(pilot, lambda: preview(pilot).summary is not None and not preview(pilot).waiting)
        shown = lines(app.screen.query_one(PreviewPane))
        for figure in ("1,437 to train on", "23 steps an epoch", "460 steps in all", "9,610", "hidden1"):
            assert figure in shown
        await pilot.press("pagedown", "l", "s")
        await until(pilot, lambda: "lstm is not to be had" in preview(pilot).summary_problem)


@pytest.mark.parametrize("dataset", ["iris", "moons", "diabetes"])
async def test_the_preview_follows_every_sort_of_data(app: Workbench, until: Until, dataset: str) -> None:
    spare = app.spare
    assert isinstance(spare, FakeSpare)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("n")
        await until(pilot, lambda: spare.asked and not preview(pilot).waiting)
        await pilot.press("enter", *dataset, "enter")

        def asked() -> set[tuple[str, str]]:
            return {(request["ask"], request["experiment"]["data"]["dataset"]) for request in spare.asked}

        await until(pilot, lambda: {("summary", dataset), ("samples", dataset)} <= asked())


async def test_of_data_that_are_not_named_yet_no_examples_are_shown(app: Workbench, until: Until) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("n")
        await until(pilot, lambda: preview(pilot).samples is not None and not preview(pilot).waiting)
        await pilot.press("enter", *"npz", "enter")
        await until(pilot, lambda: preview(pilot).samples is None)
        assert "must name an .npz file" in lines(app.screen.query_one(PreviewPane))


async def test_while_one_answer_is_awaited_only_the_newest_question_follows(app: Workbench, until: Until) -> None:
    spare = app.spare
    assert isinstance(spare, FakeSpare)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n", "down", *"16")
        for _ in range(3):
            await pilot.press("backspace", "backspace", *"32")
        await until(pilot, lambda: spare.asked and not preview(pilot).waiting)
        await until(pilot, lambda: spare.asked[-1]["experiment"]["data"]["options"]["image_size"] == 32)
    assert len([request for request in spare.asked if request["ask"] == "summary"]) < 8


async def test_the_form_is_kept_for_the_next_time(app: Workbench) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n", "down", *"16", "escape")
        assert isinstance(app.screen, RunsScreen)
        await pilot.press("n")
        assert text(pilot, "data.options.image_size") == "16"
        await pilot.press("ctrl+n")
        assert text(pilot, "data.options.image_size") == "8"


async def test_a_launch_that_fails_says_why_and_keeps_the_form(
    app: Workbench, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise launch.LaunchError("the home folder is full")

    monkeypatch.setattr(launch, "launch", fail)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n", "ctrl+l")
        await until(pilot, lambda: any("is full" in n.message for n in app._notifications))
        assert isinstance(app.screen, NewScreen)
        assert "ctrl+l" in lines(view(pilot))


async def test_saving_asks_for_a_file_and_before_overwriting(
    app: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n", "down", *"32", "ctrl+s")
        assert isinstance(app.screen, AskScreen)
        await pilot.press("enter")
        saved = tmp_path / "mlp-on-digits.toml"
        expected = spec.experiment({"data": {"options": {"image_size": 32}}})
        assert spec.experiment(tomllib.loads(saved.read_text())) == expected
        saved.write_text("mine")
        await pilot.press("ctrl+s", "enter")
        assert isinstance(app.screen, ConfirmScreen)
        await pilot.press("n")
        assert saved.read_text() == "mine"
        await pilot.press("ctrl+s", "enter", "y")
        assert spec.experiment(tomllib.loads(saved.read_text())) == expected
        await pilot.press("ctrl+s", *"/nowhere/at/all.toml", "enter")
        await pilot.pause()
        assert any("cannot be written" in n.message for n in app._notifications)
        await pilot.press("ctrl+s", "escape")
        assert isinstance(app.screen, NewScreen)


async def test_the_command_line_stands_below(app: Workbench) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n", "down", *"32")
        below = lines(app.screen.query_one(Explanation))
        assert "tdl train --dataset digits --model mlp" in below
        assert "data.options.image_size=32" in below
        assert "a whole number · 8 to 256 · default 8" in below
        await pilot.press("ctrl+y")
        assert app.clipboard == view(pilot).form.command_line()


def test_a_long_command_is_broken_as_a_shell_takes_it() -> None:
    command = "tdl train " + " ".join(f"--set model.options.number{i}={i}" for i in range(8))
    texts = [strip.text.strip() for strip in command_lines(command, 80, 9, DARK)]
    joined = " ".join(part.removesuffix("\\").removeprefix("$").strip() for part in texts)
    assert joined == command
    assert all(part.endswith("\\") for part in texts[:-1])


@pytest.mark.parametrize(
    "samples", [SAMPLES, TRACES, ROWS, POINTS, NUMBERS], ids=["pictures", "traces", "rows", "points", "numbers"]
)
def test_the_preview_keeps_to_its_room(samples: SamplesAnswer) -> None:
    shape = Form().shape
    for width, height in ((34, 15), (60, 30), (120, 50)):
        for known in (Preview(shape, 20, SUMMARY, samples), Preview(shape, 20, None, samples, "no " * 40, "not " * 40)):
            drawn = draw_preview(known, width, height, LIGHT)
            assert len(drawn) <= height
            assert {strip.cell_length for strip in drawn} == {width}


def test_a_long_network_keeps_its_sums_in_sight() -> None:
    many = tuple(LayerAnswer(f"layer{i}", "Linear", (8,), (8,), 72, 64, None) for i in range(60))
    answer = SummaryAnswer(many, 4320, 3840, None, 100, 2)
    shown = [
        strip.text for strip in draw_preview(Preview(Form().shape, 1, answer, section="Architecture"), 60, 24, DARK)
    ]
    assert "4,320" in shown[-1]
    assert any("more" in text for text in shown)


def test_choices_are_found_by_words_of_name_or_help() -> None:
    choices = [Choice("mlp", "layers"), Choice("linear", "one map"), Choice("lenet5", "a map of pictures")]
    assert [c.name for c in matching(choices, "map")] == ["linear", "lenet5"]
    assert [c.name for c in matching(choices, "le")] == ["lenet5"]
    assert matching(choices, "l")[0].name == "linear"
    for at_ in range(3):
        drawn = draw_choices(choices, at_, "", width=40, height=8, below=3, colors=DARK)
        assert len(drawn) <= 8
        assert any(strip.text.startswith(" ▸ ") for strip in drawn)


async def test_a_document_with_faults_opens_with_them_marked(bench: Bench) -> None:
    app = bench(new_document={"optimizer": {"lr": -1}, "colour": 3})
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        assert isinstance(app.screen, NewScreen)
        assert "optimizer.lr" in view(pilot).form.wrong
        assert any("colour" in n.message for n in app._notifications)


async def test_it_says_when_the_terminal_is_too_small(app: Workbench) -> None:
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await pilot.resize_terminal(50, 10)
        assert isinstance(app.screen, TooSmall)
        await pilot.resize_terminal(80, 24)
        assert isinstance(app.screen, NewScreen)


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
def test_snapshot(app: Workbench, snap_compare: Any, size: tuple[int, int], until: Until) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await pilot.press("n", "down", "down", *"-1", "down", "down")
        await until(pilot, lambda: preview(pilot).samples is not None and not preview(pilot).waiting)

    assert snap_compare(app, terminal_size=size, run_before=before)


def test_layers_without_parameters_go_first_where_room_is_short() -> None:
    layers = tuple(LayerAnswer(f"layer{i}", "Linear", (8,), (8,), 72 if i % 2 else 0, 64, None) for i in range(10))
    answer = SummaryAnswer(layers, 360, 640, None, 100, 2)
    known = Preview(Form().shape, 1, answer, section="Architecture")
    shown = "\n".join(strip.text for strip in draw_preview(known, 34, 16, DARK))
    assert "and 5 without parameters" in shown and "layer9" in shown and "layer8" not in shown


def drawn(known: Preview, width: int = 60, height: int = 30) -> str:
    return "\n".join(strip.text for strip in draw_preview(known, width, height, DARK))


TEXT_SHAPE = DataShape("classification", "text", (12,), 28, LETTERS, examples=500, steps=12)
TEXTS = SamplesAnswer(
    tuple(
        Probe(i, "text", (12,), tuple(float((i + t) % 28) for t in range(12)), float((i + 12) % 28)) for i in range(6)
    ),
    LETTERS,
    tuple(1000 - 30 * i for i in range(28)),
)
GRAPH_SHAPE = DataShape("classification", "graph", (1,), 2, ("Mr. Hi", "Officer"), examples=34, graph=(34, 34))
NODES = SamplesAnswer(
    tuple(Probe(i, "graph", (1,), (float(i),), float(i % 2)) for i in range(20)), ("Mr. Hi", "Officer"), (17, 17)
)
RECIPES = SummaryAnswer(
    SUMMARY.layers, 9610, 9472, None, 1437, 23, 3 * 2**20, 2**30, tuple((step, 1e-3) for step in range(1, 461, 8))
)


@pytest.mark.parametrize(
    "section", ["Data", "Architecture", "Objective", "Optimizer", "Schedule", "Training", "", "Run"]
)
@pytest.mark.parametrize(
    ("shape", "samples"),
    [(Form().shape, SAMPLES), (TEXT_SHAPE, TEXTS), (GRAPH_SHAPE, NODES)],
    ids=["image", "text", "graph"],
)
def test_every_section_keeps_to_its_room(section: str, shape: DataShape, samples: SamplesAnswer) -> None:
    loss = LOSSES["cross_entropy"]
    for width, height in ((34, 15), (60, 30), (120, 50)):
        for summary in (RECIPES, None):
            known = Preview(shape, 20, summary, samples, section=section, loss=loss, loss_options=loss.defaults())
            strips = draw_preview(known, width, height, LIGHT)
            assert len(strips) <= height
            assert {strip.cell_length for strip in strips} == {width}


def test_texts_are_shown_with_the_token_that_follows() -> None:
    shown = drawn(Preview(TEXT_SHAPE, 20, RECIPES, TEXTS, section="Data"), 40, 40)
    assert "texts of 12 tokens" in shown and "28 tokens at every step" in shown
    assert "¶ ↵" in shown and "!abcdefghij▏k" in shown
    assert "↵ ━" in shown and "␣ ━" in shown  # among the examples a class


def test_nodes_are_shown_with_their_class() -> None:
    shown = drawn(Preview(GRAPH_SHAPE, 20, RECIPES, NODES, section="Data"))
    assert "34 nodes with 34 features each" in shown
    assert re.search(r"node +17 +Officer", shown)


def test_rows_are_a_table_with_the_target() -> None:
    rows = tuple(Probe(i, "table", (4,), (5.1, 3.5, 1.4, float(i)), float(i % 3)) for i in range(9))
    iris = Form({"data": {"dataset": "iris"}}).shape
    answer = SamplesAnswer(rows, ("setosa", "versicolor", "virginica"))
    shown = drawn(Preview(iris, 20, SUMMARY, answer, section="Data"))
    assert re.search(r"sepal length .* target", shown) and shown.count("versicolor") == 3
    assert "+" in drawn(
        Preview(iris, 20, SUMMARY, answer, section="Data"), 34, 20
    )  # columns that do not fit are counted


def test_the_most_frequent_classes_are_counted_where_not_all_fit() -> None:
    many = SamplesAnswer(SAMPLES.samples, tuple(f"class {i}" for i in range(100)), tuple(range(100)))
    shown = drawn(Preview(Form().shape, 20, SUMMARY, many, section="Data"), 60, 30)
    assert "of 100, the most frequent" in shown and "class 99" in shown
    assert not re.search(r"class 0 +[━╸]", shown)


@pytest.mark.parametrize("entry", LOSSES, ids=lambda entry: entry.name)
def test_every_objective_is_drawn_with_its_formula(entry: LossEntry) -> None:
    known = Preview(Form().shape, 20, SUMMARY, section="Objective", loss=entry, loss_options=entry.defaults())
    shown = drawn(known, 60, 30)
    assert entry.formula.split()[0] in shown and f"over the {entry.axis}" in shown
    assert f"over the {entry.axis}" in drawn(known, 34, 24)
    assert sum(0x2800 < ord(character) <= 0x28FF for character in shown) > 20


def test_the_learning_rate_is_drawn_as_it_will_be() -> None:
    steps = tuple((step, 1e-3 * min(step / 100, (460 - step) / 360)) for step in range(1, 461))
    risen = replace(RECIPES, schedule=steps)
    shown = drawn(Preview(Form().shape, 20, risen, section="Schedule", schedule=SCHEDULES["cosine"]))
    assert "1e-5 → 0.001 → 0" in shown and "ctrl+f" in shown
    assert "─ 0.001\n" in drawn(Preview(Form().shape, 20, RECIPES, section="Optimizer"))
    lowers = replace(SCHEDULES["cosine"], observes=True)
    assert "goes by the monitored value" in drawn(Preview(Form().shape, 20, risen, section="Schedule", schedule=lowers))


def test_what_does_not_fit_into_memory_is_said() -> None:
    for width in (34, 60):
        assert "3.00 MiB of 1.00 GiB free" in drawn(Preview(Form().shape, 20, RECIPES, section="Training"), width)
    huge = replace(RECIPES, memory=2**34)
    assert "does not fit" in drawn(Preview(Form().shape, 20, huge, section="Training"))
    assert obstacle(huge, None) == "needs 16.0 GiB, 1.00 GiB free"
    assert obstacle(RECIPES, None) == ""
    few = replace(OPTIMIZERS["adam"], most_parameters=100)
    assert "100 parameters, not 9,610" in obstacle(RECIPES, few)


async def test_what_does_not_fit_is_not_launched(
    app: Workbench, launched: list[spec.Experiment], until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeSpare, "summary", replace(RECIPES, memory=2**34))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n")
        await until(pilot, lambda: "needs 16.0 GiB" in lines(view(pilot)))
        await pilot.press("ctrl+l")
        await until(pilot, lambda: any("needs 16.0 GiB" in n.message for n in app._notifications))
        assert isinstance(app.screen, NewScreen)
    assert not launched


async def test_the_preview_follows_the_section(app: Workbench, until: Until) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("n")
        await until(pilot, lambda: preview(pilot).summary is not None and not preview(pilot).waiting)
        pane = app.screen.query_one(PreviewPane)
        seen = []
        for _ in range(6):
            seen.append(lines(pane))
            await pilot.press("pagedown")
        data, network, objective, optimizer, schedule, training = seen
        assert "▀" in data and "hidden1" in network.split("▀")[0]
        assert LOSSES["cross_entropy"].formula.split()[0] in objective and "over the" in objective
        assert "Learning rate" in optimizer and "Learning rate" in schedule
        assert "MACs an epoch" in training


async def test_a_long_network_is_looked_through(app: Workbench, until: Until, monkeypatch: pytest.MonkeyPatch) -> None:
    many = tuple(LayerAnswer(f"layer{i}", "Linear", (8,), (8,), 72, 64, None) for i in range(60))
    monkeypatch.setattr(FakeSpare, "summary", replace(SUMMARY, layers=many))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("n", "pagedown")
        await until(pilot, lambda: preview(pilot).summary is not None and not preview(pilot).waiting)
        pane = app.screen.query_one(PreviewPane)
        assert "layer0 " in lines(pane) and "layer59" not in lines(pane)
        await pilot.press("shift+down")
        assert "layer5 " in lines(pane) and "layer0 " not in lines(pane) and "↑ 5" in lines(pane)
        await pilot.press(*["shift+down"] * 30)
        assert "layer59" in lines(pane) and "more" not in lines(pane)
        await pilot.press("shift+up")
        assert "layer59" not in lines(pane)
        assert at(pilot) == "model.architecture"


async def test_a_learning_rate_is_found_and_taken_over(app: Workbench, until: Until) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("n", "ctrl+f")
        assert isinstance(app.screen, NewScreen)  # only where the learning rate is
        await pilot.press("pagedown", "pagedown", "pagedown", "ctrl+f")
        assert isinstance(app.screen, LrRangeScreen)
        await until(pilot, lambda: "suggested 0.032" in lines(app.screen.query_one(RangeChart)))
        await pilot.press("enter")
        assert isinstance(app.screen, NewScreen)
        assert at(pilot) == "optimizer.lr" and text(pilot, "optimizer.lr") == "0.032"


async def test_a_range_test_is_left_without_a_change(app: Workbench, until: Until) -> None:
    asking = threading.Event()

    def wait(request: Mapping[str, Any]) -> dict[str, Any]:
        asking.wait(20)
        return RANGE.to_json()

    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(LrRangeScreen({}, wait, 1e-3))
        await pilot.pause()
        assert "trying learning rates" in lines(app.screen.query_one(RangeChart))
        await pilot.press("enter", "escape")
        assert not isinstance(app.screen, LrRangeScreen)
        asking.set()
        await pilot.pause()


async def test_a_range_test_that_cannot_be_says_why(app: Workbench, until: Until) -> None:
    def refuse(request: Mapping[str, Any]) -> dict[str, Any]:
        raise SpareError("optimizer.name: lbfgs computes the loss several times a step")

    async with app.run_test(size=(80, 24)) as pilot:
        app.push_screen(LrRangeScreen({}, refuse, 1e-3))
        await pilot.pause()
        await until(pilot, lambda: "lbfgs computes" in lines(app.screen.query_one(RangeChart)))
        await pilot.press("enter")
        assert isinstance(app.screen, LrRangeScreen)


def test_a_range_test_is_drawn_on_a_logarithmic_axis() -> None:
    for width, height in ((40, 8), (100, 24)):
        for answer in (RANGE, replace(RANGE, suggestion=None), replace(RANGE, loss=(float("inf"),) * 50)):
            strips = draw_lr_range(answer, "", 1e-3, width, height, DARK)
            assert len(strips) <= height and {strip.cell_length for strip in strips} == {width}
    shown = "\n".join(strip.text for strip in draw_lr_range(RANGE, "", 1e-3, 100, 24, DARK))
    assert "1e-5" in shown and "0.1" in shown and "now 0.001" in shown and "enter takes 0.032" in shown
    none = "\n".join(s.text for s in draw_lr_range(replace(RANGE, suggestion=None), "", 1e-3, 100, 24, DARK))
    assert "nothing is suggested" in none


def test_the_help_of_every_choice_is_shown_whole() -> None:
    helps = "word " * 40 + "last"
    choices = [Choice("one", "short"), Choice("two", helps), Choice("three", "", "cannot " * 30 + "end")]
    below = told_lines(choices)
    for index, last in ((1, "last"), (2, "end")):
        strips = draw_choices(choices, index, "", width=67, height=3 + 2 + below, below=below, colors=DARK)
        assert any(strip.text.rstrip().endswith(last) for strip in strips)


async def test_what_can_be_taken_stands_first_in_the_list(app: Workbench) -> None:
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("n", "pagedown", "enter")
        assert isinstance(app.screen, ChooseScreen)
        refused = [bool(choice.refused) for choice in app.screen.query_one(Choices)._all]
        assert any(refused) and refused == sorted(refused)


def test_layers_of_a_deep_network_are_told_apart_in_little_room() -> None:
    names = [f"stage1.block{i}.convolution" for i in range(8)] + ["stage1.block7.norm"]
    deep = replace(SUMMARY, layers=tuple(LayerAnswer(name, "Conv2d", (8,), (64, 16, 16), 72, 64, 3) for name in names))
    shown = drawn(Preview(Form().shape, 20, deep, section="Architecture"), 34, 24)
    assert "…" in shown and "norm " in shown and "onvolution" in shown
