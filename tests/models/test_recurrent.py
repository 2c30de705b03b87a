"""Recurrent networks: gates, directions and readouts against torch's own layers, and answers at each step."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tdl_tui.models.build import Refused, build
from tdl_tui.models.recurrent import Recurrent
from tdl_tui.registry import DataShape, Value

NAMES = ("rnn", "gru", "lstm")
FUSED: dict[str, type[nn.RNN | nn.GRU | nn.LSTM]] = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
SEQUENCE = DataShape("classification", "sequence", (7, 3), 4)
TAGGED = DataShape("classification", "sequence", (7, 3), 4, steps=7)
LAST_TWO = DataShape("classification", "sequence", (7, 3), 4, steps=2)
TEXT = DataShape("classification", "text", (7,), 5, tuple("abcde"), steps=7)
READ_TEXT = DataShape("classification", "text", (7,), 5, tuple("abcde"))
ROW = DataShape("classification", "table", (3,), 4, steps=6)


def seeded(name: str, shape: DataShape = SEQUENCE, **options: Value) -> nn.Module:
    torch.manual_seed(0)
    return build(name, shape, {"hidden_size": 6, **options})


def test_gru_is_the_recurrence_of_its_docstring() -> None:
    model = seeded("gru")
    w = {name.removeprefix("recurrent."): value for name, value in model.state_dict().items()}
    x, h = torch.randn(2, 7, 3), torch.zeros(2, 6)
    for step in range(7):
        r_x, z_x, n_x = (x[:, step] @ w["weight_ih_l0"].T + w["bias_ih_l0"]).chunk(3, dim=1)
        r_h, z_h, n_h = (h @ w["weight_hh_l0"].T + w["bias_hh_l0"]).chunk(3, dim=1)
        r, z = (r_x + r_h).sigmoid(), (z_x + z_h).sigmoid()
        h = (1 - z) * (n_x + r * n_h).tanh() + z * h
    torch.testing.assert_close(model(x), h @ w["head.weight"].T + w["head.bias"])


@pytest.mark.parametrize("name", NAMES)
def test_weights_and_answers_are_bit_for_bit_those_of_a_fused_layer_and_a_linear_one(name: str) -> None:
    model = seeded(name)
    torch.manual_seed(0)
    fused, head = FUSED[name](3, 6, batch_first=True), nn.Linear(6, 4)
    x = torch.randn(5, 7, 3)
    _, state = fused(x)
    assert model(x).equal(head((state[0] if name == "lstm" else state)[-1]))
    assert [name.partition(".")[0] for name in model.state_dict()] == ["recurrent"] * 4 + ["head"] * 2


@pytest.mark.parametrize("name", NAMES)
def test_both_directions_are_read_at_their_ends(name: str) -> None:
    model, x = seeded(name, bidirectional=True, layers=2), torch.randn(5, 7, 3)
    assert isinstance(model, Recurrent)
    hidden, _ = model.recurrent(x)
    torch.testing.assert_close(model(x), model.head(torch.cat([hidden[:, -1, :6], hidden[:, 0, 6:]], dim=1)))


@pytest.mark.parametrize("name", NAMES)
def test_readout_all_reads_every_step(name: str) -> None:
    model, x = seeded(name, bidirectional=True, readout="all"), torch.randn(5, 7, 3)
    assert isinstance(model, Recurrent)
    assert model.head.in_features == 7 * 2 * 6
    torch.testing.assert_close(model(x), model.head(model.recurrent(x)[0].reshape(5, -1)))


def test_relu_is_a_choice() -> None:
    tanh, relu, x = seeded("rnn"), seeded("rnn", nonlinearity="relu"), 3 * torch.randn(5, 7, 3)
    assert isinstance(tanh, Recurrent) and isinstance(relu, Recurrent)
    assert tanh.recurrent(x)[0].min() < 0 <= relu.recurrent(x)[0].min()
    assert tanh.recurrent(x)[0].max() <= 1 < relu.recurrent(x)[0].max()


def test_identity_initialisation_keeps_a_state_where_nothing_comes_in() -> None:
    model = seeded("rnn", init="identity", nonlinearity="relu", layers=2, bidirectional=True)
    assert isinstance(model, Recurrent)
    core = model.recurrent
    start = torch.rand(4, 2, 6)
    first_layer = core(torch.zeros(2, 7, 3), start)[1][:2]
    torch.testing.assert_close(first_layer, start[:2])
    assert not any(bool(value.any()) for name, value in core.named_parameters() if name.startswith("bias"))


def test_forget_bias_moves_the_forget_gates_alone() -> None:
    plain, moved = (seeded("lstm", layers=2, bidirectional=True, forget_bias=bias) for bias in (0.0, 1.5))
    forget = slice(6, 12)
    for (name, before), (_, after) in zip(plain.state_dict().items(), moved.state_dict().items(), strict=True):
        expected = before.clone()
        if "bias_ih" in name:
            expected[forget] += 1.5
        assert after.equal(expected), name


@pytest.mark.parametrize("name", NAMES)
def test_answers_at_each_of_the_last_steps(name: str) -> None:
    x = torch.randn(5, 7, 3)
    every, last_two = seeded(name, TAGGED), seeded(name, LAST_TWO)
    last_two.load_state_dict(every.state_dict())
    assert every(x).shape == (5, 4, 7)
    torch.testing.assert_close(last_two(x), every(x)[:, :, -2:])
    once = seeded(name)
    once.load_state_dict(every.state_dict())
    torch.testing.assert_close(every(x)[:, :, -1], once(x))


@pytest.mark.parametrize("name", NAMES)
def test_next_tokens_are_told_from_what_stands_before_them(name: str) -> None:
    model, text = seeded(name, TEXT, layers=2), torch.randint(5, (3, 7))
    changed = text.clone()
    changed[:, 4] = (text[:, 4] + 1) % 5
    before, after = model(text), model(changed)
    assert before.shape == (3, 5, 7)
    torch.testing.assert_close(after[:, :, :4], before[:, :, :4])
    assert not after[:, :, 4:].isclose(before[:, :, 4:]).all(dim=1).any()


@pytest.mark.parametrize("name", NAMES)
def test_a_text_is_classified_from_its_vectors(name: str) -> None:
    model, text = seeded(name, READ_TEXT, bidirectional=True, embedding=9), torch.randint(5, (3, 7))
    assert isinstance(model, Recurrent)
    assert model.embedding.weight.shape == (5, 9)
    assert model(text).shape == (3, 5)


def test_dropout_is_between_layers_and_in_training_alone() -> None:
    model, x = seeded("lstm", layers=2, dropout=0.5), torch.randn(5, 7, 3)
    assert not model(x).equal(model(x))
    assert model.eval()(x).equal(seeded("lstm", layers=2).eval()(x))


@pytest.mark.parametrize(
    ("shape", "options", "reason"),
    [
        (SEQUENCE, {"dropout": 0.1}, "drops between layers, and has one"),
        (TEXT, {"bidirectional": True}, "would read the next token from the end: set bidirectional to false"),
        (TAGGED, {"readout": "all"}, 'set readout to "last"'),
        (DataShape("classification", "sequence", (7, 3), 4, steps=8), {}, "answers at the 7 steps .* targets at 8"),
        (DataShape("classification", "image", (1, 5, 9), 4, steps=6), {}, "answers at the 5 steps .* targets at 6"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_refuses_what_it_cannot_do(name: str, shape: DataShape, options: dict[str, Value], reason: str) -> None:
    with pytest.raises(Refused, match=f"^{name} .*{reason}"):
        build(name, shape, options)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_decoder_writes_a_sequence_from_a_row(cell: str) -> None:
    model, x = seeded("rnn_decoder", ROW, cell=cell, layers=2), torch.randn(5, 3)
    weights = model.state_dict()
    h = (x @ weights["start.weight"].T + weights["start.bias"]).tanh().view(5, 2, 6).transpose(0, 1).contiguous()
    core = model.get_submodule("recurrent")
    state = (h, torch.zeros(2, 5, 6)) if cell == "lstm" else h
    steps = []
    for _ in range(6):
        hidden, state = core(x[:, None], state)
        steps.append(hidden[:, 0] @ weights["head.weight"].T + weights["head.bias"])
    assert model(x).shape == (5, 4, 6)
    torch.testing.assert_close(model(x), torch.stack(steps, dim=2))


def test_a_decoder_learns_to_say_each_row_its_own_sequence() -> None:
    model, rows = seeded("rnn_decoder", ROW, hidden_size=16), torch.eye(3)
    sequences = torch.tensor([[0, 1, 2, 3, 0, 1], [3, 3, 1, 1, 0, 2], [2, 0, 0, 1, 3, 3]])
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-2)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(rows), sequences).backward()
        optimizer.step()
    assert model(rows).argmax(1).equal(sequences)


def test_a_decoder_needs_steps_to_write() -> None:
    with pytest.raises(Refused, match="rnn_decoder writes a sequence, the data have one target an example"):
        build("rnn_decoder", DataShape("classification", "table", (3,), 4))
