"""Freezing layers by name."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

from tdl_tui.models.build import Refused, build
from tdl_tui.models.freeze import freeze
from tdl_tui.registry import DataShape
from tdl_tui.spec import experiment
from tdl_tui.training.assembly import assemble
from tdl_tui.worker.questions import summary

SHAPE = DataShape("classification", "image", (1, 16, 16), 4)


def network() -> nn.Module:
    torch.manual_seed(0)
    return build("cnn", SHAPE, {"channels": (4, 6), "norm": "batch", "dense": (8,)})


def frozen(module: nn.Module) -> set[str]:
    return {name for name, parameter in module.named_parameters() if not parameter.requires_grad}


@pytest.mark.parametrize(
    ("patterns", "names"),
    [
        ("", set()),
        (" , ", set()),
        ("conv1", {"conv1.weight"}),
        ("dense1.bias", {"dense1.bias"}),
        ("conv*", {"conv1.weight", "conv2.weight"}),
        ("norm[12], head.weight", {"norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias", "head.weight"}),
    ],
)
def test_freezes_what_the_patterns_name(patterns: str, names: set[str]) -> None:
    model = network()
    freeze(model, patterns)
    assert frozen(model) == names


def test_a_layer_stands_for_all_that_is_in_it() -> None:
    model = build("resnet_cifar", SHAPE, {"depth": 14})
    freeze(model, "stage?.block2")
    assert frozen(model) == {name for name, _ in model.named_parameters() if ".block2." in name}
    assert len(frozen(model)) == 3 * 6


def test_what_is_frozen_stays_bit_for_bit_and_the_rest_learns() -> None:
    model = network()
    freeze(model, "conv1, norm1")
    for trained in (model, copy.deepcopy(model)):
        before = copy.deepcopy(trained.state_dict())
        optimizer = torch.optim.AdamW(trained.parameters(), lr=0.1, weight_decay=0.1)
        for _ in range(3):
            loss = functional.cross_entropy(trained.train()(torch.randn(8, 1, 16, 16)), torch.arange(8) % 4)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        same = {name for name, value in trained.state_dict().items() if value.equal(before[name])}
        assert same == {name for name in before if name.startswith(("conv1.", "norm1."))}


def test_batch_normalisation_with_something_to_train_is_trained() -> None:
    model = network()
    freeze(model, "norm1.weight, norm2")
    model.train()
    assert model.get_submodule("norm1").training
    assert not model.get_submodule("norm2").training
    assert not model.eval().get_submodule("norm1").training


@pytest.mark.parametrize(
    ("patterns", "reason"),
    [
        ("conv9", r'^model\.freeze: no layer "conv9" with parameters; nearest: conv'),
        ("conv1, activation*", r'no layer "activation\*" with parameters; nearest: '),
        ("*", r'^model\.freeze: "\*" leaves nothing to train; leave out the head at least$'),
    ],
)
def test_refuses_in_one_line(patterns: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason) as refused:
        freeze(network(), patterns)
    assert "\n" not in str(refused.value)


def test_an_experiment_freezes_its_model(tmp_path: Path) -> None:
    document = {"data": {"dataset": "moons"}, "model": {"architecture": "mlp", "freeze": "hidden1"}}
    model, _ = assemble(experiment(document), tmp_path, torch.device("cpu"))
    assert frozen(model) == {"hidden1.weight", "hidden1.bias"}


def test_whoever_is_choosing_hears_of_a_wrong_name(tmp_path: Path) -> None:
    document = {"data": {"dataset": "moons"}, "model": {"architecture": "mlp", "freeze": "hiden1"}}
    with pytest.raises(Refused, match=r'no layer "hiden1" .*nearest: hidden1'):
        summary(experiment(document), tmp_path, {})
