"""Splits: every example once, sizes as asked, classes in proportion, and nothing but the seed decides."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tdl_tui.data.dataset import DataError, Dataset
from tdl_tui.data.splits import split, stored
from tdl_tui.registry import DataShape
from tdl_tui.sizes import part_sizes, steps_per_epoch

Shares = tuple[float, float, float]


def dataset_of(labels: list[int], fixed_test: int = 0, *, regression: bool = False) -> Dataset:
    targets = torch.tensor(labels)
    if regression:
        shape = DataShape("regression", "table", (1,), 1, examples=len(labels))
        return Dataset(torch.zeros(len(labels), 1), targets[:, None].float(), shape, fixed_test)
    shape = DataShape("classification", "table", (1,), max(labels) + 1, examples=len(labels))
    return Dataset(torch.zeros(len(labels), 1), targets, shape, fixed_test)


@st.composite
def shares(draw: st.DrawFn) -> Shares:
    parts = [draw(st.integers(1, 20)), draw(st.integers(0, 10)), draw(st.integers(0, 10))]
    return (parts[0] / sum(parts), parts[1] / sum(parts), parts[2] / sum(parts))


LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=200)


@settings(max_examples=150, deadline=None)
@given(LABELS, shares(), st.integers(0, 2**70), st.data())
def test_every_example_is_in_one_part_and_classes_are_in_proportion(
    labels: list[int], wanted: Shares, seed: int, data: st.DataObject
) -> None:
    fixed = data.draw(st.integers(0, len(labels) - 1))
    dataset = dataset_of(labels, fixed)
    try:
        sizes = part_sizes(len(labels), wanted, fixed)
    except ValueError:
        with pytest.raises(DataError):
            split(dataset, wanted, seed)
        return
    parts = split(dataset, wanted, seed)
    assert parts.sizes() == sizes._asdict()
    joined = torch.cat([indices for _, indices in parts])
    assert joined.sort().values.tolist() == list(range(len(labels)))
    assert all(indices.tolist() == sorted(indices.tolist()) for _, indices in parts)

    free = torch.tensor(labels[: len(labels) - fixed])
    pool = torch.bincount(free, minlength=5)
    if fixed:
        assert parts.test.tolist() == list(range(len(labels) - fixed, len(labels)))
    else:
        _in_proportion(dataset, parts.test, pool)
        pool = pool - torch.bincount(dataset.targets[parts.test], minlength=5)
    _in_proportion(dataset, parts.validation, pool)


def _in_proportion(dataset: Dataset, part: torch.Tensor, pool: torch.Tensor) -> None:
    counts = torch.bincount(dataset.targets[part], minlength=5)
    expected = pool * (len(part) / max(1, int(pool.sum())))
    assert ((counts - expected).abs() < 1 + 1e-9).all()


@settings(max_examples=60, deadline=None)
@given(LABELS, shares(), st.integers(0, 1000))
def test_only_the_seed_decides(labels: list[int], wanted: Shares, seed: int) -> None:
    dataset = dataset_of(labels)
    try:
        first = split(dataset, wanted, seed)
    except DataError:
        return
    torch.manual_seed(seed + 1)
    state = torch.random.get_rng_state()
    again = split(dataset, wanted, seed)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(first, again, strict=True))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=20, max_size=200), shares(), st.integers(0, 1000))
def test_the_test_part_does_not_depend_on_how_the_rest_is_divided(labels: list[int], wanted: Shares, seed: int) -> None:
    assume(wanted[1] > 0)
    dataset = dataset_of(labels)
    without = (wanted[0] + wanted[1], 0.0, wanted[2])
    assert torch.equal(split(dataset, wanted, seed).test, split(dataset, without, seed).test)


def test_seeds_and_examples_matter() -> None:
    dataset = dataset_of([0, 1] * 100)
    parts = [split(dataset, (0.8, 0.1, 0.1), seed).test.tolist() for seed in range(20)]
    assert len({tuple(part) for part in parts}) == 20
    assert len({index for part in parts for index in part}) > 150


def test_regression_is_split_at_random() -> None:
    dataset = dataset_of(list(range(100)), regression=True)
    parts = split(dataset, (0.8, 0.1, 0.1), 0)
    assert parts.sizes() == {"train": 80, "validation": 10, "test": 10}
    assert parts.test.tolist() != list(range(5, 100, 10))


def test_a_share_above_0_gives_at_least_one_example() -> None:
    assert part_sizes(3, (0.98, 0.01, 0.01)) == (1, 1, 1)
    assert part_sizes(70_000, (0.8, 0.1, 0.1), 10_000) == (53_333, 6_667, 10_000)


def test_parts_of_the_datasets_own_stay_what_they_are() -> None:
    dataset = dataset_of([0, 1] * 17, 30)
    for train, validation in ((2, [2, 3]), (4, [])):
        made = split(replace(dataset, shape=replace(dataset.shape, fixed_train=train)), (0.5, 0.3, 0.2), 0)
        assert made.train.tolist() == list(range(train))
        assert made.validation.tolist() == validation
        assert made.test.tolist() == list(range(4, 34))
        assert made.sizes() == part_sizes(34, (0.5, 0.3, 0.2), 30, train)._asdict()


def test_targets_at_every_step_are_split_at_random() -> None:
    tokens = torch.arange(600).reshape(100, 6) % 7
    shape = DataShape("classification", "text", (5,), 7, examples=100, steps=5)
    parts = split(Dataset(tokens[:, :-1], tokens[:, 1:], shape), (0.8, 0.1, 0.1), 0)
    assert parts.sizes() == {"train": 80, "validation": 10, "test": 10}
    assert torch.cat([indices for _, indices in parts]).sort().values.tolist() == list(range(100))


def test_too_few_examples_are_refused_in_one_line() -> None:
    with pytest.raises(DataError, match=r"^data.split: 2 examples are too few for shares of 0.8, 0.1 and 0.1$"):
        split(dataset_of([0, 1]), (0.8, 0.1, 0.1), 0)


def test_stored_splits_are_read_back_and_checked(tmp_path: Path) -> None:
    dataset, path = dataset_of([0, 1] * 20), tmp_path / "splits.npz"
    made = stored(path, dataset, (0.8, 0.1, 0.1), 0)
    kept = stored(path, dataset, (0.5, 0.25, 0.25), 9)
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(made, kept, strict=True))
    with pytest.raises(DataError, match="divides 40 examples, the data has 41"):
        stored(path, dataset_of([0] * 41), (0.8, 0.1, 0.1), 0)
    for content in (b"not an archive", b"", made.train.numpy().tobytes()[:100]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"cannot be read .*; delete it, and the splits are drawn again"):
            stored(path, dataset, (0.8, 0.1, 0.1), 0)


@given(st.integers(1, 2000), st.integers(1, 300))
def test_steps_cover_the_epoch_and_no_batch_holds_one_alone(examples: int, batch_size: int) -> None:
    steps = steps_per_epoch(examples, batch_size)
    last = examples - (steps - 1) * batch_size
    assert 1 <= last <= batch_size + 1
    assert last > 1 or steps == 1 or batch_size == 1
