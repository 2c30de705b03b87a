"""Reading numbers from the device without making it wait."""

from __future__ import annotations

import time

import torch
from torch import Tensor


class Readback:
    """A tensor on its way to the host. On CUDA the copy is queued behind the work under way; elsewhere it is made at
    once (on a CPU there is nothing to wait for).
    """

    def __init__(self, tensor: Tensor) -> None:
        self._event: torch.cuda.Event | None = None
        if tensor.device.type == "cuda":
            self._host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            self._host.copy_(tensor, non_blocking=True)
            self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            self._event.record(torch.cuda.current_stream(tensor.device))
        else:
            self._host = tensor.cpu()

    @property
    def ready(self) -> bool:
        """Whether `tensor` will return without waiting."""
        return self._event is None or bool(self._event.query())  # type: ignore[no-untyped-call]  # likewise

    def tensor(self) -> Tensor:
        """The values, on the host; waits for them."""
        if self._event is not None:
            self._event.synchronize()
        return self._host


class Stopwatch:
    """How long work takes that is begun here: the time that the host was kept and, on CUDA, that the device was."""

    def __init__(self, device: torch.device) -> None:
        self._device = device if device.type == "cuda" else None
        self._host = 0.0
        self._spans: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    def __enter__(self) -> None:
        if self._device is not None:
            self._spans.append((self._mark(), self._mark()))
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._host += time.perf_counter() - self._started
        if self._device is not None:
            self._spans[-1] = (self._spans[-1][0], self._mark())

    def seconds(self) -> float:
        """The longer of both; waits for the device."""
        if not self._spans:
            return self._host
        self._spans[-1][1].synchronize()
        device: float = sum(first.elapsed_time(last) for first, last in self._spans) / 1000
        return max(self._host, device)

    def _mark(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        event.record(torch.cuda.current_stream(self._device))
        return event
