"""MNIST-1D: forty-step sequences made from one small template a digit (Greydanus & Kobak 2020, arXiv 2011.14439).

Each example is a template that was padded, stretched, scaled, moved along the axis, laid over correlated noise, given
white noise, sheared and read at 40 points. Random numbers are drawn in the order of the authors' package, so that
equal options and seed give the same numbers as theirs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from tdl_tui.registry import DATASETS, Options

from .dataset import Dataset, Report, ignore

Array = NDArray[np.float64]

TRAIN, TEST, STEPS = 4000, 1000, 40
PADDING = (36, 60)
TEMPLATES = np.array(
    [
        [5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5],
        [5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5],
        [5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5],
        [5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5],
        [5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5],
        [5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5],
        [5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5],
        [5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5],
        [5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5],
        [5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5],
    ]
)
LENGTH = TEMPLATES.shape[1] + PADDING[1]  # of every example until it is read at STEPS points
CORRELATION = 2.0  # deviation of the Gaussian that smooths the correlated noise, in points
TINY = 1e-8  # lifts a template's own zeros above those of the padding


def mnist1d(options: Options, folder: Path, report: Report = ignore) -> Dataset:
    """4,000 sequences, then 1,000 for the test; over the whole set, mean 0 and deviation 1."""
    numbers = {name: value for name, value in options.items() if isinstance(value, (bool, int, float))}
    sequences, labels = generate(
        seed=int(numbers["seed"]),
        scale=numbers["scale"],
        translation=int(numbers["translation"]),
        correlated_noise=numbers["correlated_noise"],
        noise=numbers["noise"],
        shear=numbers["shear"],
        shuffled=bool(numbers["shuffled"]),
    )
    inputs = torch.from_numpy(sequences).to(torch.float32).unsqueeze(-1)
    shape = DATASETS["mnist1d"].describe(options)
    return Dataset(inputs, torch.from_numpy(labels), shape, fixed_test=TEST)


def generate(
    seed: int,
    *,
    scale: float = 0.4,
    translation: int = 48,
    correlated_noise: float = 0.25,
    noise: float = 0.02,
    shear: float = 0.75,
    shuffled: bool = False,
) -> tuple[Array, NDArray[np.int64]]:
    """Sequences (5000, 40) and labels (5000,), in random order.

    `scale` is the width of the range of factors around 1, `translation` the number of positions (at least 1) a
    signal may be moved by, the noises are deviations, `shear` the width of the range of slopes. `shuffled` puts the 40
    points into one random order, the same for every sequence: then nothing is local.
    """
    random = np.random.RandomState(seed)
    templates = _normalized_templates()
    count = (TRAIN + TEST) // len(templates)
    labels = np.repeat(np.arange(len(templates)), count)
    paddings, shifts = (np.empty(len(labels), dtype=np.int64) for _ in range(2))
    factors, slopes = np.empty(len(labels)), np.empty(len(labels))
    noises = np.empty((len(labels), 2, LENGTH))
    for row in range(len(labels)):
        paddings[row] = PADDING[0] + int(random.rand() * (PADDING[1] - PADDING[0] + 1))
        factors[row] = 1 + scale * (random.rand() - 0.5)
        shifts[row] = random.randint(translation)
        noises[row] = random.randn(2, LENGTH)
        slopes[row] = shear * (random.rand() - 0.5)
    order = random.permutation(len(labels))

    stretched = np.array(
        [[_stretch(template, padding) for padding in range(PADDING[0], PADDING[1] + 1)] for template in templates]
    )
    moved = (np.arange(LENGTH) - shifts[:, None]) % LENGTH
    signals = factors[:, None] * np.take_along_axis(stretched[labels, paddings - PADDING[0]], moved, 1)
    correlated = correlated_noise * noises[:, 0] @ _smoothing(LENGTH, CORRELATION)
    signals = np.where(signals != 0, signals, correlated) + noise * noises[:, 1]
    signals -= slopes[:, None] * np.linspace(-0.5, 0.5, LENGTH)
    sequences = _read_at(signals, STEPS)[order]
    if shuffled:
        sequences = sequences[:, random.permutation(STEPS)]
    return (sequences - sequences.mean()) / sequences.std(), labels[order]


def _normalized_templates() -> Array:
    """Each of mean 0 and deviation 1, then moved to begin at 0, and a sixth as high."""
    centred = TEMPLATES - TEMPLATES.mean(1, keepdims=True)
    centred /= centred.std(1, keepdims=True)
    moved: Array = (centred - centred[:, :1]) / 6
    return moved


def _stretch(template: Array, padding: int) -> Array:
    """The template with `padding` zeros after it, read at LENGTH points."""
    padded = np.concatenate([template + TINY, np.zeros(padding)])
    stretched: Array = np.interp(np.linspace(0, 1, LENGTH), np.linspace(0, 1, len(padded)), padded)
    return stretched


def _read_at(signals: Array, points: int) -> Array:
    """Each row (N, L) read by linear interpolation at `points` even positions from its first value to its last."""
    length = signals.shape[1]
    positions = np.linspace(0, length - 1, points)
    left = np.minimum(positions.astype(np.int64), length - 2)
    share = positions - left
    read: Array = signals[:, left] * (1 - share) + signals[:, left + 1] * share
    return read


def _smoothing(length: int, deviation: float) -> Array:
    """The matrix S with noise @ S smoothed by a Gaussian cut at 4 deviations; signals are mirrored at their ends."""
    radius = int(4 * deviation + 0.5)
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (offsets / deviation) ** 2)
    weights /= weights.sum()
    reached = np.arange(length)[:, None] + offsets
    reached = np.where(reached < 0, -1 - reached, reached)
    reached = np.where(reached >= length, 2 * length - 1 - reached, reached)
    matrix = np.zeros((length, length))
    np.add.at(matrix, (reached, np.arange(length)[:, None]), weights)
    return matrix
