"""The Run screen: what it shows in every state, what each key does, and what it reads."""

from __future__ import annotations

import json
import math
import os
import re
import threading
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from synthetic import START, TOTAL, Playing, damaged, snapshot
from textual.pilot import Pilot

from tdl_tui.runs import home as homes
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import LayerSample, Probe, ProbeSample, Progress, State
from tdl_tui.runs.writer import RunWriter
from tdl_tui.screens.app import Workbench
from tdl_tui.screens.confirm import AskScreen, ConfirmScreen
from tdl_tui.screens.run import RunScreen, heights
from tdl_tui.screens.run_charts import curves_of, figure_plot
from tdl_tui.screens.run_panels import NoticePanel, Panel
from tdl_tui.screens.run_snapshot import Snapshot, Source, Wants, pending, shape_of
from tdl_tui.spec import experiment
from tdl_tui.widgets.chart_view import View
from tdl_tui.worker import steer

Bench = Callable[..., Workbench]
Until = Any
SIZES = {"narrow": (80, 24), "wide": (160, 45)}


@pytest.fixture(autouse=True)
def greenwich(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times of day are shown in local time: make that the same everywhere."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def shown(app: Workbench, id: str = "") -> str:
    """The text of a panel, or of the whole screen."""
    panels = app.screen.query(Panel) if not id else [app.screen.query_one(f"#{id}", Panel)]
    return "\n".join(panel.render_line(y).text for panel in panels if panel.display for y in range(panel.size.height))


class Watch:
    """A workbench with a Run screen on given snapshots."""

    def __init__(self, app: Workbench, pilot: Pilot[Any], until: Until) -> None:
        self.app, self.pilot, self._until = app, pilot, until

    @property
    def screen(self) -> RunScreen:
        screen = next(s for s in reversed(self.app.screen_stack) if isinstance(s, RunScreen))
        assert isinstance(screen, RunScreen)
        return screen

    async def open(self, *snapshots: Snapshot, folder: Path = Path("unused")) -> None:
        source = Playing(*snapshots)
        await self.app.push_screen(RunScreen(folder, lambda: source))
        await self._until(self.pilot, lambda: self.screen.snapshot is snapshots[-1])
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def until(self, holds: Callable[[], object]) -> None:
        await self._until(self.pilot, holds)


@pytest.fixture
async def watch(bench: Bench, until: Until) -> Any:
    app = bench()
    async with app.run_test(size=(120, 40)) as pilot:
        yield Watch(app, pilot, until)


# -- the pure parts


@pytest.mark.parametrize("available", range(17, 80))
@pytest.mark.parametrize(("classes", "layers"), [(2, 1), (10, 5), (24, 40)])
def test_lines_are_shared_out_whole(available: int, classes: int, layers: int) -> None:
    charts, middle, happenings = heights(available, classes, layers)
    assert charts + middle + happenings == available
    assert min(charts, middle, happenings) >= 2
    assert charts >= (available - happenings) * 2 // 5


def test_the_shape_comes_from_the_record_and_else_from_the_registry() -> None:
    document = {"data": {"dataset": "digits", "options": {"image_size": 28}}}
    from_registry = shape_of(document, None)
    assert from_registry is not None and from_registry.input == (1, 28, 28)
    recorded = {"task": "regression", "kind": "table", "input": [3], "outputs": 1, "features": ["a", "b", "c"]}
    from_record = shape_of(document, recorded)
    assert from_record is not None and from_record.features == ("a", "b", "c")
    assert shape_of({"data": {"dataset": "gone"}}, None) is None


# -- what is shown


SHOTS = {
    "image": snapshot("image"),
    "sequence": snapshot("sequence", TOTAL, State.FINISHED),
    "table": snapshot("table", 2000, State.FAILED, "the loss became nan at step 2,000; not finite: layers.2"),
    "regression": snapshot("regression"),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", SHOTS)
def test_a_run_as_a_picture(snap_compare: Any, bench: Bench, until: Until, size: str, kind: str) -> None:
    source = Playing(SHOTS[kind])
    app = bench()

    async def ready(pilot: Pilot[Any]) -> None:
        screen = RunScreen(Path("unused"), lambda: source)
        await app.push_screen(screen)
        await until(pilot, lambda: screen.snapshot is not None)
        await pilot.pause()

    assert snap_compare(app, terminal_size=SIZES[size], run_before=ready)


@pytest.mark.parametrize("size", [(72, 20), (80, 24), (100, 30), (120, 40), (160, 45), (200, 60)])
@pytest.mark.parametrize("kind", ["image", "sequence", "table", "regression", "text", "graph"])
async def test_all_is_there_at_every_size(bench: Bench, until: Until, size: tuple[int, int], kind: str) -> None:
    app = bench()
    async with app.run_test(size=size) as pilot:
        watch = Watch(app, pilot, until)
        await watch.open(snapshot(kind))
        text = shown(app)
        legend = ("train", "val") if size[0] >= 80 else ("t", "v")
        for word in ("loss", *legend, "gradients", "layers.4", "✓", "running", "lr 5e-4"):
            assert word in text
        panels = [panel for panel in app.screen.query(Panel) if panel.display]
        assert all(panel.region.right <= size[0] and panel.region.bottom < size[1] for panel in panels)
        assert all(panel.size.height > 0 for panel in panels)


async def test_a_run_that_starts_says_what_it_waits_for(watch: Watch) -> None:
    await watch.open(snapshot(step=0, state=State.STARTING))
    assert "waiting for the first step" in shown(watch.app, "loss")
    assert "are being loaded" in shown(watch.app, "notice")
    assert pending(snapshot()) == ""


async def test_a_run_comes_to_life_without_a_key(watch: Watch) -> None:
    await watch.open(snapshot(step=0, state=State.STARTING), snapshot(step=1000))
    assert "1,000/4,600" in shown(watch.app, "header")
    assert not watch.app.screen.query_one(NoticePanel).display


@pytest.mark.parametrize(
    ("shot", "words"),
    [
        (snapshot(step=1200, state=State.FAILED, message="out of memory: a smaller batch would help"), "smaller batch"),
        (snapshot(step=1200, state=State.LOST), "the worker is gone"),
        (snapshot(step=1200, state=State.ELSEWHERE), "runs on box"),
        (snapshot(step=1200, state=State.PAUSED), "p lets it go on"),
        (damaged("run.db was written by a newer version"), "newer version"),
    ],
)
async def test_what_is_wrong_is_said_in_words(watch: Watch, shot: Snapshot, words: str) -> None:
    await watch.open(shot)
    assert words in shown(watch.app, "notice")


async def test_target_and_prediction_are_marked(watch: Watch) -> None:
    await watch.open(snapshot(step=2000))
    assert "✔ 0" in shown(watch.app, "probe")


async def test_regression_shows_prediction_against_target(watch: Watch) -> None:
    await watch.open(snapshot("regression"))
    assert "R²" in shown(watch.app, "metric")
    text = shown(watch.app, "probe")
    assert "target" in text and "pred" in text and "diff" in text and "286" in text


async def test_a_text_is_shown_to_its_end_with_what_may_follow(watch: Watch) -> None:
    await watch.open(snapshot("text"))
    probe = shown(watch.app, "probe")
    assert re.search(r"[noth]▏", probe) and "✔ i" in probe and "↵" in probe


async def test_a_node_is_shown_by_its_number(watch: Watch) -> None:
    await watch.open(snapshot("graph"))
    assert "node 1 " in shown(watch.app, "probe") and "✔ Mr. Hi" in shown(watch.app, "probe")


async def test_a_written_sample_has_a_line_and_enlarged_it_is_whole(watch: Watch) -> None:
    await watch.open(snapshot("text"))
    assert "¶ the sand of the↵shore and" in shown(watch.app, "events")
    assert "END" not in shown(watch.app, "events")
    await watch.pilot.press("5")
    events = shown(watch.app, "events")
    assert re.search(r"¶ the sand of the↵ *\n +shore and", events) and "END" in events


# -- keys


async def test_the_loss_axis_is_linear_or_logarithmic(watch: Watch) -> None:
    await watch.open(snapshot())
    assert "log" not in shown(watch.app, "loss")
    await watch.press("y")
    assert "loss · log" in shown(watch.app, "loss") and "log" not in shown(watch.app, "metric")
    await watch.press("y")
    assert "log" not in shown(watch.app, "loss")


async def test_the_horizontal_axis_cycles(watch: Watch) -> None:
    await watch.open(snapshot())
    for expected in ("steps", "epochs", "10s", "22:13", "steps"):
        assert expected in shown(watch.app, "loss").splitlines()[-1]
        await watch.press("x")


async def test_smoothing_cycles_and_comes_back(watch: Watch) -> None:
    await watch.open(snapshot())
    plain = shown(watch.app, "loss")
    for share in ("0.6", "0.9", "0.97"):
        await watch.press("m")
        assert f"smooth {share}" in shown(watch.app, "loss")
        assert shown(watch.app, "loss") != plain
    await watch.press("m")
    assert shown(watch.app, "loss") == plain


async def test_logits_and_softmax(watch: Watch) -> None:
    await watch.open(snapshot())
    assert "softmax" in shown(watch.app, "probe")
    await watch.press("o")
    assert "logits" in shown(watch.app, "probe") and "-0." in shown(watch.app, "probe")
    await watch.press("o")
    assert "softmax" in shown(watch.app, "probe")


async def test_probes_go_round(watch: Watch) -> None:
    await watch.open(snapshot())
    for keys, expected in (("n", "2/16"), ("n", "3/16"), ("N", "2/16"), ("N", "1/16"), ("N", "16/16")):
        await watch.press(keys)
        assert expected in shown(watch.app, "probe")


@pytest.mark.parametrize(
    ("key", "panel"), [("1", "loss"), ("2", "metric"), ("3", "probe"), ("4", "gradients"), ("5", "events")]
)
async def test_a_panel_is_enlarged_and_put_back(watch: Watch, key: str, panel: str) -> None:
    await watch.open(snapshot())
    for back in (key, "escape"):
        await watch.press(key)
        displayed = [p.id for p in watch.screen.query(Panel) if p.display and p.region and p.key]
        assert displayed == [panel]
        assert watch.screen.query_one(f"#{panel}").region.width == 118
        await watch.press(back)
        assert watch.screen.query_one("#loss").region and watch.screen.query_one("#events").region
    assert isinstance(watch.app.screen, RunScreen)


async def test_one_key_goes_through_the_panels(watch: Watch) -> None:
    await watch.open(snapshot())
    for panel in ("loss", "metric", "probe", "gradients", "events", "series"):
        await watch.press("z")
        assert watch.screen.query_one(f"#{panel}").region.width == 118
    await watch.press("z")
    assert watch.screen.enlarged == ""


async def test_escape_leaves_and_the_reading_ends(watch: Watch) -> None:
    await watch.open(snapshot())
    screen = watch.screen
    await watch.press("escape")
    assert not isinstance(watch.app.screen, RunScreen)
    await watch.until(screen._ended.is_set)


async def test_keys_stand_below_only_where_they_work(watch: Watch) -> None:
    from tdl_tui.screens.frame import hints

    def offered() -> set[str]:
        return {hint.what for hint in hints(watch.app.screen)}

    await watch.open(snapshot())
    assert {"pause", "stop", "checkpoint", "tune"} <= offered() and not {"go on", "resume"} & offered()
    await watch.open(snapshot(state=State.PAUSED))
    assert {"go on", "stop"} <= offered() and "pause" not in offered()
    await watch.open(snapshot(state=State.STOPPED))
    assert "resume" in offered() and not {"pause", "stop", "checkpoint", "tune"} & offered()
    await watch.open(snapshot(step=TOTAL, state=State.FINISHED))
    assert not {"pause", "stop", "checkpoint", "tune", "resume", "go on"} & offered()


STEERED = (
    *("pause", "resume", "stop", "checkpoint", "set_value", "evaluate", "undo", "rollback"),
    *("stop_at_epoch_end", "cancel_stop"),
)


class Wheel:
    """Stands in for the functions that steer, and notes what was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.refusal = ""
        for verb in STEERED:
            monkeypatch.setattr(steer, verb, self._verb(verb))

    def _verb(self, verb: str) -> Callable[..., str]:
        def act(folder: Path, *arguments: Any, **options: Any) -> str:
            self.asked.append((verb, folder, *arguments))
            assert threading.current_thread() is not threading.main_thread()
            if self.refusal:
                raise steer.SteerError(self.refusal)
            return f"{verb}: done"

        return act


@pytest.fixture
def wheel(monkeypatch: pytest.MonkeyPatch) -> Wheel:
    return Wheel(monkeypatch)


@pytest.mark.parametrize(
    ("key", "state", "verb"),
    [
        ("p", State.RUNNING, "pause"),
        ("p", State.PAUSED, "resume"),
        ("r", State.STOPPED, "resume"),
        ("r", State.LOST, "resume"),
        ("c", State.RUNNING, "checkpoint"),
        ("e", State.PAUSED, "evaluate"),
        ("u", State.RUNNING, "undo"),
    ],
)
async def test_a_run_is_steered_by_a_key(watch: Watch, wheel: Wheel, key: str, state: State, verb: str) -> None:
    await watch.open(snapshot(state=state), folder=Path("the-run"))
    await watch.press(key)
    await watch.until(lambda: f"{verb}: done" in shown(watch.app, "notice"))
    assert wheel.asked == [(verb, Path("the-run"))]
    await watch.press("escape")
    assert not isinstance(watch.app.screen, RunScreen)


async def test_stopping_asks_first(watch: Watch, wheel: Wheel) -> None:
    await watch.open(snapshot(), folder=Path("the-run"))
    await watch.press("s")
    assert isinstance(watch.app.screen, ConfirmScreen)
    await watch.press("n")
    assert not wheel.asked
    await watch.press("s", "y")
    await watch.until(lambda: "stop: done" in shown(watch.app, "notice"))
    assert wheel.asked == [("stop", Path("the-run"))]


async def test_the_learning_rate_is_changed(watch: Watch, wheel: Wheel) -> None:
    await watch.open(snapshot(), folder=Path("the-run"))
    await watch.press("l")
    assert isinstance(watch.app.screen, AskScreen)
    await watch.press(*"0.02", "enter")
    await watch.until(lambda: "set_value: done" in shown(watch.app, "notice"))
    assert wheel.asked == [("set_value", Path("the-run"), {"optimizer.lr": 0.02})]


async def test_a_wrong_learning_rate_is_refused_and_nothing_sent(watch: Watch, wheel: Wheel) -> None:
    await watch.open(snapshot())
    await watch.press("l", *"-3", "enter")
    assert "optimizer.lr: must be above 0, got -3" in shown(watch.app, "notice")
    assert not wheel.asked


async def test_what_a_run_refuses_is_shown(watch: Watch, wheel: Wheel) -> None:
    wheel.refusal = "the-run did not answer within 60 s"
    await watch.open(snapshot())
    await watch.press("c")
    await watch.until(lambda: "did not answer" in shown(watch.app, "notice"))
    assert "✗" in shown(watch.app, "notice")


async def test_covered_by_a_question_the_run_is_caught_up_with(watch: Watch) -> None:
    await watch.open(snapshot(step=1000))
    await watch.press("s")
    from tdl_tui.screens.run import Fresh

    watch.screen.post_message(Fresh(snapshot(step=2000)))
    await watch.pilot.pause()
    await watch.press("n")
    assert "2,000/4,600" in shown(watch.app, "header")


async def test_light_and_dark_are_switched_on_the_spot(watch: Watch) -> None:
    await watch.open(snapshot())
    before = watch.screen.query_one("#loss", Panel).render_line(3)
    await watch.press("ctrl+t")
    after = watch.screen.query_one("#loss", Panel).render_line(3)
    assert before.text == after.text and before != after


async def test_resizing_is_followed(watch: Watch) -> None:
    await watch.open(snapshot())
    await watch.pilot.resize_terminal(80, 24)
    await watch.until(lambda: watch.screen.query_one("#loss").region.width == 38)
    assert "layers.4" in shown(watch.app, "gradients")


# -- reading


@pytest.fixture
def recorded(tmp_path: Path) -> Any:
    """A run's folder with its writer, as a worker would have it."""
    document = experiment({"data": {"dataset": "iris"}, "model": {"architecture": "mlp"}}).document()
    made = homes.create(tmp_path, document, title="iris by mlp")
    writer = RunWriter(made.folder)
    yield made.folder, writer
    writer.close()
    os.close(made.lock_fd)


def _train(writer: RunWriter, first: int, last: int) -> None:
    steps = range(first, last + 1)
    writer.extend("train/loss", first, 1, array("d", (1 / s for s in steps)), START + first, START + last)
    writer.point("val/loss", last, 2 / last, START + last)
    writer.point("lr", last, 1e-3, START + last)
    writer.layer_sample(LayerSample(last, START + last, ((0.1, 1.0, 1e-3, 0.0, 1.0, 0.0, math.nan),)))
    writer.probe_sample(ProbeSample(last, START + last, ((1.0, 0.0, 0.0),)))
    writer.event("checkpoint", f"checkpoint of step {last}\x1b[2J", last)
    writer.update(state=State.RUNNING, progress=Progress(last, 1, 1000, 100, float(last)))
    writer.flush()


def test_a_source_reads_what_was_written_and_only_once(recorded: tuple[Path, RunWriter]) -> None:
    folder, writer = recorded
    writer.layers(["head"])
    writer.probes([Probe(5, "table", (4,), (1.0, 2.0, 3.0, 4.0), 0.0)])
    _train(writer, 1, 100)
    source = Source(RunReader(folder))
    first = source.read(Wants(60))
    assert first is not None and source.read(Wants(60)) is None
    assert first.title == "iris by mlp" and first.summary.state is State.RUNNING
    assert first.shape is not None and first.shape.outputs == 3
    assert 30 <= len(first.series["train/loss"]) <= 61
    assert first.series["train/loss"][0].first == 1 and first.reach == 100
    assert first.latest == {"lr": 1e-3} and first.layer_names == ("head",) and len(first.probes) == 1
    assert "\x1b" not in first.events[-1].text and "checkpoint of step 100" in first.events[-1].text

    _train(writer, 101, 200)
    second = source.read(Wants(60))
    assert second is not None and second.reach == 200
    assert [sample.step for sample in second.layer_samples] == [100, 200]
    assert [event.step for event in second.events if event.kind == "checkpoint"] == [100, 200]
    assert second.started == first.started
    source.close()


def test_a_source_follows_a_resume_that_went_back(recorded: tuple[Path, RunWriter]) -> None:
    folder, writer = recorded
    writer.layers(["head"])
    for first in range(1, 500, 100):
        _train(writer, first, first + 99)
    source = Source(RunReader(folder))
    assert source.read(Wants(60)) is not None
    writer.drop_after(200)
    _train(writer, 201, 300)
    again = source.read(Wants(60))
    assert again is not None
    assert [sample.step for sample in again.layer_samples] == [100, 200, 300]
    assert again.series["train/loss"][-1].last == 300
    source.close()


def test_a_folder_that_cannot_be_read_is_said_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "damaged1"
    folder.mkdir(parents=True)
    (folder / "run.db").write_text(json.dumps({"not": "a database"}) * 100)
    read = Source(RunReader(folder)).read(Wants(60))
    assert read is not None and read.summary.damage and "\n" not in read.summary.damage


def test_a_source_says_in_what_way_a_loss_is_not_finite(recorded: tuple[Path, RunWriter]) -> None:
    folder, writer = recorded
    writer.extend("train/loss", 1, 1, array("d", [*[1.0] * 200, *[math.inf] * 200]), START, START + 1)
    writer.point("val/loss", 200, 0.5, START)
    writer.flush()
    source = Source(RunReader(folder))
    read = source.read(Wants(40))
    source.close()
    assert read is not None and read.values == {"train/loss": math.inf, "val/loss": 0.5}
    train, held_out = curves_of(read, figure_plot("loss"), View(), None, ("#000000", "#ffffff"))
    assert train.latest == math.inf and held_out.latest == 0.5


async def test_the_first_frame_has_the_run_in_it(
    bench: Bench, until: Until, recorded: tuple[Path, RunWriter], monkeypatch: pytest.MonkeyPatch
) -> None:
    frames: list[str] = []
    monkeypatch.setattr("tdl_tui.screens.run.SOON", 60.0)
    monkeypatch.setattr(Workbench, "_display", lambda app, screen, update: frames.append(shown(app, "header")))
    folder, writer = recorded
    _train(writer, 1, 100)
    app = bench(open_folder=folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: frames)
        assert "100/1,000" in frames[0]


async def test_a_run_that_is_slow_to_read_is_waited_for_on_the_screen(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    may, source = threading.Event(), Playing(snapshot(step=1000))

    class Slow:
        close = source.close

        def read(self, wants: Wants) -> Snapshot | None:
            assert may.wait(60)
            return source.read(wants)

    monkeypatch.setattr("tdl_tui.screens.run.SOON", 0.0)
    await watch.app.push_screen(RunScreen(Path("unused"), Slow))
    await watch.press("z")
    assert watch.screen.enlarged and watch.screen.snapshot is None
    may.set()
    await watch.until(lambda: "1,000/4,600" in shown(watch.app, "header"))


async def test_a_growing_run_is_watched(bench: Bench, until: Until, recorded: tuple[Path, RunWriter]) -> None:
    folder, writer = recorded
    app = bench(open_folder=folder)
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.snapshot is not None)
        assert "waiting for the first step" in shown(app, "loss")
        _train(writer, 1, 100)
        await until(pilot, lambda: "100/1,000" in shown(app, "header"))
        _train(writer, 101, 200)
        await until(pilot, lambda: "200/1,000" in shown(app, "header"))
        assert "checkpoint of step 200" in shown(app, "events")
