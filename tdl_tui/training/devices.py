"""Where to compute: from a name to a device that is there, and what suits it."""

from __future__ import annotations

import torch
from torch import nn

FEW_WEIGHTS = 1_000_000  # the copies cost a ResNet-18 3 % of a step at batch size 8, and its layout gains nothing


class DeviceError(ValueError):
    """The device is not there. The message is one line for people."""


def resolve(name: str) -> torch.device:
    """The device of that name: auto (the best there is), cpu, cuda, cuda:N or mps. Raises DeviceError."""
    if name == "auto":
        return torch.device(_best())
    kind, _, index = name.partition(":")
    if kind == "cpu":
        return torch.device("cpu")
    if kind == "mps":
        if not torch.backends.mps.is_available():
            raise DeviceError(f"training.device: no mps device here; {_there()}")
        return torch.device("mps")
    if kind != "cuda":
        raise DeviceError(f'training.device: must be auto, cpu, cuda, cuda:N or mps, got "{name}"')
    if torch.version.cuda is None and torch.version.hip is None:
        raise DeviceError(f"training.device: this torch ({torch.__version__}) was built without CUDA; {_there()}")
    if not torch.cuda.is_available():
        raise DeviceError(f"training.device: no CUDA device here; {_there()}")
    count = torch.cuda.device_count()
    number = int(index or torch.cuda.current_device())
    if number >= count:
        raise DeviceError(f"training.device: no {name}, there {_be(count)} numbered from cuda:0")
    return torch.device("cuda", number)


def describe(device: torch.device) -> str:
    """The device as a person calls it: "cuda:0 NVIDIA A100", "cpu"."""
    if device.type == "cuda":
        return f"{device} {torch.cuda.get_device_name(device)}"
    return str(device)


def memory_format(model: nn.Module, device: torch.device, precision: str) -> torch.memory_format:
    """channels_last where convolutions of pictures are faster so: on CUDA in bf16 (tensor cores), and on a CPU as long
    as they have few weights, of which the CPU's fused optimizers copy those that lie so at every step."""
    weights = sum(module.weight.numel() for module in model.modules() if isinstance(module, nn.Conv2d))
    suits = weights <= FEW_WEIGHTS if device.type == "cpu" else device.type == "cuda" and precision == "bf16"
    return torch.channels_last if weights and suits else torch.contiguous_format


def _best() -> str:
    if torch.cuda.is_available():
        return f"cuda:{torch.cuda.current_device()}"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _there() -> str:
    if torch.cuda.is_available():
        return f"there {_be(torch.cuda.device_count())} and the cpu"
    return "there are mps and cpu" if torch.backends.mps.is_available() else 'there is "cpu"'


def _be(count: int) -> str:
    return "is one CUDA device" if count == 1 else f"are {count} CUDA devices"
