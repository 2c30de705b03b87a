"""The generated memory tasks against their definitions and the figures that the papers give for who forgets."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tdl_tui.data.dataset import Dataset
from tdl_tui.data.prepare import prepare
from tdl_tui.registry import DATASETS, Value
from tdl_tui.spec import experiment


def made(name: str, **options: Value) -> Dataset:
    entry = DATASETS[name]
    dataset: Dataset = entry.load()({**entry.defaults(), **options}, Path("nowhere"))
    assert dataset.shape == entry.describe({**entry.defaults(), **options})
    return dataset


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 60), st.integers(0, 2**40))
def test_the_target_is_the_sum_of_a_number_in_each_half(length: int, seed: int) -> None:
    dataset = made("adding", length=length, examples=100, seed=seed)
    values, markers = dataset.inputs.unbind(2)
    assert dataset.inputs.shape == (100, length, 2)
    assert values.min() >= 0 and values.max() < 1
    assert set(markers.unique().tolist()) <= {0.0, 1.0}
    half = length // 2
    assert torch.equal(markers[:, :half].sum(1), torch.ones(100))
    assert torch.equal(markers[:, half:].sum(1), torch.ones(100))
    torch.testing.assert_close(dataset.targets, (values * markers).sum(1, keepdim=True))


def test_always_saying_one_costs_a_sixth_in_the_targets_own_units(tmp_path: Path) -> None:
    chosen = experiment({"data": {"dataset": "adding"}})
    prepared = prepare(chosen, tmp_path, torch.device("cpu"))
    inputs, targets = (torch.cat(tensors) for tensors in zip(*prepared.batches.part("train"), strict=True))
    assert float(((targets - 1) ** 2).mean()) == pytest.approx(0.167, abs=0.005)
    assert inputs.min() == 0 and inputs.max() == 1
    assert torch.equal(prepared.normalization.predictions(targets), targets)


def test_marked_steps_are_spread_over_their_halves() -> None:
    steps = made("adding", length=10, examples=10_000).inputs[:, :, 1].sum(0)
    assert steps.min() > 1800 and steps.max() < 2200


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 80), st.integers(0, 2**40))
def test_the_symbols_come_again_after_the_sign(length: int, seed: int) -> None:
    dataset = made("copy_memory", length=length, examples=100, seed=seed)
    assert dataset.inputs.shape == dataset.targets.shape == (100, length + 20)
    assert dataset.shape.steps == length + 20
    names = dataset.shape.classes
    for inputs, targets in zip(dataset.inputs.tolist(), dataset.targets.tolist(), strict=True):
        said, wanted = ("".join(names[token] for token in tokens) for tokens in (inputs, targets))
        assert said[10:] == "·" * (length - 1) + ">" + "·" * 10
        assert wanted == "·" * (length + 10) + said[:10]
        assert set(said[:10]) <= set("abcdefgh")


def test_who_remembers_nothing_pays_what_the_paper_says() -> None:
    dataset = made("copy_memory", length=30, examples=4000)
    outputs = torch.full((4000, 10, 50), -100.0)
    outputs[:, 8, :40] = 0  # surely blank
    outputs[:, :8, 40:] = 0  # any of the eight
    loss = torch.nn.functional.cross_entropy(outputs, dataset.targets)
    assert float(loss) == pytest.approx(10 * math.log(8) / 50)


@pytest.mark.parametrize("name", ["adding", "copy_memory"])
def test_the_seed_decides(name: str) -> None:
    one, same, other = (made(name, examples=100, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.inputs, same.inputs) and torch.equal(one.targets, same.targets)
    assert not torch.equal(one.inputs, other.inputs)
