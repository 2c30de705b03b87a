"""What NVIDIA's GPUs say of themselves, by NVML: the one that trains, and the others of the machine."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import cycle
from typing import Any

import pynvml
import torch

from tdl_tui.runs.gpus import MEMORY, MOST, OWN, POWER, TEMPERATURE, UTILISATION
from tdl_tui.runs.gpus import Gpu as Known

from .spacing import Spacing

SHARE = 0.001
"""Of the time, for what does not have to be known at once: how the other GPUs are, and whose the memory is."""

News = tuple[str, str]

_OF_THE_PART: dict[str, Callable[[Any], float]] = {
    UTILISATION: lambda handle: pynvml.nvmlDeviceGetUtilizationRates(handle).gpu,
    MEMORY: lambda handle: pynvml.nvmlDeviceGetMemoryInfo(handle).used,
}
_OF_THE_WHOLE: dict[str, Callable[[Any], float]] = {
    POWER: lambda handle: pynvml.nvmlDeviceGetPowerUsage(handle) / 1000,
    TEMPERATURE: lambda handle: pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU),
}


class Gpu:
    """One GPU by its NVML handle, or a part of one (MIG) with the handle of the `whole`, which alone has a meter and a
    sensor.

    What it cannot say (a right, a sensor or a counter that is not there) is left out. What it could say and no longer
    can is NaN once, and `trouble` says why.
    """

    def __init__(self, known: Known, handle: Any, whole: Any = None) -> None:
        self.known = known
        self.trouble = ""
        self._handle = handle
        self._whole = handle if whole is None else whole
        self._told: set[str] = set()

    def figures(self) -> Iterator[tuple[str, float]]:
        """The series of `runs.gpus.QUANTITIES` with their values."""
        for reads, handle in ((_OF_THE_PART, self._handle), (_OF_THE_WHOLE, self._whole)):
            for quantity, read in reads.items():
                yield from self._figure(self.known.series(quantity), partial(read, handle))

    def own(self) -> Iterator[tuple[str, float]]:
        """What of the memory in use this process holds, where the driver knows it by the number that it has here: in
        most containers it has another one."""
        yield from self._figure(f"system/{OWN}", self._own)

    def joules(self) -> float:
        """What the whole GPU has used since its driver was loaded (Volta and newer). Raises OSError."""
        try:
            return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(self._whole)) / 1000
        except pynvml.NVMLError as error:
            raise OSError(str(error)) from None

    def _own(self) -> float | None:
        held = [
            process.usedGpuMemory
            for process in pynvml.nvmlDeviceGetComputeRunningProcesses_v3(self._handle)
            if process.pid == os.getpid() and process.usedGpuMemory is not None
        ]
        return sum(held) if held else None

    def _figure(self, name: str, read: Callable[[], float | None]) -> Iterator[tuple[str, float]]:
        try:
            value = read()
        except pynvml.NVMLError as error:
            value = None
            if name in self._told:
                self.trouble = str(error)
        if value is not None:
            self._told.add(name)
            yield name, float(value)
        elif name in self._told:
            self._told.remove(name)
            yield name, math.nan


class Gpus:
    """The GPU that trains, which is asked at every look, and the others, which are asked in turn for a small share of
    the time. `news` are events that are to be recorded: kind and text."""

    def __init__(self, training: Gpu | None, others: Sequence[Gpu] = (), news: Sequence[News] = ()) -> None:
        self._training = training
        self._all = [*([training] if training else ()), *others]
        self._news = list(news)
        self._said: set[int] = set()
        self._in_turn = [*([training.own] if training else ()), *(gpu.figures for gpu in others)]
        self._turns = cycle(self._in_turn)
        self._spacing = Spacing(SHARE, 0.0)

    @property
    def known(self) -> tuple[Known, ...]:
        return tuple(gpu.known for gpu in self._all)

    @property
    def joules(self) -> Callable[[], float] | None:
        """What the one that trains has used, as `Gpu.joules`."""
        return self._training.joules if self._training else None

    def figures(self) -> Iterator[tuple[str, float]]:
        """The series with their values, of as many as there is time for."""
        if self._training:
            yield from self._training.figures()
        for _ in self._in_turn:
            started = time.perf_counter()
            if started < self._spacing.due:
                break
            found = list(next(self._turns)())
            self._spacing.paid(time.perf_counter() - started)
            yield from found

    def news(self) -> list[News]:
        """What has not been said yet: what is not known, and once of each GPU that it says less than it did."""
        for gpu in self._all:
            if gpu.trouble and gpu.known.number not in self._said:
                self._said.add(gpu.known.number)
                self._news.append(("warning", f"GPU {gpu.known.number} no longer says all it did: {gpu.trouble}"))
        said, self._news = self._news, []
        return said


def gpus_of(device: torch.device) -> Gpus:
    """Those of the machine, where `device` is one of them; none with a CPU. What nobody tells is among the news.

    NVML counts all GPUs, CUDA those that CUDA_VISIBLE_DEVICES leaves, in an order of its own: the one that trains is
    found by its UUID.
    """
    if device.type == "cpu":
        return Gpus(None)
    if device.type != "cuda" or torch.version.hip is not None:
        maker = "AMD's GPUs" if device.type == "cuda" else f"{device.type} devices"
        return Gpus(None, news=[("machine", f"{_UNKNOWN}: nothing here tells those of {maker}")])
    try:
        pynvml.nvmlInit()
        handle, whole = _handles(str(torch.cuda.get_device_properties(device).uuid))
        number = pynvml.nvmlDeviceGetIndex(whole)
        training = Gpu(_known(number, handle, whole, trains=True), handle, whole)
    except pynvml.NVMLError as error:
        return Gpus(None, news=[("machine", f"{_UNKNOWN}: NVML says “{error}”")])
    except AttributeError:
        return Gpus(None, news=[("machine", f"{_UNKNOWN}: this torch does not say which GPU {device} is")])
    return Gpus(training, *_others(number))


_UNKNOWN = "the GPU's utilisation, memory, power, temperature and energy are unknown"


def _handles(uuid: str) -> tuple[Any, Any]:
    """Those of the GPU, or of the part of one, and of the whole. Raises NVMLError."""
    try:
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}".encode())
        return handle, handle
    except pynvml.NVMLError_NotFound:
        part = pynvml.nvmlDeviceGetHandleByUUID(f"MIG-{uuid}".encode())
        return part, pynvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(part)


def _others(number: int) -> tuple[list[Gpu], list[News]]:
    """The GPUs but that of a number, and what there is to say of them."""
    others: list[Gpu] = []
    news: list[News] = []
    try:
        count = pynvml.nvmlDeviceGetCount()
    except pynvml.NVMLError as error:
        return [], [("machine", f"how the other GPUs are is unknown: NVML says “{error}”")]
    for other in range(min(count, MOST)):
        if other == number:
            continue
        try:
            handle = pynvml.nvmlDeviceGetHandleByIndex(other)
            others.append(Gpu(_known(other, handle, handle, trains=False), handle))
        except pynvml.NVMLError as error:
            news.append(("machine", f"how GPU {other} is is unknown: NVML says “{error}”"))
    return others[: MOST - 1], news


def _known(number: int, handle: Any, whole: Any, *, trains: bool) -> Known:
    name = pynvml.nvmlDeviceGetName(whole)
    try:
        memory = int(pynvml.nvmlDeviceGetMemoryInfo(handle).total)
    except pynvml.NVMLError:  # it shares the host's
        memory = 0
    return Known(number, name if isinstance(name, str) else name.decode(), memory, trains)
