"""A text file as a language model takes it: windows of tokens, and the next token at each step."""

from __future__ import annotations

from pathlib import Path

import torch

from tdl_tui.registry import Options

from .dataset import Dataset, Report, ignore
from .text_reading import describe_text, read_text


def text(options: Options, folder: Path, report: Report = ignore) -> Dataset:
    """Windows that do not overlap: inputs (N, length) and targets, which are the same a token later, int64."""
    shape = describe_text(options)
    tokens = torch.tensor(read_text(options).tokens, dtype=torch.int64)
    used = shape.examples * shape.steps
    return Dataset(tokens[:used].view(-1, shape.steps), tokens[1 : used + 1].view(-1, shape.steps), shape)
