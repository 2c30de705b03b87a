"""Follows one example through a network on the meta device: what is multiplied, and what each value sees of the input.

On the meta device tensors have shapes and no values. Every operation that torch carries out is seen, whichever way the
network is written: products are counted, and each tensor's window onto the input is followed through convolutions,
poolings, branches and sums.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode  # torch documents this class, under this name
from torch.utils.flop_counter import flop_registry

from .operations import MIXING, PRODUCTS, REDUCTIONS, SHORTCUTS, SLIDING, Sliding

Axes = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """What one place of a tensor sees of the input, an axis each: its length, and the way from one place to the next.

    Edges do not count. Where tensors have different numbers of axes, the last ones correspond.
    """

    size: Axes = (1.0,)
    jump: Axes = (1.0,)

    @property
    def side(self) -> int:
        """The longer side."""
        return round(max(self.size))

    def through(self, sliding: Sliding) -> Window:
        """Behind a convolution or pooling."""
        size, jump = self._axes(len(sliding.kernel))
        reach = (d * (k - 1) for k, d in zip(sliding.kernel, sliding.dilation, strict=True))
        grown = (s + r * j for s, r, j in zip(size, reach, jump, strict=True))
        return Window(tuple(grown), tuple(j * step for j, step in zip(jump, sliding.stride, strict=True)))

    def back_through(self, sliding: Sliding) -> Window:
        """Behind a transposed convolution: a place lies under ceil(kernel / stride) places of its input."""
        size, jump = self._axes(len(sliding.kernel))
        reach = (ceil(k / step) - 1 for k, step in zip(sliding.kernel, sliding.stride, strict=True))
        grown = (s + r * j for s, r, j in zip(size, reach, jump, strict=True))
        return Window(tuple(grown), tuple(j / step for j, step in zip(jump, sliding.stride, strict=True)))

    def joined(self, other: Window) -> Window:
        """Of a value made from two."""
        rank = max(len(self.size), len(other.size))
        size, jump = (
            tuple(map(max, mine, theirs)) for mine, theirs in zip(self._axes(rank), other._axes(rank), strict=True)
        )
        return Window(size, jump)

    def _axes(self, rank: int) -> tuple[Axes, Axes]:
        missing = (1.0,) * (rank - len(self.size))
        return (*missing, *self.size)[-rank:], (*missing, *self.jump)[-rank:]


def joined(windows: Sequence[Window | None]) -> Window | None:
    """What a value made from several sees: None, the whole input, where one of them does, or there are none."""
    first, *others = windows or [None]
    for other in others:
        if first is None or other is None:
            return None
        first = first.joined(other)
    return first


def tensors(values: Any) -> Iterator[Tensor]:
    """Every tensor within nested tuples and lists, in order."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from tensors(value)


class Trace(TorchDispatchMode):
    """While it is entered, `macs` counts the multiply-accumulates of every product, and `windows` follows the input.

    With `shortcuts` the commonest operations' shapes are worked out here: torch's own meta kernels import its compiler,
    which takes seconds.
    """

    def __init__(self, *, shortcuts: bool = True) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self.macs = 0
        self._shortcuts = SHORTCUTS if shortcuts else {}
        # By identity, each beside its tensor, so that no identity is used twice.
        self._windows: dict[int, tuple[Tensor, Window | None]] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled here; True would import the compiler at the first operation

    def see(self, tensor: Tensor, window: Window | None) -> None:
        """Says what a tensor sees of the input; None: the whole."""
        self._windows[id(tensor)] = tensor, window

    def windows(self, values: Any) -> list[Window | None]:
        """The windows of those of the tensors that come from the input."""
        return [self._windows[id(tensor)][1] for tensor in tensors(values) if id(tensor) in self._windows]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        operation = func.overloadpacket
        shortcut = None if kwargs else self._shortcuts.get(operation)
        result = shortcut(*args) if shortcut else None
        if result is None:
            result = func(*args, **kwargs)
        if operation in flop_registry:
            self.macs += flop_registry[operation](*args, **kwargs, out_val=result) // 2
        if seen := self.windows((args, tuple(kwargs.values()))):
            window = self._window(operation, args, result, seen)
            for tensor in tensors(result):
                self.see(tensor, window)
        return result

    def _window(self, operation: Any, args: Any, result: Any, seen: list[Window | None]) -> Window | None:
        window = joined(seen)
        if window is None or operation in MIXING:
            return None
        if operation in SLIDING:
            sliding = SLIDING[operation](*args)
            return window.back_through(sliding) if sliding.transposed else window.through(sliding)
        if operation in PRODUCTS:
            factor = args[PRODUCTS[operation]]
            rows_are_places = id(factor) in self._windows and factor.shape[-2] > 1
            return window if rows_are_places and len(seen) == 1 else None
        if operation in REDUCTIONS and sum(length > 1 for length in result.shape) <= 1:
            return None
        return window
