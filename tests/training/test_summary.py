"""Summaries: against figures worked out by hand, published ones, and torch's own shapes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from tdl_tui import torchvision_import
from tdl_tui.models.build import build
from tdl_tui.registry import DataShape, Value
from tdl_tui.training import tracing
from tdl_tui.training.summary import Summary, summarize

DIGIT = DataShape("classification", "image", (1, 32, 32), 10)


def of(architecture: str, shape: DataShape = DIGIT, **options: Value) -> Summary:
    with torch.device("meta"):
        return summarize(build(architecture, shape, options), shape.input)


def test_lenet5_row_by_row() -> None:
    summary = of("lenet5")
    rows = [(r.name, r.kind, r.output_shape, r.parameters, r.macs, r.receptive_field) for r in summary.layers]
    assert [row for row in rows if not row[0].startswith("activation")] == [
        ("conv1", "Conv2d", (6, 28, 28), 156, 6 * 25 * 28 * 28, 5),
        ("pool1", "AvgPool2d", (6, 14, 14), 0, 0, 6),
        ("conv2", "Conv2d", (16, 10, 10), 2416, 16 * 6 * 25 * 10 * 10, 14),
        ("pool2", "AvgPool2d", (16, 5, 5), 0, 0, 16),
        ("flatten", "Flatten", (400,), 0, 0, 16),
        ("dense1", "Linear", (120,), 48_120, 400 * 120, None),
        ("dense2", "Linear", (84,), 10_164, 120 * 84, None),
        ("head", "Linear", (10,), 850, 84 * 10, None),
    ]
    assert (summary.parameters, summary.macs, summary.receptive_field) == (61_706, 416_520, 16)
    assert summary.layers[0].input_shape == (1, 32, 32)


def test_mlp_sees_everything_from_its_first_layer_on() -> None:
    summary = of("mlp", widths=(256, 128))
    assert summary.parameters == 1024 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10
    assert summary.macs == 1024 * 256 + 256 * 128 + 128 * 10
    assert summary.receptive_field is None
    assert {row.receptive_field for row in summary.layers if row.name != "flatten"} == {None}


@pytest.mark.parametrize(("architecture", "gates"), [("rnn", 1), ("lstm", 4)])
@pytest.mark.parametrize("layers", [1, 3])
def test_recurrent_layers_multiply_at_each_step(architecture: str, gates: int, layers: int) -> None:
    summary = of(architecture, hidden_size=20, layers=layers)
    first, later = gates * 20 * (32 + 20), gates * 20 * (20 + 20)
    assert [(row.name, row.macs) for row in summary.layers] == [
        ("recurrent", 32 * (first + (layers - 1) * later)),
        ("head", 20 * 10),
    ]
    assert summary.layers[0].parameters == first + (layers - 1) * later + layers * gates * 2 * 20
    assert summary.receptive_field is None


@pytest.mark.parametrize("recurrent", [nn.GRU(3, 4, bidirectional=True), nn.LSTM(3, 4, proj_size=2)])
def test_other_recurrent_layers(recurrent: nn.RNNBase) -> None:
    expected = {nn.GRU: 2 * 3 * 4 * (3 + 4), nn.LSTM: 4 * 4 * (3 + 2) + 4 * 2}[type(recurrent)]
    recurrent.batch_first = True
    assert summarize(recurrent, (7, 3)).macs == 7 * expected


def test_tables_have_no_receptive_field() -> None:
    shape = DataShape("regression", "table", (10,), 1)
    summary = of("linear", shape)
    assert [(row.name, row.input_shape, row.receptive_field) for row in summary.layers] == [("head", (10,), None)]


def test_convolutions_of_every_sort() -> None:
    dilated = nn.Conv2d(4, 8, 3, padding="same", dilation=2, groups=2)
    row = summarize(dilated, (4, 9, 9)).layers[0]
    assert (row.macs, row.receptive_field, row.output_shape) == (8 * 2 * 9 * 81, 5, (8, 9, 9))
    row = summarize(nn.Conv1d(2, 3, 4, stride=2), (2, 20)).layers[0]
    assert (row.macs, row.receptive_field, row.output_shape) == (3 * 2 * 4 * 9, 4, (3, 9))
    row = summarize(nn.Conv2d(1, 1, (1, 7)), (1, 20, 20)).layers[0]
    assert (row.macs, row.receptive_field) == (7 * 20 * 14, 7)


def test_receptive_field_of_a_transposed_convolution() -> None:
    up = nn.Sequential(nn.Conv2d(1, 2, 4, stride=4), nn.ConvTranspose2d(2, 1, 4, stride=4), nn.Conv2d(1, 1, 3))
    assert [row.receptive_field for row in summarize(up, (1, 16, 16)).layers] == [4, 4, 6]


class Branches(nn.Module):
    """Two ways, 3 and 5 wide, put beside one another, behind a residual sum and a pooling over everything."""

    def __init__(self) -> None:
        super().__init__()
        self.narrow, self.wide = nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 5, padding=2)
        self.after, self.act, self.head = nn.Conv2d(2, 2, 3, padding=1), nn.ReLU(), nn.Linear(2, 3)
        self.unused = nn.Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        both = self.act(torch.cat([self.wide(x), self.narrow(x)], dim=1))
        both = self.act(self.after(both) + both)
        outputs: Tensor = self.head(functional.adaptive_avg_pool2d(both, 1).flatten(1))
        return outputs


def test_branches_sums_and_layers_used_twice() -> None:
    summary = summarize(Branches(), (1, 12, 12))
    assert [(row.name, row.receptive_field) for row in summary.layers] == [
        ("wide", 5),
        ("narrow", 3),
        ("act", 7),
        ("after", 7),
        ("head", None),
    ]
    assert summary.receptive_field == 7
    assert summary.parameters == 26 + 10 + 38 + 9 + 6
    assert summary.macs == 144 * (25 + 9 + 2 * 2 * 9) + 6


class Shared(nn.Module):
    """A weight of its own, a product outside of any layer, and two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))
        self.first, self.second = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> Tensor:
        places = self.second(self.first(x * self.scale))
        return places @ places.transpose(1, 2)


