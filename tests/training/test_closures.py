"""What an optimizer is given that asks for the loss more than once a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tdl_tui.registry import OptimizerEntry
from tdl_tui.training.closures import Closure, TooManyParameters, check_size
from tdl_tui.training.passes import clipping, forward_pass, l1_penalty, with_gradients, without_gradients

CPU = torch.device("cpu")


def noisy() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.Dropout(0.5), nn.Linear(16, 3))


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(8, 4, generator=generator), torch.randint(3, (8,), generator=generator)


def closure_of(model: nn.Module, gradients: bool, **options: Any) -> Closure:
    forward = forward_pass(model, cross_entropy)
    penalty = options.get("penalty")
    evaluate = with_gradients(forward, penalty=penalty) if gradients else without_gradients(forward)
    return Closure(model, evaluate, CPU, gradients=gradients, **options)


@pytest.mark.parametrize("gradients", [True, False])
def test_every_call_of_a_step_sees_the_same_noise_and_leaves_streams_and_buffers(gradients: bool) -> None:
    model = noisy()
    closure = closure_of(model, gradients)
    _, loss = closure.begin(*batch())
    held = {name: buffer.clone() for name, buffer in model.named_buffers()}
    state = torch.get_rng_state()
    assert [closure().item() for _ in range(4)] == [loss.item()] * 4
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(held[name], buffer) for name, buffer in model.named_buffers())
    assert held["1.num_batches_tracked"] == 1
    _, again = closure.begin(*batch())
    assert again.item() != loss.item()


def test_without_gradients_none_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a gradient was computed")

    monkeypatch.setattr(torch.autograd, "backward", refuse)
    model = noisy()
    closure = closure_of(model, gradients=False)
    closure.begin(*batch())
    with torch.enable_grad():
        assert not closure().requires_grad
    assert all(p.grad is None for p in model.parameters())


def test_each_call_leaves_the_gradients_at_its_own_weights() -> None:
    model = noisy().eval()
    parameters = [*model.parameters()]
    clip, penalty = clipping(parameters, 0.1, 0.0), l1_penalty(parameters, 0.2)
    closure = closure_of(model, gradients=True, clip=clip, penalty=penalty)
    inputs, targets = batch()
    closure.begin(inputs, targets)
    closure()
    with torch.no_grad():
        for parameter in parameters:
            parameter.mul_(1.5)
        value = closure()
    found = [p.grad.clone() for p in parameters if p.grad is not None]
    model.zero_grad()
    assert penalty is not None and clip is not None
    expected = cross_entropy(model(inputs), targets) + penalty()
    expected.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    clip()
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(found, [p.grad for p in parameters])


def test_the_first_call_takes_what_is_known() -> None:
    model, calls = noisy().eval(), []

    def counted(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        calls.append(1)
        return with_gradients(forward_pass(model, cross_entropy))(inputs, targets)

    closure = Closure(model, counted, CPU, gradients=True)
    _, loss = closure.begin(*batch())
    assert closure().item() == loss.item()
    assert len(calls) == 1
    closure()
    assert len(calls) == 2


def test_an_optimizer_may_draw_between_calls() -> None:
    """Candidates that come from torch's own stream differ from one call to the next."""
    closure = closure_of(noisy(), gradients=False)
    closure.begin(*batch())
    drawn = []
    for _ in range(3):
        drawn.append(torch.rand(()).item())
        closure()
    assert len(set(drawn)) == 3


@pytest.mark.parametrize(("most", "refused"), [(0, False), (3 * 4 + 3, False), (3 * 4 + 2, True)])
def test_a_model_that_is_too_large_is_refused(most: int, refused: bool) -> None:
    entry = OptimizerEntry("guess", "", "", most_parameters=most)
    model = nn.Linear(4, 3)
    frozen = nn.Linear(4, 3).requires_grad_(False)
    check: Callable[[], None] = lambda: check_size(entry, nn.Sequential(model, frozen))  # noqa: E731
    if not refused:
        check()
        return
    with pytest.raises(TooManyParameters, match=r"guess is for models of up to 14 parameters, this one has 15"):
        check()
