"""Reading numbers from the device without making it wait."""

from __future__ import annotations

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
