"""Dense networks: activations, initialisations, residual sums and polynomials, against formulas and scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import numpy as np
import pytest
import torch
from sklearn.preprocessing import PolynomialFeatures
from torch import Tensor, nn
from torch.nn import functional

from tdl_tui.models.build import Refused, build
from tdl_tui.models.catalog import INITIALISATIONS as NAMES
from tdl_tui.models.initialisation import INITIALISATIONS
from tdl_tui.models.layers import ACTIVATIONS
from tdl_tui.registry import ARCHITECTURES, DataShape, Value

TABLE = DataShape("classification", "table", (6,), 4)
SEQUENCE = DataShape("classification", "sequence", (40, 1), 10)


def seeded(architecture: str, shape: DataShape = TABLE, **options: Value) -> nn.Module:
    torch.manual_seed(0)
    return build(architecture, shape, options)


FORMULAS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda x: x,
    "relu": lambda x: x.clamp(min=0),
    "leaky_relu": lambda x: torch.where(x > 0, x, 0.01 * x),
    "gelu": lambda x: x / 2 * (1 + torch.erf(x / sqrt(2))),
    "silu": lambda x: x / (1 + torch.exp(-x)),
    "sigmoid": lambda x: 1 / (1 + torch.exp(-x)),
    "tanh": lambda x: 1 - 2 / (1 + torch.exp(2 * x)),
    "softplus": lambda x: torch.log(1 + torch.exp(x)),
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_are_the_functions_of_their_names(activation: str) -> None:
    x = torch.linspace(-5, 5, 101, dtype=torch.float64)
    torch.testing.assert_close(ACTIVATIONS[activation]()(x), FORMULAS[activation](x))


def test_catalog_and_code_name_the_same_initialisations() -> None:
    assert set(NAMES) == {"default", *INITIALISATIONS}


def test_residual_mlp_of_mnist1d_is_the_formula_of_its_notebook() -> None:
    model = seeded("mlp", SEQUENCE, widths=(100, 100), residual=True)
    first, second, last = ([*model.parameters()][i : i + 2] for i in (0, 2, 4))
    x = torch.randn(3, 40, 1)
    hidden = functional.linear(x.flatten(1), *first).relu()
    hidden = hidden + functional.linear(hidden, *second).relu()
    torch.testing.assert_close(model(x), functional.linear(hidden, *last))


def test_residual_adds_only_where_widths_are_equal() -> None:
    model = seeded("mlp", widths=(6, 8, 8, 5), residual=True, norm="layer", dropout=0.5)
    assert [name for name, _ in model.named_children()] == [
        *("flatten", "residual1", "hidden2", "norm2", "activation2", "dropout2", "residual3"),
        *("hidden4", "norm4", "activation4", "dropout4", "head"),
    ]
    with pytest.raises(Refused, match="mlp adds nothing with residual: repeat a width"):
        seeded("mlp", widths=(5, 4), residual=True)


def test_without_new_options_weights_and_names_are_those_of_plain_layers() -> None:
    ours = seeded("mlp", widths=(16, 16))
    torch.manual_seed(0)
    plain = [nn.Linear(6, 16), nn.Linear(16, 16), nn.Linear(16, 4)]
    assert list(ours.state_dict()) == [
        f"{layer}.{kind}" for layer in ("hidden1", "hidden2", "head") for kind in ("weight", "bias")
    ]
    for parameter, same in zip(ours.parameters(), (p for layer in plain for p in layer.parameters()), strict=True):
        assert parameter.equal(same)


def weights(init: str) -> tuple[Tensor, Tensor]:
    """The weights 300×784 and 200×300 of an MLP; checks that biases are 0."""
    model = seeded("mlp", DataShape("classification", "image", (1, 28, 28), 10), widths=(300, 200), init=init)
    assert not any(bool(parameter.any()) for name, parameter in model.named_parameters() if name.endswith("bias"))
    state = model.state_dict()
    return state["hidden1.weight"], state["hidden2.weight"]


def test_xavier_is_uniform_with_the_variance_of_glorot_and_bengio() -> None:
    for weight in weights("xavier"):
        outputs, inputs = weight.shape
        assert weight.var().item() == pytest.approx(2 / (inputs + outputs), rel=0.03)
        assert weight.abs().max().item() <= sqrt(6 / (inputs + outputs))


def test_kaiming_keeps_the_mean_square_through_relu_layers() -> None:
    for weight in weights("kaiming"):
        assert weight.var().item() == pytest.approx(2 / weight.shape[1], rel=0.03)
        share = (weight.abs() < weight.std()).float().mean().item()
        assert share == pytest.approx(0.683, abs=0.01)  # of a normal distribution within one deviation


def test_orthogonal_rows_are_orthonormal() -> None:
    for weight in weights("orthogonal"):
        torch.testing.assert_close(weight @ weight.T, torch.eye(len(weight)), atol=1e-5, rtol=0)


def test_small_normal_has_deviation_one_hundredth() -> None:
    for weight in weights("small_normal"):
        assert weight.std().item() == pytest.approx(0.01, rel=0.02)


@pytest.mark.parametrize("degree", [1, 2, 3, 5])
@pytest.mark.parametrize("inputs", [1, 2, 4])
def test_polynomial_with_cross_terms_has_the_span_of_scikit_learns_features(degree: int, inputs: int) -> None:
    """Both are affine maps of their terms: the sums over all terms agree, and so does their number."""
    x = np.random.default_rng(0).normal(size=(9, inputs)).astype(np.float32)
    features = PolynomialFeatures(degree, include_bias=False).fit_transform(x.astype(np.float64))
    model = seeded("polynomial", DataShape("regression", "table", (inputs,), 1), degree=degree, cross=True)
    head = model.get_submodule("head")
    assert isinstance(head, nn.Linear)
    assert head.in_features == features.shape[1]
    nn.init.ones_(head.weight)
    nn.init.zeros_(head.bias)
    with torch.no_grad():
        np.testing.assert_allclose(model(torch.from_numpy(x))[:, 0], features.sum(1), rtol=1e-4, atol=1e-4)


def test_polynomial_without_cross_terms_has_each_inputs_powers() -> None:
    model = seeded("polynomial", degree=3)
    seen: list[Tensor] = []
    model.get_submodule("head").register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    x = torch.randn(5, 6)
    assert model(x).shape == (5, 4)
    torch.testing.assert_close(seen[0], torch.cat([x, x**2, x**3], dim=1))


def test_polynomial_of_degree_one_is_linear() -> None:
    model, linear, x = seeded("polynomial", degree=1), seeded("linear"), torch.randn(5, 6)
    linear.load_state_dict(model.state_dict())
    torch.testing.assert_close(model(x), linear(x))


def test_polynomial_refuses_too_many_terms() -> None:
    picture = DataShape("classification", "image", (1, 28, 28), 10)
    assert ARCHITECTURES["polynomial"].refusal(picture, {"degree": 3, "cross": False}) is None
    with pytest.raises(Refused, match=r"would have 80,931,144 terms of 784 inputs, at most 100,000"):
        build("polynomial", picture, {"degree": 3, "cross": True})
