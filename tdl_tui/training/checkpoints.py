"""Checkpoints: everything that training needs to go on as if it had never stopped.

A file of a checkpoint is what torch.save writes (torch.load reads it as it is) with one line behind it: the SHA-256 of
all before. The last two are kept, so that there is one to go on from where the last was damaged.
"""

from __future__ import annotations

import errno
import hashlib
import os
import random
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, cast

import torch
from torch import Tensor, nn
from torch.utils.serialization import config

from tdl_tui.runs.durable import sync_folder
from tdl_tui.runs.signatures import SIGN, is_signed

LAST = "last.pt"
PREVIOUS = "previous.pt"
BEST = "best.pt"
DAMAGED = "damaged.pt"
NAME = re.compile(r"[a-z]+(-\d+)?\.pt")
FORMAT = 3


class CheckpointError(RuntimeError):
    """A checkpoint that cannot be written or read. The message is one line for people."""


class DamagedCheckpoint(CheckpointError):
    """A checkpoint that is not as it was written. `reason` says in what."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} is damaged: {reason}")
        self.reason = reason


class Abandoned(Exception):
    """The writing of a checkpoint was given up, as was asked."""


# ------------------------------------------------------------------------------------------------------------ writing


def save(
    path: Path,
    content: dict[str, Any],
    *,
    previous: Path | None = None,
    abandoned: Callable[[], bool] = lambda: False,
) -> None:
    """Writes `content` (tensors and plain values) so that `path` holds it whole or does not change at all.

    What `path` held goes on as `previous`, where that is given. Other threads compute meanwhile. Raises
    CheckpointError, and Abandoned soon after `abandoned` says so.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with open(temporary, "wb", opener=_private) as file:
            sink = _Sink(file, abandoned)
            # the signature says more than torch's own checksums, and is quicker
            with config.patch("save.compute_crc32", False):  # type: ignore[attr-defined]  # torch adds it on import
                torch.save({"format": FORMAT, **content}, cast(IO[bytes], sink))  # no more of a file is asked for
            file.write(SIGN + sink.digest.hexdigest().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if previous is not None and path.exists():
            path.replace(previous)
        temporary.replace(path)
        sync_folder(path.parent)
    except (OSError, RuntimeError, Abandoned) as error:
        if abandoned():
            raise Abandoned from None
        raise CheckpointError(f"{path} cannot be written: {_reason(error)}") from error
    finally:
        temporary.unlink(missing_ok=True)


class _Sink:
    """The file that torch writes into. Hashing and writing let other threads run."""

    def __init__(self, file: IO[bytes], abandoned: Callable[[], bool]) -> None:
        self.digest = hashlib.sha256()
        self._file = file
        self._abandoned = abandoned

    def write(self, data: memoryview) -> int:
        if self._abandoned():
            raise Abandoned
        self.digest.update(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _reason(error: BaseException) -> str:
    """What the system said, if it did: torch speaks of its file's positions where the disk is full."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return str(error).partition("\n")[0]


# ------------------------------------------------------------------------------------------------------------ reading


def load(path: Path) -> dict[str, Any]:
    """What `save` wrote, on the CPU. Raises DamagedCheckpoint where the file is not as it was written, and
    CheckpointError where it cannot be read or is of a version to come.
    """
    try:
        with path.open("rb") as file:
            signed = is_signed(file)
            content = _unpickled(path, file, signed)
    except ValueError as error:
        raise DamagedCheckpoint(path, str(error)) from None
    except OSError as error:
        if error.errno == errno.EIO:
            raise DamagedCheckpoint(path, str(error.strerror)) from None
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from None
    found = content.get("format")
    if found not in (1, 2, FORMAT):
        raise CheckpointError(f"{path} is of format {found}, this version reads {FORMAT}")
    if found != 1 and not signed:
        raise DamagedCheckpoint(path, "its checksum is missing")
    return content if found == FORMAT else _from_earlier_format(content)


def _unpickled(path: Path, file: IO[bytes], signed: bool) -> dict[str, Any]:
    """What torch reads from the file. Where it is not signed, the checksum of each part of it must be right."""
    try:
        if not signed and (part := zipfile.ZipFile(file).testzip()):
            raise DamagedCheckpoint(path, f"the checksum of {part} is another")
        file.seek(0)
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (DamagedCheckpoint, OSError):
        raise
    except Exception as error:  # noqa: BLE001  # torch and zipfile raise whatever they meet in a damaged file
        if signed:
            raise CheckpointError(f"{path} cannot be read: {str(error).partition(chr(10))[0]}") from None
        raise DamagedCheckpoint(path, "it is cut off, or no checkpoint") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} is no checkpoint: it holds a {type(content).__name__}")
    return content


def _from_earlier_format(content: dict[str, Any]) -> dict[str, Any]:
    """The first format had no checksum; in the first two, of all values only the learning rate could be changed."""
    new: dict[str, Any] = {"changes": [], "heard": {}, "rollbacks": [], "best_epoch": 0}
    if "base_lr" in content:
        new["settings"] = {"optimizer.lr": content["base_lr"]}
    old = {key: value for key, value in content.items() if key not in ("base_lr", "lr_changes")}
    return {**old, **new, "format": FORMAT}


def recover(folder: Path) -> tuple[dict[str, Any] | None, str]:
    """The last checkpoint in `folder` that is whole (None: there was none yet), and in words what is wrong with a
    newer one, or "".

    A damaged last checkpoint is kept under another name, so that the next does not take the place of the good one.
    Raises CheckpointError where there are only damaged ones, or one of a version to come.
    """
    for part in folder.glob(".*.part"):
        part.unlink(missing_ok=True)  # a worker was killed while it wrote
    damaged: dict[str, str] = {}
    for name in (LAST, PREVIOUS):
        path = folder / name
        if not path.exists():
            continue  # between two renames the last one is the previous one
        try:
            content = load(path)
        except DamagedCheckpoint as error:
            damaged[name] = error.reason
            continue
        if not damaged:
            return content, ""
        (folder / LAST).replace(folder / DAMAGED)
        sync_folder(folder)
        step = content["position"]["step"]
        return content, (
            f"the last checkpoint is damaged ({damaged[LAST]}; kept as {DAMAGED}): going on from the one before, "
            f"of step {step:,}"
        )
    if not damaged:
        return None, ""
    what = " and ".join(f"{name} ({reason})" for name, reason in damaged.items())
    raise CheckpointError(
        f"no checkpoint can be read: {what}; put a good copy in {folder}, or delete what is damaged there to start "
        "from the beginning"
    )


# -------------------------------------------------------------------------------------------------------- the content


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
