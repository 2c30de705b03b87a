"""A plugin: `mlp`, with which a step goes wrong, or the clock goes back, once a file says so."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch
from torch import Tensor

from tdl_tui.models.mlp import MLP
from tdl_tui.registry import ARCHITECTURES, ArchitectureEntry

MARKER = os.environ.get("TORTURE_FAULT", "")
"""The file; what it holds is the fault."""
HOUR = 3600.0


class Brittle(MLP):
    """The same weights and outputs as MLP's, until MARKER is there."""

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = super().forward(inputs)  # type: ignore[no-untyped-call]  # nn.Sequential's
        if not (self.training and os.path.exists(MARKER)):  # noqa: PTH110  # each step asks: it must cost nothing
            return outputs
        match Path(MARKER).read_text():
            case "exception":
                raise ValueError("made to go wrong")
            case "out of memory":
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB (simulated)")
            case "not a number":
                return outputs * float("nan")
            case "clock":
                Path(MARKER).unlink()
                truth = time.time
                time.time = lambda: truth() - HOUR
        return outputs


mlp = ARCHITECTURES["mlp"]
ARCHITECTURES.register(
    ArchitectureEntry(name="brittle", help="mlp, with faults", target=Brittle, options=mlp.options, kinds=mlp.kinds)
)
