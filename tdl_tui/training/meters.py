"""Figures of the machine, about twice a second."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import psutil
import torch

from .recorder import Recorder

SECONDS = 0.5


class Meters:
    """Records speed/samples_per_s, system/cpu (percent of all cores, 0 to 100) and system/memory (bytes that this
    process holds); on CUDA also system/gpu (percent, 0 to 100) and system/gpu_memory (bytes in use on the device).
    """

    def __init__(self, recorder: Recorder, device: torch.device) -> None:
        self._recorder = recorder
        self._process = psutil.Process()
        self._gpu = _gpu(device)
        self._due = 0.0
        self._next = 1
        self._examples = 0
        self._since = time.perf_counter()
        psutil.cpu_percent(None)

    def start(self, step: int) -> None:
        """The next step is `step`: those before it have their figures."""
        self._next = step

    def count(self, examples: int, step: int) -> None:
        """So many examples were trained on since the last call, up to `step`."""
        self._examples += examples
        now = time.perf_counter()
        if now < self._due or step < self._next:
            return
        self._next = step + 1
        wall = time.time()
        record = self._recorder.point
        if now - self._since > 0.05:
            record("speed/samples_per_s", step, self._examples / (now - self._since), wall)
        self.skip()
        self._due = now + SECONDS
        record("system/cpu", step, psutil.cpu_percent(None), wall)
        record("system/memory", step, float(self._process.memory_info().rss), wall)
        if self._gpu is not None:
            import pynvml

            with suppress(pynvml.NVMLError):  # a figure that cannot be had is left out
                record("system/gpu", step, float(pynvml.nvmlDeviceGetUtilizationRates(self._gpu).gpu), wall)
                record("system/gpu_memory", step, float(pynvml.nvmlDeviceGetMemoryInfo(self._gpu).used), wall)

    def leave_out(self, seconds: float) -> None:
        """So many seconds since the last call were not training, but a validation."""
        self._since += seconds

    def skip(self) -> None:
        """Starts counting anew: what went before (a pause) is not training."""
        self._examples = 0
        self._since = time.perf_counter()


def _gpu(device: torch.device) -> Any:
    """The NVML handle of a CUDA device, or None."""
    if device.type != "cuda":
        return None
    import pynvml

    try:
        pynvml.nvmlInit()
        properties = torch.cuda.get_device_properties(device)
        return pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{properties.uuid}".encode())
    except (pynvml.NVMLError, AttributeError):
        return None
