"""The two lines that say how a run stands: name, state, progress; then what it runs on and how fast."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from textual.strip import Strip

from tdl_tui.runs.records import State, Summary

from .lines import PLAIN, Piece, fit, ink, line
from .numbers import brief, count, duration, grouped, real, size
from .palette import Palette

SIGNS: dict[State, str] = {
    State.QUEUED: "○",
    State.STARTING: "◌",
    State.RUNNING: "▶",
    State.PAUSED: "‖",
    State.FINISHED: "✓",
    State.STOPPED: "■",
    State.FAILED: "✗",
    State.LOST: "?",
    State.ELSEWHERE: "↗",
}


def state_color(state: State, palette: Palette) -> str:
    """Green for done well, amber for what waits, red for what went wrong, the accent for what is at work."""
    return {
        State.RUNNING: palette.accent,
        State.FINISHED: palette.good,
        State.FAILED: palette.bad,
        State.LOST: palette.bad,
        State.STOPPED: palette.text,
    }.get(state, palette.caution)


def progress_bar(share: float, width: int, palette: Palette) -> list[Piece]:
    """A thin bar of `width` cells; `share` from 0 to 1, to half a cell."""
    halves = round(min(1.0, max(0.0, share)) * width * 2)
    full, half = divmod(halves, 2)
    rest = width - full - half
    return [("━" * full + "╸" * half, ink(palette.accent)), ("━" * rest, ink(palette.faint))]


_NAMES = {"r2": "R²", "rmse": "RMSE"}
Item = list[Piece]


def joined(items: Sequence[Item], width: int, gap: int = 3) -> Strip:
    """Items in order, as many as fit whole, `gap` blanks between them."""
    pieces: list[Piece] = []
    used = 0
    for item in items:
        length = sum(cell_len(text) for text, _ in item)
        before = gap if pieces else 1
        if used + before + length > width - 1 or not length:
            continue
        pieces += [(" " * before, PLAIN), *item]
        used += before + length
    return line(pieces, width)


def seconds_left(summary: Summary) -> float:
    """How long the rest takes at the speed so far; NaN when it is not known."""
    progress = summary.progress
    if not progress.step or not progress.total_steps or not progress.seconds:
        return math.nan
    return progress.seconds / progress.step * max(0, progress.total_steps - progress.step)


@dataclass(frozen=True, slots=True)
class Moment:
    """What is looked at of a run of so many steps `in_all`: `seconds` since its start, NaN where that is not known;
    `playing` when the next moments follow by themselves."""

    step: int
    in_all: int
    seconds: float = math.nan
    playing: bool = False


def _said_of_moment(moment: Moment, steps_per_epoch: int, palette: Palette) -> Item:
    muted, text = ink(palette.muted), ink(palette.text)
    in_all = grouped(moment.in_all)
    pieces: Item = [
        (f"{'▸' if moment.playing else '◂'} at step ", ink(palette.accent, bold=True)),
        (fit(grouped(moment.step), len(in_all), "right"), ink(palette.accent, bold=True)),
        (f" of {in_all}", muted),
    ]
    if steps_per_epoch:
        epoch, last = (str(-(-step // steps_per_epoch)) for step in (moment.step, moment.in_all))
        pieces += [(" · epoch ", muted), (fit(epoch, len(last), "right"), text)]
    if not math.isnan(moment.seconds):
        pieces += [(" · ", muted), (duration(max(0.0, moment.seconds)), text)]
    return pieces


def draw_header(
    summary: Summary,
    title: str,
    latest: Mapping[str, float],
    width: int,
    palette: Palette,
    *,
    notes: Sequence[str] = (),
    moment: Moment | None = None,
) -> list[Strip]:
    """Two lines. `latest` holds the values of lr, speed and system series, the newest or those of a `moment` that is
    looked at; `notes` what else there is to say."""
    text, muted = ink(palette.text), ink(palette.muted)
    progress, state = summary.progress, summary.state
    share = progress.step / progress.total_steps if progress.total_steps else 0.0
    hue = ink(state_color(state, palette), bold=True)
    name = fit(title, min(cell_len(title), max(12, width // 3)))
    word = "damaged" if summary.damage else state.value
    first: list[Item] = [[(name, ink(palette.text, bold=True))], [(f"{SIGNS[state]} {word}", hue)]]
    if progress.total_steps:
        bar = max(6, min(30, (width - 50) // 4))
        done = f"{math.floor(share * 100 + 1e-9)} %"
        first.append([*progress_bar(share, bar, palette), (fit(done, 6, "right"), text)])
        total = grouped(progress.total_steps)
        epochs = -(-progress.total_steps // progress.steps_per_epoch) if progress.steps_per_epoch else 0
        if epochs:
            shown = fit(str(min(epochs, progress.epoch)), len(str(epochs)), "right")
            first.append([("epoch ", muted), (f"{shown}/{epochs}", text)])
        steps: Item = [("step ", muted), (f"{fit(grouped(progress.step), len(total), 'right')}/{total}", text)]
    else:
        steps = []
    if state.live:
        left = seconds_left(summary)
        if not math.isnan(left) and state is not State.PAUSED:
            first.append([(duration(left), text), (" left", muted)])
    elif progress.seconds:
        first.append([("took ", muted), (duration(progress.seconds), text)])
    first.append(steps)
    second: list[Item] = []
    if moment is not None:
        second.append(_said_of_moment(moment, progress.steps_per_epoch, palette))
    elif summary.device:
        second.append([(summary.device, text)])
    telling = state.live or moment is not None
    if telling and "speed/samples_per_s" in latest:
        second.append([(fit(count(latest["speed/samples_per_s"]), 5, "right"), text), (" samples/s", muted)])
    if "lr" in latest:
        second.append([("lr ", muted), (brief(latest["lr"]), text)])
    second += [[(label + " ", muted), (value, text)] for label, value in system_figures(latest)] if telling else []
    if summary.test and moment is None:
        second.append(
            [
                ("test ", muted),
                ("  ".join(f"{_NAMES.get(key, key)} {real(value)}" for key, value in summary.test.items()), text),
            ]
        )
    if summary.best is not None:
        best = summary.best
        second.append(
            [("best ", muted), (f"{best.series} {real(best.value)}", text), (f" at {grouped(best.step)}", muted)]
        )
    second += [[(note, muted)] for note in notes]
    gap = 3 if width >= 100 else 2
    return [joined(first, width, gap), joined(second, width, gap)]


def system_figures(latest: Mapping[str, float]) -> list[tuple[str, str]]:
    """The shortest of the system series as label and figure; all that there are stand in the system strip."""
    return [
        (label, size(value) if label.endswith("memory") else f"{value:3.0f} %")
        for label in ("cpu", "gpu", "gpu memory", "memory")
        if math.isfinite(value := latest.get(f"system/{label.replace(' ', '_')}", math.nan))
    ]


def said_of_state(summary: Summary) -> str:
    """What a person has to know about a run that is not simply at work, in one line; "" when there is nothing."""
    if summary.damage:
        return summary.damage
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(summary.changed)) if summary.changed else "?"
    word = f"last heard of at step {grouped(summary.progress.step)}, {when}"
    if summary.state is State.LOST:
        return f"the worker is gone (r goes on from its last checkpoint): {word}"
    if summary.state is State.ELSEWHERE:
        place = f"on {summary.host}" if summary.host else "elsewhere"
        return f"runs {place}, or its folder was copied: {word}"
    return summary.message or _MESSAGES.get(summary.state, "")


_MESSAGES = {
    State.FAILED: "failed; its log says why",
    State.QUEUED: "queued: waits for its turn; r starts it at once, s takes it out",
    State.STARTING: "starting: torch, the data and the network are being loaded",
    State.PAUSED: "paused: the worker waits and keeps everything; p lets it go on",
}
