"""Histograms of many tensors at once, at a bounded cost: of what a layer holds, gives, and is told to change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import gcd, nan, sqrt

import torch
from torch import Tensor

from tdl_tui.runs.records import HISTOGRAM_BINS as BINS
from tdl_tui.runs.records import QUANTILES

from .layers import Heard, Layer

VALUES = 2048
"""At most, of a tensor: of a larger one so many are taken, spread over all of it."""
LAYERS = 10
"""At most, at a time."""
_GOLDEN = (sqrt(5) - 1) / 2
_TINY = 1e-30


def spread(tensors: Sequence[Tensor]) -> Tensor:
    """(VALUES,) float32: all values of the tensors, padded with NaN, or VALUES of them, of each in proportion.

    Those of a tensor are at the multiples of the golden section, as places from 0 to 1: however few, they lie evenly
    (Weyl's sequence, the same places each time), and in step with no rows or columns.
    """
    total = sum(tensor.numel() for tensor in tensors)
    if total <= VALUES:
        flat = torch.cat([tensor.detach().reshape(-1).float() for tensor in tensors])
        return torch.nn.functional.pad(flat, (0, VALUES - total), value=nan)
    *others, largest = sorted(tensors, key=Tensor.numel)
    parts = [_some(tensor, max(1, VALUES * tensor.numel() // total)) for tensor in others]
    return torch.cat([*parts, _some(largest, VALUES - sum(map(len, parts)))])


def _some(tensor: Tensor, count: int) -> Tensor:
    """(count,) of a tensor's values, in any order; all where it has no more."""
    if tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last):
        tensor = tensor.permute(0, 2, 3, 1)  # without a copy
    flat = tensor.detach().reshape(-1)
    if count >= len(flat):
        return flat.float()
    stride = round(_GOLDEN * len(flat))
    while gcd(stride, len(flat)) > 1:  # else some places would come again
        stride += 1
    return flat[torch.arange(count, device=flat.device) * stride % len(flat)].float()


def histograms(values: Tensor, sizes: Tensor) -> Tensor:
    """(R, 3, BINS + 1) float32: for each row of values (R, VALUES), of which the first sizes (R,) count, what `Matrix`
    calls a histogram.

    The edges are lowest and highest value with s·sinh(u) between them, u evenly spaced and s the mean magnitude: about
    linear for values of one size, logarithmic in tails of many.
    """
    finite = values.isfinite()
    count = finite.sum(1)
    known = (count > 0)[:, None]
    clean = torch.where(finite, values, 0.0)
    per = count.clamp(min=1)
    mean = clean.sum(1) / per
    size = clean.abs().sum(1) / per + _TINY
    far = torch.where(finite, (values - mean[:, None]) / size[:, None], 0.0)  # small ones would have squares of 0
    deviation = size * (far.square().sum(1) / per).sqrt()
    ordered = torch.where(finite, values, torch.inf).sort(1).values
    last = (count - 1).clamp(min=0)
    low = torch.where(known[:, 0], ordered[:, 0], 0.0)
    high = torch.where(known[:, 0], ordered.gather(1, last[:, None])[:, 0], 0.0)
    edges = _edges(low, high, size)
    below = torch.searchsorted(ordered, edges.contiguous())
    below = torch.cat([torch.zeros_like(count)[:, None], below[:, 1:-1], count[:, None]], 1)
    counts = torch.cat([below.diff(dim=1), (sizes - count)[:, None]], 1).float()
    summary = torch.cat([mean[:, None], deviation[:, None], _quantiles(ordered, last)], 1)
    summary = torch.nn.functional.pad(summary, (0, BINS + 1 - summary.shape[1]), value=nan)
    return torch.stack([torch.where(known, edges, nan), counts, torch.where(known, summary, nan)], 1)


def _edges(low: Tensor, high: Tensor, scale: Tensor) -> Tensor:
    """(R, BINS + 1), ascending from low to high; about a single value a narrow range."""
    wide = torch.where(high > low, 0.0, 0.05 * high.abs() + _TINY)
    low, high = low - wide, high + wide
    first, last = (low / scale).asinh()[:, None], (high / scale).asinh()[:, None]
    share = torch.arange(BINS + 1, device=low.device, dtype=low.dtype) / BINS
    edges = scale[:, None] * (first + (last - first) * share).sinh()
    inner = edges[:, 1:-1].clamp(low[:, None], high[:, None])
    return torch.cat([low[:, None], inner, high[:, None]], 1)


def _quantiles(ordered: Tensor, last: Tensor) -> Tensor:
    """(R, len(QUANTILES)), between two values in proportion."""
    at = last[:, None] * torch.tensor(QUANTILES, device=ordered.device)
    under = at.floor()
    left = ordered.gather(1, under.long())
    right = ordered.gather(1, at.ceil().long())
    return left + (at - under) * torch.where(right > left, right - left, 0.0)


class Turns:
    """Takes a model's layers in turn, some at a time, and makes the histograms of their gradients (while there are any,
    before the update), weights and outputs (after it)."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self._layers = layers
        self._next = 0
        self._rows: list[Tensor] = []
        self._sizes: list[int] = []
        self._names: list[str] = []
        self._turn: list[int] = []

    def begin(self) -> None:
        """Chooses the layers, and notes their gradients."""
        count = len(self._layers)
        self._turn = [(self._next + i) % count for i in range(min(LAYERS, count))]
        self._next = (self._next + len(self._turn)) % max(count, 1)
        for place in self._turn:
            gradients = [p.grad for p in self._layers[place].parameters if p.grad is not None]
            self._note("gradient", place, gradients)

    def finish(self, heard: Mapping[int, Heard]) -> tuple[list[str], Tensor]:
        """The matrices' names, and their content (R, 3, BINS + 1); `heard` as `layers.listening` has it."""
        for place in self._turn:
            self._note("weight", place, self._layers[place].parameters)
            if place in heard:
                self._note("activation", place, [heard[place].outputs])
        names, rows, sizes = self._names, self._rows, self._sizes
        self._names, self._rows, self._sizes = [], [], []
        if not rows:
            return [], torch.empty(0, 3, BINS + 1)
        values = torch.stack(rows)
        return names, histograms(values, torch.tensor(sizes, device=values.device))

    def _note(self, kind: str, place: int, tensors: Sequence[Tensor]) -> None:
        if tensors:
            self._names.append(f"histogram/{kind}/{self._layers[place].name}")
            self._rows.append(spread(tensors))
            self._sizes.append(min(VALUES, sum(tensor.numel() for tensor in tensors)))
