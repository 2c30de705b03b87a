"""The table of runs as lines of text: a pure function of the runs, the view on them and the room there is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rich.cells import cell_len
from rich.segment import Segment
from textual.strip import Strip

from tdl_tui.data_name import data_name
from tdl_tui.runs.family import branches, in_families
from tdl_tui.runs.records import Best, Diagnosis, State, Summary
from tdl_tui.widgets.events import SIGNS as EVENT_SIGNS
from tdl_tui.widgets.events import severity_color
from tdl_tui.widgets.header import SIGNS, state_color
from tdl_tui.widgets.lines import Piece, blank, fit, ink, line
from tdl_tui.widgets.numbers import brief, duration, percent, real
from tdl_tui.widgets.palette import Palette
from tdl_tui.widgets.sparkline import sparkline

DIAGNOSED = EVENT_SIGNS["diagnosis"]
SORTS = ("age", "state", "name", "best", "progress")
_URGENCY = [
    State.RUNNING,
    State.STARTING,
    State.PAUSED,
    State.QUEUED,
    State.FAILED,
    State.LOST,
    State.ELSEWHERE,
    State.STOPPED,
    State.FINISHED,
]


@dataclass(frozen=True)
class View:
    """How a person looks at the table: what is sorted by, filtered for, marked, and under the cursor (by id)."""

    sort: str = SORTS[0]
    reverse: bool = False
    filter: str = ""
    cursor: str = ""
    top: int = 0
    marked: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Paper:
    """What a cell is drawn with. `tag` is the room for a diagnosis behind a name."""

    colors: Palette
    now: float
    losses: Mapping[str, Sequence[float]] = field(default_factory=dict)
    places: Mapping[str, int] = field(default_factory=dict)
    branches: Mapping[str, str] = field(default_factory=dict)
    """What leads to a fork from what it was forked from, by its id."""
    tag: int = 0


def arrange(runs: Iterable[Summary], view: View) -> list[Summary]:
    """The runs that the filter lets through (every word occurs somewhere), sorted; newest first among equals. By age,
    forks stand below what they were forked from."""
    words = view.filter.lower().split()
    chosen = [run for run in runs if all(word in _haystack(run) for word in words)]
    chosen.sort(key=lambda run: (-run.created, run.id))
    if view.sort != "age":
        chosen.sort(key=lambda run: _order(run, view.sort))
    chosen = chosen[::-1] if view.reverse else chosen
    return in_families(chosen) if view.sort == "age" else chosen


def branches_of(shown: Sequence[Summary], view: View) -> dict[str, str]:
    """What is drawn before the names of forks, where the runs stand in families."""
    if view.sort != "age":
        return {}
    return {run.id: branch for run, branch in zip(shown, branches(shown), strict=True) if branch}


def _haystack(run: Summary) -> str:
    words = (run.id, run.name, run.state, dataset_of(run), architecture_of(run), *(d.word for d in run.diagnoses))
    return " ".join(words).lower()


def _order(run: Summary, sort: str) -> Any:
    match sort:
        case "state":
            return _URGENCY.index(run.state)
        case "name":
            return run.name.lower()
        case "best":
            if run.best is None or not math.isfinite(run.best.value):
                return (1, "", 0.0)
            return (0, run.best.series, run.best.value if run.best.series.endswith("loss") else -run.best.value)
        case _:
            return -share_done(run)


def dataset_of(run: Summary) -> str:
    return data_name(_section(run, "data"))


def architecture_of(run: Summary) -> str:
    return str(_section(run, "model").get("architecture", ""))


def _section(run: Summary, name: str) -> dict[str, Any]:
    section = run.experiment.get(name)
    return section if isinstance(section, dict) else {}


def damage(run: Summary) -> str:
    """Why a run cannot be read, without the folder that it stands in."""
    return run.damage.rpartition(f"/{run.id}/")[2]


def share_done(run: Summary) -> float:
    """Steps made, of all, 0 to 1."""
    return min(1.0, run.progress.step / run.progress.total_steps) if run.progress.total_steps else 0.0


def age(seconds: float) -> str:
    """How long ago, in six cells or fewer: "now", "42 s", "3 min", "2 h", "5 d", "3 y"."""
    for size, unit in ((365 * 86400, "y"), (86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s" if seconds >= 5 else "now"


def metric(best: Best) -> tuple[str, str]:
    """A best value and what it is of: ("97.5 %", "accuracy"), ("0.0712", "loss"), ("0.512", "R²")."""
    name = best.series.rpartition("/")[2]
    if name == "accuracy":
        return percent(best.value), name
    return real(best.value), {"r2": "R²"}.get(name, name)


def spark(values: Sequence[float], width: int) -> str:
    """The course of values in `width` cells; fewer values than cells take a cell each."""
    width = min(width, len(values))
    return sparkline([(float(at), value) for at, value in enumerate(values)], width, float(len(values)), log=True)


Draw = Callable[[Summary, int, Paper], list[Piece]]


@dataclass(frozen=True)
class Column:
    """A column: `rank` says which go first when room is short (0: always there); `grow` how far it may widen.

    With `words`, it is as wide as the longest of them, at most `width`.
    """

    name: str
    width: int
    rank: int
    draw: Draw
    grow: int = 0
    right: bool = False
    words: Callable[[Summary], str] | None = None

    def suited(self, runs: Sequence[Summary]) -> Column:
        """The column as wide as these runs need it."""
        if self.words is None:
            return self
        return replace(self, width=min(self.width, max([len(self.name) + 2, *(len(self.words(run)) for run in runs)])))


def _state(run: Summary, width: int, paper: Paper) -> list[Piece]:
    style = ink(state_color(run.state, paper.colors), bold=run.state is State.FAILED)
    word = "damaged" if run.damage else run.state.value
    return [(fit(f"{SIGNS[run.state]} {word} {paper.places.get(run.id, '')}", width), style)]


def _name(run: Summary, width: int, paper: Paper) -> list[Piece]:
    if (worst := alarm(run)) is not None and width >= 8:
        return _named(run, width, paper, worst)
    return _bare_name(run, width, paper)


def _named(run: Summary, width: int, paper: Paper, worst: Diagnosis) -> list[Piece]:
    """The name with the worst diagnosis behind it: its word where there is room, else its sign alone."""
    tag = fit(_tag(run), paper.tag) if width >= 8 + paper.tag else f" {DIAGNOSED}"
    return [
        *_bare_name(run, width - cell_len(tag), paper),
        (tag, ink(severity_color(worst.severity, paper.colors))),
    ]


def _tag(run: Summary) -> str:
    """The worst diagnosis as sign and word, "" where there is no alarm."""
    return f" {DIAGNOSED} {worst.word}" if (worst := alarm(run)) is not None else ""


def tag_width(runs: Iterable[Summary]) -> int:
    """Cells that the longest tag takes."""
    return max((cell_len(_tag(run)) for run in runs), default=0)


def _bare_name(run: Summary, width: int, paper: Paper) -> list[Piece]:
    name = ink(paper.colors.text, bold=run.state.live)
    if not (branch := paper.branches.get(run.id, "")):
        return [(fit(run.name or run.id, width), name)]
    branch = fit(f"{branch} ", min(len(branch) + 1, width - 6))
    return [(branch, ink(paper.colors.faint)), (fit(run.name or run.id, width - len(branch)), name)]


def alarm(run: Summary) -> Diagnosis | None:
    """The worst diagnosis that holds, notes left aside."""
    alarms = [diagnosis for diagnosis in run.diagnoses if diagnosis.severity != "note"]
    return min(alarms, key=lambda diagnosis: diagnosis.severity != "bad", default=None)


def _data(run: Summary, width: int, paper: Paper) -> list[Piece]:
    return [(fit(dataset_of(run), width), ink(paper.colors.text))]


def _architecture(run: Summary, width: int, paper: Paper) -> list[Piece]:
    return [(fit(architecture_of(run), width), ink(paper.colors.text))]


def _progress(run: Summary, width: int, paper: Paper) -> list[Piece]:
    if not run.progress.total_steps:
        return [(" " * width, ink(paper.colors.faint))]
    done = share_done(run)
    bar = width - 6
    full = math.floor(done * bar + 1e-9)
    color = state_color(run.state, paper.colors) if run.state.live else paper.colors.muted
    return [
        ("━" * full, ink(color)),
        ("─" * (bar - full), ink(paper.colors.faint)),
        (f"{math.floor(done * 100 + 1e-9):4d} %", ink(paper.colors.text if run.state.live else paper.colors.muted)),
    ]


def _best(run: Summary, width: int, paper: Paper) -> list[Piece]:
    if run.best is None:
        return [(fit("      –", width), ink(paper.colors.faint))]
    value, name = metric(run.best)
    return [(fit(value, 7, "right"), ink(paper.colors.text)), (fit(f" {name}", width - 7), ink(paper.colors.muted))]


def _best_words(run: Summary) -> str:
    return f"{'':7} {metric(run.best)[1] if run.best else 'loss'}"


def _test(run: Summary, width: int, paper: Paper) -> list[Piece]:
    for name, show in (("accuracy", percent), ("r2", real), ("loss", real)):
        if run.test and name in run.test:
            return [(fit(show(run.test[name]), width, "right"), ink(paper.colors.text))]
    return [(fit("–", width, "right"), ink(paper.colors.faint))]


def _spark(run: Summary, width: int, paper: Paper) -> list[Piece]:
    text = spark(paper.losses.get(run.id, ()), width)
    return [(fit(text, width), ink(paper.colors.accent if run.state.live else paper.colors.muted))]


def _optimizer(run: Summary, width: int, paper: Paper) -> list[Piece]:
    section = _section(run, "optimizer")
    rate = section.get("lr")
    text = f"{section.get('name', '')} {brief(float(rate)) if isinstance(rate, (int, float)) else ''}"
    return [(fit(text, width), ink(paper.colors.muted))]


def _device(run: Summary, width: int, paper: Paper) -> list[Piece]:
    return [(fit(run.device, width), ink(paper.colors.muted))]


def _time(run: Summary, width: int, paper: Paper) -> list[Piece]:
    text = duration(run.progress.seconds) if run.progress.seconds else "–"
    return [(fit(text, width, "right"), ink(paper.colors.muted))]


def _age(run: Summary, width: int, paper: Paper) -> list[Piece]:
    return [(fit(age(paper.now - run.created), width, "right"), ink(paper.colors.muted))]


COLUMNS = (
    Column("state", 11, 0, _state),
    Column("name", 15, 0, _name, grow=19),
    Column("data", 13, 2, _data, words=dataset_of),
    Column("architecture", 18, 3, _architecture, words=architecture_of),
    Column("optimizer", 12, 6, _optimizer),
    Column("progress", 14, 0, _progress, grow=14),
    Column("best", 16, 0, _best, words=_best_words),
    Column("test", 7, 4, _test, right=True),
    Column("loss", 9, 1, _spark, grow=27),
    Column("device", 16, 7, _device, words=lambda run: run.device),
    Column("time", 9, 5, _time, right=True),
    Column("age", 6, 0, _age, right=True),
)
GAP = 1
MARGIN = 3


def fitted(runs: Sequence[Summary], width: int) -> list[Column]:
    """The columns that fit into `width` cells, widened by the room that is left."""
    gap = 2 if width >= 100 else GAP
    every = [column.suited(runs) for column in COLUMNS]

    def needed(columns: Sequence[Column]) -> int:
        return MARGIN + 1 + sum(c.width for c in columns) + gap * (len(columns) - 1)

    always = [column for column in every if not column.rank]
    tagged = tag_width(runs)
    every = [
        replace(c, width=c.width + max(0, min(tagged, width - needed(always)))) if c.name == "name" else c
        for c in every
    ]
    last = max(column.rank for column in COLUMNS)
    while last and needed([c for c in every if c.rank <= last]) > width:
        last -= 1
    columns = [c for c in every if c.rank <= last]
    room = width - needed(columns)
    for name in ("name", "loss", "progress"):
        for at, column in enumerate(columns):
            if column.name == name and room > 0:
                more = min(room, column.grow)
                columns[at] = replace(column, width=column.width + more)
                room -= more
    return columns


def header(columns: Sequence[Column], view: View, width: int, colors: Palette) -> Strip:
    """The columns' names; the one that is sorted by carries its direction."""
    gap = 2 if width >= 100 else GAP
    pieces: list[Piece] = [(" " * MARGIN, ink(colors.muted))]
    for at, column in enumerate(columns):
        here = column.name == view.sort
        name = f"{column.name} {'▴' if view.reverse else '▾'}" if here else column.name
        if column.name == "best":
            name = f"   {name}"  # above its figures, which end in the seventh cell
        style = ink(colors.accent if here else colors.muted)
        pieces.append((fit(name, column.width, "right" if column.right else "left"), style))
        pieces.append((" " * (gap if at < len(columns) - 1 else 1), style))
    return line(pieces, width)


