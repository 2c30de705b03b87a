"""Text that a network writes: each token from the distribution that it gives, at the cost of one step."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tdl_tui.models.build import build
from tdl_tui.models.sampling import sample
from tdl_tui.registry import DataShape

LETTERS = tuple("abcdef")
TEXT = DataShape("classification", "text", (7,), 6, LETTERS, steps=7)
CORES = ("rnn", "gru", "lstm")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def writer(core: str = "lstm", **options: Any) -> nn.Module:
    torch.manual_seed(0)
    return build(core, TEXT, {"hidden_size": 16, "embedding": 5, **options}).eval()


class Fixed(nn.Module):
    """Always the same logits; counts what it reads."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)
        self.read: list[int] = []

    def advance(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        self.read.append(tokens.shape[1])
        return self.logits[None, :, None].expand(len(tokens), -1, tokens.shape[1]), state


@pytest.mark.parametrize("core", CORES)
def test_the_likeliest_token_each_time_is_that_of_reading_everything_again(core: str) -> None:
    model, prompt = writer(core, layers=2), torch.tensor([0, 3, 1])
    expected = prompt
    for _ in range(10):
        logits, _ = model.advance(expected[None])
        expected = torch.cat([expected, logits[0, :, -1].argmax()[None]])
    written = sample(model, prompt, 10, temperature=0, generator=seeded())
    assert written.dtype == torch.int64
    assert written.tolist() == expected[3:].tolist()


def test_reading_on_gives_what_reading_at_once_gives() -> None:
    model, tokens = writer(), torch.randint(6, (3, 7))
    first, state = model.advance(tokens[:, :4])
    second, _ = model.advance(tokens[:, 4:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=2), model(tokens))


def test_tokens_come_as_often_as_the_softmax_says() -> None:
    logits = torch.tensor([0.0, 1.0, 2.0, -1.0])
    for temperature in (0.5, 1.0, 3.0):
        written = sample(Fixed(logits), torch.tensor([0]), 20_000, temperature=temperature, generator=seeded())
        shares = written.bincount(minlength=4) / len(written)
        torch.testing.assert_close(shares, (logits / temperature).softmax(0), atol=0.015, rtol=0)


def test_each_token_costs_one_step() -> None:
    model = Fixed(torch.zeros(3))
    sample(model, torch.tensor([0, 1, 2, 0]), 5, temperature=1, generator=seeded())
    assert model.read == [4, 1, 1, 1, 1]


def test_draws_from_its_generator_alone() -> None:
    model, prompt = writer(), torch.tensor([2])
    state = torch.get_rng_state()
    first, again, other = (sample(model, prompt, 40, temperature=1, generator=seeded(seed)) for seed in (1, 1, 2))
    assert first.equal(again)
    assert not first.equal(other)
    assert torch.get_rng_state().equal(state)


def test_refuses_what_cannot_be_written() -> None:
    with pytest.raises(TypeError, match="Linear cannot write"):
        sample(nn.Linear(2, 2), torch.tensor([0]), 1, temperature=1, generator=seeded())
    with pytest.raises(ValueError, match="at least one token"):
        sample(writer(), torch.tensor([], dtype=torch.int64), 1, temperature=1, generator=seeded())
    with pytest.raises(ValueError, match="at least 0, got -1"):
        sample(writer(), torch.tensor([0]), 1, temperature=-1, generator=seeded())
    assert len(sample(writer(), torch.tensor([0]), 0, temperature=1, generator=seeded())) == 0
