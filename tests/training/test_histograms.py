"""Histograms against torch's and numpy's own."""

from __future__ import annotations

import math

import numpy
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from tdl_tui.runs.records import HISTOGRAM_BINS, QUANTILES
from tdl_tui.training.histograms import VALUES, histograms, spread

number = st.floats(-1e6, 1e6, width=32)


def histogram_of(*tensors: torch.Tensor) -> torch.Tensor:
    size = min(VALUES, sum(tensor.numel() for tensor in tensors))
    return histograms(spread(tensors)[None], torch.tensor([size]))[0]


@given(st.lists(number, min_size=1, max_size=100))
@example([0.0])
@example([5.0] * 7)
@example([1.0, 1.0 + 2**-23])
@example([1e-30, 0.0, 1e6])
def test_counts_are_numpys_for_the_same_edges(values: list[float]) -> None:
    edges, counts, _ = histogram_of(torch.tensor(values))
    assert bool((edges.diff() >= 0).all())
    assert float(edges[0]) <= min(values) and float(edges[-1]) >= max(values)
    assert float(counts.sum()) == len(values)
    bins = numpy.searchsorted(edges.numpy()[1:-1], numpy.array(values, numpy.float32), side="right")
    assert counts[:-1].tolist() == numpy.bincount(bins, minlength=HISTOGRAM_BINS).tolist()


def test_even_edges_count_as_torch_counts() -> None:
    torch.manual_seed(0)
    values = torch.rand(2000) * 2e-3 + 5  # so narrow a range that the edges are even
    edges, counts, _ = histogram_of(values)
    even = torch.linspace(float(edges[0]), float(edges[-1]), HISTOGRAM_BINS + 1)
    torch.testing.assert_close(edges, even, rtol=1e-6, atol=0)
    assert torch.equal(counts[:-1], torch.histogram(values, edges).hist)
    assert (counts[:-1] - torch.histc(values, HISTOGRAM_BINS)).abs().max() <= 5  # its edges differ in the last bits


def test_tails_of_many_sizes_get_logarithmic_edges() -> None:
    edges, _, _ = histogram_of(torch.cat([torch.randn(2000) * 1e-6, torch.tensor([1.0, -1.0])]))
    assert float(edges[-2] / edges[-1]) == pytest.approx(float(edges[-3] / edges[-2]), rel=1e-3)
    torch.testing.assert_close(edges, -edges.flip(0), rtol=1e-4, atol=1e-9)


def test_gradients_that_have_all_but_vanished_keep_their_form() -> None:
    values = torch.randn(2000)
    edges, counts, summary = histogram_of(values)
    small = histogram_of(1e-27 * values)
    torch.testing.assert_close(small[0] * 1e27, edges, rtol=1e-2, atol=1e-2)
    assert float((small[1] - counts).abs().sum()) <= 40
    assert float(small[2][1]) * 1e27 == pytest.approx(float(summary[1]), rel=1e-3)


@given(st.lists(number, min_size=1, max_size=60))
def test_the_summary_is_numpys(values: list[float]) -> None:
    summary = histogram_of(torch.tensor(values))[2]
    array = numpy.array(values, numpy.float32).astype(numpy.float64)
    expected = [array.mean(), array.std(), *numpy.quantile(array, QUANTILES)]
    scale = float(numpy.abs(array).max()) + 1e-12
    assert summary[: len(expected)].tolist() == pytest.approx(expected, rel=1e-3, abs=1e-5 * scale)
    assert bool(summary[len(expected) :].isnan().all())


def test_what_is_not_finite_is_counted_apart() -> None:
    edges, counts, summary = histogram_of(torch.tensor([1.0, math.nan, 2.0, math.inf, -math.inf]))
    assert (float(edges[0]), float(edges[-1])) == (1.0, 2.0)
    assert (float(counts[:-1].sum()), float(counts[-1])) == (2.0, 3.0)
    assert float(summary[0]) == 1.5
    edges, counts, summary = histogram_of(torch.full((4,), math.nan))
    assert bool(edges.isnan().all()) and bool(summary.isnan().all())
    assert (float(counts[:-1].sum()), float(counts[-1])) == (0.0, 4.0)


def test_rows_do_not_mix() -> None:
    small, large = torch.randn(30), 1e3 * torch.randn(5000)
    both = histograms(torch.stack([spread([small]), spread([large])]), torch.tensor([30, VALUES]))
    torch.testing.assert_close(both[0], histogram_of(small), equal_nan=True)
    torch.testing.assert_close(both[1], histogram_of(large), equal_nan=True)


@pytest.mark.parametrize("count", [2049, 4096, 5000, 10_000, 65_537, 1 << 20])
def test_some_of_many_values_lie_evenly_and_none_twice(count: int) -> None:
    chosen = spread([torch.arange(count, dtype=torch.float64)]).long()
    assert len(set(chosen.tolist())) == VALUES
    quarters = torch.bincount(chosen * 4 // count, minlength=4)
    assert quarters.min() > 0.22 * VALUES
    width = 64 if count % 64 == 0 else 100
    columns = torch.bincount(chosen % width, minlength=width)
    assert columns.min() > 0.3 * VALUES / width


def test_few_values_are_all_taken() -> None:
    values = spread([torch.arange(3.0), torch.arange(3.0, 5.0)])
    assert values[:5].tolist() == [0, 1, 2, 3, 4] and bool(values[5:].isnan().all())
    assert spread([torch.zeros(2, dtype=torch.bfloat16)]).dtype == torch.float32
