"""Checkpoints: everything that training needs to go on as if it had never stopped."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

LAST = "last.pt"
BEST = "best.pt"
FORMAT = 1


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be written or read. The message is one line for people."""


def save(path: Path, content: dict[str, Any]) -> None:
    """Writes `content` (tensors and plain values) so that `path` holds it whole or does not change at all.

    Raises CheckpointError.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(exist_ok=True)
        with temporary.open("wb") as file:
            torch.save({"format": FORMAT, **content}, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"{path} cannot be written: {_reason(error)}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _reason(error: BaseException) -> str:
    """What the system said, if it did: torch speaks of its file's positions where the disk is full."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return str(error).partition("\n")[0]


def sync_folder(folder: Path) -> None:
    """Makes a rename in the folder durable, where the system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load(path: Path) -> dict[str, Any]:
    """What `save` wrote, on the CPU. Raises CheckpointError."""
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001  # torch raises whatever its unpickler meets in a damaged file
        raise CheckpointError(f"{path} cannot be read: {str(error).partition(chr(10))[0]}") from None
    if content.get("format") != FORMAT:
        raise CheckpointError(f"{path} is of format {content.get('format')}, this version reads {FORMAT}")
    return content


def random_states(device: torch.device) -> dict[str, Any]:
    """The random states that training draws from, as plain values and tensors."""
    version, words, gauss = random.getstate()
    states: dict[str, Any] = {"torch": torch.get_rng_state(), "python": [version, list(words), gauss]}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    return states


def restore_random_states(states: dict[str, Any], device: torch.device) -> None:
    """Sets what `random_states` gave."""
    torch.set_rng_state(states["torch"])
    version, words, gauss = states["python"]
    random.setstate((version, tuple(words), gauss))
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)


def weights(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the model's parameters and buffers, on its device."""
    held = model.state_dict().items()
    return {name: tensor.detach().clone() for name, tensor in held if isinstance(tensor, Tensor)}
