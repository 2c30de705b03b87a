"""Archives of arrays: what numpy wrote comes back, its kind told by its dimensions, before numpy is loaded."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tdl_tui.data.dataset import DataError, Dataset
from tdl_tui.data.prepare import prepare
from tdl_tui.registry import DATASETS, Undescribable, Value
from tdl_tui.spec import SpecError, experiment

NPZ = DATASETS["npz"]
RANDOM = np.random.RandomState(0)
LABELS = np.arange(30) % 3


def options(path: Path, **more: Value) -> dict[str, Value]:
    return {**NPZ.defaults(), "file": str(path), **more}


def load(path: Path, **more: Value) -> Dataset:
    dataset: Dataset = NPZ.load()(options(path, **more), Path("nowhere"))
    shape = NPZ.describe(options(path, **more))
    assert dataset.shape == shape
    assert dataset.inputs.shape == (shape.examples, *shape.input)
    assert dataset.fixed_test == shape.fixed_test
    return dataset


def saved(tmp_path: Path, *, compressed: bool = False, **arrays: Any) -> Path:
    path = tmp_path / "arrays.npz"
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return path


def pictures(*shape: int) -> np.ndarray:
    return RANDOM.randint(0, 256, shape).astype(np.uint8)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    ("x", "kind", "expected"),
    [
        (RANDOM.randn(30, 4), "table", None),
        (RANDOM.randn(30, 4).astype(">f4"), "table", None),
        (np.asfortranarray(RANDOM.randn(30, 4)), "table", None),
        (pictures(30, 7), "table", None),
        (RANDOM.randn(30, 9, 2).astype(np.float32), "sequence", None),
        (RANDOM.randint(-5, 5, (30, 9, 2)), "sequence", None),
        (pictures(30, 8, 6), "image", lambda x: x[:, None]),
        (pictures(30, 3, 8, 6), "image", None),
        (pictures(30, 1, 8, 6), "image", None),
        (pictures(30, 8, 6, 3), "image", lambda x: x.transpose(0, 3, 1, 2)),
        (pictures(30, 8, 6, 1), "image", lambda x: x.transpose(0, 3, 1, 2)),
        (pictures(30, 3, 8, 3), "image", None),  # channels first where both might be
    ],
)
def test_the_dimensions_tell_the_kind(x: Any, kind: str, expected: Any, compressed: bool, tmp_path: Path) -> None:
    dataset = load(saved(tmp_path, x=x, y=LABELS, compressed=compressed))
    assert dataset.shape.kind == kind
    wanted = x if expected is None else expected(x)
    assert dataset.inputs.dtype == (torch.uint8 if kind == "image" else torch.float32)
    assert np.array_equal(dataset.inputs.numpy(), wanted.astype(dataset.inputs.numpy().dtype))
    assert dataset.targets.tolist() == LABELS.tolist()
    assert dataset.shape.classes == ("0", "1", "2")


@pytest.mark.parametrize(
    "names", [("x", "y"), ("X", "y"), ("inputs", "targets"), ("images", "labels"), ("data", "target")]
)
def test_usual_names_are_known(names: tuple[str, str], tmp_path: Path) -> None:
    x = RANDOM.randn(30, 4)
    assert len(load(saved(tmp_path, **{names[0]: x, names[1]: LABELS}))) == 30
    arrays = {
        f"{names[0]}_train": x,
        f"{names[1]}_train": LABELS,
        f"{names[0]}_test": x[:5],
        f"{names[1]}_test": LABELS[:5],
    }
    assert load(saved(tmp_path, **arrays)).fixed_test == 5


def test_a_validation_part_of_its_own_stays_what_it_is(tmp_path: Path) -> None:
    x = np.arange(60.0).reshape(30, 2)
    path = saved(
        tmp_path,
        train_images=x[:20],
        train_labels=LABELS[:20, None],
        val_images=x[20:24],
        val_labels=LABELS[20:24, None],
        test_images=x[24:],
        test_labels=LABELS[24:, None],
    )
    chosen = experiment({"data": {"dataset": "npz", "batch_size": 8, "options": {"file": str(path)}}})
    splits = prepare(chosen, tmp_path, torch.device("cpu")).splits
    assert splits.train.tolist() == list(range(20))
    assert splits.validation.tolist() == list(range(20, 24))
    assert splits.test.tolist() == list(range(24, 30))
    dataset = load(path)
    assert np.array_equal(dataset.inputs.numpy(), x)
    assert dataset.targets.tolist() == LABELS.tolist()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 100), min_size=2, max_size=50).filter(lambda values: len(set(values)) > 1),
    st.sampled_from(["i1", "u1", "<i4", ">i4", "<i8", ">i8", "<u2", ">u8"]),
)
def test_classes_are_the_different_labels_in_order(
    tmp_path_factory: pytest.TempPathFactory, labels: list[int], dtype: str
) -> None:
    path = saved(tmp_path_factory.mktemp("npz"), x=np.zeros((len(labels), 2)), y=np.array(labels, dtype))
    dataset = load(path)
    assert dataset.shape.classes == tuple(map(str, sorted(set(labels))))
    assert [int(dataset.shape.classes[target]) for target in dataset.targets] == labels


def test_labels_may_be_words(tmp_path: Path) -> None:
    words = np.array(["owl", "fox", "hörnchen"])[LABELS]
    for dtype in ("<U8", ">U8"):
        dataset = load(saved(tmp_path, x=np.zeros((30, 2)), y=words.astype(dtype)))
        assert dataset.shape.classes == ("fox", "hörnchen", "owl")
        assert [dataset.shape.classes[target] for target in dataset.targets] == words.tolist()


def test_numbers_are_for_regression_and_the_task_may_be_said(tmp_path: Path) -> None:
    x = RANDOM.randn(30, 4)
    values = RANDOM.randn(30, 2)
    dataset = load(saved(tmp_path, x=x, y=values))
    assert (dataset.shape.task, dataset.shape.outputs) == ("regression", 2)
    assert np.allclose(dataset.targets.numpy(), values)
    assert load(saved(tmp_path, x=x, y=values[:, 0])).targets.shape == (30, 1)
    whole = saved(tmp_path, x=x, y=LABELS.astype(np.float32))
    assert load(whole).shape.task == "regression"
    assert load(whole, task="classification").shape.classes == ("0", "1", "2")
    assert load(saved(tmp_path, x=x, y=LABELS), task="regression").targets[:, 0].tolist() == LABELS.tolist()


def test_sequences_may_have_a_target_at_every_step(tmp_path: Path) -> None:
    targets = RANDOM.randint(0, 4, (30, 9))
    dataset = load(saved(tmp_path, x=RANDOM.randn(30, 9, 2), y=targets))
    assert dataset.shape.steps == 9
    assert np.array_equal(dataset.targets.numpy(), targets)


@pytest.mark.parametrize(
    ("arrays", "more", "option", "words"),
    [
        ({"a": LABELS, "b": LABELS}, {}, "file", "must hold the arrays x and y (or inputs and targets, images and"),
        ({"x": np.zeros((9, 2)), "y": LABELS}, {}, "file", "x (9×2) and y (30) must have as many examples"),
        ({"x": np.zeros(30), "y": LABELS}, {}, "file", "x (30) must be N×features, N×steps×features, "),
        ({"x": np.zeros((30, 0)), "y": LABELS}, {}, "file", "x (30×0) holds nothing"),
        ({"x": np.zeros((30, 3, 8, 8)), "y": LABELS}, {}, "file", "must be uint8 from 0 to 255; their type is <f8"),
        ({"x": pictures(30, 5, 8, 8), "y": LABELS}, {}, "file", "must have 1 or 3 channels, first or last"),
        ({"x": np.zeros((30, 2)), "y": LABELS * 0}, {}, "file", "y holds one class only, 0"),
        ({"x": np.zeros((30, 2)), "y": np.eye(2, dtype=int)[LABELS % 2]}, {}, "file", "y (30×2) must be (N,)"),
        ({"x": np.zeros((30, 2)), "y": LABELS / 2}, {"task": "classification"}, "task", "must be regression: "),
        ({"x": np.zeros((30, 2)), "y": LABELS.astype(str)}, {"task": "regression"}, "task", "must be classification: "),
        (
            {"x": np.zeros((30, 2)), "y": LABELS.astype("c16")},
            {},
            "file",
            "y must hold numbers or text, its type is <c16",
        ),
        ({"x": np.array([None] * 60).reshape(30, 2), "y": LABELS}, {}, "file", "x must hold numbers, its type is |O"),
        ({"x": np.zeros((9999, 1)), "y": np.arange(9999)}, {}, "task", "must be said: "),
        (
            {"x": np.zeros((30, 2)), "y": LABELS, "x_test": np.zeros((5, 3)), "y_test": LABELS[:5]},
            {},
            "file",
            "x_test (5×3) must have examples like those of x (30×2)",
        ),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(
    arrays: dict[str, Any], more: dict[str, Value], option: str, words: str, tmp_path: Path
) -> None:
    path = saved(tmp_path, **arrays)
    with pytest.raises(Undescribable) as caught:
        NPZ.describe(options(path, **more))
    assert (caught.value.option, words in str(caught.value)) == (option, True), str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(SpecError, match=rf"^data\.options\.{option}: "):
        experiment({"data": {"dataset": "npz", "options": {"file": str(path), **more}}})


def archive_of(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def npy(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not an .npz archive"),
        (npy(LABELS), "is not an .npz archive"),
        (pickle.dumps([1]), "is not an .npz archive"),
        (archive_of(x=b"", y=npy(LABELS)), "x is not in numpy's format"),
        (archive_of(x=b"\x93NUMPY\x01\x00\x04\x00oh! ", y=npy(LABELS)), "x has a damaged header"),
        (archive_of(x=b"\x93NUMPY\x01\x00\x02\x00{}", y=npy(LABELS)), "x has a damaged header"),
        (archive_of(x=npy(np.zeros((30, 2))), y=npy(LABELS)[:-3]), "y is damaged: its length"),
    ],
    ids=["nothing", "an array", "a pickle", "an empty array", "no header", "an empty header", "cut off"],
)
def test_damaged_archives_are_named(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    path.write_bytes(content)
    with pytest.raises(Undescribable) as caught:
        NPZ.describe(options(path))
    assert words in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["x", "y"])
def test_a_number_that_is_not_finite_is_found(name: str, tmp_path: Path) -> None:
    arrays = {"x": RANDOM.randn(30, 2), "y": RANDOM.randn(30)}
    arrays[name][7] = np.nan
    path = saved(tmp_path, **arrays)
    what = {"x": "inputs", "y": "targets"}[name]
    with pytest.raises(DataError, match=f"the {what} of example 7 are not all finite numbers$"):
        NPZ.load()(options(path), tmp_path)


def test_a_truncated_array_is_told_when_it_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    path.write_bytes(archive_of(x=npy(np.zeros((30, 2)))[:-8], y=npy(LABELS)))
    with pytest.raises(DataError, match=r"arrays\.npz cannot be read: "):
        NPZ.load()(options(path), tmp_path)
