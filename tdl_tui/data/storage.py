"""Whether a dataset is held on the device or streamed to it."""

from __future__ import annotations

import psutil
import torch

from .dataset import Dataset

SHARE = 0.5  # of the free memory that data may take; the rest is for the model and its activations


def choose(wanted: str, dataset: Dataset, device: torch.device) -> str:
    """What is wanted, "memory" or "stream". For "auto" it is "memory" where that fits into SHARE of what is free, which
    what is on disk did not when it was loaded."""
    if wanted != "auto":
        return wanted
    if dataset.on_disk:
        return "stream"
    return "memory" if bytes_on(dataset, device) <= SHARE * free_bytes(device) else "stream"


def bytes_on(dataset: Dataset, device: torch.device) -> int:
    """What holding the dataset takes beyond what loading it took."""
    normalised_anew = dataset.inputs.is_floating_point()
    inputs = dataset.inputs.nbytes if device.type != "cpu" or normalised_anew else 0
    return inputs + dataset.targets.nbytes


def free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return int(psutil.virtual_memory().available)
