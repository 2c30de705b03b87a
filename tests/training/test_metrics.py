from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.metrics import r2_score

from tdl_tui.training import metrics


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 7), min_size=1, max_size=6), st.integers(2, 4), st.integers(0, 2**31))
def test_accuracies_are_those_of_each_batch(sizes: list[int], classes: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    outputs = [torch.randn(size, classes, generator=generator) for size in sizes]
    targets = [torch.randint(classes, (size,), generator=generator) for size in sizes]
    expected = [
        sum(int(o.argmax()) == int(t) for o, t in zip(out, tar, strict=True)) / len(tar)
        for out, tar in zip(outputs, targets, strict=True)
    ]
    assert metrics.accuracies(outputs, targets).tolist() == pytest.approx(expected)


def test_of_steps_with_a_target_each_the_right_ones_count() -> None:
    outputs = [torch.randn(size, 3, 5) for size in (4, 4, 2)]
    targets = [torch.randint(3, (size, 5)) for size in (4, 4, 2)]
    expected = [float((o.argmax(1) == t).float().mean()) for o, t in zip(outputs, targets, strict=True)]
    assert metrics.accuracies(outputs, targets).tolist() == pytest.approx(expected)
    assert metrics.accuracies(outputs[:2], targets[:2]).tolist() == pytest.approx(expected[:2])


@example(count=2, outputs=1, seed=58129, parts=1)  # two values that hardly differ
@settings(max_examples=50, deadline=None)
@given(st.integers(2, 40), st.integers(1, 3), st.integers(0, 2**31), st.integers(1, 5))
def test_r_squared_is_scikit_learns(count: int, outputs: int, seed: int, parts: int) -> None:
    generator = np.random.default_rng(seed)
    values = generator.normal(size=(count, outputs)).astype(np.float32)
    predictions = (values + generator.normal(size=values.shape)).astype(np.float32)
    pairs = zip(np.array_split(predictions, parts), np.array_split(values, parts), strict=True)
    sums = torch.stack([metrics.moments(torch.tensor(p), torch.tensor(v)) for p, v in pairs]).sum(0)
    assert metrics.r_squared(sums, count) == pytest.approx(r2_score(values, predictions), rel=1e-3, abs=1e-3)


def test_r_squared_needs_values_that_vary() -> None:
    same = torch.ones(4, 1)
    assert math.isnan(metrics.r_squared(metrics.moments(same, same), 4))
    assert math.isnan(metrics.r_squared(metrics.moments(same[:1], same[:1]), 1))
