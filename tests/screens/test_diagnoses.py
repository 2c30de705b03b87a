"""What the rules say, on the screens: behind a run's name, among its events, and in a list of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_runs import NOW
from synthetic import Playing, snapshot
from textual.widgets import Static

from tdl_tui.diagnosis.watch import News
from tdl_tui.runs.home import create
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import Diagnosis, Event, State, Summary
from tdl_tui.runs.writer import RunWriter, encode_fact
from tdl_tui.screens.app import Workbench
from tdl_tui.screens.diagnoses import DiagnosesScreen, DiagnosisList
from tdl_tui.screens.new import NewScreen
from tdl_tui.screens.run import RunScreen
from tdl_tui.screens.run_snapshot import Snapshot
from tdl_tui.screens.runs_table import Paper, View, arrange, detail, table
from tdl_tui.spec import experiment
from tdl_tui.widgets.diagnoses import draw_diagnoses
from tdl_tui.widgets.events import draw_events
from tdl_tui.widgets.palette import DARK

Bench = Callable[..., Workbench]
Until = Any

SLOW = Diagnosis(
    "rate_too_low",
    "lr too low",
    "caution",
    "an update is 1e-07 of the weights",
    "The learning rate is too low.",
    ("optimizer.lr=1", "find a learning rate: tdl lr-find"),
    {"optimizer.lr": 1.0},
    52,
)
LARGE = replace(SLOW, rule="does_not_fit", word="does not fit", severity="bad", seen="out of memory", change={}, step=0)
EASY = replace(SLOW, rule="validation_better", word="val < train", severity="note", change={}, step=90)


def run(name: str, *diagnoses: Diagnosis) -> Summary:
    return Summary(name, name, State.FINISHED, NOW - 60, NOW, diagnoses=diagnoses)


def lines(runs: list[Summary], width: int) -> list[str]:
    return [strip.text for strip in table(runs, View(), Paper(DARK, NOW), width, 10)][1:]


# -- the pure parts


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_worst_alarm_stands_behind_a_runs_name(width: int) -> None:
    ill, hopeless, well = lines([run("ill", SLOW), run("hopeless", LARGE, SLOW), run("well", EASY)], width)
    assert "✚ lr too low" in ill and "✚ does not fit" in hopeless and "✚" not in well
    assert ill.index("✚") == hopeless.index("✚")
    assert {len(line) for line in (ill, hopeless, well)} == {width}


def test_where_there_is_no_room_the_sign_stays() -> None:
    (line,) = lines([run("a name that is much longer than there is room for", SLOW)], 72)
    assert "✚" in line and "a name" in line


def test_the_line_below_the_table_says_what_is_seen() -> None:
    assert "✚ lr too low: an update is 1e-07 of the weights" in detail(run("ill", SLOW), DARK, 120).text


def test_the_filter_finds_a_diagnosis() -> None:
    assert [found.id for found in arrange([run("a", SLOW), run("b")], View(filter="too low"))] == ["a"]


def test_among_the_events_a_diagnosis_has_the_colour_of_its_severity() -> None:
    def color(new: News) -> Any:
        (strip,) = draw_events([Event(1, 0.0, 52, "diagnosis", new.text, new.data)], 80, 1, DARK)
        (said,) = [segment.style for segment in strip if "lr too low" in segment.text or "does not" in segment.text]
        return said and said.color and said.color.name

    assert color(News(SLOW, 52)) == DARK.caution.lower()
    assert color(News(LARGE, 52)) == DARK.bad.lower()
    assert color(News(SLOW, 60, over=True)) == DARK.muted.lower()


@pytest.mark.parametrize("width", [40, 66, 82])
def test_a_diagnosis_is_said_whole_in_any_width(width: int) -> None:
    strips = draw_diagnoses([(SLOW, None), (EASY, 120)], 0, width, 6, DARK)
    assert {strip.cell_length for strip in strips} == {width}
    text = " ".join(" ".join(strip.text for strip in strips).split())
    for words in ("from step 52, holds", "from step 90 to 120", SLOW.seen, SLOW.means, *SLOW.tries):
        assert words in text


def test_a_long_list_shows_what_is_around_the_cursor() -> None:
    told = [(replace(SLOW, word=f"rule {n}"), None) for n in range(20)]
    text = [strip.text for strip in draw_diagnoses(told, 12, 60, 6, DARK)][:6]
    assert any("▸ ✚ rule 12" in line for line in text) and "rule 9" in text[0]


# -- the dialogue


def ill(*held: Diagnosis, past: tuple[Diagnosis, ...] = ()) -> Snapshot:
    """A run of which these diagnoses hold, and those are over since step 600."""
    shown = snapshot()
    events = [
        Event(100 + n, NOW, new.step, "diagnosis", new.text, json.loads(encode_fact(new.data)))
        for n, new in enumerate(new for found in past for new in (News(found, found.step), News(found, 600, over=True)))
    ]
    document = experiment({"name": "slow", "model": {"architecture": "softmax_regression"}}).document()
    return replace(
        shown,
        summary=replace(shown.summary, diagnoses=held, experiment=document),
        events=(*shown.events, *events),
    )


def kept(home: Path, shown: Snapshot, **settings: float) -> Path:
    """The folder of such a run, of which these values have been changed since."""
    made = create(home, shown.summary.experiment, title="slow")
    with RunWriter(made.folder) as writer:
        writer.update(state=State.FINISHED, settings=settings)
    return made.folder


def listed(app: Workbench) -> str:
    canvas = app.screen.query_one(DiagnosisList)
    return "\n".join(canvas.render_line(y).text for y in range(canvas.size.height))


async def test_d_lists_what_holds_and_what_is_over_and_enter_tries_it(bench: Bench, until: Until, home: Path) -> None:
    app, shown = bench(), ill(SLOW, past=(replace(SLOW, rule="stalls", word="stalls", change={}),))
    folder = kept(home, shown)
    async with app.run_test(size=(100, 30)) as pilot:
        await app.push_screen(RunScreen(folder, lambda: Playing(shown)))
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.snapshot)
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, DiagnosesScreen) and "lr too low" in listed(app))
        assert SLOW.seen in listed(app) and SLOW.means in listed(app)
        await pilot.press("down")
        await until(pilot, lambda: "▸ ✚ stalls" in listed(app) and "from step 52 to 600" in listed(app))
        await pilot.press("enter")  # it has no change to try
        await pilot.pause()
        assert isinstance(app.screen, DiagnosesScreen)
        await pilot.press("up", "enter")
        await until(pilot, lambda: isinstance(app.screen, NewScreen))
        assert isinstance(app.screen, NewScreen)
        tried = app.screen._view.form.experiment()
        assert tried.optimizer.lr == 1.0 and not tried.name
        assert tried.model.architecture == "softmax_regression"


async def test_a_trial_begins_with_the_values_that_are_in_force(bench: Bench, until: Until, home: Path) -> None:
    app, shown = bench(), ill(SLOW)
    folder = kept(home, shown, **{"optimizer.lr": 0.5, "optimizer.weight_decay": 0.25, "training.epochs": 7})
    async with app.run_test(size=(100, 30)) as pilot:
        await app.push_screen(RunScreen(folder, lambda: Playing(shown)))
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.snapshot)
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, DiagnosesScreen))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, NewScreen))
        assert isinstance(app.screen, NewScreen)
        view = app.screen._view
        await until(pilot, lambda: view.current is not None and view.current.path == "optimizer.lr")
        tried = view.form.experiment()
    assert (tried.optimizer.lr, tried.optimizer.weight_decay, tried.training.epochs) == (1.0, 0.25, 7)


async def test_a_run_without_diagnoses_says_so(bench: Bench, until: Until) -> None:
    app = bench()
    async with app.run_test(size=(80, 24)) as pilot:
        source = Playing(ill())
        await app.push_screen(RunScreen(Path("unused"), lambda: source))
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.snapshot)
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, DiagnosesScreen) and "No rule" in listed(app))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))


@pytest.mark.parametrize(
    ("shown", "title"),
    [
        (ill(), "No diagnosis"),
        (ill(past=(SLOW,)), "No diagnosis holds now"),
        (ill(SLOW), "1 diagnosis holds"),
        (ill(SLOW, LARGE, past=(EASY,)), "2 diagnoses hold"),
    ],
)
async def test_the_heading_says_how_many_hold(bench: Bench, until: Until, shown: Snapshot, title: str) -> None:
    app = bench()
    async with app.run_test(size=(80, 24)) as pilot:
        await app.push_screen(RunScreen(Path("unused"), lambda: Playing(shown)))
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.snapshot)
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, DiagnosesScreen))
        assert str(app.screen.query_one("#question", Static).content) == title


# -- what a run's folder holds


def test_a_runs_diagnoses_come_back_as_they_were(home: Path) -> None:
    made = create(home, experiment({}).document(), title="a run")
    with RunWriter(made.folder) as writer:
        writer.update(state=State.FINISHED, diagnoses=[LARGE, SLOW])
    with RunReader(made.folder) as reader:
        assert reader.summary().diagnoses == (LARGE, SLOW)


@pytest.mark.parametrize(
    "strange",
    [
        7,
        [7],
        [{"rule": "x"}],
        [{**json.loads(encode_fact(SLOW)), "tries": "text"}],
        [{**json.loads(encode_fact(SLOW)), "severity": "worst"}],
        [{**json.loads(encode_fact(SLOW)), "step": 10**30}],
    ],
)
def test_what_is_no_diagnosis_is_damage(home: Path, strange: object) -> None:
    made = create(home, experiment({}).document(), title="a run")
    with RunWriter(made.folder) as writer:
        writer.update(state=State.FINISHED, diagnoses=strange)
    with RunReader(made.folder) as reader:
        assert reader.summary().damage


def test_words_that_would_steer_a_terminal_are_made_visible(home: Path) -> None:
    made = create(home, experiment({}).document(), title="a run")
    with RunWriter(made.folder) as writer:
        writer.update(state=State.FINISHED, diagnoses=[replace(SLOW, seen="\x1b[2J", word="a\nb")])
    with RunReader(made.folder) as reader:
        (found,) = reader.summary().diagnoses
    assert found.seen.isprintable() and found.word.isprintable()
