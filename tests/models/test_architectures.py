"""What each architecture in particular promises."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tdl_tui.models.build import Refused, build
from tdl_tui.models.layers import ACTIVATIONS, DENSE_NORMS
from tdl_tui.models.recurrent import as_sequence
from tdl_tui.registry import ARCHITECTURES, DataShape, UnknownName

DIGIT = DataShape("classification", "image", (1, 28, 28), 10)
PADDED_DIGIT = DataShape("classification", "image", (1, 32, 32), 10)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("shape", [DIGIT, PADDED_DIGIT])
def test_lenet5_has_the_parameters_of_the_paper(shape: DataShape) -> None:
    assert count(build("lenet5", shape)) == 61_706


def test_lenet5_pads_28_to_32_with_zeros() -> None:
    torch.manual_seed(0)
    small = build("lenet5", DIGIT)
    large = build("lenet5", PADDED_DIGIT)
    large.load_state_dict(small.state_dict())
    digits = torch.randn(3, 1, 28, 28)
    torch.testing.assert_close(large(nn.functional.pad(digits, (2, 2, 2, 2))), small(digits))


@pytest.mark.parametrize(("height", "width"), [(28, 28), (28, 32), (29, 31), (32, 64), (33, 45), (224, 224)])
def test_lenet5_adapts_to_every_size_from_28_on(height: int, width: int) -> None:
    shape = DataShape("classification", "image", (3, height, width), 7)
    assert build("lenet5", shape)(torch.zeros(2, 3, height, width)).shape == (2, 7)


def test_lenet5_refuses_small_pictures_and_says_what_helps() -> None:
    with pytest.raises(Refused, match=r"at least 28×28, these are 8×8 .*image_size"):
        build("lenet5", DataShape("classification", "image", (1, 8, 8), 10))


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("pooling", ["max", "average"])
def test_lenet5_is_the_plain_stack_of_its_layers(activation: str, pooling: str) -> None:
    torch.manual_seed(0)
    ours = build("lenet5", DIGIT, {"activation": activation, "pooling": pooling})
    squash = {"relu": nn.ReLU, "tanh": nn.Tanh}[activation]
    pool = {"max": nn.MaxPool2d, "average": nn.AvgPool2d}[pooling]
    plain = nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), squash(), pool(2), nn.Conv2d(6, 16, 5), squash(), pool(2), nn.Flatten()),
        *(nn.Linear(400, 120), squash(), nn.Linear(120, 84), squash(), nn.Linear(84, 10)),
    )
    plain.load_state_dict(dict(zip(plain.state_dict(), ours.state_dict().values(), strict=True)))
    digits = torch.randn(5, 1, 28, 28)
    torch.testing.assert_close(ours(digits), plain(digits))


def test_lenet5_keeps_channels_last_through_its_convolutions() -> None:
    model = build("lenet5", DataShape("classification", "image", (3, 32, 32), 10))
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs leave it out
    seen: list[bool] = []
    for layer in model.children():
        if isinstance(layer, nn.Flatten):
            break
        layer.register_forward_hook(
            lambda layer, inputs, outputs: seen.append(outputs.is_contiguous(memory_format=torch.channels_last))
        )
    model(torch.randn(4, 3, 32, 32).to(memory_format=torch.channels_last))
    assert seen == [True] * 6


def test_mlp_layers_stand_in_order() -> None:
    model = build("mlp", DIGIT, {"widths": (20, 10), "activation": "tanh", "norm": "batch", "dropout": 0.25})
    assert [(name, type(layer).__name__) for name, layer in model.named_children()] == [
        ("flatten", "Flatten"),
        ("hidden1", "Linear"),
        ("norm1", "BatchNorm1d"),
        ("activation1", "Tanh"),
        ("dropout1", "Dropout"),
        ("hidden2", "Linear"),
        ("norm2", "BatchNorm1d"),
        ("activation2", "Tanh"),
        ("dropout2", "Dropout"),
        ("head", "Linear"),
    ]
    assert count(model) == 784 * 20 + 20 + 2 * 20 + 20 * 10 + 10 + 2 * 10 + 10 * 10 + 10


def test_mlp_of_the_benchmarks() -> None:
    assert count(build("mlp", DIGIT, {"widths": (256, 128)})) == 784 * 256 + 256 + 256 * 128 + 128 + 128 * 10 + 10


def test_catalog_and_layers_name_the_same_choices() -> None:
    options = {option.name: option.choices for option in ARCHITECTURES["mlp"].options}
    assert set(options["activation"]) == set(ACTIVATIONS)
    assert set(options["norm"]) == {"none", *DENSE_NORMS}


def test_softmax_regression_refuses_regression() -> None:
    with pytest.raises(Refused, match=r'predicts classes.*"linear"'):
        build("softmax_regression", DataShape("regression", "table", (10,), 1))


def test_pictures_are_read_row_by_row() -> None:
    pictures = torch.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    rows = as_sequence(pictures)
    assert rows.shape == (2, 4, 15)
    for channel in range(3):
        assert rows[1, 2, 5 * channel : 5 * channel + 5].equal(pictures[1, channel, 2])


def test_rows_of_one_channel_are_not_copied() -> None:
    pictures = torch.zeros(2, 1, 28, 28)
    assert as_sequence(pictures).data_ptr() == pictures.data_ptr()
    assert as_sequence(pictures).is_contiguous()


def sequence(features: int = 3) -> DataShape:
    return DataShape("classification", "sequence", (7, features), 4)


def test_rnn_is_the_recurrence_of_its_docstring() -> None:
    torch.manual_seed(0)
    model = build("rnn", sequence(), {"hidden_size": 5})
    weights = model.state_dict()
    inputs = torch.randn(2, 7, 3)
    hidden = torch.zeros(2, 5)
    for step in range(7):
        hidden = torch.tanh(
            hidden @ weights["recurrent.weight_hh_l0"].T
            + weights["recurrent.bias_hh_l0"]
            + inputs[:, step] @ weights["recurrent.weight_ih_l0"].T
            + weights["recurrent.bias_ih_l0"]
        )
    torch.testing.assert_close(model(inputs), hidden @ weights["head.weight"].T + weights["head.bias"])


def test_lstm_is_the_recurrence_of_its_docstring() -> None:
    torch.manual_seed(0)
    model = build("lstm", sequence(), {"hidden_size": 5, "layers": 2})
    weights = model.state_dict()
    inputs = torch.randn(2, 7, 3)
    steps = [inputs[:, step] for step in range(7)]
    for layer in range(2):
        hidden = cell = torch.zeros(2, 5)
        for step, x in enumerate(steps):
            gates = (
                hidden @ weights[f"recurrent.weight_hh_l{layer}"].T
                + weights[f"recurrent.bias_hh_l{layer}"]
                + x @ weights[f"recurrent.weight_ih_l{layer}"].T
                + weights[f"recurrent.bias_ih_l{layer}"]
            )
            i, f, g, o = gates.chunk(4, dim=1)
            cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
            hidden = o.sigmoid() * cell.tanh()
            steps[step] = hidden
    torch.testing.assert_close(model(inputs), hidden @ weights["head.weight"].T + weights["head.bias"])


def test_unknown_architecture_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="lenet5"):
        build("lenet", DIGIT)
