"""Training beside another process that keeps a core busy: with the threads that we choose, against one thread."""

from __future__ import annotations

import argparse
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from statistics import median

from .training import MAIN, Case, as_a_worker, data, ours, spread, steps_for, tell

GOAL = 0.9
BUSY = """
import os
parent = os.getppid()
while os.getppid() == parent:
    sum(range(1_000_000))
"""


@contextlib.contextmanager
def neighbour() -> Iterator[None]:
    """While open, another process computes without end (but not beyond this one's)."""
    process = subprocess.Popen([sys.executable, "-S", "-c", BUSY])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def ratios(case: Case, rounds: int) -> tuple[list[float], list[int]]:
    """Samples a second with the threads that we choose over those with one, a ratio a round; and the threads."""
    import torch

    with contextlib.ExitStack() as stack:
        dataset = data(case)
        chosen, one = ours(case, dataset, stack, 0), ours(case, dataset, stack, 1)
        stack.enter_context(neighbour())
        chosen(), one()
        found, threads = [], []
        for number in range(rounds):
            if number % 2:
                alone, with_chosen = one(), chosen()
                threads.append(torch.get_num_threads())
            else:
                with_chosen = chosen()
                threads.append(torch.get_num_threads())
                alone = one()
            found.append(with_chosen / alone)
        return found, threads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=2.0)
    arguments = parser.parse_args()
    as_a_worker("bench.neighbour")
    import torch

    torch.set_num_threads(1)
    for model, batch_size in MAIN:
        case = Case(model, batch_size, steps_for(model, batch_size, arguments.seconds))
        found, threads = ratios(case, arguments.rounds)
        value = median(found)
        tell(
            f"{case.name} beside a busy neighbour, against one thread",
            f"≥ {GOAL} ×",
            value,
            value >= GOAL,
            quartiles=spread(found),
            threads=sorted(set(threads)),
        )


if __name__ == "__main__":
    main()
