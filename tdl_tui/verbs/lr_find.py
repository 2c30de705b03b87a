"""`tdl lr-find`: a learning rate is looked for with a copy that is thrown away. Imports torch when it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from tdl_tui.cli import FailedRequest, WrongRequest
from tdl_tui.runs.home import find_home
from tdl_tui.spec import Experiment
from tdl_tui.worker.checks import check_batch, check_device

from . import reports
from .experiments import asked_for, epoch_of
from .options import Assignments, Dataset, Device, Json, Model, Plugins, Seed, Spec

RANGE_ROWS = 25
RANGE_BAR = 40


def find_lr(
    spec: Spec = None,
    *,
    dataset: Dataset = None,
    model: Model = None,
    assignments: Assignments = None,
    device: Device = None,
    seed: Seed = None,
    steps: Annotated[int, typer.Option("--steps", metavar="N", min=2, help="updates to make, at most")] = 100,
    plugins: Plugins = None,
    as_json: Json = False,
) -> None:
    """Find a learning rate: a few steps with rates from far too small to too large.

    They are made with a copy that is thrown away; no run is made.
    """
    made = asked_for(spec, dataset, model, assignments, device, seed)
    epoch_of(made)
    check_device(made.training.device)
    check_batch(made)
    found = _range_test(made, steps)
    if as_json:
        reports.print_json(found)
    else:
        reports.say(lr_range_text(found["lr"], found["loss"], found["suggestion"], made.optimizer.lr))


def _range_test(made: Experiment, steps: int) -> dict[str, Any]:
    from dataclasses import asdict

    import torch  # noqa: F401  # before what stands in for its compiler

    from tdl_tui.worker import compiler

    compiler.put_off()
    from tdl_tui.data.dataset import DataError
    from tdl_tui.training import devices, lr_range, memory
    from tdl_tui.training.assembly import assemble
    from tdl_tui.training.threads import Threads

    Threads(made.training.threads)
    try:
        lr_range.check(made)
        chosen = devices.resolve(made.training.device)
        memory.check(made, chosen)
        network, prepared = assemble(made, find_home(), chosen, report=reports.tell)
        try:
            return asdict(lr_range.range_test(made, prepared, network, device=chosen, steps=steps))
        finally:
            prepared.batches.close()
    except (lr_range.NoRangeTest, devices.DeviceError) as error:
        raise WrongRequest(str(error)) from None
    except (DataError, memory.NotEnoughMemory) as error:
        raise FailedRequest(str(error)) from None


def lr_range_text(rates: Sequence[float], losses: Sequence[float], suggestion: float | None, now: float) -> str:
    """A range test as a table of learning rates with the loss as a bar, and what to take.

    A row is the mean of several steps where there are many. Bars end at one and a half times the first loss: beyond
    that the training diverges.
    """
    each = -(-len(rates) // RANGE_ROWS)
    full = 1.5 * losses[0] or 1.0
    rows = []
    for start in range(0, len(rates), each):
        part = losses[start : start + each]
        mean = sum(part) / len(part)
        mark = "  ← steepest descent" if suggestion in rates[start : start + each] else ""
        share = min(1.0, max(0.0, mean / full))
        rows.append([f"{rates[start]:.1e}", f"{mean:>9.4g}", f"{'█' * round(share * RANGE_BAR)}{mark}"])
    said = "the loss fell at no learning rate, nothing is suggested: try more --steps, or another batch size"
    if suggestion is not None:
        said = f"the loss falls fastest at {suggestion:.1e} (now {now:.1e}): --set optimizer.lr={suggestion:.1e}"
    return f"{reports.table(rows, ('LR', '     LOSS', ''))}\n\n{said}"
