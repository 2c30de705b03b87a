"""Losses: against their formulas, torch's own functions and scikit-learn's."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import hinge_loss
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor
from torch.nn import functional

from tdl_tui.registry import LOSSES, LossEntry
from tdl_tui.training import objectives
from tdl_tui.training.objectives import balanced, cross_entropy, hinge, huber, l2_norm, mean_squared_error

CPU = torch.device("cpu")
CLASSES = [entry for entry in LOSSES if "classification" in entry.tasks]


@pytest.mark.parametrize(
    ("entry", "task"),
    [(entry, task) for entry in LOSSES for task in entry.tasks],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_each_is_a_differentiable_mean_over_the_batch(entry: LossEntry, task: str) -> None:
    torch.manual_seed(0)
    outputs = torch.randn(6, 3, requires_grad=True)
    targets = torch.tensor([0, 1, 2, 0, 1, 2]) if task == "classification" else torch.randn(6, 3)
    objective = entry.load()(**entry.defaults())
    loss = objective(outputs, targets)
    assert loss.shape == ()
    assert loss.item() > 0
    single = torch.stack([objective(outputs[n : n + 1], targets[n : n + 1]) for n in range(6)])
    torch.testing.assert_close(loss, single.mean())
    loss.backward()
    assert outputs.grad is not None
    assert bool(outputs.grad.any())


def options_of(entry: LossEntry) -> dict[str, Any]:
    """Options that do something."""
    mine = {"cross_entropy": {"label_smoothing": 0.1, "class_weights": "balanced"}, "hinge": {"margin": 0.5}}
    return {**entry.defaults(), **mine.get(entry.name, {})}


@pytest.mark.parametrize("entry", CLASSES, ids=lambda entry: entry.name)
def test_steps_with_a_target_each_count_as_examples_do(entry: LossEntry) -> None:
    torch.manual_seed(0)
    outputs, targets = torch.randn(4, 3, 5), torch.randint(3, (4, 5))
    objective = objectives.build(entry.name, options_of(entry), [5, 9, 6], CPU)
    flat = objective(outputs.transpose(1, 2).reshape(20, 3), targets.flatten())
    torch.testing.assert_close(objective(outputs, targets), flat)


@pytest.mark.parametrize("entry", CLASSES, ids=lambda entry: entry.name)
def test_parts_of_a_batch_add_up_to_it(entry: LossEntry) -> None:
    torch.manual_seed(0)
    outputs, targets = torch.randn(9, 3), torch.randint(3, (9,))
    objective = objectives.build(entry.name, options_of(entry), [10, 70, 20], CPU)
    parts = [objective(outputs[a:b], targets[a:b]) * (b - a) / 9 for a, b in [(0, 4), (4, 8), (8, 9)]]
    torch.testing.assert_close(sum(parts), objective(outputs, targets))


@given(st.integers(1, 8), st.integers(2, 6), st.integers(0, 2**31))
@settings(deadline=None, max_examples=50)
def test_cross_entropy_is_the_negative_log_of_the_targets_share(count: int, classes: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, classes, generator=generator)
    targets = torch.randint(classes, (count,), generator=generator)
    expected = [
        -math.log(math.exp(row[target]) / sum(map(math.exp, row)))
        for row, target in zip(logits.tolist(), targets.tolist(), strict=True)
    ]
    assert cross_entropy()(logits, targets).item() == pytest.approx(sum(expected) / count, rel=1e-5, abs=1e-6)


def test_smoothed_targets_are_mixed_with_all_classes() -> None:
    logits, targets = torch.randn(7, 4), torch.randint(4, (7,))
    mixed = 0.8 * functional.one_hot(targets, 4) + 0.2 / 4
    expected = -(mixed * logits.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(cross_entropy(0.2)(logits, targets), expected)


@given(st.lists(st.integers(1, 50), min_size=2, max_size=6))
def test_balanced_weights_are_scikit_learns(counts: list[int]) -> None:
    targets = np.repeat(np.arange(len(counts)), counts)
    expected = compute_class_weight("balanced", classes=np.arange(len(counts)), y=targets)
    np.testing.assert_allclose(balanced(counts), expected, rtol=1e-6)


def test_weighted_cross_entropy_is_the_mean_of_weighted_examples() -> None:
    logits, targets = torch.randn(12, 3), torch.randint(3, (12,))
    objective = objectives.build("cross_entropy", {"class_weights": "balanced"}, [80, 15, 5], CPU)
    each = functional.cross_entropy(logits, targets, reduction="none")
    torch.testing.assert_close(objective(logits, targets), (balanced([80, 15, 5])[targets] * each).mean())
    with pytest.raises(ValueError, match="once the data is known"):
        cross_entropy(class_weights="balanced")


def test_a_class_without_examples_has_a_weight_all_the_same() -> None:
    assert balanced([4, 0]).tolist() == [0.5, 2.0]


@given(st.integers(1, 8), st.integers(2, 6), st.integers(0, 2**31))
@settings(deadline=None, max_examples=50)
def test_squared_error_of_classes_is_to_their_one_hot_vectors(count: int, classes: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    outputs = torch.randn(count, classes, generator=generator, requires_grad=True)
    targets = torch.randint(classes, (count,), generator=generator)
    one_hot = torch.nn.functional.one_hot(targets, classes).float()
    loss, expected = mean_squared_error()(outputs, targets), (outputs - one_hot).square().mean()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(*(torch.autograd.grad(value, outputs)[0] for value in (loss, expected)))


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("mse", {}, lambda z, y: (z - y).square().mean()),
        ("l1", {}, lambda z, y: (z - y).abs().mean()),
        ("huber", {"delta": 0.7}, lambda z, y: functional.smooth_l1_loss(z, y, beta=0.7) * 0.7),
        ("l2_norm", {}, lambda z, y: functional.pairwise_distance(z, y, eps=0).mean()),
    ],
)
def test_losses_of_numbers_are_torchs(
    name: str, options: dict[str, float], expected: Callable[[Tensor, Tensor], Tensor]
) -> None:
    torch.manual_seed(0)
    outputs, targets = torch.randn(50, 2), torch.randn(50, 2)
    objective = LOSSES[name].load()(**options)
    torch.testing.assert_close(objective(outputs, targets), expected(outputs, targets))
    classes = torch.randint(2, (50,))
    one_hot = functional.one_hot(classes, 2).float()
    torch.testing.assert_close(objective(outputs, classes), expected(outputs, one_hot))


def test_the_norm_of_no_error_has_a_gradient_of_zero() -> None:
    outputs = torch.ones(2, 3, requires_grad=True)
    l2_norm()(outputs, torch.ones(2, 3)).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert outputs.grad is not None
    assert outputs.grad.tolist() == [[0.0] * 3] * 2


@pytest.mark.parametrize("classes", [2, 5])
def test_hinge_is_scikit_learns(classes: int) -> None:
    torch.manual_seed(0)
    outputs = torch.randn(200, classes, dtype=torch.float64)
    targets = torch.cat([torch.arange(classes), torch.randint(classes, (200 - classes,))])
    # for two classes scikit-learn takes one decision, whose margin is half as far from either side
    decision = (outputs[:, 1] - outputs[:, 0]) if classes == 2 else outputs
    assert hinge()(outputs, targets).item() == pytest.approx(hinge_loss(targets, decision))
    if classes == 2:  # there torch's sum over the other classes is the one that exceeds the target most
        expected = 2 * functional.multi_margin_loss(outputs, targets, margin=0.3)
        torch.testing.assert_close(hinge(0.3)(outputs, targets), expected)


def test_binary_cross_entropy_is_that_of_each_class_against_the_rest() -> None:
    outputs, targets = torch.randn(9, 4), torch.randint(4, (9,))
    objective = LOSSES["binary_cross_entropy"].load()()
    expected = functional.binary_cross_entropy(outputs.sigmoid(), functional.one_hot(targets, 4).float())
    torch.testing.assert_close(objective(outputs, targets), expected)


@pytest.mark.parametrize("targets", [torch.zeros(5), torch.zeros(5, 1), torch.zeros(1, 2)])
@pytest.mark.parametrize("name", [entry.name for entry in LOSSES if "regression" in entry.tasks])
def test_losses_of_numbers_refuse_targets_that_would_broadcast(targets: Tensor, name: str) -> None:
    with (
        warnings.catch_warnings(),
        pytest.raises(ValueError, match=r"outputs are \(5, 2\), targets \(.*must be the same"),
    ):
        warnings.simplefilter("error")
        LOSSES[name].load()(**LOSSES[name].defaults())(torch.zeros(5, 2), targets)


@pytest.mark.parametrize("entry", CLASSES, ids=lambda entry: entry.name)
def test_half_precision_outputs_are_taken(entry: LossEntry) -> None:
    outputs = torch.randn(4, 3).bfloat16()
    objective = objectives.build(entry.name, options_of(entry), [1, 1, 2], CPU)
    assert objective(outputs, torch.tensor([0, 1, 2, 0])).isfinite()


@pytest.mark.parametrize("point", [0.01, 0.3, 0.9, 1.5])
def test_the_drawn_curve_is_the_loss_of_one_example(point: float) -> None:
    """Of two classes, or of one number; the loss as a function of what the axis says."""
    target = torch.tensor([1])
    zero = torch.zeros(1, 1)

    def drawn(name: str, **options: float) -> float:
        entry = LOSSES[name]
        return entry.curve({**entry.defaults(), **options})(point)

    for name in ("mse", "l1", "l2_norm"):
        loss = LOSSES[name].load()()
        assert drawn(name) == pytest.approx(loss(torch.tensor([[point]]), zero).item())
    assert drawn("huber", delta=0.5) == pytest.approx(huber(0.5)(torch.tensor([[point]]), zero).item())
    assert drawn("hinge", margin=1.2) == pytest.approx(
        hinge(1.2)(torch.tensor([[0.0, point]]), target).item(), abs=1e-6
    )
    sigmoid = functional.binary_cross_entropy_with_logits(torch.tensor([point]), torch.ones(1))
    assert drawn("binary_cross_entropy") == pytest.approx(sigmoid.item())
    if point < 1:
        logits = torch.tensor([[1 - point, point]]).log()
        for smoothing in (0.0, 0.2):
            loss = cross_entropy(smoothing)(logits, target)
            assert drawn("cross_entropy", label_smoothing=smoothing) == pytest.approx(loss.item(), rel=1e-5)


@pytest.mark.parametrize("entry", list(LOSSES), ids=lambda entry: entry.name)
def test_curves_can_be_drawn_from_end_to_end(entry: LossEntry) -> None:
    curve = entry.curve(entry.defaults())
    places = [n / 10 for n in (range(11) if "probability" in entry.axis else range(-100, 101))]
    assert all(curve(place) >= 0 for place in places)
    assert entry.formula and "\n" not in entry.formula
