"""What can be refused before a run exists: a device that is not there, data that is not. Imports no torch."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from tdl_tui.registry import DATASETS
from tdl_tui.spec import Experiment


class LaunchError(Exception):
    """Why a training cannot be started, in one line."""


def check_device(device: str) -> None:
    """Accepts auto, cpu, and a cuda[:index] or mps that torch and this machine have.

    Raises LaunchError, which names what there is. Looks at the installed torch without importing it.
    """
    kind, _, index = device.partition(":")
    if kind in ("auto", "cpu"):
        return
    if kind == "mps":
        if (sys.platform, platform.machine()) != ("darwin", "arm64"):
            raise LaunchError("training.device: mps is for Macs with Apple silicon; use auto or cpu")
        return
    if kind != "cuda":
        raise LaunchError(f"training.device: must be auto, cpu, mps, cuda or cuda:N, got {device}")
    if not _built_for_gpu():
        raise LaunchError(
            f"training.device: {device} is not there, the installed torch is for CPUs only; "
            "use cpu, or install torch for CUDA (make run TORCH=cuda)"
        )
    count = visible_gpus()
    if count == 0:
        raise LaunchError(f"training.device: {device} is not there, no GPU is visible; use auto or cpu")
    if count is not None and int(index or 0) >= count:
        there = ", ".join(f"cuda:{i}" for i in range(count))
        raise LaunchError(f"training.device: {device} is not there; there is {there}")


def auto_device() -> str:
    """The device that auto stands for here, as far as can be seen without torch: cuda:0, mps or cpu.

    Raises LaunchError where torch is not installed.
    """
    if _built_for_gpu() and visible_gpus() != 0:
        return "cuda:0"
    return "mps" if (sys.platform, platform.machine()) == ("darwin", "arm64") else "cpu"


def check_data(experiment: Experiment) -> None:
    """Refuses a folder of data that does not hold what it should, and data of one's own that do not make one batch.
    Raises LaunchError.

    Data that would be downloaded is not refused: whether that works is found out by the worker.
    """
    data = experiment.data
    entry = DATASETS[data.dataset]
    line = entry.missing(data.options)
    if line and data.options.get("folder"):
        raise LaunchError(line)
    check_batch(experiment)


def check_batch(experiment: Experiment) -> None:
    """Refuses data of a person's own that do not make one batch. Raises LaunchError."""
    data = experiment.data
    if not DATASETS[data.dataset].own:
        return
    try:
        training = experiment.part_sizes.train
    except ValueError as error:
        raise LaunchError(f"data.split: {error}") from None
    if training < data.batch_size:
        there = f"of the {experiment.shape.examples} examples {training} are for training"
        raise LaunchError(f"data.batch_size: must be at most {training}, as {there}; got {data.batch_size}")


def visible_gpus() -> int | None:
    """How many CUDA devices a new process would see, by NVML and CUDA_VISIBLE_DEVICES; None where unknown (ROCm)."""
    if _built_for_gpu("hip"):
        return None
    return len(left_by(os.environ.get("CUDA_VISIBLE_DEVICES"), _uuids()))


def left_by(mask: str | None, uuids: Sequence[str]) -> list[int | None]:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves (None: it is not set), by CUDA's numbers: their numbers among all, of
    which these are the UUIDs; None for a part of one (MIG).

    CUDA ignores everything from the first entry on that names no GPU, and leaves none where one is named twice.
    """
    if mask is None:
        return [*range(len(uuids))]
    left: list[int | None] = []
    for name in map(str.strip, mask.split(",")):
        if name.startswith("MIG-") and uuids:
            left.append(None)
            continue
        named = [int(name)] if name.isdigit() else [at for at, uuid in enumerate(uuids) if uuid.startswith(name)]
        if len(named) != 1 or named[0] >= len(uuids) or not name:
            break
        if named[0] in left:
            return []
        left += named
    return left


def _uuids() -> list[str]:
    """Those of all GPUs, in the driver's order; "" for one that cannot be asked."""
    import pynvml

    def uuid(number: int) -> str:
        try:
            found = pynvml.nvmlDeviceGetUUID(pynvml.nvmlDeviceGetHandleByIndex(number))
            return found if isinstance(found, str) else str(found.decode())
        except pynvml.NVMLError:
            return ""

    try:
        pynvml.nvmlInit()
        try:
            return [uuid(number) for number in range(pynvml.nvmlDeviceGetCount())]
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return []


def _built_for_gpu(*kinds: str) -> bool:
    """Whether the installed torch was built for CUDA or ROCm ("cuda", "hip"; both by default)."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        raise LaunchError("torch is not installed; run make run, or pip install torch")
    text = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
    found = dict(re.findall(r"^(cuda|hip)\b[^=\n]*= *(\S+)", text, re.MULTILINE))
    return any(found.get(kind, "None") != "None" for kind in kinds or ("cuda", "hip"))
