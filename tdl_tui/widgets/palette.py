"""The colours, by meaning, for a dark and a light terminal; the one place where a hexadecimal colour stands.

The curves' hues are those of Okabe & Ito 2008 ("Color Universal Design"), which stay apart under every common
colour blindness; where one is too pale or too dark for its ground, the same hue is taken darker or lighter. Nothing
is told by colour alone: each curve has its own label, each health mark its sign.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache


@dataclass(frozen=True)
class Palette:
    """Semantic colours as "#rrggbb".

    `text` on `ground` has a contrast above 10, `muted` above 4.5 (WCAG AA for text); `faint` is for rules, axes
    and empty bars, never for words that have to be read.
    """

    dark: bool
    ground: str
    surface: str
    """A shade off the ground: header, footer, the chosen row."""
    raised: str
    """A shade further: inputs and dialogues."""
    text: str
    muted: str
    faint: str
    accent: str
    good: str
    caution: str
    bad: str
    train: str
    validation: str
    test: str
    target: str
    """The right answer."""
    predicted: str
    """What the network says."""
    curves: tuple[str, ...]
    """For any number of series, in this order, over again."""

    def colors(self) -> dict[str, str]:
        """Every single colour by its name."""
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in named.items() if isinstance(value, str)}


DARK = Palette(
    dark=True,
    ground="#0f1216",
    surface="#1a1e23",
    raised="#262c33",
    text="#e5e7ea",
    muted="#98a2ae",
    faint="#4a545f",
    accent="#56b4e9",
    good="#2fbf93",
    caution="#f0c442",
    bad="#ff7b4d",
    train="#56b4e9",
    validation="#e69f00",
    test="#cc79a7",
    target="#2fbf93",
    predicted="#56b4e9",
    curves=("#56b4e9", "#e69f00", "#2fbf93", "#cc79a7", "#f0e442", "#ff7b4d", "#8c9eff"),
)

LIGHT = Palette(
    dark=False,
    ground="#fbfbf8",
    surface="#efefea",
    raised="#e3e4de",
    text="#1b1f24",
    muted="#59626c",
    faint="#b4bac0",
    accent="#0067a3",
    good="#00775a",
    caution="#8a6100",
    bad="#b84700",
    train="#0072b2",
    validation="#c25100",
    test="#a04c7c",
    target="#00775a",
    predicted="#0072b2",
    curves=("#0072b2", "#c25100", "#00775a", "#a04c7c", "#7d6b00", "#000000", "#4a4fb5"),
)

PALETTES = {"tdl-dark": DARK, "tdl-light": LIGHT}


def palette_of(theme: str, dark: bool = True) -> Palette:
    """The palette of a theme of ours, else the one that suits a dark or a light theme."""
    return PALETTES.get(theme) or (DARK if dark else LIGHT)


@lru_cache(maxsize=256)
def blended(color: str, ground: str, share: float) -> str:
    """A colour of which only `share` shows on a ground: what stands behind."""
    parts = ((int(color[i : i + 2], 16), int(ground[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(share * above + (1 - share) * below):02x}" for above, below in parts)
