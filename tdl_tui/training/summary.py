"""What a network consists of, without its weights: layers, shapes, parameters, products, receptive field."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from tdl_tui.registry import DataShape

from .operations import Shape
from .tracing import Trace, Window, joined, tensors


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """A layer: a module without children, or with parameters of its own. Shapes are of one example.

    `macs` are multiply-accumulates for one example. `receptive_field` is the side, in input places, of the window that
    one place of its output sees (the longer side where they differ); None where that is the whole input: behind dense,
    recurrent, attention and global pooling layers, and for tables.
    """

    name: str
    kind: str
    input_shape: Shape
    output_shape: Shape
    parameters: int
    macs: int
    receptive_field: int | None


@dataclass(frozen=True, slots=True)
class Summary:
    """The network. `receptive_field` is its largest window short of the whole input; None where no layer has one.

    `macs` include work outside of any layer. Parameters that layers share count once.
    """

    parameters: int
    macs: int
    receptive_field: int | None
    layers: tuple[LayerSummary, ...]


def example_of(shape: DataShape, count: int = 1) -> Tensor:
    """So many examples as a network takes them, without values: (count, *shape.input) on the meta device."""
    dtype = torch.int64 if shape.kind in ("text", "graph") else torch.float32
    return torch.empty((count, *shape.input), dtype=dtype, device="meta")


def summarize(module: nn.Module, input_shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Summary:
    """The summary of a module for examples of that shape, (C, H, W), (steps, features) or (features,), in evaluation.
    They are of `dtype`: text and nodes of a graph are int64.

    The module, on whichever device, is neither run nor changed, and its weights are not copied; one made under
    `torch.device("meta")` never had any. Raises what its forward raises for such an input.
    """
    ghost = _on_meta(module)
    trace = Trace()
    table = _Table(trace)
    for name, layer in ghost.named_modules():
        if next(layer.children(), None) is None or next(layer.parameters(recurse=False), None) is not None:
            table.follow(name, layer)
    example = torch.empty((1, *input_shape), dtype=dtype, device="meta")
    trace.see(example, Window() if len(input_shape) > 1 else None)
    with torch.no_grad(), trace:
        ghost(example)
    sides = (row.window.side for row in table.rows if row.window is not None and row.window.side > 1)
    return Summary(
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        macs=trace.macs,
        receptive_field=max(sides, default=None),
        layers=tuple(row.summary() for row in table.rows),
    )


def _on_meta(module: nn.Module) -> nn.Module:
    """A copy in evaluation mode, whose parameters and buffers are shapes alone."""
    held: dict[int, Any] = {id(t): _ghost(t) for t in chain(module.parameters(), module.buffers())}
    ghost: nn.Module = copy.deepcopy(module, held)
    return ghost.eval()


def _ghost(tensor: Tensor) -> Tensor:
    shape_alone = torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")
    return nn.Parameter(shape_alone, requires_grad=False) if isinstance(tensor, nn.Parameter) else shape_alone


@dataclass(slots=True, eq=False)
class _Row:
    """A layer's row as it fills. When called again, work adds up; shapes stay the first call's."""

    name: str
    layer: nn.Module
    input_shape: Shape = ()
    output_shape: Shape = ()
    macs: int = 0
    window: Window | None = None

    def summary(self) -> LayerSummary:
        return LayerSummary(
            name=self.name,
            kind=type(self.layer).__name__,
            input_shape=self.input_shape,
            output_shape=self.output_shape,
            parameters=sum(parameter.numel() for parameter in self.layer.parameters(recurse=False)),
            macs=self.macs,
            receptive_field=None if self.window is None else self.window.side,
        )


class _Table:
    """The rows, in the order in which the layers are first called. A layer's work leaves out that of layers in it."""

    def __init__(self, trace: Trace) -> None:
        self.rows: list[_Row] = []
        self._trace = trace
        self._running: list[_Row] = []
        self._charged = 0  # multiply-accumulates that rows already have

    def follow(self, name: str, layer: nn.Module) -> None:
        """Gives the layer a row, filled whenever it runs."""
        row = _Row(name or type(layer).__name__, layer)

        def enter(layer: nn.Module, inputs: Any) -> None:
            self._charge()
            if row not in self.rows:
                self.rows.append(row)
                row.input_shape = _shape(inputs)
            self._running.append(row)

        def leave(layer: nn.Module, inputs: Any, outputs: Any) -> None:
            self._charge()
            self._running.pop()
            row.output_shape = row.output_shape or _shape(outputs)
            row.window = joined(self._trace.windows(outputs))

        layer.register_forward_pre_hook(enter)
        layer.register_forward_hook(leave)

    def _charge(self) -> None:
        if self._running:
            self._running[-1].macs += self._trace.macs - self._charged
        self._charged = self._trace.macs


def _shape(values: Any) -> Shape:
    """The first tensor's shape, without the batch."""
    first = next(tensors(values), None)
    return () if first is None else tuple(first.shape[1:])