def row(run: Summary, columns: Sequence[Column], view: View, paper: Paper, width: int) -> Strip:
    """One run. The row under the cursor has a ground of its own and a sign before it."""
    gap = 2 if width >= 100 else GAP
    here = run.id == view.cursor
    colors = paper.colors
    marked = run.id in view.marked
    pieces: list[Piece] = [
        ("▸" if here else " ", ink(colors.accent, bold=True)),
        ("●" if marked else " ", ink(colors.accent)),
        (" ", ink(colors.text)),
    ]
    if run.damage:
        state, name = columns[0], columns[1]
        pieces += _state(run, state.width, paper)
        pieces.append((" " * gap, ink(colors.text)))
        pieces += _name(run, name.width, paper)
        pieces.append((" " * gap, ink(colors.text)))
        rest = width - MARGIN - state.width - name.width - 2 * gap - 1
        pieces.append((fit(damage(run), rest), ink(colors.bad)))
    else:
        for at, column in enumerate(columns):
            pieces += column.draw(run, column.width, paper)
            pieces.append((" " * (gap if at < len(columns) - 1 else 1), ink(colors.text)))
    strip = line(pieces, width)
    return grounded(strip, colors.raised) if here else strip


def grounded(strip: Strip, color: str) -> Strip:
    """The strip on another ground."""
    ground = ink(color).__class__(bgcolor=color)
    return Strip([Segment(text, (style or ground) + ground) for text, style, _ in strip], strip.cell_length)


