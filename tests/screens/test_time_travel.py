"""Looking back on a run: which moments there are, what each key does, and that a moment looks as it did."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import START, Playing, snapshot
from textual.pilot import Pilot
from textual.strip import Strip

from tdl_tui.runs import home as homes
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import Best, LayerSample, Matrix, Probe, ProbeSample, Progress, State
from tdl_tui.runs.writer import RunWriter
from tdl_tui.screens import run_snapshot
from tdl_tui.screens.app import Workbench
from tdl_tui.screens.frame import KeyBar, hints, palette
from tdl_tui.screens.run import RunScreen
from tdl_tui.screens.run_panels import Panel
from tdl_tui.screens.run_snapshot import Snapshot, Source, Wants
from tdl_tui.screens.run_time import MOMENTS_A_SECOND, WHOLE_SECONDS, first, moments, moved, played
from tdl_tui.widgets.sparkline import LEVELS

Bench = Callable[..., Workbench]
Until = Any
SIZES = {"narrow": (80, 24), "wide": (160, 45)}

# -- the pure parts

STEPS = st.lists(st.integers(1, 10**7), unique=True, max_size=3000).map(sorted)
AT = st.none() | st.integers(0, 10**7)


@given(STEPS, AT)
def test_a_moment_later_is_the_next_one_and_after_the_newest_comes_live(steps: list[int], at: int | None) -> None:
    assert moved(steps, at, 1) == next((step for step in steps if at is not None and step > at), None)


@given(STEPS, AT)
def test_a_moment_earlier_is_the_one_before_and_nothing_comes_before_the_first(
    steps: list[int], at: int | None
) -> None:
    before = [step for step in steps if at is None or step < at]
    assert moved(steps, at, -1) == (before[-1] if before else at if at is not None else None)


@given(STEPS, AT, st.integers(2, 12), st.sampled_from([-1, 1]))
def test_many_moments_are_as_many_times_one(steps: list[int], at: int | None, count: int, way: int) -> None:
    one_by_one = at
    for _ in range(count):
        one_by_one = moved(steps, one_by_one, way)
    assert moved(steps, at, way * count) == one_by_one


@given(STEPS)
def test_a_run_is_played_once_through_from_the_first_in_bounded_time(steps: list[int]) -> None:
    seen, at = [], played(steps, None)
    while at is not None:
        seen.append(at)
        at = played(steps, at)
    assert seen == sorted(set(seen)) and set(seen) <= set(steps) and seen[:1] == steps[:1]
    assert len(seen) <= WHOLE_SECONDS * MOMENTS_A_SECOND
    assert len(seen) == len(steps) or len(steps) > WHOLE_SECONDS * MOMENTS_A_SECOND


def test_without_samples_the_moments_are_the_columns_of_a_chart() -> None:
    shot = replace(snapshot(step=400), sampled=())
    assert moments(shot) == [bucket.last for bucket in shot.series["train/loss"]]
    assert moments(snapshot(step=0)) == [] and first([]) is None


# -- what is read

TOLD = ("lr", "speed/samples_per_s", "system/memory")


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[tuple[Path, RunWriter]]:
    """A run's folder with its writer, as a worker would have it."""
    document = {"data": {"dataset": "iris"}, "model": {"architecture": "mlp"}}
    made = homes.create(tmp_path, document, title="iris by mlp")
    writer = RunWriter(made.folder)
    writer.layers(["head", "tail"])
    writer.probes([Probe(i, "table", (4,), (1.0, 2.0, 3.0, 4.0), float(i)) for i in range(3)])
    yield made.folder, writer
    writer.close()
    os.close(made.lock_fd)


