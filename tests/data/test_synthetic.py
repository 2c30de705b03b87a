"""Points in the plane, against scikit-learn where it has the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
import torch

from tdl_tui.data.dataset import Dataset
from tdl_tui.registry import DATASETS, Value

SETS = ("moons", "circles", "spirals", "blobs")


def load(name: str, **options: Value) -> Dataset:
    entry = DATASETS[name]
    dataset: Dataset = entry.load()({**entry.defaults(), **options}, Path("nowhere"))
    return dataset


@pytest.mark.parametrize("examples", [100, 101])
def test_moons_without_noise_are_scikit_learns(examples: int) -> None:
    points, labels = sklearn.datasets.make_moons(examples, shuffle=False)
    ours = load("moons", examples=examples, noise=0.0)
    assert np.allclose(ours.inputs.numpy(), points, atol=1e-6)
    assert ours.targets.tolist() == labels.tolist()


def test_circles_without_noise_are_scikit_learns() -> None:
    points, labels = sklearn.datasets.make_circles(100, shuffle=False, factor=0.3)
    ours = load("circles", examples=100, noise=0.0, factor=0.3)
    assert np.allclose(ours.inputs.numpy(), points, atol=1e-6)
    assert ours.targets.tolist() == labels.tolist()


def test_arms_of_spirals_are_one_another_turned() -> None:
    ours = load("spirals", examples=300, noise=0.0, arms=3)
    first, second = ours.inputs[:100].double(), ours.inputs[100:200].double()
    cosine, sine = np.cos(2 * np.pi / 3), np.sin(2 * np.pi / 3)
    turned = first @ torch.tensor([[cosine, sine], [-sine, cosine]], dtype=torch.float64)
    assert torch.allclose(turned, second, atol=1e-6)


def test_blobs_have_the_spread_they_are_given() -> None:
    ours = load("blobs", examples=60_000, classes=4, noise=0.7)
    for label in range(4):
        cloud = ours.inputs[ours.targets == label]
        assert torch.allclose(cloud.std(0), torch.full((2,), 0.7), atol=0.02)
        assert abs(float(cloud.mean(0).norm()) - 1) < 0.02


@pytest.mark.parametrize("name", SETS)
def test_the_seed_decides_and_noise_only_scales(name: str) -> None:
    still, one, two = (load(name, examples=200, noise=noise) for noise in (0.0, 0.1, 0.2))
    assert torch.equal(load(name, examples=200, noise=0.1).inputs, one.inputs)
    assert not torch.equal(load(name, examples=200, noise=0.1, seed=1).inputs, one.inputs)
    assert torch.allclose(two.inputs - still.inputs, 2 * (one.inputs - still.inputs), atol=1e-5)


@pytest.mark.parametrize("name", SETS)
def test_classes_are_as_equal_as_can_be(name: str) -> None:
    counts = torch.bincount(load(name, examples=1001).targets)
    assert counts.sum() == 1001 and counts.max() - counts.min() <= 1
