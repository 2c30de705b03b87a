"""What a model of text would write by now."""

from __future__ import annotations

import torch
from torch import nn

from tdl_tui.data.randomness import generator
from tdl_tui.models.sampling import Continuing, sample
from tdl_tui.registry import DataShape

from .evaluation import evaluating

TOKENS = 200
TEMPERATURE = 1.0
STARTS = ("\n", " ")
"""Tokens that a text may follow on, the best first."""


def written(model: nn.Module, shape: DataShape, device: torch.device, seed: int, step: int) -> str | None:
    """200 tokens that `model` continues a line break (a blank, the first token) with, at temperature 1.

    They depend on the weights, `seed` and `step` alone; characters follow each other as they are, words with a blank
    between. None for a model that cannot write. Leaves modes and random states as they were.
    """
    if not isinstance(model, Continuing):
        return None
    names = shape.classes
    first = next((names.index(start) for start in STARTS if start in names), 0)
    with evaluating(model, device):
        tokens = sample(
            model,
            torch.tensor([first]),
            TOKENS,
            temperature=TEMPERATURE,
            generator=generator("text", seed, step),
        ).tolist()
    between = "" if all(len(name) == 1 for name in names) else " "
    return between.join(names[token] for token in tokens)


def printable(text: str) -> str:
    """The text on one line: line breaks as ⏎, tabs as a blank, whatever else cannot be shown as ·."""
    shown = {"\n": "⏎", "\t": " "}
    return "".join(letter if letter.isprintable() else shown.get(letter, "·") for letter in text)
