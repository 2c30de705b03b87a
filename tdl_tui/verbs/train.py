"""`tdl train`: a training is launched and followed to its end. Imports no torch."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from tdl_tui.cli import DONE, INTERRUPTED
from tdl_tui.runs.home import find_home
from tdl_tui.sizes import PartSizes
from tdl_tui.spec import Experiment
from tdl_tui.worker import launch as launcher
from tdl_tui.worker.checks import check_batch, check_device
from tdl_tui.worker.origin import Origin

from . import reports
from .ending import ended
from .experiments import asked_for, epoch_of
from .follow import Interrupts, Progressing, follow, waits
from .options import Assignments, Dataset, Device, Json, Model, Plugins, Seed, Spec
from .queue import enqueue


def train(
    spec: Spec = None,
    *,
    dataset: Dataset = None,
    model: Model = None,
    assignments: Assignments = None,
    device: Device = None,
    seed: Seed = None,
    name: Annotated[str | None, typer.Option("--name", help="what to call the run")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="launch it and return at once")] = False,
    queued: Annotated[
        bool, typer.Option("--queue", help="have it wait for its turn, and return; see tdl queue")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print the whole experiment and do nothing")] = False,
    plugins: Plugins = None,
    as_json: Json = False,
) -> int:
    """Launch a training and follow it.

    It runs in a worker of its own. Ctrl-C stops it with a checkpoint, a second one does not wait for that.
    """
    made = asked_for(spec, dataset, model, assignments, device, seed, name)
    sizes, steps = epoch_of(made)
    check_device(made.training.device)
    check_batch(made)
    if dry_run:
        _print_experiment(made, sizes, steps, as_json)
        return DONE
    if queued:
        enqueue(made, as_json)
        return DONE
    return launch(made, detach, as_json)


def _print_experiment(made: Experiment, sizes: PartSizes, steps: int, as_json: bool) -> None:
    total = steps * made.training.epochs
    if as_json:
        reports.print_json(
            {
                "experiment": made.document(),
                "examples": sizes._asdict(),
                "steps_per_epoch": steps,
                "total_steps": total,
            }
        )
        return
    parts = f"{sizes.train:,} for training, {sizes.validation:,} for validation, {sizes.test:,} for the test"
    reports.say(f"# examples: {parts}\n# {steps:,} steps an epoch, {total:,} in all\n\n{made.toml().rstrip()}")


def launch(made: Experiment, detach: bool, as_json: bool, origin: Origin | None = None) -> int:
    """Launches a training, a fork where it begins with another run's checkpoint, and follows it. The exit status."""
    home = find_home()
    interrupts = Interrupts()
    with interrupts.caught():
        launched = launcher.launch(made, home, origin=origin)
        if detach:
            if as_json:
                reports.print_json({"run": launched.folder.name, "pid": launched.pid})
            else:
                reports.say(f"{launched.folder.name}  {made.title}  (tdl tail {launched.folder.name} follows it)")
            return DONE
        reports.tell(f"{launched.folder.name}  {made.title}")
        progressing = Progressing(sys.stderr, rewrites=sys.stderr.isatty())
        summary = follow(launched.folder, progressing, interrupts)
        if waits(summary):
            reports.tell(f"{summary.id} stops by itself after the step in progress; tdl show {summary.id} tells")
        status = ended(launched.folder, summary, as_json)
        return INTERRUPTED if interrupts.count else status
