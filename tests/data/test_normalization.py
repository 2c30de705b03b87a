"""Normalisation against scikit-learn's StandardScaler, and what it must not look at."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from tdl_tui.data.dataset import Dataset
from tdl_tui.data.normalization import Normalization, fit, identity
from tdl_tui.registry import DataShape

TRAIN = torch.arange(0, 60)


def table(values: torch.Tensor, *, regression: bool = False) -> Dataset:
    n, features = values.shape
    if regression:
        targets = values[:, :2] * torch.tensor([100.0, 0.01]) + 1000
        return Dataset(values, targets, DataShape("regression", "table", (features,), 2, examples=n))
    return Dataset(values, torch.arange(n) % 3, DataShape("classification", "table", (features,), 3, examples=n))


def pictures(channels: int) -> Dataset:
    values = torch.randint(0, 256, (80, channels, 6, 5), generator=torch.Generator().manual_seed(0))
    values[:, 0] //= 3
    shape = DataShape("classification", "image", (channels, 6, 5), 2, examples=80)
    return Dataset(values.to(torch.uint8), torch.arange(80) % 2, shape)


def random_table() -> torch.Tensor:
    values = torch.randn(80, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([1e-3, 1.0, 50.0, 1e4])
    values[:, 1] += 1e4
    values[:, 3] = 7.3
    return values


def test_tables_are_scaled_as_scikit_learn_scales() -> None:
    values = random_table()
    expected = StandardScaler().fit(values[TRAIN].double().numpy()).transform(values.double().numpy())
    scaled = fit(table(values), TRAIN).apply(values)
    assert np.allclose(scaled.numpy(), expected, atol=2e-3)  # a mean of 10⁴ deviations leaves float32 three digits
    assert np.allclose(scaled[:, [0, 2, 3]].numpy(), expected[:, [0, 2, 3]], atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_scaled_by_channel(channels: int) -> None:
    dataset = pictures(channels)
    columns = dataset.inputs.permute(0, 2, 3, 1).double()
    scaler = StandardScaler().fit(columns[TRAIN].reshape(-1, channels).numpy())
    expected = scaler.transform(columns.reshape(-1, channels).numpy())
    scaled = fit(dataset, TRAIN).apply(dataset.inputs).permute(0, 2, 3, 1).reshape(-1, channels)
    assert np.allclose(scaled.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_filled_constants_change_nothing(channels: int) -> None:
    dataset = pictures(channels)
    normalization = fit(dataset, TRAIN)
    expected = normalization.apply(dataset.inputs)
    assert torch.equal(normalization.filled((channels, 6, 5)).apply(dataset.inputs), expected)
    last = normalization.filled((channels, 6, 5), channels_last=True).apply(dataset.inputs.permute(0, 2, 3, 1))
    assert torch.allclose(last.permute(0, 3, 1, 2), expected, atol=1e-6)


def test_only_the_training_part_is_looked_at() -> None:
    values = random_table()
    changed = values.clone()
    changed[60:] = float("nan")
    one, two = (fit(table(v, regression=True), TRAIN) for v in (values, changed))
    assert one.document() == two.document()


def test_a_constant_is_only_shifted() -> None:
    values = torch.full((80, 2), 0.1)
    assert fit(table(values), TRAIN).apply(values).abs().max() < 1e-6
    grey = pictures(1)
    grey.inputs.fill_(93)
    assert fit(grey, TRAIN).apply(grey.inputs).abs().max() < 1e-4


def test_targets_are_scaled_in_regression_and_come_back() -> None:
    dataset = table(random_table(), regression=True)
    normalization = fit(dataset, TRAIN)
    scaled = normalization.targets(dataset.targets)
    expected = StandardScaler().fit(dataset.targets[TRAIN].double().numpy()).transform(dataset.targets.double().numpy())
    assert np.allclose(scaled.numpy(), expected, atol=1e-2)
    torch.testing.assert_close(normalization.predictions(scaled), dataset.targets)


def test_classes_and_logits_stay_what_they_are() -> None:
    dataset = table(random_table())
    normalization = fit(dataset, TRAIN)
    assert normalization.targets(dataset.targets) is dataset.targets
    logits = torch.randn(3, 3)
    assert normalization.predictions(logits) is logits


def test_without_normalisation_pictures_go_from_0_to_1_and_tables_stay() -> None:
    dataset = pictures(3)
    torch.testing.assert_close(identity(dataset).apply(dataset.inputs), dataset.inputs / 255)
    values = random_table()
    assert torch.equal(identity(table(values)).apply(values), values)


@pytest.mark.parametrize("dataset", [pictures(3), table(random_table(), regression=True), table(random_table())])
def test_comes_back_from_json_to_the_last_bit(dataset: Dataset) -> None:
    normalization = fit(dataset, TRAIN)
    again = Normalization.from_document(json.loads(json.dumps(normalization.document())))
    assert torch.equal(again.apply(dataset.inputs), normalization.apply(dataset.inputs))
    assert again.document() == normalization.document()
