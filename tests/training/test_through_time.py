"""The gradient by time distance, against networks begun anew at each step, and against what is known in closed form."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy, mse_loss

from tdl_tui.models.build import build
from tdl_tui.models.recurrent import Decoder, Recurrent
from tdl_tui.registry import DataShape
from tdl_tui.training.through_time import gradients_through_time

STEPS, FEATURES = 6, 3
SEQUENCE = DataShape("classification", "sequence", (STEPS, FEATURES), 4)


def network(name: str, shape: DataShape = SEQUENCE, **options: Any) -> Recurrent:
    torch.manual_seed(0)
    model = build(name, shape, {"hidden_size": 5, **options})
    assert isinstance(model, Recurrent)
    return model


def begun_anew(model: Recurrent, x: torch.Tensor, targets: torch.Tensor, t: int) -> list[float]:
    """‖∂L/∂h_t‖ and ‖∂L/∂c_t‖ of a network of one layer, by torch's cells begun anew at t from states of their own."""
    cell: Any = model.recurrent
    head, tail = x[:, : t + 1], x[:, t + 1 :]
    _, state = cell(head)
    leaves = [s.detach().requires_grad_() for s in (state if isinstance(state, tuple) else (state,))]
    if tail.shape[1]:
        _, end = cell(tail, tuple(leaves) if len(leaves) > 1 else leaves[0])
        last = end[0] if isinstance(end, tuple) else end
    else:
        last = leaves[0]
    loss = cross_entropy(model.head(last[-1]), targets)
    found = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
    if len(leaves) == 2:  # what comes of a cell comes of its hidden state, o tanh(c), too
        h, c = (leaf.detach() for leaf in leaves)
        found = found[0], found[1] + found[0] * (h / c.tanh()) * (1 - c.tanh().square())
    return [float(g[0].norm(dim=1).sum()) for g in found]


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm"])
def test_each_step_is_what_a_network_begun_anew_there_says(name: str) -> None:
    model, x, targets = network(name), torch.randn(4, STEPS, FEATURES), torch.tensor([0, 1, 2, 3])
    ((layer, rows),) = gradients_through_time(model, x, targets, cross_entropy)
    assert layer == "l0" and rows.shape == (2 if name == "lstm" else 1, STEPS)
    for t in range(STEPS):
        assert rows[:, t].tolist() == pytest.approx(begun_anew(model, x, targets, t), rel=1e-4, abs=1e-7)


def test_a_linear_network_fades_by_its_weight() -> None:
    model = network("rnn", nonlinearity="relu", hidden_size=1)
    with torch.no_grad():
        for parameter in model.recurrent.parameters():
            parameter.fill_(1.0)
        model.recurrent.weight_hh_l0.fill_(0.5)
    x, targets = torch.ones(2, STEPS, FEATURES), torch.tensor([0, 1])
    ((_, rows),) = gradients_through_time(model, x, targets, cross_entropy)
    torch.testing.assert_close(rows[0, :-1] / rows[0, 1:], torch.full((STEPS - 1,), 0.5))


def test_the_backward_direction_has_its_own_end() -> None:
    model = network("gru", bidirectional=True, layers=2)
    found = dict(gradients_through_time(model, torch.randn(2, STEPS, FEATURES), torch.tensor([0, 1]), cross_entropy))
    assert list(found) == ["l0", "l0_reverse", "l1", "l1_reverse"]
    forward, backward = found["l1"][0], found["l1_reverse"][0]
    assert int(forward.argmax()) == STEPS - 1 and int(backward.argmax()) == 0


@pytest.mark.parametrize(
    ("shape", "targets"),
    [
        (DataShape("classification", "image", (1, 5, 3), 4), torch.tensor([0, 1])),
        (
            DataShape("classification", "text", (5,), 4, ("a", "b", "c", "d"), steps=5),
            torch.zeros(2, 5, dtype=torch.long),
        ),
        (DataShape("regression", "sequence", (5, 2), 1), torch.zeros(2, 1)),
    ],
    ids=["image", "text", "regression"],
)
def test_of_all_that_a_recurrent_network_reads(shape: DataShape, targets: torch.Tensor) -> None:
    x = torch.randint(4, (2, 5)) if shape.kind == "text" else torch.randn(2, *shape.input)
    objective = mse_loss if shape.task == "regression" else cross_entropy
    ((_, rows),) = gradients_through_time(network("lstm", shape), x, targets, objective)
    assert rows.shape == (2, 5) and bool((rows[0] > 0).all())


def test_a_decoders_states_get_what_all_later_steps_lose_by_them() -> None:
    """Against one that is begun anew: of the last state its own step alone, of the first all."""
    shape = DataShape("regression", "table", (2,), 1, steps=4)
    torch.manual_seed(0)
    model = build("rnn_decoder", shape, {"cell": "gru", "hidden_size": 5})
    assert isinstance(model, Decoder)
    x, targets = torch.randn(3, 2), torch.randn(3, 1, 4)
    ((layer, rows),) = gradients_through_time(model, x, targets, mse_loss)
    assert layer == "l0" and rows.shape == (1, 4)
    vectors = model.features(x)
    for t in range(4):
        _, state = model.recurrent(vectors[:, : t + 1], model.start_states(x))
        leaf = state.detach().requires_grad_()
        later = model.recurrent(vectors[:, t + 1 :], leaf)[0] if t < 3 else leaf.new_zeros(3, 0, 5)
        hidden = torch.cat([leaf[-1][:, None], later], dim=1)
        loss = (model.head(hidden).transpose(1, 2) - targets[..., t:]).square().sum() / targets.numel()
        (found,) = torch.autograd.grad(loss, leaf)
        assert float(rows[0, t]) == pytest.approx(float(found[0].norm(dim=1).sum()), rel=1e-4)


def test_frozen_or_not_it_leaves_nothing_behind() -> None:
    model = network("lstm", dropout=0.5, layers=2)
    for parameter in model.recurrent.parameters():
        parameter.requires_grad = False
    with torch.no_grad():
        x, state = torch.randn(2, STEPS, FEATURES), torch.get_rng_state()
        found = dict(gradients_through_time(model, x, torch.tensor([0, 1]), cross_entropy))
    assert bool((found["l0"] > 0).any())
    assert model.training and all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(state, torch.get_rng_state())
