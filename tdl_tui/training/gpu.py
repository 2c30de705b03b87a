"""What an NVIDIA GPU says of itself, by NVML."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pynvml
import torch


class Gpu:
    """One GPU by its NVML handle. What it cannot say (a right, a sensor or a counter that is not there) is left out."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def figures(self) -> Iterator[tuple[str, float]]:
        """system/gpu (percent, 0 to 100), system/gpu_memory (bytes in use on it), system/gpu_power (watts) and
        system/gpu_temperature (°C)."""
        reads: dict[str, Callable[[Any], float]] = {
            "system/gpu": lambda handle: pynvml.nvmlDeviceGetUtilizationRates(handle).gpu,
            "system/gpu_memory": lambda handle: pynvml.nvmlDeviceGetMemoryInfo(handle).used,
            "system/gpu_power": lambda handle: pynvml.nvmlDeviceGetPowerUsage(handle) / 1000,
            "system/gpu_temperature": lambda handle: pynvml.nvmlDeviceGetTemperature(
                handle, pynvml.NVML_TEMPERATURE_GPU
            ),
        }
        for name, read in reads.items():
            try:
                yield name, float(read(self._handle))
            except pynvml.NVMLError:
                continue

    def joules(self) -> float:
        """What the whole GPU has used since its driver was loaded (Volta and newer). Raises OSError."""
        try:
            return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1000
        except pynvml.NVMLError as error:
            raise OSError(str(error)) from None


def gpu_of(device: torch.device) -> Gpu | None:
    """The GPU of a CUDA device; None for other devices, and where NVML does not know it."""
    if device.type != "cuda":
        return None
    try:
        pynvml.nvmlInit()
        properties = torch.cuda.get_device_properties(device)
        return Gpu(pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{properties.uuid}".encode()))
    except (pynvml.NVMLError, AttributeError):
        return None