def test_shared_weights_count_once_and_work_outside_layers_belongs_to_its_module() -> None:
    summary = summarize(Shared(), (5, 4))
    assert summary.parameters == 4 + 16
    assert summary.macs == 2 * 5 * 16 + 5 * 4 * 5
    assert [(row.name, row.macs, row.receptive_field) for row in summary.layers] == [
        ("Shared", 5 * 4 * 5, None),  # every place with every other
        ("first", 80, 1),
        ("second", 80, 1),
    ]


def test_the_module_is_left_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout(0.5)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert summarize(model, (4,)).parameters == 15 + 6
    assert model.training
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_weights_are_not_allocated() -> None:
    with torch.device("meta"):
        huge = nn.Sequential(nn.Flatten(), nn.Linear(10**6, 10**6))  # four terabytes
    assert summarize(huge, (10**6,)).parameters == 10**12 + 10**6


def test_input_that_does_not_fit_is_refused_as_torch_does() -> None:
    for module, shape in (
        (nn.Linear(4, 3), (5,)),
        (nn.Conv2d(3, 4, 3), (1, 8, 8)),
        (nn.Conv2d(1, 4, 9), (1, 8, 8)),
        (nn.MaxPool2d(9), (1, 8, 8)),
    ):
        with pytest.raises(RuntimeError):
            summarize(module, shape)


def test_does_not_import_torchs_compiler() -> None:
    """It would take seconds."""
    code = """
import sys, torch
from tdl_tui.models.build import build
from tdl_tui.registry import ARCHITECTURES, DataShape
from tdl_tui.training.summary import summarize
shape = DataShape("classification", "image", (1, 28, 28), 10)
for entry in ARCHITECTURES:
    if entry.refusal(shape, entry.defaults()):
        continue
    with torch.device("meta"):
        model = build(entry.name, shape)
    summarize(model, shape.input)
print([name for name in ("torch._dynamo", "sympy") if name in sys.modules])
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


SIDES = st.tuples(st.integers(1, 17), st.integers(1, 17))


def agree(operation: Callable[[], object]) -> None:
    """The shortcuts give the shapes that torch's own meta kernels give, count the same, and refuse the same."""
    results = []
    for shortcuts in (True, False):
        trace = tracing.Trace(shortcuts=shortcuts)
        with trace, torch.no_grad():
            try:
                shapes = [tuple(tensor.shape) for tensor in tracing.tensors(operation())]
            except (RuntimeError, IndexError):
                shapes = None
        results.append((shapes, trace.macs if shapes else None))
    assert results[0] == results[1]


