"""The Run screen's probes and classes: what each key does, what is read for it, and how a probe is added."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic import START, TOTAL, Playing, snapshot
from textual.pilot import Pilot

from tdl_tui.runs import home as homes
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import Matrix, ProbeSample, State
from tdl_tui.runs.writer import RunWriter
from tdl_tui.screens.app import Workbench
from tdl_tui.screens.confirm import AskScreen
from tdl_tui.screens.run import RunScreen
from tdl_tui.screens.run_panels import NoticePanel
from tdl_tui.screens.run_probes import ProbePanel, example_numbers
from tdl_tui.screens.run_snapshot import Snapshot, Source, Wants
from tdl_tui.spec import experiment
from tdl_tui.worker import launch, steer

Bench = Callable[..., Workbench]
Until = Any
WRONG, FLIPPED = 3, 5  # probes of the snapshots below


@pytest.fixture(autouse=True)
def greenwich(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def counts(right: int) -> tuple[tuple[float, ...], ...]:
    """Ten classes of 20, `right` of each right, the others taken for the class after."""
    rows = np.diag([float(right)] * 10)
    for c in range(10):
        rows[c, (c + 1) % 10] += 20 - right
    return tuple(map(tuple, rows.tolist()))


def watched(kind: str = "image", state: State = State.RUNNING) -> Snapshot:
    """A run whose probe WRONG is wrong by now, and FLIPPED was wrong before; with its classes."""
    step = TOTAL if state is State.FINISHED else 2000
    shot = snapshot(kind, step, state)
    assert shot.outputs is not None

    def said(wrong: int) -> tuple[tuple[float, ...], ...]:
        rows = [[9.0 * (c == int(probe.target)) for c in range(10)] for probe in shot.probes]
        rows[wrong] = [8.0 * (c == 0) + 6.0 * (c == int(shot.probes[wrong].target)) for c in range(10)]
        return tuple(map(tuple, rows))

    samples = tuple(ProbeSample(s, START + s, said(FLIPPED if s < step else WRONG)) for s in (500, 1000, step))
    validations = tuple(Matrix("confusion", s, START + s, counts(s // 100)) for s in (460, 1840))
    matrices = {"confusion": validations}
    if state is State.FINISHED:
        matrices["confusion/test"] = (Matrix("confusion/test", step, START, counts(17)),)
    return replace(shot, outputs=samples[-1], probe_samples=samples, matrix_names=tuple(matrices), matrices=matrices)


class Watch:
    """A workbench with a Run screen on a snapshot, seen through its probe panel."""

    def __init__(self, app: Workbench, pilot: Pilot[Any], until: Until) -> None:
        self.app, self.pilot, self._until = app, pilot, until

    @property
    def screen(self) -> RunScreen:
        return next(s for s in reversed(self.app.screen_stack) if isinstance(s, RunScreen))

    @property
    def panel(self) -> ProbePanel:
        return self.screen.query_one(ProbePanel)

    @property
    def text(self) -> str:
        return "\n".join(self.panel.render_line(y).text for y in range(self.panel.size.height))

    @property
    def head(self) -> str:
        return self.text.partition("\n")[0]

    async def open(self, shot: Snapshot) -> Watch:
        source = Playing(shot)
        await self.app.push_screen(RunScreen(Path("unused"), lambda: source))
        await self._until(self.pilot, lambda: self.screen.snapshot is shot)
        await self.pilot.pause()
        return self

    async def press(self, *keys: str) -> str:
        await self.pilot.press(*keys)
        await self.pilot.pause()
        return self.text

    async def until(self, holds: Callable[[], object]) -> None:
        await self._until(self.pilot, holds)


@pytest.fixture
async def watch(bench: Bench, until: Until) -> Any:
    app = bench()
    async with app.run_test(size=(120, 40)) as pilot:
        yield Watch(app, pilot, until)


async def test_the_history_of_the_target_stands_below_the_bars(watch: Watch) -> None:
    await watch.open(watched())
    assert any("◆ " in row and "█" in row for row in watch.text.splitlines()[10:])
    assert watch.screen._wants.probe_samples > 0


async def test_enlarged_all_probes_stand_beside_the_bars(watch: Watch) -> None:
    await watch.open(watched())
    assert "3▶0" not in watch.text
    text = await watch.press("3")
    assert text.count("✔") >= 15
    assert "3▶0" in text
    await watch.press("n", "n", "n")
    assert "4/16" in watch.head
    text = await watch.press("3")
    assert "▶ 0" in text and "◆ 3" in text


async def test_a_table_has_a_row_each_when_enlarged(watch: Watch) -> None:
    shot = snapshot("table")
    await watch.open(shot)
    text = await watch.press("3")
    assert "› 1 setosa" in text
    assert " 2 versicolor" in text


async def test_filters_leave_wrong_ones_and_those_that_flipped(watch: Watch) -> None:
    await watch.open(watched())
    await watch.press("3", "f")
    assert "wrong 1/1" in watch.head
    assert watch.text.count("✔") <= 1  # the sign's own meaning
    assert "wrong, the surest first 1/1" in (await watch.press("f")).partition("\n")[0]
    assert "flipped lately 1/2" in (await watch.press("f")).partition("\n")[0]
    assert watch.panel.following(1) == FLIPPED
    assert watch.panel.following(-1) == FLIPPED
    await watch.press("n")
    assert watch.screen.choices.probe == FLIPPED
    assert "1/16" not in (await watch.press("f")).partition("\n")[0]
    assert f"{FLIPPED + 1}/16" in watch.head


async def test_a_filter_that_leaves_none_says_so(watch: Watch) -> None:
    shot = watched()
    assert shot.outputs is not None
    right = replace(shot.outputs, outputs=tuple(shot.outputs.outputs[int(p.target)] for p in shot.probes))
    await watch.open(replace(shot, outputs=replace(right, outputs=(right.outputs[0],))))
    text = await watch.press("3", "f")
    assert "none is wrong" in text and "wrong 0/0" in watch.head
    await watch.press("n")  # there is nowhere to go
    assert watch.screen.choices.probe == 0


async def test_the_temperature_changes_the_view_alone(watch: Watch) -> None:
    await watch.open(watched())
    await watch.press("3", "f")
    assert "0.88" in watch.text
    text = await watch.press("+", "+")
    assert "T 2.0  wrong 1/1" in watch.head and "0.66" in text
    assert "T 1.5 " in (await watch.press("-")).partition("\n")[0]
    text = await watch.press("0")
    assert "0.88" in text and " T " not in watch.head
    await watch.press(*"-" * 12)
    assert "T 0.1 " in watch.head
    await watch.press("o")
    assert "logits" in watch.head and " T " not in watch.head


async def test_bars_stand_in_order_or_ranked(watch: Watch) -> None:
    await watch.open(watched())
    await watch.press("3", "n", "n", "n")
    ordered = watch.text
    ranked = await watch.press("a")
    assert watch.panel.ranked
    rows = [row for row in ranked.splitlines() if "◆ 3" in row or "▶ 0" in row]
    assert rows[0].count("▶ 0") == 1
    lines = ranked.splitlines()
    assert next(i for i, row in enumerate(lines) if "▶ 0" in row) + 1 == next(
        i for i, row in enumerate(lines) if "◆ 3" in row
    )
    assert await watch.press("a") == ordered


async def test_the_classes_are_shown_as_they_were_at_the_moment(watch: Watch) -> None:
    shot = watched()
    await watch.open(shot)
    text = await watch.press("3", "v")
    assert "classes · validation" in watch.head and "90.0 % at step 1,840" in watch.head
    assert text.count("18/20") == 10
    assert watch.screen._wants.matrices == {"confusion", "classes"}
    text = await watch.press("v")
    assert "confusion · validation" in watch.head
    assert "0 taken for 1: 2" in text
    await watch.press("v")  # there is no test yet
    assert "probe" in watch.head


async def test_looking_back_the_classes_go_back_too(watch: Watch) -> None:
    await watch.open(replace(watched(), at=1000))
    text = await watch.press("3", "v")
    assert "20.0 % at step 460" in watch.head and text.count("4/20") == 10


async def test_the_tests_confusion_comes_last(watch: Watch) -> None:
    await watch.open(watched(state=State.FINISHED))
    text = await watch.press("3", "v", "v", "v")
    assert "confusion · test" in watch.head and "85.0 %" in watch.head
    assert "0 taken for 1: 3" in text
    assert watch.screen._wants.matrices == {"confusion/test", "classes/test"}


async def test_the_worst_class_comes_first_where_asked(watch: Watch) -> None:
    shot = watched()
    rows = [list(row) for row in counts(18)]
    rows[7][7], rows[7][2] = 1.0, 19.0
    newest = Matrix("confusion", 1900, START, tuple(map(tuple, rows)))
    await watch.open(replace(shot, matrices={"confusion": (*shot.matrices["confusion"], newest)}))
    text = await watch.press("3", "v", "a")
    assert text.splitlines()[1].startswith("7 ")


async def test_counts_that_are_none_are_not_drawn(watch: Watch) -> None:
    shot = watched()
    wrong = Matrix("confusion", 1900, START, ((float("nan"), 1.0, 2.0),))
    await watch.open(replace(shot, matrices={"confusion": (wrong,)}))
    assert "waiting for the first validation" in await watch.press("3", "v")
    await watch.press("v")


async def test_in_regression_the_keys_of_classes_do_nothing(watch: Watch) -> None:
    await watch.open(snapshot("regression"))
    before = await watch.press("3")
    assert await watch.press("v", "f", "a", "+") == before


@pytest.mark.parametrize("text", ["twelve", "1.5", "3 x"])
def test_what_is_no_number_of_an_example_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="named by its whole number"):
        example_numbers(text)


def test_several_examples_are_read_as_typed() -> None:
    assert example_numbers("12, 40 7") == [12, 40, 7]


async def test_what_was_typed_wrong_is_said(watch: Watch) -> None:
    await watch.open(watched())
    await watch.press("3", "A")
    assert isinstance(watch.app.screen, AskScreen)
    await watch.press(*"cat", "enter")
    notice = watch.screen.query_one(NoticePanel)
    await watch.until(lambda: "whole number" in notice.said)
    assert notice.bad


async def test_an_example_of_the_test_part_is_added_to_a_training(bench: Bench, until: Until, runs: Path) -> None:
    document = {
        "data": {"dataset": "iris"},
        "model": {"architecture": "mlp", "options": {"widths": [8]}},
        "training": {"epochs": 1_000_000, "device": "cpu", "threads": 1},
        "telemetry": {"probes": 4},
    }
    folder = launch.launch(experiment(document), runs.parent).folder
    app = bench()
    try:
        async with app.run_test(size=(120, 40)) as pilot:
            screen = RunScreen(folder)
            await app.push_screen(screen)
            await until(pilot, lambda: screen.snapshot is not None and screen.snapshot.outputs is not None)
            with np.load(folder / "splits.npz") as splits:
                test = int(splits["test"][0])
            await pilot.press("3", "A", *str(test), "enter")
            await until(pilot, lambda: screen.snapshot is not None and len(screen.snapshot.probes) == 5)
            await until(pilot, lambda: f"example {test} of the test part" in screen.query_one(NoticePanel).said)
            await pilot.press("N")
            assert screen.choices.probe == 4
            await until(pilot, lambda: len(screen.snapshot.outputs.outputs) == 5)  # type: ignore[union-attr]  # seen above
    finally:
        steer.stop(folder)


def test_a_snapshot_takes_samples_of_before_a_probe_was_added(tmp_path: Path) -> None:
    run = homes.create(tmp_path, experiment({"data": {"dataset": "iris"}}).document(), title="t")
    shot = snapshot("table")
    with RunWriter(run.folder) as writer, RunReader(run.folder) as reader:
        writer.update(state=State.STOPPED)
        writer.probes(shot.probes[:1])
        writer.probe_sample(ProbeSample(1, START, ((1.0, 0.0, 0.0),)))
        writer.flush()
        source, wants = Source(reader), Wants(80, probe_samples=100)
        first = source.read(wants)
        assert first is not None and len(first.probes) == 1 and len(first.probe_samples) == 1
        writer.probes(shot.probes[:2])
        writer.flush()
        second = source.read(wants)
        assert second is not None and not second.notice and len(second.probes) == 2
        writer.probe_sample(ProbeSample(5, START, ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))))
        writer.flush()
        third = source.read(wants)
        assert third is not None and third.outputs is not None
        assert [len(sample.outputs) for sample in third.probe_samples] == [1, 2]
        back = source.read(replace(wants, at=3))
        assert back is not None and back.outputs is not None and len(back.outputs.outputs) == 1
    os.close(run.lock_fd)


SIZES = {"narrow": (80, 24), "middle": (120, 40), "wide": (200, 60)}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("kind", "keys"), [("image", "3"), ("sequence", "3"), ("image", "3vv")], ids=str)
def test_probes_and_classes_as_a_picture(
    snap_compare: Any, bench: Bench, until: Until, size: str, kind: str, keys: str
) -> None:
    shot = watched(kind)
    source = Playing(shot)
    app = bench()

    async def ready(pilot: Pilot[Any]) -> None:
        screen = RunScreen(Path("unused"), lambda: source)
        await app.push_screen(screen)
        await until(pilot, lambda: screen.snapshot is shot)
        await pilot.press(*keys)
        await pilot.pause()

    assert snap_compare(app, terminal_size=SIZES[size], run_before=ready)
