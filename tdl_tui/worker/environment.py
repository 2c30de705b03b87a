"""How a worker's process is started: its environment, its session, its standard streams. Imports no torch."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import IO

# Read once, when a process starts; what the person set goes before it. A waiting OpenMP thread sleeps instead of
# spinning, which costs nothing alone and keeps two threads from losing to one beside a busy neighbour. Blocks up to
# 32 MiB (the most that every glibc accepts) come from the heap, and the heap keeps 512 MiB: otherwise each step's
# activations are mapped, zeroed by the kernel and unmapped again.
WORKER_ENVIRONMENT: Mapping[str, str] = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(512 * 2**20),
}


def environment() -> dict[str, str]:
    """The environment that a worker starts with."""
    return {**WORKER_ENVIRONMENT, **os.environ}


def start(
    module: str, arguments: Sequence[str], descriptors: Sequence[int], output: IO[bytes] | int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    """Starts `python -m module` in a session and process group of its own, without a terminal.

    It inherits `descriptors` (under the same numbers) and nothing else; what it prints goes to `output`. It outlives
    this process. Raises OSError when no process can be started.
    """
    # -P: a file in the current folder must not shadow a module
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=environment(),
        pass_fds=tuple(descriptors),
        start_new_session=True,
    )


def reap(process: subprocess.Popen[bytes]) -> None:
    """Waits for the process behind the scenes, so that it leaves no zombie while this process lives on."""
    threading.Thread(target=process.wait, name=f"reap {process.pid}", daemon=True).start()
