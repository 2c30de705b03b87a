"""What is known of torch's operations, as they arrive below autograd: sliding windows, products, results' shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor

Shape = tuple[int, ...]
aten = torch.ops.aten


@dataclass(frozen=True, slots=True)
class Sliding:
    """A convolution's or pooling's geometry, a number an axis."""

    kernel: Shape
    stride: Shape
    padding: Shape
    dilation: Shape
    rounds_up: bool = False
    transposed: bool = False

    def result(self, sides: Sequence[int]) -> Shape:
        """The number of places along each axis (not for transposed ones)."""
        axes = zip(sides, self.kernel, self.stride, self.padding, self.dilation, strict=True)
        return tuple(self._places(*axis) for axis in axes)

    def _places(self, side: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
        room = side + 2 * padding - dilation * (kernel - 1) - 1
        if not self.rounds_up:
            return room // stride + 1
        places = -(-room // stride) + 1
        return places - 1 if (places - 1) * stride >= side + padding else places  # none lies in the padding alone


def _convolution(x: Tensor, weight: Tensor, bias: Tensor | None, *args: Any) -> Sliding:
    stride, padding, dilation, transposed, *_ = args
    return _sliding(weight.shape[2:], stride, padding, dilation, transposed=transposed)


def _max_pooling(x: Tensor, kernel: Shape, *args: Any) -> Sliding:
    stride, padding, dilation, rounds_up = _or_defaults(args, (), (0,), (1,), False)
    return _sliding(kernel, stride or kernel, padding, dilation, rounds_up=rounds_up)


def _average_pooling(x: Tensor, kernel: Shape, *args: Any) -> Sliding:
    stride, padding, rounds_up = _or_defaults(args[:3], (), (0,), False)
    return _sliding(kernel, stride or kernel, padding, (1,), rounds_up=rounds_up)


def _or_defaults(given: tuple[Any, ...], *defaults: Any) -> tuple[Any, ...]:
    return (*given, *defaults[len(given) :])


def _sliding(kernel: Shape, *others: Shape, rounds_up: bool = False, transposed: bool = False) -> Sliding:
    """The geometry, where one number may stand for every axis."""
    stride, padding, dilation = (tuple(other) * (len(kernel) if len(other) == 1 else 1) for other in others)
    return Sliding(tuple(kernel), stride, padding, dilation, rounds_up, transposed)


SLIDING: dict[Any, Callable[..., Sliding]] = {
    aten.convolution: _convolution,
    aten.max_pool2d_with_indices: _max_pooling,
    aten.max_pool3d_with_indices: _max_pooling,
    aten.avg_pool2d: _average_pooling,
    aten.avg_pool3d: _average_pooling,
}
PRODUCTS = {aten.mm: 0, aten.addmm: 1, aten.bmm: 0, aten.baddbmm: 1}  # with the left factor's place
REDUCTIONS = frozenset({aten.mean, aten.sum, aten.amax, aten.max})
MIXING = frozenset(  # every place with every other
    {
        aten._adaptive_avg_pool2d,
        aten._adaptive_avg_pool3d,
        aten.adaptive_max_pool2d,
        aten.adaptive_max_pool3d,
        aten._scaled_dot_product_flash_attention,
        aten._scaled_dot_product_efficient_attention,
    }
)


# The commonest operations' results, as meta tensors; None where torch's own kernel has to be asked, or to refuse.


def _empty(like: Tensor, shape: Sequence[int]) -> Tensor | None:
    return like.new_empty(tuple(shape)) if min(shape, default=1) > 0 else None


def _alike(x: Tensor, *_: Any) -> Tensor | None:
    return _empty(x, x.shape)


def _normalized(x: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    return x.new_empty(x.shape), x.new_empty(0), x.new_empty(0)


def _broadcast(x: Tensor, y: Tensor | float) -> Tensor | None:
    theirs = y.shape if isinstance(y, Tensor) else ()
    pairs = list(zip_longest(reversed(x.shape), reversed(theirs), fillvalue=1))
    agree = all(a == b or 1 in (a, b) for a, b in pairs)
    return _empty(x, [max(a, b) for a, b in reversed(pairs)]) if agree else None


def _in_place(x: Tensor, y: Tensor | float = 0.0) -> Tensor | None:
    result = _broadcast(x, y)
    return x if result is not None and result.shape == x.shape else None


def _convolved(x: Tensor, weight: Tensor, *args: Any) -> Tensor | None:
    sliding, groups = _convolution(x, weight, *args), args[-1]
    if sliding.transposed or x.dim() != weight.dim() or x.shape[1] != weight.shape[1] * groups:
        return None
    return _empty(x, (x.shape[0], weight.shape[0], *sliding.result(x.shape[2:])))


def _pooled(x: Tensor, sliding: Sliding) -> Tensor | None:
    rank = len(sliding.kernel)
    return _empty(x, (*x.shape[:-rank], *sliding.result(x.shape[-rank:])))


def _max_pooled(x: Tensor, *args: Any) -> tuple[Tensor, Tensor] | None:
    values = _pooled(x, _max_pooling(x, *args))
    return None if values is None else (values, values.new_empty(values.shape, dtype=torch.int64))


def _average_pooled(x: Tensor, *args: Any) -> Tensor | None:
    return _pooled(x, _average_pooling(x, *args))


def _adaptively_pooled(x: Tensor, sides: Sequence[int]) -> Tensor | None:
    return _empty(x, (*x.shape[:-2], *sides))


def _product(a: Tensor, b: Tensor) -> Tensor | None:
    fits = a.shape[-1] == b.shape[-2] and a.shape[:-2] == b.shape[:-2]
    return _empty(a, (*a.shape[:-1], b.shape[-1])) if fits else None


def _product_added(c: Tensor, a: Tensor, b: Tensor) -> Tensor | None:
    product = _product(a, b)
    fits = product is not None and c.shape in (product.shape, product.shape[-1:])
    return product if fits else None


def _mean(x: Tensor, axes: Sequence[int] | None = None, keep: bool = False) -> Tensor | None:
    gone = {axis % x.dim() for axis in axes or range(x.dim())}
    sides = (1 if axis in gone else side for axis, side in enumerate(x.shape) if keep or axis not in gone)
    return _empty(x, tuple(sides))


def _concatenated(parts: Sequence[Tensor], axis: int = 0) -> Tensor | None:
    axis %= parts[0].dim()
    around = {(*part.shape[:axis], *part.shape[axis + 1 :]) for part in parts}
    together = sum(part.shape[axis] for part in parts)
    shape = (*parts[0].shape[:axis], together, *parts[0].shape[axis + 1 :])
    return _empty(parts[0], shape) if len(around) == 1 else None


def _stacked(parts: Sequence[Tensor], axis: int = 0) -> Tensor | None:
    shape = parts[0].shape
    axis %= len(shape) + 1
    return _empty(parts[0], (*shape[:axis], len(parts), *shape[axis:])) if {p.shape for p in parts} == {shape} else None


SHORTCUTS: dict[Any, Callable[..., Any]] = {
    **dict.fromkeys((aten.relu, aten.tanh, aten.sigmoid, aten.silu, aten.gelu, aten.elu, aten.leaky_relu), _alike),
    **dict.fromkeys((aten.hardtanh, aten.softplus, aten.neg, aten.exp, aten._softmax, aten._log_softmax), _alike),
    **dict.fromkeys((aten.relu_, aten.tanh_, aten.sigmoid_, aten.silu_, aten.add_, aten.mul_, aten.div_), _in_place),
    **dict.fromkeys((aten.add, aten.sub, aten.mul, aten.div), _broadcast),
    **dict.fromkeys((aten.native_batch_norm, aten.native_layer_norm, aten.native_group_norm), _normalized),
    aten.convolution: _convolved,
    aten.max_pool2d_with_indices: _max_pooled,
    aten.avg_pool2d: _average_pooled,
    aten._adaptive_avg_pool2d: _adaptively_pooled,
    aten.mm: _product,
    aten.bmm: _product,
    aten.addmm: _product_added,
    aten.empty_like: _alike,
    aten.mean: _mean,
    aten.cat: _concatenated,
    aten.stack: _stacked,
}
