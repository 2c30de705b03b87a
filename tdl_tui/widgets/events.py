"""The list of what happened, newest last."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Collection, Sequence

from textual.strip import Strip

from tdl_tui.runs.records import Event
from tdl_tui.runs.undone import undone

from .lines import fit, ink, line
from .numbers import grouped
from .palette import Palette
from .text import LINE_END, wrapped

SIGNS = {
    "state": "●",
    "command": "›",
    "learning_rate": "η",
    "checkpoint": "▣",
    "warning": "!",
    "error": "✗",
    "early_stopping": "■",
    "best": "★",
    "telemetry": "·",
    "schedule": "η",
    "sample": "¶",
    "diagnosis": "✚",
}


def severity_color(severity: object, palette: Palette) -> str:
    """The colour of a diagnosis."""
    return {"bad": palette.bad, "caution": palette.caution}.get(str(severity), palette.muted)


def draw_events(
    events: Sequence[Event],
    width: int,
    height: int,
    palette: Palette,
    *,
    dates: bool = False,
    whole: bool = False,
    marked: Collection[int] = (),
) -> list[Strip]:
    """The last events in at most `height` lines: local time, step, sign, text. With `dates` the day is said too.

    Each has one line; with `whole` as many as its text takes, and who asked for it. A sample's own text, with its ends
    of lines, is in its data. Those whose ids are `marked` stand out; those that a later roll back has undone stand
    back, and say so.
    """
    if not events:
        return [line([("nothing has happened yet", ink(palette.muted))], width)][:height]
    muted = ink(palette.muted)
    colors = {"error": palette.bad, "warning": palette.caution, "best": palette.good}
    gone = undone(events)
    widest = max(len(grouped(event.step)) for event in events)
    out: list[Strip] = []
    for event in reversed(events[-height:] if height > 0 else ()):
        when = time.strftime("%Y-%m-%d %H:%M:%S" if dates else "%H:%M:%S", time.localtime(event.time))
        hue = ink(colors.get(event.kind, palette.text))
        if event.kind == "diagnosis":
            hue = ink(palette.muted if event.data.get("over") else severity_color(event.data.get("severity"), palette))
        if event.id in gone:
            hue = ink(palette.faint)
        step = fit(grouped(event.step) if event.step else "", widest, "right")
        before = f"{when}  {step}  "
        said = str(event.data.get("text", event.text)) if event.kind == "sample" else event.text
        room = width - len(before) - 2
        if event.id in gone:
            said = f"undone · {said}"
        if whole and (who := event.data.get("who")):
            said = f"{said} · {who}"
        text = [said.replace("\n", LINE_END if event.kind == "sample" else " ")]
        if whole and room >= 20:
            text = wrapped(said, room) if event.kind == "sample" else textwrap.wrap(said, room) or [""]
        lead = ink(palette.accent, bold=True) if event.id in marked else muted
        lines = [line([(before, lead), (f"{SIGNS.get(event.kind, '·')} ", hue), (text[0], hue)], width)]
        lines += [line([(" " * (width - room), muted), (part, hue)], width) for part in text[1:]]
        out = [*lines, *out]
        if len(out) >= height:
            break
    return out[-height:] if height > 0 else []
