"""Generated tasks that a network solves only by remembering. Equal options give equal sequences."""

from __future__ import annotations

from pathlib import Path

import torch

from tdl_tui.registry import DATASETS, Options

from .dataset import Dataset, Report, ignore
from .randomness import generator

COPIED = 10  # symbols to remember
SYMBOLS = 8  # of which each is drawn
BLANK, DELIMITER = SYMBOLS, SYMBOLS + 1  # tokens after the symbols'


def adding(options: Options, folder: Path, report: Report = ignore) -> Dataset:
    """The adding problem (Hochreiter & Schmidhuber 1997, experiment 4), in the form of Le et al. 2015.

    At each step a number uniform in [0, 1) and a marker, which is 1 at two steps, one in each half, and else 0. The
    target is the sum of the two marked numbers, so that always saying 1 has a mean squared error of 1/6.
    """
    shape = DATASETS["adding"].describe(options)
    examples, length = shape.examples, shape.input[0]
    draws = generator("adding", _whole(options, "seed"))
    values = torch.rand(examples, length, generator=draws)
    half = length // 2
    first = torch.randint(half, (examples, 1), generator=draws)
    second = torch.randint(half, length, (examples, 1), generator=draws)
    marked = torch.cat([first, second], 1)
    markers = torch.zeros_like(values).scatter_(1, marked, 1.0)
    targets = values.gather(1, marked).sum(1, keepdim=True)
    return Dataset(torch.stack([values, markers], 2), targets, shape)


def copy_memory(options: Options, folder: Path, report: Report = ignore) -> Dataset:
    """The copy task (Hochreiter & Schmidhuber 1997), as Arjovsky et al. 2016 (arXiv 1511.06464, section 4.1) set it.

    Ten symbols of eight, length−1 blanks, a delimiter, ten blanks: length+20 tokens. The targets are length+10 blanks
    and then the ten symbols. Who remembers nothing has a cross-entropy of 10·ln 8 / (length+20).
    """
    shape = DATASETS["copy_memory"].describe(options)
    draws = generator("copy_memory", _whole(options, "seed"))
    symbols = torch.randint(SYMBOLS, (shape.examples, COPIED), generator=draws)
    inputs = torch.full((shape.examples, shape.steps), BLANK)
    targets = inputs.clone()
    inputs[:, :COPIED] = symbols
    inputs[:, -COPIED - 1] = DELIMITER
    targets[:, -COPIED:] = symbols
    return Dataset(inputs, targets, shape)


def _whole(options: Options, name: str) -> int:
    value = options[name]
    assert isinstance(value, int)
    return value
