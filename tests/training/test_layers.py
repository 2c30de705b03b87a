from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from tdl_tui.training.layers import Heard, activation_statistics, layers, listening


def net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 5), nn.Tanh(), nn.Linear(5, 2)
    )


def test_a_layer_owns_its_weight_and_bias() -> None:
    found = layers(net())
    assert [layer.name for layer in found] == ["0", "1", "4", "6"]
    assert [len(layer.parameters) for layer in found] == [2, 2, 2, 2]


def test_a_shared_parameter_belongs_to_the_first_and_a_frozen_one_to_none() -> None:
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    for parameter in model[2].parameters():
        parameter.requires_grad = False
    assert [layer.name for layer in layers(model)] == ["0"]


def test_a_model_that_is_one_layer_is_called_by_its_kind() -> None:
    assert [layer.name for layer in layers(nn.Linear(2, 2))] == ["linear"]


def test_a_layer_is_heard_behind_its_activation() -> None:
    torch.manual_seed(0)
    model = net().eval()
    found = layers(model)
    pictures = torch.randn(4, 1, 8, 8)
    with torch.no_grad(), listening(model, found) as heard:
        model(pictures)
        expected = [model[:n](pictures) for n in (1, 3, 6, 7)]
    assert list(heard) == [0, 1, 2, 3]
    assert all(torch.equal(heard[i].outputs, expected[i]) for i in range(4))
    assert [heard[i].limits for i in range(4)] == [None, None, (-1.0, 1.0), None]
    assert not any(module._forward_hooks for module in model.modules())


def test_hooks_go_when_the_pass_fails() -> None:
    model = net()
    with pytest.raises(RuntimeError), listening(model, layers(model)):
        model(torch.randn(4, 7))
    assert not any(module._forward_hooks for module in model.modules())


def test_statistics_of_units_that_never_open() -> None:
    values = torch.tensor([[0.0, 1.0, 2.0], [0.0, 3.0, 2.0]])
    mean, deviation, dead, saturated = activation_statistics(Heard(nn.Linear(1, 1), values, None)).tolist()
    assert mean == pytest.approx(8 / 6)
    assert deviation == pytest.approx(float(values.std(correction=0)))
    assert dead == pytest.approx(2 / 3)  # the first and the last give the same for both examples
    assert math.isnan(saturated)


@pytest.mark.parametrize(("function", "slope"), [(torch.sigmoid, 0.25), (torch.tanh, 1.0)])
def test_what_is_saturated_has_less_than_a_fifth_of_the_steepest_slope(
    function: Callable[[torch.Tensor], torch.Tensor], slope: float
) -> None:
    x = torch.linspace(-6, 6, 4000).requires_grad_()
    (slopes,) = torch.autograd.grad(function(x).sum(), x)
    flat = float((slopes < 0.19 * slope).float().mean())
    model = nn.Sequential(nn.Linear(1, 1), nn.Sigmoid() if function is torch.sigmoid else nn.Tanh())
    nn.init.ones_(model[0].weight)
    nn.init.zeros_(model[0].bias)
    with torch.no_grad(), listening(model, layers(model)) as heard:
        model(x[:, None])
    assert float(activation_statistics(heard[0])[3]) == pytest.approx(flat, abs=2e-3)


def test_the_states_of_an_elman_network_can_be_saturated() -> None:
    torch.manual_seed(0)
    model = nn.RNN(1, 3, batch_first=True)
    with torch.no_grad(), listening(model, layers(model)) as heard:
        model(1e6 * torch.randn(2, 4, 1))
    assert float(activation_statistics(heard[0])[3]) == 1.0


def test_a_unit_is_a_channel_of_a_convolution_and_a_feature_of_a_sequence() -> None:
    values = torch.randn(4, 3, 5, 5)
    values[:, 1] = 0
    assert float(activation_statistics(Heard(nn.Conv2d(1, 3, 3), values, None))[2]) == pytest.approx(1 / 3)
    values = torch.randn(4, 7, 5)
    values[..., 2] = -1
    assert float(activation_statistics(Heard(nn.LSTM(1, 5), values, None))[2]) == pytest.approx(1 / 5)


def test_recurrent_layers_are_heard() -> None:
    model = nn.LSTM(3, 4, batch_first=True)
    with torch.no_grad(), listening(model, layers(model)) as heard:
        outputs, _ = model(torch.randn(2, 5, 3))
    assert torch.equal(heard[0].outputs, outputs)
