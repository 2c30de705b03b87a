"""The bundled sets against scikit-learn, which they come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
import torch

from tdl_tui.data import bundled
from tdl_tui.data.dataset import Dataset
from tdl_tui.registry import DATASETS, Options


def load(name: str, options: Options | None = None) -> Dataset:
    entry = DATASETS[name]
    dataset: Dataset = entry.load()({**entry.defaults(), **(options or {})}, Path("nowhere"))
    return dataset


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer"])
def test_tables_are_scikit_learns(name: str) -> None:
    values, targets = getattr(sklearn.datasets, f"load_{name}")(return_X_y=True)
    dataset = load(name)
    assert np.array_equal(dataset.inputs.numpy(), values.astype(np.float32))
    assert dataset.targets.tolist() == targets.tolist()


def test_diabetes_is_scikit_learns_unscaled() -> None:
    values, targets = sklearn.datasets.load_diabetes(return_X_y=True, scaled=False)
    dataset = load("diabetes")
    assert np.array_equal(dataset.inputs.numpy(), values.astype(np.float32))
    assert np.array_equal(dataset.targets.numpy()[:, 0], targets.astype(np.float32))


def test_digits_keep_every_level() -> None:
    values, targets = sklearn.datasets.load_digits(return_X_y=True)
    dataset = load("digits")
    levels = dataset.inputs.view(-1, 64).numpy()
    assert dataset.inputs.dtype == torch.uint8
    assert levels.min() == 0 and levels.max() == 255
    assert np.array_equal(np.round(levels.astype(int) * 16 / 255), values)
    assert dataset.targets.tolist() == targets.tolist()


@pytest.mark.parametrize("size", [9, 28, 32])
def test_digits_are_enlarged_as_pillow_enlarges(size: int) -> None:
    from PIL import Image

    small, large = load("digits"), load("digits", {"image_size": size})
    assert large.inputs.shape == (1797, 1, size, size)
    for index in (0, 7, 1796):
        picture = Image.fromarray(small.inputs[index, 0].numpy()).resize((size, size), Image.Resampling.BILINEAR)
        difference = np.asarray(picture).astype(int) - large.inputs[index, 0].numpy().astype(int)
        assert np.abs(difference).max() <= 1


def test_reads_through_scikit_learn_where_its_files_have_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    expected = {name: load(name) for name in ("digits", "iris", "wine", "breast_cancer", "diabetes")}
    monkeypatch.setattr(bundled, "_folder", lambda: tmp_path)
    for name, dataset in expected.items():
        again = load(name)
        assert torch.equal(again.inputs, dataset.inputs) and torch.equal(again.targets, dataset.targets)


def test_names_of_features_and_classes_are_in_scikit_learns_order() -> None:
    cancer = sklearn.datasets.load_breast_cancer()
    shape = DATASETS["breast_cancer"].describe({})
    assert shape.classes == tuple(cancer.target_names)
    plain = [name.replace("error of ", "") + " error" if "error of" in name else name for name in shape.features]
    assert plain == list(cancer.feature_names)
    assert DATASETS["iris"].describe({}).features == tuple(sklearn.datasets.load_iris().feature_names)
    assert DATASETS["iris"].describe({}).classes == tuple(sklearn.datasets.load_iris().target_names)
