"""Numbers that a table lacks."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from .dataset import Dataset


def fill(dataset: Dataset, train: Tensor) -> Dataset:
    """The dataset with the mean over the examples `train` in place of each NaN in a table's inputs; 0 where they have
    no value in that column. Others than tables stay as they are."""
    if dataset.shape.kind != "table" or not bool(dataset.inputs.isnan().any()):
        return dataset
    means = dataset.inputs[train].to(torch.float64).nanmean(0).nan_to_num(0.0).to(torch.float32)
    return replace(dataset, inputs=torch.where(dataset.inputs.isnan(), means, dataset.inputs))
