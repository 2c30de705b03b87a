"""The list of what happened, newest last."""

from __future__ import annotations

import time
from collections.abc import Sequence

from textual.strip import Strip

from tdl_tui.runs.records import Event

from .lines import fit, ink, line
from .numbers import grouped
from .palette import Palette

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
}


def draw_events(
    events: Sequence[Event], width: int, height: int, palette: Palette, *, dates: bool = False
) -> list[Strip]:
    """The last `height` events: local time, step, sign, text. With `dates` the day is said too."""
    if not events:
        return [line([("nothing has happened yet", ink(palette.muted))], width)][:height]
    muted = ink(palette.muted)
    colors = {"error": palette.bad, "warning": palette.caution, "best": palette.good}
    widest = max(len(grouped(event.step)) for event in events)
    out: list[Strip] = []
    for event in events[-height:] if height > 0 else ():
        when = time.strftime("%Y-%m-%d %H:%M:%S" if dates else "%H:%M:%S", time.localtime(event.time))
        hue = ink(colors.get(event.kind, palette.text))
        out.append(
            line(
                [
                    (f"{when}  ", muted),
                    (fit(grouped(event.step) if event.step else "", widest, "right") + "  ", muted),
                    (f"{SIGNS.get(event.kind, '·')} ", hue),
                    (event.text.replace("\n", " "), hue),
                ],
                width,
            )
        )
    return out
