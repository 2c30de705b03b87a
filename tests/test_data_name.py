"""What data are called: a dataset by its name, files of one's own by theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tdl_tui.data_name import data_name
from tdl_tui.spec import experiment


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"dataset": "digits", "options": {"image_size": 28}}, "digits"),
        ({"dataset": "npz", "options": {"file": "/data/mnist5k.npz"}}, "mnist5k"),
        ({"dataset": "text", "options": {"file": ""}}, "text"),
        ({"dataset": "image_folder", "options": {"folder": "~/photos.v2/"}}, "photos.v2"),
        ({"dataset": "mnist", "options": {"folder": "/data"}}, "mnist"),
        ({"dataset": "npz", "options": None}, "npz"),
        ({}, ""),
    ],
)
def test_files_of_ones_own_are_called_by_their_name(data: dict[str, Any], name: str) -> None:
    assert data_name(data) == name


def test_an_experiment_without_a_name_is_called_after_them(tmp_path: Path) -> None:
    file = tmp_path / "flowers.csv"
    file.write_text("length,kind\n" + "1.0,a\n2.0,b\n" * 10)
    document = {"data": {"dataset": "csv", "options": {"file": str(file)}}, "model": {"architecture": "mlp"}}
    assert experiment(document).title == "mlp on flowers"
