"""What the data of an experiment are called, in titles and tables. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any


def data_name(data: Mapping[str, Any]) -> str:
    """The name of a document's data: of files of one's own the file's or the folder's, else the dataset's."""
    dataset, options = str(data.get("dataset", "")), data.get("options")
    options = options if isinstance(options, Mapping) else {}
    if file := options.get("file"):
        return PurePath(str(file)).stem
    if dataset == "image_folder" and (folder := options.get("folder")):
        return PurePath(str(folder)).name
    return dataset
