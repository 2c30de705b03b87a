"""Cell by cell gives what torch's fused layers give, with gates that make up the states."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tdl_tui.models.build import build
from tdl_tui.models.recurrent import Decoder, Recurrent
from tdl_tui.models.unrolled import Core, unroll
from tdl_tui.registry import DataShape

CORES: dict[str, tuple[type[Core], dict[str, Any]]] = {
    "tanh": (nn.RNN, {"nonlinearity": "tanh"}),
    "relu": (nn.RNN, {"nonlinearity": "relu"}),
    "gru": (nn.GRU, {}),
    "lstm": (nn.LSTM, {}),
}


def core(name: str, features: int = 3, hidden: int = 4, **options: Any) -> Core:
    torch.manual_seed(0)
    kind, own = CORES[name]
    return kind(features, hidden, batch_first=True, **own, **options)


def agree(ours: Tensor | None, theirs: Tensor) -> None:
    assert ours is not None
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


@settings(max_examples=15, deadline=None)
@given(
    layers=st.integers(1, 3),
    bidirectional=st.booleans(),
    bias=st.booleans(),
    sizes=st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 5), st.integers(1, 6)),
)
@pytest.mark.parametrize("name", CORES)
def test_states_are_those_of_the_fused_layer(
    name: str, layers: int, bidirectional: bool, bias: bool, sizes: tuple[int, int, int, int]
) -> None:
    count, steps, features, hidden = sizes
    fused = core(name, features, hidden, num_layers=layers, bidirectional=bidirectional, bias=bias)
    x = torch.randn(count, steps, features)
    outputs, state = fused(x)
    unrolled = unroll(fused, x)
    sides = 2 if bidirectional else 1
    assert [(one.layer, one.backward) for one in unrolled] == [
        (layer, side == 1) for layer in range(layers) for side in range(sides)
    ]
    agree(torch.cat([one.h for one in unrolled[-sides:]], dim=2), outputs)
    last_h, last_c = state if name == "lstm" else (state, None)
    for place, one in enumerate(unrolled):
        end = 0 if one.backward else -1
        agree(one.h[:, end], last_h[place])
        if last_c is None:
            assert one.c is None
        else:
            assert one.c is not None
            agree(one.c[:, end], last_c[place])


def before(states: Tensor) -> Tensor:
    return torch.cat([torch.zeros_like(states[:, :1]), states[:, :-1]], dim=1)


def test_an_lstms_gates_make_up_its_states() -> None:
    (one,) = unroll(core("lstm"), torch.randn(2, 6, 3))
    assert set(one.gates) == {"i", "f", "o", "g"}
    assert one.c is not None
    torch.testing.assert_close(one.c, one.gates["f"] * before(one.c) + one.gates["i"] * one.gates["g"])
    torch.testing.assert_close(one.h, one.gates["o"] * one.c.tanh())


def test_a_grus_gates_make_up_its_states() -> None:
    (one,) = unroll(core("gru"), torch.randn(2, 6, 3))
    assert set(one.gates) == {"r", "z", "n"}
    z, n = one.gates["z"], one.gates["n"]
    torch.testing.assert_close(one.h, (1 - z) * n + z * before(one.h))


@pytest.mark.parametrize(("gate", "place"), [("i", 0), ("f", 1), ("g", 2), ("o", 3)])
def test_each_gate_of_an_lstm_is_moved_by_its_own_bias(gate: str, place: int) -> None:
    lstm, x = core("lstm"), torch.randn(2, 1, 3)
    (plain,) = unroll(lstm, x)
    with torch.no_grad():
        lstm.bias_ih_l0[4 * place : 4 * place + 4] += 3
    (moved,) = unroll(lstm, x)
    for other in ("i", "f", "g", "o"):
        assert bool((moved.gates[other] > plain.gates[other]).all()) == (other == gate)


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize(
    "shape",
    [
        DataShape("classification", "sequence", (5, 3), 4),
        DataShape("classification", "image", (2, 5, 3), 4),
        DataShape("classification", "text", (5,), 4, ("a", "b", "c", "d"), steps=5),
    ],
    ids=lambda shape: shape.kind,
)
def test_our_networks_are_unrolled_from_what_they_take(name: str, shape: DataShape) -> None:
    model = build(name, shape, {"hidden_size": 6, "layers": 2, "dropout": 0.5}).eval()
    assert isinstance(model, Recurrent)
    x = torch.randint(4, (3, 5)) if shape.kind == "text" else torch.randn(3, *shape.input)
    hidden = unroll(model, x)[-1].h
    outputs = model.head(hidden).transpose(1, 2) if shape.steps else model.head(hidden[:, -1])
    agree(outputs, model(x))


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_decoder_is_unrolled_from_its_own_first_states(cell: str) -> None:
    shape = DataShape("regression", "table", (3,), 2, steps=5)
    torch.manual_seed(0)
    model = build("rnn_decoder", shape, {"cell": cell, "hidden_size": 6, "layers": 2}).eval()
    assert isinstance(model, Decoder)
    x = torch.randn(4, 3)
    top = unroll(model, x)[-1]
    agree(model.head(top.h).transpose(1, 2), model(x))


def test_gradients_are_those_of_the_fused_layer() -> None:
    fused, x = core("lstm", num_layers=2), torch.randn(2, 6, 3)
    theirs = torch.autograd.grad(fused(x)[0].square().sum(), [*fused.parameters()])
    ours = torch.autograd.grad(unroll(fused, x)[-1].h.square().sum(), [*fused.parameters()])
    torch.testing.assert_close(ours, theirs)


def test_refuses_other_networks() -> None:
    with pytest.raises(TypeError, match="Linear cannot be unrolled"):
        unroll(nn.Linear(3, 3), torch.zeros(1, 2, 3))  # type: ignore[arg-type]  # that is the test
    with pytest.raises(TypeError, match="without projections"):
        unroll(nn.LSTM(3, 4, proj_size=2), torch.zeros(1, 2, 3))
