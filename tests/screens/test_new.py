"""The form on the screen: filled by keys alone, explained, previewed, saved, launched."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tdl_tui import spec
from tdl_tui.runs.records import Probe
from tdl_tui.screens.app import Workbench
from tdl_tui.screens.choose import Choice, Choices, ChooseScreen, draw_choices, matching
from tdl_tui.screens.confirm import AskScreen, ConfirmScreen
from tdl_tui.screens.explanation import Explanation, command_lines
from tdl_tui.screens.form import Form
from tdl_tui.screens.form_view import FormView
from tdl_tui.screens.frame import TooSmall
from tdl_tui.screens.new import NewScreen
from tdl_tui.screens.preview import Preview, draw_preview
from tdl_tui.screens.preview_pane import PreviewPane
from tdl_tui.screens.runs import RunsScreen
from tdl_tui.widgets.palette import DARK, LIGHT
from tdl_tui.worker import launch
from tdl_tui.worker.answers import LayerAnswer, SamplesAnswer, SummaryAnswer
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


class FakeSpare:
    """Answers at once, and remembers what it was asked."""

    ready = True

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(dict(request))
        if request["ask"] == "samples":
            return SAMPLES.to_json()
        if request["experiment"]["model"]["architecture"] == "lstm":
            raise SpareError("lstm is not to be had today")
        return SUMMARY.to_json()

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

    def fake(experiment: spec.Experiment, home: Path, spare: object) -> launch.Launched:
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
        await pilot.press("pagedown", "pagedown", "s", "down", "down", "down", *"0.9")
        assert text(pilot, "optimizer.name") == "sgd"
        assert text(pilot, "optimizer.options.momentum") == "0.9"


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
        await pilot.press("space", *"zzz", "enter", "backspace", "backspace", "backspace", "down", "up", "enter")
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
