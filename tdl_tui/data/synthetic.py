"""Points in the plane, in classes that a line parts or does not. Equal options and seed give equal points."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from tdl_tui.registry import DATASETS, Options

from .dataset import Dataset, Report, ignore
from .randomness import generator


def moons(options: Options, folder: Path, report: Report = ignore) -> Dataset:
    """Two half circles of radius 1, the lower one shifted by (1, 0.5), so that each holds an end of the other."""
    upper, lower = _counts(options, 2)
    over, under = _line(upper) * math.pi, _line(lower) * math.pi
    parts = [
        torch.stack([over.cos(), over.sin()], 1),
        torch.stack([1 - under.cos(), 0.5 - under.sin()], 1),
    ]
    return _noisy("moons", parts, options)


def circles(options: Options, folder: Path, report: Report = ignore) -> Dataset:
    """A circle of radius 1 around one of radius `factor`."""
    outer, inner = (_circle(count) for count in _counts(options, 2))
    return _noisy("circles", [outer, inner * float(_number(options, "factor"))], options)


def spirals(options: Options, folder: Path, report: Report = ignore) -> Dataset:
    """Arms that wind `turns` times from near the centre out to radius 1, evenly turned against each other."""
    arms = int(_number(options, "arms"))
    turns = _number(options, "turns")
    parts = []
    for arm, count in enumerate(_counts(options, arms)):
        radius = 0.1 + 0.9 * _line(count)
        angle = 2 * math.pi * (turns * _line(count) + arm / arms)
        parts.append(torch.stack([radius * angle.cos(), radius * angle.sin()], 1))
    return _noisy("spirals", parts, options)


def blobs(options: Options, folder: Path, report: Report = ignore) -> Dataset:
    """Round clouds whose centres stand evenly on a circle of radius 1; `noise` is their deviation."""
    counts = _counts(options, int(_number(options, "classes")))
    centres = _circle(len(counts))
    return _noisy("blobs", [centre.repeat(n, 1) for centre, n in zip(centres, counts, strict=True)], options)


def _noisy(name: str, parts: list[Tensor], options: Options) -> Dataset:
    points = torch.cat(parts)
    draws = torch.randn(points.shape, generator=generator(name, int(_number(options, "seed"))), dtype=torch.float64)
    targets = torch.repeat_interleave(torch.arange(len(parts)), torch.tensor([len(part) for part in parts]))
    inputs = (points + _number(options, "noise") * draws).to(torch.float32)
    return Dataset(inputs, targets, DATASETS[name].describe(options))


def _counts(options: Options, classes: int) -> list[int]:
    """As equal as can be, the last classes having one more."""
    examples = int(_number(options, "examples"))
    return [(examples + i) // classes for i in range(classes)]


def _line(count: int) -> Tensor:
    return torch.linspace(0, 1, count, dtype=torch.float64)


def _circle(count: int) -> Tensor:
    angles = torch.arange(count, dtype=torch.float64) * (2 * math.pi / count)
    return torch.stack([angles.cos(), angles.sin()], 1)


def _number(options: Options, name: str) -> float:
    value = options[name]
    assert isinstance(value, (int, float))
    return value
