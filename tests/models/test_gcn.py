"""The graph convolutional network against its formula in numpy, and the club against networkx."""

from __future__ import annotations

import statistics
from pathlib import Path

import networkx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tdl_tui.data.dataset import Dataset
from tdl_tui.models.build import build
from tdl_tui.models.gcn import GCN, normalised
from tdl_tui.registry import DATASETS, DataShape, Value
from tdl_tui.training.summary import summarize

SHAPE = DataShape("classification", "graph", (1,), 3, graph=(7, 5))


def graph(nodes: int = 7, features: int = 5, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(nodes, nodes, generator=generator).triu(1)
    weights = weights * (torch.rand(nodes, nodes, generator=generator) < 0.4)
    return {"adjacency": weights + weights.T, "features": torch.randn(nodes, features, generator=generator)}


def seeded(shape: DataShape = SHAPE, seed: int = 0, **options: Value) -> GCN:
    torch.manual_seed(seed)
    model = build("gcn", shape, options)
    assert isinstance(model, GCN)
    return model


def karate(**options: Value) -> Dataset:
    entry = DATASETS["karate"]
    dataset: Dataset = entry.load()({**entry.defaults(), **options}, Path())
    return dataset


def test_answers_are_the_formula_of_the_paper() -> None:
    model, context = seeded(widths=(4,)), graph()
    model.see(context)
    first, second = (parameter.detach().numpy() for parameter in model.parameters())
    looped = context["adjacency"].numpy() + np.eye(7)
    inverse_root = np.diag(looped.sum(1) ** -0.5)
    propagation = inverse_root @ looped @ inverse_root
    hidden = np.maximum(propagation @ context["features"].numpy() @ first, 0)
    nodes = torch.tensor([[3], [0], [3], [6]])
    with torch.no_grad():
        np.testing.assert_allclose(model(nodes), (propagation @ hidden @ second)[nodes[:, 0]], rtol=1e-4, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(nodes=st.integers(1, 12), seed=st.integers(0, 1000))
def test_propagation_is_symmetric_and_never_amplifies(nodes: int, seed: int) -> None:
    propagation = normalised(graph(nodes, seed=seed)["adjacency"].double())
    torch.testing.assert_close(propagation, propagation.T)
    eigenvalues = torch.linalg.eigvalsh(propagation)
    assert eigenvalues.abs().max().item() == pytest.approx(1)
    assert eigenvalues.min().item() > -1


def test_numbering_the_nodes_otherwise_changes_nothing() -> None:
    model, context, order = seeded(widths=(4, 6)), graph(), torch.randperm(7)
    model.see(context)
    everyone = torch.arange(7)[:, None]
    before = model(everyone)
    model.see({"adjacency": context["adjacency"][order][:, order], "features": context["features"][order]})
    torch.testing.assert_close(model(everyone), before[order])


def test_a_node_hears_of_others_as_far_away_as_there_are_convolutions() -> None:
    path = torch.diag(torch.ones(6), 1)
    model = seeded(widths=(4,), activation="tanh")
    model.see({"adjacency": path + path.T, "features": torch.ones(7, 5)})
    model.features.requires_grad_()
    model(torch.tensor([[3]])).sum().backward()
    assert model.features.grad is not None
    assert model.features.grad.any(dim=1).tolist() == [False, True, True, True, True, True, False]


def test_has_to_see_its_graph_first() -> None:
    model = seeded()
    with pytest.raises(RuntimeError, match="has not seen its graph"):
        model(torch.tensor([[0]]))
    with pytest.raises(ValueError, match=r"a graph of \(6, 6\) and \(6, 5\), the data said \(7, 7\) and \(7, 5\)"):
        model.see(graph(6))
    one_way = torch.zeros(7, 7)
    one_way[0, 1] = 1
    for wrong in (one_way, -one_way - one_way.T):
        with pytest.raises(ValueError, match="at least 0, and the same both ways"):
            model.see({"adjacency": wrong, "features": torch.zeros(7, 5)})


def test_weights_are_kept_without_the_graph() -> None:
    model, other = seeded(), seeded(seed=1)
    before = [*model.state_dict()]
    for network in (model, other):
        network.see(graph())
    assert [*model.state_dict()] == before == ["hidden.0.weight", "head.weight"]
    other.load_state_dict(model.state_dict())
    nodes = torch.arange(7)[:, None]
    assert other(nodes).equal(model(nodes))


def test_shapes_are_known_on_the_meta_device_before_a_graph_is_seen() -> None:
    with torch.device("meta"):
        model = build("gcn", SHAPE)
        assert model(torch.zeros(4, 1, dtype=torch.int64)).shape == (4, 3)


def test_products_are_counted_for_the_whole_graph() -> None:
    with torch.device("meta"):
        found = summarize(build("gcn", SHAPE, {"widths": (4,)}), SHAPE.input, torch.int64)
    assert found.macs == 7 * 5 * 4 + 7 * 7 * 4 + 7 * 4 * 3 + 7 * 7 * 3
    assert found.parameters == 5 * 4 + 4 * 3


@pytest.mark.parametrize("weighted", [True, False])
def test_karate_is_the_club_of_networkx(weighted: bool) -> None:
    club = networkx.karate_club_graph()
    theirs = networkx.to_numpy_array(club, weight="weight" if weighted else None)
    dataset = karate(weighted=weighted)
    np.testing.assert_array_equal(dataset.context["adjacency"], theirs)
    assert dataset.context["features"].equal(torch.eye(34))
    sides = [dataset.shape.classes[target] for target in dataset.targets]
    assert sides == [club.nodes[node]["club"] for node in dataset.inputs[:, 0].tolist()]


def test_karate_knows_the_leaders_sides_alone() -> None:
    dataset = karate()
    assert dataset.inputs[: dataset.shape.fixed_train, 0].tolist() == [0, 33]
    assert dataset.targets[:2].tolist() == [0, 1]
    assert dataset.inputs[:, 0].sort().values.tolist() == list(range(34))
    assert dataset.shape.fixed_train + dataset.fixed_test == len(dataset)


def right(seed: int) -> int:
    """Members of the club whose side a GCN with our defaults tells, after the recipe's 200 full steps."""
    dataset = karate()
    model = seeded(dataset.shape, seed)
    model.see(dataset.context)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(200):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(dataset.inputs[:2]), dataset.targets[:2]).backward()
        optimizer.step()
    with torch.no_grad():
        return int((model(dataset.inputs).argmax(1) == dataset.targets).sum())


def test_from_two_sides_a_gcn_tells_those_of_33_members() -> None:
    assert statistics.median(right(seed) for seed in range(3)) >= 33
