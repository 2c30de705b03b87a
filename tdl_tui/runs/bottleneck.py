"""Where the time of a training goes, and what it is bound by: the parts, and the verdict on their shares. No torch."""

from __future__ import annotations

IN_STEPS = ("data", "forward", "backward", "optimizer")
BETWEEN_STEPS = ("telemetry", "checkpoint", "validation")
PARTS = (*IN_STEPS, *BETWEEN_STEPS)
"""Of which time/<part> is recorded: what of the wall time, 0 to 1, went into each."""