def ghost(*shape: int) -> Tensor:
    return torch.empty(shape, device="meta")


@given(
    sides=SIDES,
    window=st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(0, 2), st.integers(1, 3)),
    rounds_up=st.booleans(),
)
@settings(deadline=None, max_examples=100)
def test_shortcuts_of_sliding_windows_are_torchs(
    sides: tuple[int, int], window: tuple[int, int, int, int], rounds_up: bool
) -> None:
    kernel, stride, padding, dilation = window
    x = ghost(1, 4, *sides)
    agree(lambda: functional.conv2d(x, ghost(6, 2, kernel, kernel), ghost(6), stride, padding, dilation, groups=2))
    assume(padding <= kernel // 2)
    agree(lambda: functional.max_pool2d(x, kernel, stride, padding, dilation, ceil_mode=rounds_up))
    agree(lambda: functional.avg_pool2d(x, kernel, stride, padding, ceil_mode=rounds_up))
    agree(lambda: functional.max_pool1d(x[:, :, 0], kernel, stride, padding, dilation, ceil_mode=rounds_up))


@given(
    a=st.lists(st.integers(1, 3), max_size=4).map(tuple),
    b=st.lists(st.integers(1, 3), max_size=4).map(tuple),
    axis=st.integers(-4, 3),
    keep=st.booleans(),
)
@settings(deadline=None, max_examples=100)
def test_shortcuts_of_sums_products_and_joins_are_torchs(
    a: tuple[int, ...], b: tuple[int, ...], axis: int, keep: bool
) -> None:
    agree(lambda: ghost(*a) + ghost(*b))
    agree(lambda: ghost(*a).mul_(ghost(*b)))
    if len(a) in (2, 3) and len(b) in (2, 3):
        agree(lambda: ghost(*a) @ ghost(*b))
    if a and b and -len(a) <= axis < len(a):
        agree(lambda: ghost(*a).mean(axis, keepdim=keep))
        agree(lambda: torch.cat([ghost(*a), ghost(*a[:axis], 2, *a[axis:][1:])], dim=axis))
        agree(lambda: torch.stack([ghost(*a), ghost(*b)], dim=axis))
    if len(a) == 2 and len(b) == 2:
        agree(lambda: functional.linear(ghost(*a), ghost(*b), ghost(b[0])))


@pytest.mark.parametrize(
    "layer",
    [
        nn.BatchNorm2d(4),
        nn.GroupNorm(2, 4),
        nn.LayerNorm((4, 6, 6)),
        nn.AdaptiveAvgPool2d(1),
        nn.AdaptiveAvgPool2d((2, 3)),
        *(nn.ReLU(), nn.ReLU(inplace=True), nn.GELU(), nn.SiLU(), nn.Softplus(), nn.Hardtanh(), nn.LeakyReLU()),
        *(nn.Softmax(1), nn.LogSoftmax(1), nn.LocalResponseNorm(3), nn.Dropout2d()),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_shortcuts_of_whole_layers_are_torchs(layer: nn.Module) -> None:
    x = ghost(1, 4, 6, 6)
    layer.to("meta").eval()
    agree(lambda: layer(x))


@pytest.fixture(scope="module")
def torchvision_models() -> Any:
    return torchvision_import.models()


@pytest.mark.parametrize(
    ("name", "parameters", "millions_of_macs", "receptive_field"),
    [
        ("alexnet", 61_100_840, 714, 195),
        ("vgg16", 138_357_544, 15_470, 212),
        ("resnet18", 11_689_512, 1_814, 435),
        ("resnet50", 25_557_032, 4_089, 427),
    ],
)
def test_published_figures(
    torchvision_models: Any, name: str, parameters: int, millions_of_macs: int, receptive_field: int
) -> None:
    with torch.device("meta"):
        model = getattr(torchvision_models, name)()
    summary = summarize(model, (3, 224, 224))
    assert summary.parameters == parameters
    assert round(summary.macs / 1e6) == millions_of_macs
    assert summary.receptive_field == receptive_field
