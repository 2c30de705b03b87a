"""Tables from CSV files, against pandas, scikit-learn's OneHotEncoder and what one line has to say about bad ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import OneHotEncoder

from tdl_tui.data.dataset import Dataset
from tdl_tui.data.missing import fill
from tdl_tui.data.prepare import prepare
from tdl_tui.registry import DATASETS, DataShape, Undescribable, Value
from tdl_tui.spec import SpecError, experiment
from tdl_tui.worker.checks import LaunchError, check_batch

CSV = DATASETS["csv"]
CITIES = ("Oslo", "Rome", "Bern, old town", 'the "City"')


def frame(rows: int = 120, seed: int = 0) -> pd.DataFrame:
    random = np.random.RandomState(seed)
    return pd.DataFrame(
        {
            "age": random.randint(18, 90, rows),
            "city": random.choice(CITIES, rows),
            "income": random.normal(3e4, 1e4, rows).round(2),
            "flat": random.choice(["yes", "no"], rows),
            "kind": random.choice(["cat", "dog", "fish"], rows),
        }
    )


def options(path: Path, **more: Value) -> dict[str, Value]:
    return {**CSV.defaults(), "file": str(path), **more}


def load(path: Path, **more: Value) -> Dataset:
    dataset: Dataset = CSV.load()(options(path, **more), Path("nowhere"))
    assert dataset.shape == CSV.describe(options(path, **more))
    assert dataset.inputs.shape == (dataset.shape.examples, *dataset.shape.input)
    assert dataset.inputs.dtype == torch.float32
    return dataset


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    frame().to_csv(path, index=False)
    return path


def test_numbers_stand_as_they_are_and_categories_are_one_hot(file: Path) -> None:
    dataset, expected = load(file), frame()
    encoder = OneHotEncoder(sparse_output=False).fit(expected[["city"]])
    cities = encoder.transform(expected[["city"]])
    flat = OneHotEncoder(sparse_output=False).fit_transform(expected[["flat"]])
    table = np.concatenate([expected[["age"]], cities, expected[["income"]], flat], 1)
    assert np.allclose(dataset.inputs.numpy(), table.astype(np.float32))
    names = ("age", *(f"city={city}" for city in encoder.categories_[0]), "income", "flat=no", "flat=yes")
    assert dataset.shape.features == names
    assert dataset.shape.classes == ("cat", "dog", "fish")
    assert [dataset.shape.classes[target] for target in dataset.targets] == expected["kind"].tolist()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter: str, file: Path, tmp_path: Path) -> None:
    frame().to_csv(tmp_path / "other.csv", index=False, sep=delimiter)
    assert torch.equal(load(tmp_path / "other.csv").inputs, load(file).inputs)


def test_decimal_commas(file: Path, tmp_path: Path) -> None:
    frame().to_csv(tmp_path / "comma.csv", index=False, sep=";", decimal=",")
    assert torch.equal(load(tmp_path / "comma.csv", decimal="comma").inputs, load(file).inputs)


def test_without_a_header_columns_are_numbered(file: Path, tmp_path: Path) -> None:
    frame().to_csv(tmp_path / "bare.csv", index=False, header=False)
    dataset = load(tmp_path / "bare.csv")
    assert torch.equal(dataset.inputs, load(file).inputs)
    assert dataset.shape.features[0] == "column 1"
    named = write(tmp_path / "years.csv", "1990,2000\n" + "1,x\n2,y\n" * 5)
    assert load(named, header="yes").shape.examples == 10
    assert load(named, header="yes").shape.features == ("1990",)


@pytest.mark.parametrize(
    ("target", "task", "found"),
    [
        ("income", "auto", "regression"),
        ("age", "auto", "regression"),  # more than 20 different
        ("age", "classification", "classification"),
        ("flat", "auto", "classification"),
    ],
)
def test_the_task_follows_from_the_target(target: str, task: str, found: str, file: Path) -> None:
    dataset = load(file, target=target, task=task)
    assert dataset.shape.task == found
    expected = frame()[target]
    if found == "regression":
        assert dataset.targets.dtype == torch.float32
        assert np.allclose(dataset.targets[:, 0].numpy(), expected)
    else:
        assert [dataset.shape.classes[t] for t in dataset.targets] == [str(value) for value in expected]
    assert not any(name.startswith(target) for name in dataset.shape.features)


def test_few_whole_numbers_are_classes_in_their_order(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "x,y\n" + "".join(f"{i},{i % 12}\n" for i in range(48)))
    assert load(path).shape.classes == tuple(str(i) for i in range(12))
    assert load(path, task="regression").shape.task == "regression"


def test_numbers_may_be_declared_categories_and_columns_left_out(file: Path) -> None:
    dataset = load(file, categories="age", leave_out="city, income", most_categories=100)
    ages = sorted(set(frame()["age"]))
    assert dataset.shape.features == (*(f"age={age}" for age in ages), "flat=no", "flat=yes")


def holed() -> pd.DataFrame:
    table = frame()
    table["age"] = table["age"].astype(float)
    table.loc[[3, 50], "age"] = np.nan
    table.loc[[7, 50], "city"] = None
    return table


def test_rows_with_a_missing_value_are_dropped_and_counted(tmp_path: Path) -> None:
    holed().to_csv(tmp_path / "holes.csv", index=False)
    holed().dropna().to_csv(tmp_path / "whole.csv", index=False)
    dataset = load(tmp_path / "holes.csv")
    assert torch.equal(dataset.inputs, load(tmp_path / "whole.csv").inputs)
    assert dataset.shape.examples == 117
    (note,) = dataset.notes
    assert "3 of 120 rows" in note
    assert load(tmp_path / "whole.csv").notes == ()


@pytest.mark.parametrize("marker", ["", "NA", "nan", "null", "?", "None"])
@pytest.mark.parametrize("missing", ["fill", "own_category"])
def test_what_is_missing_is_filled_in(missing: str, marker: str, tmp_path: Path) -> None:
    holed().to_csv(tmp_path / "holes.csv", index=False, na_rep=marker)
    dataset, expected = load(tmp_path / "holes.csv", missing=missing), holed()
    ages = dataset.inputs[:, 0].numpy()
    assert np.array_equal(np.isnan(ages), expected["age"].isna())
    stand_in = "missing" if missing == "own_category" else expected["city"].mode()[0]
    cities = OneHotEncoder(sparse_output=False).fit_transform(expected[["city"]].fillna(stand_in))
    columns = [i for i, name in enumerate(dataset.shape.features) if name.startswith("city=")]
    found = {dataset.shape.features[i] for i in columns}
    assert ("city=missing" in found) == (missing == "own_category")
    assert np.array_equal(np.sort(dataset.inputs[:, columns].numpy(), 1), np.sort(cities, 1))
    assert [dataset.inputs[row, dataset.shape.features.index(f"city={stand_in}")].item() for row in (7, 50)] == [1, 1]


def test_numbers_are_filled_in_with_the_mean_of_the_training_part_alone(tmp_path: Path) -> None:
    holed().to_csv(tmp_path / "holes.csv", index=False)
    data = {"dataset": "csv", "options": {"file": str(tmp_path / "holes.csv"), "missing": "fill"}, "normalize": False}
    prepared = prepare(experiment({"data": data}), tmp_path / "home", torch.device("cpu"))
    whole = torch.empty(120, prepared.shape.input[0])
    for name, indices in prepared.splits:
        if len(indices):
            whole[indices] = torch.cat([inputs for inputs, _ in prepared.batches.part(name)])
    mean = holed()["age"][prepared.splits.train.tolist()].mean()
    assert whole[[3, 50], 0].tolist() == pytest.approx([mean, mean])
    assert not (tmp_path / "home").exists()


def test_only_what_is_missing_is_filled_in() -> None:
    inputs = torch.tensor([[1.0, float("nan")], [3.0, float("nan")], [float("nan"), 5.0]])
    dataset = Dataset(inputs, torch.zeros(3, 1), DataShape("regression", "table", (2,), 1, examples=3))
    assert fill(dataset, torch.tensor([0, 1])).inputs.tolist() == [[1, 0], [3, 0], [2, 5]]
    untouched = Dataset(torch.zeros(3, 2), torch.zeros(3, 1), dataset.shape)
    assert fill(untouched, torch.tensor([0])) is untouched


CELLS = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Z"]), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CELLS, st.floats(-1e6, 1e6)), min_size=12, max_size=40))
def test_what_pandas_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, float]]
) -> None:
    path = tmp_path_factory.mktemp("table") / "t.csv"
    texts = [f"t{text}" for text, _ in rows]
    table = pd.DataFrame(
        {"value": [value for _, value in rows], "y": ["a", "b"] * (len(rows) // 2) + ["a"] * (len(rows) % 2)}
    )
    table.insert(1, "text", texts)
    table.to_csv(path, index=False)
    dataset = load(path, delimiter="comma")
    assert np.allclose(dataset.inputs[:, 0].numpy(), table["value"].astype(np.float32))
    one_hot = OneHotEncoder(sparse_output=False).fit_transform(np.array(texts)[:, None])
    assert np.array_equal(dataset.inputs[:, 1:].numpy(), one_hot)


GOOD = "x,c,y\n" + "1.5,a,u\n2.5,b,v\n" * 20


@pytest.mark.parametrize(
    ("text", "more", "option", "words"),
    [
        (None, {}, "file", "must name a CSV file, there is no file at "),
        ("", {}, "file", "is empty"),
        ("x,y\n", {}, "file", "holds no rows"),
        ("just words\nand more\n", {}, "file", 'has the target column alone: is "," the delimiter?'),
        (GOOD.replace("2.5,b", "two,b", 1), {}, "file", 'row 2 (line 3), column "x": "two" is not a number'),
        (GOOD + "1,a\n", {}, "file", "line 42: 2 cells, the header has 3"),
        (GOOD.replace("x,c,y", "x,x,y"), {}, "file", 'two columns are called "x"'),
        (GOOD.replace(",v", ",u"), {}, "target", "all 40 rows of "),
        (GOOD.replace("a,u", "a,", 1), {}, "target", 'line 2: the target column "y" has no value'),
        (GOOD, {"target": "z"}, "target", 'has no column "z"; there are ["x", "c", "y"]'),
        (GOOD, {"target": "y", "leave_out": "y"}, "leave_out", 'must not name the target, "y"'),
        (GOOD, {"leave_out": "cc"}, "leave_out", 'has no column "cc"; nearest: "c"'),
        (GOOD, {"leave_out": "x,c"}, "file", "has the target column alone"),
        (GOOD, {"task": "regression"}, "file", 'column "y": "u" is not a number'),
        (GOOD.replace("1.5,", ","), {}, "target", "all 20 rows of "),
        (GOOD.replace("1.5,", ",").replace("2.5,", ","), {}, "leave_out", 'must name "x": that column of '),
        ("x,y\n" + "".join(f"{i},n{i}\n" for i in range(50)), {}, "target", "holds 50 different values in 50 rows"),
        ("x,y\n" + "".join(f"n{i},{i % 2}\n" for i in range(60)), {}, "most_categories", "holds 60 different texts"),
        ("x,z,y\n" + "1,,a\n,2,b\n" * 9, {}, "missing", "every row of "),
        ("x\0,y\n1,2\n", {}, "file", "holds zero bytes"),
        ('x,y\n"' + "a" * 200_000 + '",1\n', {}, "file", "field larger than field limit"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    text: str | None, more: dict[str, Value], option: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "table.csv"
    if text is not None:
        write(path, text)
    with pytest.raises(Undescribable) as caught:
        CSV.describe(options(path, **more))
    assert (caught.value.option, words in str(caught.value)) == (option, True), str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(SpecError) as refused:
        experiment({"data": {"dataset": "csv", "options": {"file": str(path), **more}}})
    assert str(refused.value).startswith(f"data.options.{option}: ")


def test_bytes_that_are_not_utf_8_are_told(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes("name,y\nMüller,1\n".encode("latin-1"))
    with pytest.raises(Undescribable, match="is not UTF-8 text: byte 8 is 0xfc"):
        CSV.describe(options(path))


def test_fewer_rows_than_a_batch_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "few.csv", "x,y\n" + "1,a\n2,b\n" * 10)
    data = {"dataset": "csv", "options": {"file": str(path)}}
    with pytest.raises(LaunchError, match=r"^data.batch_size: must be at most 16, as of the 20 examples 16 are for"):
        check_batch(experiment({"data": {**data, "batch_size": 17}}))
    check_batch(experiment({"data": {**data, "batch_size": 16}}))
    check_batch(experiment({"data": {**data, "batch_size": 0}}))


def test_without_a_file_one_line_says_what_to_give() -> None:
    assert CSV.missing(CSV.defaults()) == "csv reads a table of yours: --set data.options.file=PATH"
    with pytest.raises(SpecError, match=r"^data\.options\.file: must name a CSV file$"):
        experiment({"data": {"dataset": "csv"}})