def table(runs: Sequence[Summary], view: View, paper: Paper, width: int, height: int) -> list[Strip]:
    """Header and rows from `view.top` on, at most `height` lines."""
    columns, paper = fitted(runs, width), replace(paper, tag=tag_width(runs))
    shown = runs[view.top : view.top + height - 1]
    return [
        header(columns, view, width, paper.colors),
        *(row(run, columns, view, paper, width) for run in shown),
    ]


def centred(lines: Sequence[tuple[str, str]], width: int, height: int) -> list[Strip]:
    """Lines of text, each with its colour, in the middle."""
    above = max(0, (height - len(lines)) // 2)
    return [
        *(blank(width) for _ in range(above)),
        *(line([(fit(text, width, "center"), ink(color))], width) for text, color in lines),
    ]


def detail(run: Summary, colors: Palette, width: int) -> Strip:
    """One line about a run: what the columns had no room for, and why it ended as it did."""
    said: list[Piece] = [(f"   {run.id}", ink(colors.accent))]

    def say(text: str, color: str) -> None:
        if text:
            said.append((f"  {text}", ink(color)))

    if run.damage:
        say(damage(run), colors.bad)
        return line(_whole(said, width - 1), width)
    if run.experiment:
        say(f"{dataset_of(run)} → {architecture_of(run)}", colors.text)
    if run.parent:
        say(f"from {run.parent.run} at step {run.parent.step:,}", colors.muted)
    if run.state is State.LOST:
        say("its worker is gone, r goes on from the last checkpoint", colors.bad)
    if (worst := alarm(run)) is not None:
        say(f"{DIAGNOSED} {worst.word}: {worst.seen}", severity_color(worst.severity, colors))
    if run.message:
        say(run.message, colors.bad if run.state is State.FAILED else colors.muted)
    if run.progress.total_steps:
        say(f"step {run.progress.step:,} of {run.progress.total_steps:,}", colors.muted)
    optimizer = _section(run, "optimizer")
    if isinstance(rate := optimizer.get("lr"), (int, float)):
        say(f"{optimizer.get('name', '')} {brief(float(rate))}", colors.muted)
    if batch := _section(run, "data").get("batch_size"):
        say(f"batch {batch}", colors.muted)
    if run.experiment:
        say(f"seed {run.experiment.get('seed', 0)}", colors.muted)
    if run.state is State.ELSEWHERE:
        say(f"on {run.host}", colors.muted)
    return line(_whole(said, width - 1), width)


def _whole(pieces: Sequence[Piece], width: int) -> list[Piece]:
    """As many pieces as fit whole; the first two are cut rather than left off."""
    out: list[Piece] = []
    used = 0
    for at, (text, style) in enumerate(pieces):
        if used + len(text) > width and at > 2:
            break
        out.append((fit(text, width - used) if used + len(text) > width else text, style))
        used += len(text)
        if used >= width:
            break
    return out
