from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from tdl_tui.training.averaging import WeightAverage


def net() -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    model[0].bias.requires_grad_(False)
    return model


def move(model: nn.Module) -> None:
    model(torch.randn(5, 2))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter))


def test_at_first_it_is_the_plain_mean() -> None:
    model = net()
    average, expected = WeightAverage(model, 0.999), AveragedModel(model)
    for step in range(1, 30):
        move(model)
        average.update(step)
        expected.update_parameters(model)
    torch.testing.assert_close(list(average.model.parameters()), list(expected.module.parameters()))


def test_then_each_step_keeps_its_share() -> None:
    model = net()
    average = WeightAverage(model, 0.75)
    expected = torch.zeros(1, 3)
    for step in range(1, 30):
        move(model)
        average.update(step)
        share = max(0.25, 1 / step)
        expected = expected + share * (model[2].weight.detach() - expected)
    weight = average.model.get_parameter("2.weight")
    torch.testing.assert_close(weight.detach(), expected)


def test_buffers_are_those_of_the_trained_model() -> None:
    model = net()
    average = WeightAverage(model, 0.9)
    move(model)
    average.update(1)
    move(model)
    buffers = dict(model.named_buffers())
    assert all(torch.equal(buffer, buffers[name]) for name, buffer in average.model.named_buffers())
    assert not torch.equal(average.model.get_parameter("2.weight"), model.get_parameter("2.weight"))


@pytest.mark.parametrize("decay", [0.5, 0.99])
def test_it_goes_on_from_where_it_was(decay: float) -> None:
    model = net()
    whole = WeightAverage(model, decay)
    for step in range(1, 9):
        move(model)
        whole.update(step)
    kept = WeightAverage(model, decay)
    kept.restore(whole.model.state_dict())
    move(model)
    for average in (whole, kept):
        average.update(9)
    assert all(map(torch.equal, whole.model.parameters(), kept.model.parameters()))
