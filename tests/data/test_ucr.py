"""Time series from files, against numpy and pandas' interpolation, and what is said about those that cannot be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdl_tui.data.dataset import Dataset
from tdl_tui.registry import DATASETS, Undescribable, Value
from tdl_tui.spec import SpecError, experiment

UCR = DATASETS["ucr"]
RANDOM = np.random.RandomState(0)
HEADER = "# a comment\n@problemName Made\n@timeStamps false\n@univariate false\n@classLabel true owl fox\n@data\n"


def options(path: Path, **more: Value) -> dict[str, Value]:
    return {**UCR.defaults(), "file": str(path), **more}


def load(path: Path, **more: Value) -> Dataset:
    dataset: Dataset = UCR.load()(options(path, **more), Path("nowhere"))
    assert dataset.shape == UCR.describe(options(path, **more))
    assert dataset.inputs.shape == (dataset.shape.examples, *dataset.shape.input)
    return dataset


def write(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def ts(values: np.ndarray, labels: list[str], header: str = HEADER) -> str:
    """(N, dimensions, steps) as a .ts file."""
    lines = [":".join(",".join(map(repr, d.tolist())) for d in series) for series in values]
    return header + "".join(f"{line}:{label}\n" for line, label in zip(lines, labels, strict=True))


@pytest.mark.parametrize("delimiter", ["\t", ",", "  ", ", "])
@pytest.mark.parametrize("name", ["made.tsv", "Made_TRAIN", "made.txt"])
def test_a_series_a_line(name: str, delimiter: str, tmp_path: Path) -> None:
    values = RANDOM.randn(12, 7)
    labels = [(-1, 1, 10)[i % 3] for i in range(12)]
    lines = [delimiter.join(map(str, [label, *row])) for label, row in zip(labels, values, strict=True)]
    dataset = load(write(tmp_path / name, "\n".join(lines)))
    assert dataset.shape.input == (7, 1)
    assert np.allclose(dataset.inputs[:, :, 0].numpy(), values)
    assert dataset.shape.classes == ("-1", "1", "10")
    assert [int(dataset.shape.classes[target]) for target in dataset.targets] == labels


def test_labels_written_differently_are_one_class(tmp_path: Path) -> None:
    path = write(tmp_path / "old.txt", "1.0000000e+00 1 2\n  2.0000000e+00 3 4\n 1 5 6\n")
    assert load(path).shape.classes == ("1", "2")


@pytest.mark.parametrize("dimensions", [1, 3])
def test_series_with_a_header(dimensions: int, tmp_path: Path) -> None:
    values = RANDOM.randn(10, dimensions, 6)
    labels = [("owl", "fox")[i % 2] for i in range(10)]
    dataset = load(write(tmp_path / "made.ts", ts(values, labels)))
    assert np.allclose(dataset.inputs.numpy(), values.transpose(0, 2, 1))
    assert dataset.shape.classes == ("fox", "owl")
    assert [dataset.shape.classes[target] for target in dataset.targets] == labels
    assert len(dataset.shape.features) == dimensions


def test_targets_that_are_numbers(tmp_path: Path) -> None:
    header = HEADER.replace("@classLabel true owl fox", "@targetLabel true")
    dataset = load(write(tmp_path / "made.ts", ts(RANDOM.randn(4, 1, 6), ["1.5", "-2", "3e2", "0"], header)))
    assert dataset.shape.task == "regression"
    assert dataset.targets[:, 0].tolist() == [1.5, -2, 300, 0]


def test_the_test_file_comes_last(tmp_path: Path) -> None:
    train, test = RANDOM.randn(6, 1, 5), RANDOM.randn(4, 1, 5)
    one = write(tmp_path / "a_TRAIN.ts", ts(train, ["owl", "fox"] * 3))
    two = write(tmp_path / "a_TEST.ts", ts(test, ["fox"] * 4))
    dataset = load(one, test=str(two))
    assert dataset.fixed_test == dataset.shape.fixed_test == 4
    assert np.allclose(dataset.inputs[:, :, 0].numpy(), np.concatenate([train, test])[:, 0])
    assert load(one).fixed_test == 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-100, 100) | st.none(), min_size=2, max_size=12).filter(lambda v: v.count(None) < len(v)))
def test_gaps_are_filled_as_pandas_fills_them(
    tmp_path_factory: pytest.TempPathFactory, values: list[float | None]
) -> None:
    longest = [*map(str, range(15))]
    cells = ["?" if value is None else repr(value) for value in values]
    body = f"{','.join(longest)}:owl\n{','.join(cells)}:fox\n"
    path = write(tmp_path_factory.mktemp("series") / "made.ts", HEADER + body)
    expected = pd.Series(values, dtype=float).interpolate(limit_direction="both").tolist()
    expected += [expected[-1]] * (15 - len(expected))
    assert load(path, fill=True).inputs[1, :, 0].tolist() == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.ts", None, "must name a .ts or .tsv file, there is no file at "),
        ("a.ts", "", "has no line @data"),
        ("a.ts", HEADER, "holds no series"),
        ("a.ts", HEADER.replace("Stamps false", "Stamps true"), "has time stamps"),
        ("a.ts", HEADER.replace("@classLabel true", "@classLabel false"), "says neither @classLabel true nor"),
        ("a.ts", HEADER + "1,2,3\n", "line 7: must be values, a colon, and the class or target"),
        ("a.ts", HEADER + "1,2:3,4:owl\n1,2:fox\n", "line 8: 1 dimensions, the first series has 2"),
        ("a.ts", HEADER + "1,2:owl\n1,x:fox\n", 'line 8: "x" is not a number'),
        ("a.ts", HEADER + "1,2:owl\n\n1,?:fox\n", "line 9: value 2 is missing; with data.options.fill=true"),
        ("a.ts", HEADER + "1,2:owl\n1,2,3:fox\n", "line 7: 2 values, others have 3; with data.options.fill=true"),
        ("a.ts", HEADER + "1,2:owl\n1,2:owl\n", 'holds one class only, "owl"'),
        ("a.ts", HEADER + "1,2::owl\n", "line 7: holds no values"),
        ("a.ts", HEADER.replace("class", "target") + "1,2:owl\n", 'line 7: the target "owl" is not a number'),
        ("a.tsv", "1\t2\t3\n2\t4\tinf\n", 'line 2: "inf" is not a number'),
        ("a.tsv", "1\n2\n", "line 1: holds no values"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(name: str, content: str | None, words: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if content is not None:
        write(path, content)
    with pytest.raises(Undescribable) as caught:
        UCR.describe(options(path))
    assert words in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(SpecError, match=r"^data\.options\.file: "):
        experiment({"data": {"dataset": "ucr", "options": {"file": str(path)}}})


def test_a_series_without_any_value_is_not_filled(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ts", HEADER + "1,2:owl\n?,?:fox\n")
    with pytest.raises(Undescribable, match="line 8: every value is missing"):
        UCR.describe(options(path, fill=True))


def test_a_test_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    one = write(tmp_path / "a.ts", ts(RANDOM.randn(4, 1, 5), ["owl", "fox"] * 2))
    two = write(tmp_path / "b.ts", ts(RANDOM.randn(4, 2, 5), ["owl", "fox"] * 2))
    with pytest.raises(Undescribable, match="is not of the same kind as") as caught:
        UCR.describe(options(one, test=str(two)))
    assert caught.value.option == "test"