def train(writer: RunWriter, last: int) -> None:
    """The hundred steps up to `last`, durable."""
    steps = range(last - 99, last + 1)
    writer.extend("train/loss", steps[0], 1, array("d", (5 / s for s in steps)), START + steps[0], START + last)
    writer.point("val/loss", last, 7 / last, START + last)
    for number, name in enumerate(TOLD):
        writer.point(name, last, 1e-3 * last * 1000**number, START + last)
    rows = tuple((0.1 * row + 1 / last, 1.0 + last / 100, 1e-3, 0.0, 1.0, 0.0, 0.1) for row in (1, 2))
    writer.layer_sample(LayerSample(last, START + last, rows))
    outputs = tuple((last / 100, float(probe), 0.5) for probe in range(3))
    writer.probe_sample(ProbeSample(last, START + last, outputs))
    writer.matrix(Matrix("confusion", last, START + last, ((float(last), 0.0), (1.0, 2.0))))
    writer.event("checkpoint", f"checkpoint of step {last}", last)
    writer.update(
        state=State.RUNNING, progress=Progress(last, -(-last // 150), 1000, 150, float(last)), best=BEST.get(last)
    )
    writer.flush()


BEST = {last: Best("val/loss", min(last, 300), 7 / min(last, 300)) for last in range(100, 1001, 100)}
WANTS = Wants(60, matrices=frozenset({"confusion"}))


def test_a_moment_is_read_as_it_was_when_it_was_live(recorded: tuple[Path, RunWriter]) -> None:
    folder, writer = recorded
    source, then = Source(RunReader(folder)), {}
    for last in range(100, 1001, 100):
        train(writer, last)
        live = source.read(WANTS)
        assert live is not None and live.at is None
        then[last] = live
    for last, live in reversed(then.items()):
        for at in (last, last + 99):  # a step between two moments shows the one before
            back = source.read(replace(WANTS, at=at))
            assert back is not None and back.at == at and back.time == pytest.approx(START + min(at, 1000), abs=1e-3)
            assert back.values == pytest.approx({"train/loss": 5 / min(at, 1000), "val/loss": 7 / last})
            assert back.outputs == live.outputs and back.layer_sample == live.layer_sample
            assert back.latest == live.latest and set(back.latest) == set(TOLD)
            assert back.happened == live.events and back.matrix("confusion") == live.matrix("confusion")
            assert back.series == then[1000].series and back.events == then[1000].events
    before = source.read(replace(WANTS, at=50))
    assert before is not None and before.outputs is None and before.layer_sample is None and not before.latest
    assert before.sampled == before.eventful == tuple(range(100, 1001, 100))
    again = source.read(WANTS)
    assert again is not None and again.at is None and again.latest == then[1000].latest
    source.close()


def test_what_a_move_does_not_change_is_not_read_again(
    recorded: tuple[Path, RunWriter], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, writer = recorded
    for last in range(100, 1001, 100):
        train(writer, last)
    source, asked = Source(RunReader(folder)), set()
    assert source.read(WANTS) is not None

    def noting(name: str) -> Callable[..., Any]:
        method = getattr(RunReader, name)

        def ask(self: RunReader, *arguments: Any) -> Any:
            asked.add(name)
            return method(self, *arguments)

        return ask

    for name in vars(RunReader):
        if not name.startswith("_") and callable(getattr(RunReader, name)):
            monkeypatch.setattr(RunReader, name, noting(name))
    for at in (700, 300, 301):
        assert source.read(replace(WANTS, at=at)) is not None
    assert asked == {"changed", "probe_sample", "layer_sample", "last", "matrix"}
    asked.clear()
    assert source.read(WANTS) is not None
    assert asked == {"changed"}
    source.close()


def test_while_looking_back_all_but_the_summary_is_held(recorded: tuple[Path, RunWriter]) -> None:
    folder, writer = recorded
    for last in (100, 200, 300):
        train(writer, last)
    source = Source(RunReader(folder))
    source.read(WANTS)
    back = source.read(replace(WANTS, at=200))
    assert back is not None and source.read(replace(WANTS, at=200)) is None
    for last in (400, 500):
        train(writer, last)
        later = source.read(replace(WANTS, at=200))
        assert later is not None and later.summary.progress.step == last
        assert later == replace(back, summary=later.summary, held=back.summary) and later.reach == back.reach == 300
    live = source.read(WANTS)
    assert live is not None and live.reach == 500 and live.held is None and live.sampled[-1] == 500
    source.close()


def test_one_does_not_go_to_events_that_a_roll_back_has_undone(recorded: tuple[Path, RunWriter]) -> None:
    folder, writer = recorded
    for last in (100, 200, 300):
        train(writer, last)
    writer.event("command", "rolled back", 100, {"verb": "rollback"})
    writer.event("state", "went on", 150)
    writer.flush()
    source = Source(RunReader(folder))
    live = source.read(WANTS)
    assert live is not None and live.eventful == (100, 150)
    assert [event.step for event in live.events] == [100, 200, 300, 100, 150]
    source.close()


def test_events_before_those_at_hand_are_found(
    recorded: tuple[Path, RunWriter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_snapshot, "EVENTS", 3)
    monkeypatch.setattr(run_snapshot, "EARLIER", 2)
    folder, writer = recorded
    for last in range(100, 1001, 100):
        train(writer, last)
    source = Source(RunReader(folder))
    live = source.read(WANTS)
    assert live is not None and [event.step for event in live.events] == [800, 900, 1000]
    assert live.eventful == tuple(range(100, 1001, 100))
    back = source.read(replace(WANTS, at=500))
    assert back is not None and [event.step for event in back.happened] == [400, 500]
    source.close()


def test_a_run_that_is_gone_while_looking_back_is_said_to_be(recorded: tuple[Path, RunWriter]) -> None:
    folder, writer = recorded
    train(writer, 100)
    source = Source(RunReader(folder))
    source.read(WANTS)
    assert source.read(replace(WANTS, at=100)) is not None
    folder.rename(folder.with_name("aside"))
    gone = source.read(replace(WANTS, at=100))
    assert gone is not None and gone.at == 100 and "folder is gone" in gone.summary.damage
    source.close()


@pytest.mark.parametrize(
    "damage", ["probe_sample SET time = 'x'", "layer_sample SET step = 'x'", "matrix_sample SET step = 'x'"]
)
def test_a_sample_that_is_none_is_damage(recorded: tuple[Path, RunWriter], damage: str) -> None:
    folder, writer = recorded
    for last in (100, 200):
        train(writer, last)
    with contextlib.closing(sqlite3.connect(folder / "run.db")) as connection, connection:
        connection.execute(f"UPDATE {damage} WHERE number = 0")
    source = Source(RunReader(folder))
    source.read(WANTS)
    back = source.read(replace(WANTS, at=150))
    assert back is not None and "damaged" in back.summary.damage
    source.close()


# -- what is shown


def shown(app: Workbench, id: str) -> str:
    panel = app.screen.query_one(f"#{id}", Panel)
    return "\n".join(panel.render_line(y).text for y in range(panel.size.height))


class Travel:
    """A workbench on a run that is looked back on."""

    def __init__(self, app: Workbench, pilot: Pilot[Any], until: Until) -> None:
        self.app, self.pilot, self.until = app, pilot, until

    @property
    def screen(self) -> RunScreen:
        screen = self.app.screen
        assert isinstance(screen, RunScreen)
        return screen

    async def open(self, shot: Snapshot) -> Playing:
        source = Playing(shot)
        await self.app.push_screen(RunScreen(Path("unused"), lambda: source))
        await self.until(self.pilot, lambda: self.screen.snapshot is shot)
        return source

    async def press(self, *keys: str, at: int | None) -> str:
        """What the header says when a moment is shown."""
        await self.pilot.press(*keys)
        await self.until(self.pilot, lambda: self.screen.snapshot and self.screen.snapshot.at == at)
        assert self.screen.choices.at == at
        return shown(self.app, "header")


@pytest.fixture
async def travel(bench: Bench, until: Until) -> Any:
    app = bench()
    async with app.run_test(size=(120, 40)) as pilot:
        yield Travel(app, pilot, until)


async def test_arrows_go_from_moment_to_moment_and_back_to_live(travel: Travel) -> None:
    await travel.open(snapshot())
    assert "at step" not in shown(travel.app, "header")
    said = await travel.press("left", at=1951)
    assert "◂ at step 1,951 of 4,600 · epoch  9 · 20 s" in said and "▶ running" in said and "2,000/4,600" in said
    for key, at in (("left", 1901), ("shift+left", 1401), ("right", 1451), ("shift+right", 1951), ("right", None)):
        await travel.press(key, at=at)
    assert "at step" not in shown(travel.app, "header")


async def test_home_is_the_first_moment_and_end_is_live(travel: Travel) -> None:
    await travel.open(snapshot())
    assert "at step     1 of 4,600 · epoch  1" in await travel.press("home", at=1)
    await travel.press("left", "shift+left", at=1)
    await travel.press("end", at=None)


async def test_escape_returns_to_live_before_it_leaves(travel: Travel) -> None:
    await travel.open(snapshot())
    await travel.press("left", at=1951)
    await travel.press("escape", at=None)
    await travel.pilot.press("escape")
    assert not isinstance(travel.app.screen, RunScreen)


async def test_b_is_the_best_moment(travel: Travel) -> None:
    await travel.open(snapshot())
    await travel.press("b", at=1840)
    assert re.search(r"★ val/loss 0.381", shown(travel.app, "events").splitlines()[-1])


async def test_comma_and_full_stop_go_from_event_to_event(travel: Travel) -> None:
    await travel.open(snapshot())
    for key, at in (
        ("comma", 1840),
        ("comma", 900),
        ("comma", 500),
        ("comma", 500),
        ("full_stop", 900),
        ("full_stop", 1840),
        ("full_stop", None),
    ):
        await travel.press(key, at=at)


async def test_the_whole_screen_shows_the_moment(travel: Travel) -> None:
    await travel.open(snapshot())
    await travel.press("comma", "comma", "comma", at=500)
    assert "lr 0.001" in shown(travel.app, "header")
    assert "at step 500" in shown(travel.app, "probe")
    assert "at step 451" in shown(travel.app, "gradients")  # the sample before
    assert "learning rate" not in shown(travel.app, "events") and "best" not in shown(travel.app, "events")
    events = travel.screen.query_one("#events", Panel)
    lead = {line.text.split("  ")[1].strip(): next(iter(line)).style for line in map(events.render_line, range(1, 4))}
    assert (
        lead["500"] and lead["500"].bold and not any(style and style.bold for at, style in lead.items() if at != "500")
    )


async def test_space_plays_to_the_end_and_holds(travel: Travel) -> None:
    source = await travel.open(snapshot(step=300))
    await travel.pilot.press("space")
    await travel.until(travel.pilot, lambda: source.given[-1:] == [None])
    assert source.given == [1, 51, 101, 151, 201, 251, None]
    await travel.until(travel.pilot, lambda: travel.screen.snapshot and travel.screen.snapshot.at is None)
    assert not travel.screen.choices.playing
    await travel.press("home", at=1)
    await travel.pilot.press("space", "space")
    assert not travel.screen.choices.playing and "◂ at step" in shown(travel.app, "header")


async def test_another_key_ends_the_playing(travel: Travel) -> None:
    await travel.open(snapshot())
    await travel.pilot.press("space")
    await travel.until(travel.pilot, lambda: "▸ at step" in shown(travel.app, "header"))
    await travel.press("home", at=1)
    assert not travel.screen.choices.playing


async def test_only_what_there_is_can_be_gone_to(travel: Travel) -> None:
    await travel.open(snapshot(step=0, state=State.STARTING))
    keys = {"past", "play", "best", "live", "the first moment", "the event before", "the event after"}
    assert not keys & {hint.what for hint in hints(travel.screen)}
    await travel.pilot.press("left", "right", "home", "end", "space", "b", "comma", "full_stop")
    assert travel.screen.choices.at is None and not travel.screen.choices.playing
    await travel.open(snapshot())
    assert keys - {hint.what for hint in hints(travel.screen)} == {"live"}
    await travel.press("left", at=1951)
    offered = {hint.what for hint in hints(travel.screen)}
    assert keys <= offered and "back" not in offered
    bar = travel.screen.query_one(KeyBar)
    await travel.until(travel.pilot, lambda: "esc live" in bar.render_line(0).text)


async def test_the_panel_with_the_focus_has_the_accent_and_its_keys_stand_after_the_screens(travel: Travel) -> None:
    await travel.open(snapshot())
    bar = travel.screen.query_one(KeyBar)

    def chosen() -> list[str]:
        """The panels whose titles are in the accent's colour."""
        accent = palette(travel.app).accent
        names = {p.id: p.render_line(0) for p in travel.screen.query(Panel) if p.key and p.display}
        return [name for name, strip in names.items() if name and _color(strip, 1) == accent]

    for id in ("loss", "metric", "probe", "gradients", "events", "loss"):
        await travel.until(travel.pilot, lambda id=id: chosen() == [id])
        assert travel.screen.focused and travel.screen.focused.id == id
        own = [hint for hint in hints(travel.screen) if hint.node is travel.screen.focused and hint.shown]
        said = ["← past", *(f"{hint.keys[0]} {hint.what}" for hint in own[:1])]
        await travel.until(travel.pilot, lambda said=said: all(key in bar.render_line(0).text for key in said))
        keys = bar.render_line(0).text
        for hint in own[:1]:
            assert keys.index(f"{hint.keys[0]} {hint.what}") > keys.index("← past")
        await travel.pilot.press("tab")
    await travel.pilot.press("shift+tab", "4")
    await travel.until(travel.pilot, lambda: chosen() == ["gradients"])


def _color(strip: Strip, segment: int) -> str | None:
    style = list(strip)[segment].style
    return style.color.name if style and style.color else None


class Slow:
    """A source that takes as long as one wants, and notes what it was asked for."""

    def __init__(self, shot: Snapshot) -> None:
        self._source = Playing(shot)
        self.asked: list[int | None] = []
        self.asking, self.may = threading.Event(), threading.Event()
        self.may.set()

    def read(self, wants: Wants) -> Snapshot | None:
        self.asked.append(wants.at)
        self.asking.set()
        assert self.may.wait(20)
        return self._source.read(wants)

    def close(self) -> None:
        self._source.close()


async def test_of_many_wishes_the_last_is_read_and_nothing_piles_up(travel: Travel) -> None:
    source = Slow(snapshot())
    await travel.app.push_screen(RunScreen(Path("unused"), lambda: source))
    await travel.until(travel.pilot, lambda: travel.screen.snapshot)
    source.may.clear()
    source.asking.clear()
    await travel.pilot.press("left")
    await travel.until(travel.pilot, source.asking.is_set)
    source.asked.clear()
    await travel.pilot.press(*["left"] * 20)
    assert travel.screen.snapshot and travel.screen.snapshot.at is None and not source.asked
    source.may.set()
    await travel.until(travel.pilot, lambda: travel.screen.snapshot and travel.screen.snapshot.at == 951)
    assert set(source.asked) == {951}


def without_history(text: str) -> str:
    return re.sub(f"[{LEVELS}× ]+", " ", text)


async def test_a_moment_looks_as_it_did_when_it_was_live(
    bench: Bench, until: Until, recorded: tuple[Path, RunWriter]
) -> None:
    folder, writer = recorded
    train(writer, 100)
    app, looks = bench(open_folder=folder), {}
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.snapshot)
        travel = Travel(app, pilot, until)

        def look() -> Sequence[str]:
            parts = [without_history(shown(app, id)) for id in ("probe", "gradients", "events")]
            lr = re.search(r"lr \S+", shown(app, "header"))
            assert lr is not None
            return [*parts, lr.group()]

        for last in range(100, 601, 100):
            train(writer, last) if last > 100 else None
            await until(pilot, lambda last=last: f"{last}/1,000" in shown(app, "header"))
            looks[last] = look()
        assert len({tuple(seen) for seen in looks.values()}) == 6
        for last in reversed(looks):
            await travel.press("left", at=last)
            assert look() == looks[last]
        train(writer, 700)
        await until(pilot, lambda: "700/1,000" in shown(app, "header"))
        assert look() == looks[100]
        await travel.press("b", at=300)
        assert look() == looks[300]
        await travel.press("end", at=None)
        assert "700" in shown(app, "probe")


@pytest.mark.parametrize("size", SIZES)
def test_looking_back_as_a_picture(
    snap_compare: Any, bench: Bench, until: Until, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    source = Playing(snapshot())
    app = bench()

    async def ready(pilot: Pilot[Any]) -> None:
        screen = RunScreen(Path("unused"), lambda: source)
        await app.push_screen(screen)
        await until(pilot, lambda: screen.snapshot is not None)
        await pilot.press("comma", "comma", "right")
        await until(pilot, lambda: screen.snapshot and screen.snapshot.at == 901)
        await pilot.pause()

    assert snap_compare(app, terminal_size=SIZES[size], run_before=ready)
