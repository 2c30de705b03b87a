"""A batch there and back: in parts, with a penalty, clipped, in lower precision."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tdl_tui.training.passes import clipping, forward_pass, l1_penalty, with_gradients, without_gradients


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))


def batch(size: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(size)
    return torch.randn(size, 4, generator=generator), torch.randint(3, (size,), generator=generator)


def gradients(model: nn.Module) -> list[Tensor]:
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


@settings(max_examples=30, deadline=None)
@given(size=st.integers(1, 20), parts=st.integers(1, 8))
def test_parts_add_up_to_the_batch(size: int, parts: int) -> None:
    model, (inputs, targets) = net(), batch(size)
    sizes: list[int] = []

    def counted(part: Tensor) -> Tensor:
        sizes.append(len(part))
        outputs: Tensor = model(part)
        return outputs

    outputs, loss = with_gradients(forward_pass(counted, cross_entropy), parts)(inputs, targets)
    found = gradients(model)
    model.zero_grad()
    whole = cross_entropy(model(inputs), targets)
    whole.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    torch.testing.assert_close(loss, whole)
    torch.testing.assert_close(outputs, model(inputs))
    torch.testing.assert_close(found, gradients(model))
    assert len(sizes) <= parts and max(sizes) == -(-size // parts) and sum(sizes) == size


def test_a_penalty_adds_its_gradient_and_nothing_to_the_loss() -> None:
    model, (inputs, targets) = net(), batch(6)
    parameters = [*model.parameters()]
    forward = forward_pass(model, cross_entropy)
    _, plain = with_gradients(forward)(inputs, targets)
    before = gradients(model)
    model.zero_grad()
    _, loss = with_gradients(forward, penalty=l1_penalty(parameters, 0.3))(inputs, targets)
    assert loss.item() == plain.item()
    expected = [g + 0.3 * p.detach().sign() for g, p in zip(before, parameters, strict=True)]
    torch.testing.assert_close(gradients(model), expected)
    assert l1_penalty(parameters, 0.0) is None


def test_without_gradients_none_is_computed() -> None:
    model, (inputs, targets) = net(), batch(6)
    outputs, loss = without_gradients(forward_pass(model, cross_entropy))(inputs, targets)
    assert not outputs.requires_grad and not loss.requires_grad
    assert loss.item() == cross_entropy(model(inputs), targets).item()


def test_lower_precision_is_that_of_autocast() -> None:
    model, (inputs, targets) = net(), batch(6)
    half = partial(torch.autocast, "cpu", torch.bfloat16)
    outputs, loss = forward_pass(model, cross_entropy, half)(inputs, targets)
    assert outputs.dtype == torch.bfloat16
    assert loss.item() == pytest.approx(cross_entropy(model(inputs), targets).item(), rel=0.02)


@pytest.mark.parametrize(("norm", "value"), [(0.5, 0.0), (0.0, 0.05), (0.5, 0.05), (100.0, 100.0)])
def test_clipping_bounds_what_it_should_and_tells_the_norm_before(norm: float, value: float) -> None:
    model, (inputs, targets) = net(), batch(6)
    parameters = [*model.parameters()]
    with_gradients(forward_pass(model, cross_entropy))(inputs, targets)
    before = gradients(model)
    clip = clipping(parameters, norm, value)
    assert clip is not None
    assert clip().item() == pytest.approx(math.sqrt(sum(float(g.square().sum()) for g in before)), rel=1e-5)
    after = gradients(model)
    if norm == 100.0:
        torch.testing.assert_close(after, before)
        return
    if norm:
        assert math.sqrt(sum(float(g.square().sum()) for g in after)) <= norm * (1 + 1e-5)
    if value:
        assert max(float(g.abs().max()) for g in after) <= value * (1 + 1e-6)
    if value and not norm:
        torch.testing.assert_close(after, [g.clamp(-value, value) for g in before])


def test_nothing_is_clipped_unless_asked() -> None:
    parameters: list[nn.Parameter] = [*net().parameters()]
    clip: Callable[[], Tensor] | None = clipping(parameters, 0.0, 0.0)
    assert clip is None
