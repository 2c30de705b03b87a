"""The verbs of `tdl`: what each takes, and what it does. Imports no torch; `summary` does when it runs."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from tdl_tui.plugins.faults import PluginError
from tdl_tui.plugins.known import PLUGINS, VARIABLE, ask_for, asked_for, installed
from tdl_tui.registry import (
    ARCHITECTURES,
    DATASETS,
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    DataShape,
    Entry,
    Registry,
    UnknownName,
    nearest,
    parse_value,
    shown,
)
from tdl_tui.runs import home as runs_home
from tdl_tui.runs import lock
from tdl_tui.runs.commands import CommandError
from tdl_tui.runs.home import HomeError, find_home
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State, Summary
from tdl_tui.runs.schema import UnreadableRun
from tdl_tui.runs.table import RunTable
from tdl_tui.runs.text import printable
from tdl_tui.settables import SETTABLES, settable
from tdl_tui.sizes import PartSizes, steps_per_epoch
from tdl_tui.spec import NAMED, Experiment, SpecError, assign, assign_text, experiment, read
from tdl_tui.widgets.display import RATE, RATES, Display, display_of
from tdl_tui.worker import steer
from tdl_tui.worker.answers import SamplesAnswer
from tdl_tui.worker.checks import LaunchError, check_batch, check_device
from tdl_tui.worker.origin import Origin, origin

from . import check_verb, costs, profile_verb, queue_verb, reports
from .cli import DONE, FAILED, INTERRUPTED, FailedRequest, WrongRequest, complain, workbench
from .completion import run_names
from .follow import Interrupts, Progressing, event_documents, follow, waits

REFUSALS = (typer.TyperException, SpecError, PluginError, UnknownName, HomeError, LaunchError, UnreadableRun)
FAILURES = (steer.SteerError, CommandError)

BUILDING = ("tdl summary", "tdl lr-find", "tdl data show")
"""Verbs that import torch in this process."""

app = typer.Typer(
    name="tdl",
    help="A training workbench that lives in a terminal. Without a verb: the workbench.",
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=False,
)
data = typer.Typer(help="Look at data.", rich_markup_mode=None)
app.add_typer(data, name="data")


def carry_out(arguments: list[str]) -> int:
    """Carries out a command line and returns its exit status. Raises what REFUSALS and FAILURES name."""
    verbs = [command.name or str(getattr(command.callback, "__name__", "")) for command in app.registered_commands]
    verbs += [group.name or "" for group in app.registered_groups]
    if arguments and not arguments[0].startswith("-") and arguments[0] not in verbs:
        near = nearest(arguments[0], verbs)
        hint = f'nearest: "{near}"' if near else f"there are: {', '.join(verbs)}"
        raise WrongRequest(f"no verb {shown(arguments[0])}; {hint}")
    return int(app(arguments, prog_name="tdl", standalone_mode=False) or DONE)


def in_one_line(error: Exception) -> str:
    """The message of a refusal."""
    text = error.format_message() if isinstance(error, typer.TyperException) else str(error)
    return " ".join(text.split())


# completion: names only, nothing that takes time to import


def _entries(registry: Registry[Any]) -> Callable[[str], list[tuple[str, str]]]:
    def complete(incomplete: str) -> list[tuple[str, str]]:
        return [(entry.name, entry.help) for entry in registry if entry.name.startswith(incomplete)]

    return complete


def _devices(incomplete: str) -> list[str]:
    return [device for device in ("auto", "cpu", "cuda", "cuda:0", "mps") if device.startswith(incomplete)]


def _use_plugins(context: typer.Context, plugins: list[str]) -> list[str]:
    """Makes known what plugins register, before a verb is carried out. Raises PluginError.

    One that was asked for must be right. One that a package brings along, unasked, is only complained of.
    """
    if context.resilient_parsing:
        return plugins
    PLUGINS.here = context.command_path in BUILDING
    for plugin in installed():
        try:
            PLUGINS.use([plugin])
        except PluginError as error:
            complain(str(error))
    ask_for(plugins or ())
    PLUGINS.use(asked_for())
    return plugins


def _ask_for_plugins(context: typer.Context, plugins: list[str]) -> list[str]:
    if not context.resilient_parsing:
        ask_for(plugins or ())
    return plugins


def _plugin_option(callback: Callable[[typer.Context, list[str]], list[str]]) -> Any:
    return typer.Option(
        "--plugin",
        metavar="FILE.py",
        callback=callback,
        help=f"your own architectures and data sets, see docs/plugins.md; also those in ${VARIABLE}",
    )


Plugins = Annotated[list[str] | None, _plugin_option(_use_plugins)]
Run = Annotated[
    str, typer.Argument(metavar="RUN", help="an id, the beginning of one, a name, or last", autocompletion=run_names)
]
Spec = Annotated[Path | None, typer.Argument(metavar="[SPEC.toml]", help="an experiment; see --dry-run")]
Json = Annotated[bool, typer.Option("--json", help="one JSON document on standard output")]
Dataset = Annotated[str | None, typer.Option("--dataset", help="see tdl datasets", autocompletion=_entries(DATASETS))]
Model = Annotated[str | None, typer.Option("--model", help="see tdl models", autocompletion=_entries(ARCHITECTURES))]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="any value by its TOML path: optimizer.lr=3e-4")
]
Device = Annotated[
    str | None, typer.Option("--device", help="auto, cpu, cuda, cuda:1, … or mps", autocompletion=_devices)
]
Fps = Annotated[
    float | None, typer.Option("--fps", metavar="N", min=RATES[0], max=RATES[1], help="looks a second for what is new")
]
NoColor = Annotated[bool, typer.Option("--no-color", help="no colours, as with NO_COLOR in the environment")]
Ascii = Annotated[bool, typer.Option("--ascii", help="no character but ASCII")]
Seed = Annotated[str | None, typer.Option("--seed", metavar="N", help="decides weights, order and dropout")]


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        reports.say(f"tdl {version('tdl-tui')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _tdl(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="which version this is")
    ] = False,
    fps: Fps = None,
    no_color: NoColor = False,
    ascii: Ascii = False,
    plugins: Annotated[list[str] | None, _plugin_option(_ask_for_plugins)] = None,
) -> None:
    if context.invoked_subcommand is None:
        workbench(display=_display(fps, no_color, ascii))
    elif fps is not None or no_color or ascii:
        raise WrongRequest("--fps, --no-color and --ascii go behind the verb: tdl open RUN --ascii")


def _display(fps: float | None, no_color: bool, ascii: bool) -> Display:
    return display_of(os.environ, fps=fps or RATE, no_color=no_color, ascii=ascii)


# the workbench


@app.command()
def new(
    spec: Spec = None, fps: Fps = None, no_color: NoColor = False, ascii: Ascii = False, plugins: Plugins = None
) -> None:
    """The workbench, at the form for a new training."""
    workbench(new_document=read(spec) if spec else {}, display=_display(fps, no_color, ascii))


@app.command("open")
def open_run(
    run: Run,
    *,
    once: Annotated[bool, typer.Option("--once", help="print one frame of the screen, and end")] = False,
    size: Annotated[str | None, typer.Option("--size", metavar="WxH", help="of the frame; else 120x40")] = None,
    format: Annotated[str | None, typer.Option("--format", metavar="text|svg|html", help="of the frame")] = None,
    fps: Fps = None,
    no_color: NoColor = False,
    ascii: Ascii = False,
) -> int:
    """The workbench, at a run; or one frame of it."""
    folder = _folder(run)
    if once:
        if fps is not None:
            raise WrongRequest("--fps: one frame has no refreshes; leave it out with --once")
        return _print_frame(folder, size or "120x40", format or "text", no_color, ascii)
    if size is not None or format is not None:
        raise WrongRequest("--size and --format are those of a frame: they go with --once")
    workbench(open_folder=folder, display=_display(fps, no_color, ascii))
    return DONE


def _print_frame(folder: Path, size: str, format: str, no_color: bool, ascii: bool) -> int:
    from tdl_tui.screens.once import FORMATS, frame, size_of

    if format not in FORMATS:
        raise WrongRequest(f"--format: must be {', '.join(FORMATS)}, got {shown(format)}")
    try:
        wanted = size_of(size)
    except ValueError as error:
        raise WrongRequest(f"--size: {error}") from None
    display = _display(None, no_color, ascii)
    if format != "text" and not ascii:
        display = replace(display, glyphs="all")  # it is not for this terminal
    made = frame(folder, wanted, format, display)
    sys.stdout.write(f"{made.picture}\n")
    return DONE if made.readable else FAILED


# training


@app.command()
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
    made = _experiment(spec, dataset, model, assignments, device, seed, name)
    sizes, steps = _epoch(made)
    check_device(made.training.device)
    check_batch(made)
    if dry_run:
        _print_experiment(made, sizes, steps, as_json)
        return DONE
    if queued:
        queue_verb.enqueue(made, as_json)
        return DONE
    return _launch(made, detach, as_json)


def _experiment(
    spec: Path | None,
    dataset: str | None,
    model: str | None,
    assignments: list[str] | None,
    device: str | None,
    seed: str | None,
    name: str | None = None,
) -> Experiment:
    """What was asked for, the flags over the file and --set over both. Raises SpecError."""
    document = read(spec) if spec else {}
    _choose(document, "data", "dataset", dataset)
    _choose(document, "model", "architecture", model)
    if device is not None:
        assign(document, "training.device", device)
    if seed is not None:
        assign(document, "seed", parse_value(seed))
    if name is not None:
        assign(document, "name", name)
    for assignment in assignments or ():
        assign_text(document, assignment)
    return experiment(document)


def _choose(document: dict[str, Any], section: str, key: str, name: str | None) -> None:
    """Takes another dataset or architecture than the file says; the options of the one before go with it."""
    if name is None:
        return
    table = document.get(section)
    if isinstance(table, dict) and table.get(key, name) != name:
        table.pop("options", None)
    assign(document, f"{section}.{key}", name)


def _epoch(made: Experiment) -> tuple[PartSizes, int]:
    try:
        sizes = made.part_sizes
    except ValueError as error:
        raise WrongRequest(f"data.split: {error}") from None
    return sizes, steps_per_epoch(sizes.train, made.data.batch_size)


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


def _launch(made: Experiment, detach: bool, as_json: bool, origin: Origin | None = None) -> int:
    from tdl_tui.worker.launch import launch

    home = find_home()
    interrupts = Interrupts()
    with interrupts.caught():
        launched = launch(made, home, origin=origin)
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
        status = _ended(launched.folder, summary, as_json)
        return INTERRUPTED if interrupts.count else status


@app.command("lr-find")
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
    made = _experiment(spec, dataset, model, assignments, device, seed)
    _epoch(made)
    check_device(made.training.device)
    check_batch(made)
    found = _range_test(made, steps)
    if as_json:
        reports.print_json(found)
    else:
        reports.say(reports.lr_range_text(found["lr"], found["loss"], found["suggestion"], made.optimizer.lr))


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


@app.command()
def tail(run: Run, as_json: Json = False) -> int:
    """Follow a run until it ends, in lines: progress, validations, events; Ctrl-C only lets go."""
    folder = _folder(run)
    if _summary(folder).state is State.QUEUED:
        queue_verb.keep_moving(find_home())
    progressing = Progressing(sys.stderr if as_json else sys.stdout, rewrites=False)
    return _ended(folder, follow(folder, progressing, Interrupts(), happenings=not as_json), as_json)


def _ended(folder: Path, summary: Summary, as_json: bool) -> int:
    if summary.damage:
        raise FailedRequest(summary.damage)
    if as_json:
        with RunReader(folder) as reader:
            reports.print_json(reports.end_document(reader, summary) | {"events": event_documents(reader)})
    elif summary.state in (State.FINISHED, State.STOPPED):
        reports.say(reports.end_text(summary))
    match summary.state:
        case State.FAILED:
            complain(f"{folder.name} failed: {summary.message or 'see its log'} (log: {folder / 'log.txt'})")
        case State.LOST:
            complain(
                f"{folder.name} is lost: its worker died (log: {folder / 'log.txt'}); "
                f"tdl resume {folder.name} goes on from its last checkpoint"
            )
        case State.ELSEWHERE:
            complain(f"{folder.name} runs on {summary.host or 'another machine'}; follow it there")
        case _:
            return DONE
    return FAILED


# looking

app.command()(queue_verb.queue)
app.command()(check_verb.check)
app.command()(profile_verb.profile)


@app.command()
def ls(as_json: Json = False) -> None:
    """All runs, the newest first, and forks below what they were forked from."""
    home = find_home()
    summaries = RunTable(home).refresh()
    if as_json:
        folder = runs_home.runs_folder(home)
        reports.print_json([reports.run_document(summary, folder / summary.id) for summary in summaries])
    elif summaries:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        reports.say(reports.runs_table(summaries, time.time(), width))
    else:
        reports.tell(f"no runs yet in {home}; tdl train makes one")


@app.command()
def show(run: Run, as_json: Json = False) -> None:
    """A run: state, progress, best, experiment."""
    folder = _folder(run)
    summary = _summary(folder)
    spent, settings = costs.costs(folder, summary.experiment), steer.settings(folder)
    if as_json:
        reports.print_json({**reports.run_document(summary, folder), "settings": settings, **spent})
    else:
        more = [*reports.settings_rows(summary.experiment, settings), *costs.costs_rows(spent)]
        reports.say(reports.run_text(summary, folder, more))


@app.command()
def metrics(
    run: Run,
    series: Annotated[list[str] | None, typer.Argument(metavar="[SERIES]…", help="train/loss, …; all without")] = None,
    as_json: Json = False,
) -> None:
    """Every point that was recorded: series, step, time, value."""
    folder = _folder(run)
    with RunReader(folder) as reader:
        there = reader.series_names()
        for name in series or ():
            if name not in there:
                near = nearest(name, there)
                hint = f'nearest: "{near}"' if near else f"it has {', '.join(there) or 'none yet'}"
                raise WrongRequest(f'{folder.name} has no series "{name}"; {hint}')
        if as_json:
            _metrics_json(reader, series or there)
            return
        for name in series or there:
            shown_name = printable(name)
            for point in reader.points(name):
                sys.stdout.write(f"{shown_name}\t{point.step}\t{point.time!r}\t{point.value!r}\n")


def _metrics_json(reader: RunReader, names: Iterable[str]) -> None:
    """The document, written as it is read: a page of points is in memory at a time, however long the run."""
    out = sys.stdout
    out.write(f'{{"run": {json.dumps(reader.folder.name)}, "series": {{')
    for position, name in enumerate(names):
        extent = reader.extent(name)
        count = extent[2] if extent else 0
        out.write(f"{', ' if position else ''}{json.dumps(name)}: {{")
        for column, key in enumerate(("step", "time", "value")):
            out.write(f'{", " if column else ""}"{key}": [')
            written = 0
            for page in reader.pages(name, count):
                numbers = json.dumps(reports.finite(page[column].tolist()), allow_nan=False)[1:-1]
                out.write(f"{', ' if written else ''}{numbers}")
                written += len(page[column])
            out.write("]")
            if written < count:
                raise FailedRequest(f"{reader.folder.name} was resumed from an earlier step meanwhile; ask again")
        out.write("}")
    out.write("}}\n")


# steering


def _steering(verb: Callable[[Path], str], run: str, as_json: bool) -> None:
    folder = _folder(run)
    _summary(folder)
    message = verb(folder)
    if as_json:
        reports.print_json({"run": folder.name, "state": str(_summary(folder).state), "message": message})
    else:
        reports.say(message)


@app.command()
def pause(run: Run, as_json: Json = False) -> None:
    """Let a run wait after the step in progress."""
    _steering(steer.pause, run, as_json)


@app.command()
def resume(
    run: Run, plugins: Annotated[list[str] | None, _plugin_option(_ask_for_plugins)] = None, as_json: Json = False
) -> None:
    """Let a paused run go on, or restart one from its checkpoint."""
    _steering(steer.resume, run, as_json)


@app.command()
def stop(
    run: Run,
    at_epoch_end: Annotated[
        bool, typer.Option("--at-epoch-end", help="after the epoch under way and its validation")
    ] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="take back a stop at the epoch's end")] = False,
    as_json: Json = False,
) -> None:
    """End a run after the step in progress, with a checkpoint."""
    if at_epoch_end and cancel:
        raise WrongRequest("--at-epoch-end asks for a stop, --cancel takes it back: one of them")
    _steering(steer.cancel_stop if cancel else steer.stop_at_epoch_end if at_epoch_end else steer.stop, run, as_json)


@app.command()
def evaluate(run: Run, as_json: Json = False) -> None:
    """Validate a live run at the step that it has come to."""
    _steering(steer.evaluate, run, as_json)


@app.command()
def rollback(
    run: Run,
    to: Annotated[
        str, typer.Option("--to", metavar="STEP|last|best|NAME", help="the checkpoint; else the last")
    ] = "last",
    as_json: Json = False,
) -> None:
    """Take a live run back to a checkpoint; what came after it is dropped."""
    _steering(lambda folder: steer.rollback(folder, to), run, as_json)


@app.command()
def fork(
    run: Run,
    *,
    start: Annotated[
        str, typer.Option("--from", metavar="STEP|last|best|NAME", help="the checkpoint; else the last")
    ] = "last",
    assignments: Assignments = None,
    name: Annotated[str | None, typer.Option("--name", help="what to call the new run")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="launch it and return at once")] = False,
    plugins: Plugins = None,
    as_json: Json = False,
) -> int:
    """Launch a new run that begins with a checkpoint of another, and follow it."""
    begun = origin(_folder(run), start)
    document = begun.document
    if name is not None:
        document["name"] = name
    for assignment in assignments or ():
        path, _, text = (part.strip() for part in assignment.partition("="))
        for section, key, _ in NAMED:
            if path == f"{section}.{key}" and document[section][key] != text:
                document[section].pop("options", None)  # they are those of the one before
        assign_text(document, assignment)
    made = experiment(document)
    begun.refuse(made, _asked_here)
    check_device(made.training.device)
    check_batch(made)
    reports.tell(begun.line)
    return _launch(made, detach, as_json, begun)


def _asked_here(request: Mapping[str, Any]) -> dict[str, Any]:
    """Answers what else a spare worker is asked."""
    import torch  # noqa: F401  # before what stands in for its compiler

    from tdl_tui.worker import compiler

    compiler.put_off()
    from tdl_tui.worker.questions import QUESTIONS

    return QUESTIONS[request["ask"]](experiment(request["experiment"]), find_home(), request)


@app.command()
def undo(run: Run, as_json: Json = False) -> None:
    """Set back the last value that was changed in a live run."""
    _steering(steer.undo, run, as_json)


@app.command()
def checkpoint(run: Run, as_json: Json = False) -> None:
    """Have a run write a checkpoint that is kept."""
    _steering(steer.checkpoint, run, as_json)


@app.command()
def probe(
    run: Run,
    examples: Annotated[list[int], typer.Argument(metavar="EXAMPLE…", help="numbers of held-out examples")],
    as_json: Json = False,
) -> None:
    """Follow more examples of the validation or test part while a run trains."""
    _steering(lambda folder: steer.probe(folder, examples), run, as_json)


@app.command("set")
def set_value(
    run: Run,
    assignments: Annotated[
        list[str], typer.Argument(metavar="NAME=VALUE…", help=", ".join(one.short for one in SETTABLES))
    ],
    as_json: Json = False,
) -> None:
    """Change values of a live run from the next step on."""
    values = {}
    for assignment in assignments:
        name, equals, text = (part.strip() for part in assignment.partition("="))
        if not equals or not text:
            raise WrongRequest(f"set takes NAME=VALUE, as lr=3e-4, got {shown(assignment)}")
        found = settable(name)
        values[found.path] = found.check(text, {})
    _steering(lambda folder: steer.set_value(folder, values), run, as_json)


@app.command()
def rm(
    runs: Annotated[list[str], typer.Argument(metavar="RUN…", help="ids, names, or last", autocompletion=run_names)],
    force: Annotated[bool, typer.Option("--force", help="also a copy of a run that is at work elsewhere")] = False,
    as_json: Json = False,
) -> None:
    """Remove runs for good; none where one of them is at work."""
    folders = list(dict.fromkeys(_folder(run) for run in runs))
    for folder in folders:
        with RunReader(folder) as reader:
            summary = reader.summary()
        if lock.held(folder) or summary.state.live:
            raise WrongRequest(f"{folder.name} is {summary.state}: stop it first (tdl stop {folder.name})")
        if summary.state is State.ELSEWHERE and not force:
            raise WrongRequest(
                f"{folder.name} runs on {summary.host or 'another machine'}: stop it there, or remove it with --force"
            )
    for folder in folders:
        runs_home.purge(runs_home.delete(folder))
    removed = [folder.name for folder in folders]
    if as_json:
        reports.print_json({"removed": removed})
    else:
        reports.say(f"removed {', '.join(removed)}")


def _folder(run: str) -> Path:
    return runs_home.resolve(find_home(), run)


def _summary(folder: Path) -> Summary:
    """The run in short. Raises WrongRequest for a run that cannot be read."""
    with RunReader(folder) as reader:
        summary = reader.summary()
    if summary.damage:
        raise WrongRequest(summary.damage)
    return summary


# what there is


@app.command()
def models(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]…", autocompletion=_entries(ARCHITECTURES))
    ] = None,
    plugins: Plugins = None,
    as_json: Json = False,
) -> None:
    """The architectures and their options."""
    _catalog(ARCHITECTURES, "model", names, as_json)


@app.command()
def datasets(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]…", autocompletion=_entries(DATASETS))] = None,
    plugins: Plugins = None,
    as_json: Json = False,
) -> None:
    """The data sets and their options."""
    _catalog(DATASETS, "data", names, as_json)


@app.command()
def losses(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]…", autocompletion=_entries(LOSSES))] = None,
    as_json: Json = False,
) -> None:
    """The losses and their options."""
    _catalog(LOSSES, "objective", names, as_json)


@app.command()
def optimizers(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]…", autocompletion=_entries(OPTIMIZERS))] = None,
    as_json: Json = False,
) -> None:
    """The optimizers and their options."""
    _catalog(OPTIMIZERS, "optimizer", names, as_json)


@app.command()
def schedules(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]…", autocompletion=_entries(SCHEDULES))] = None,
    as_json: Json = False,
) -> None:
    """The schedules of the learning rate and their options."""
    _catalog(SCHEDULES, "schedule", names, as_json)


def _catalog(registry: Registry[Any], section: str, names: list[str] | None, as_json: bool) -> None:
    entries: list[Entry] = [registry[name] for name in names] if names else list(registry)
    if as_json:
        reports.print_json([reports.entry_document(entry) for entry in entries])
    else:
        reports.say(reports.entries_text(entries, section))


@data.command("show")
def show_data(
    dataset: Annotated[str, typer.Argument(metavar="D", help="see tdl datasets", autocompletion=_entries(DATASETS))],
    *,
    assignments: Assignments = None,
    count: Annotated[int, typer.Option("--count", metavar="N", min=1, max=1000, help="how many, at most")] = 16,
    plugins: Plugins = None,
    as_json: Json = False,
) -> None:
    """Some examples of a data set, and how many there are a class."""
    document: dict[str, Any] = {}
    for assignment in assignments or ():
        assign_text(document, assignment)
    assign(document, "data.dataset", dataset)
    made = _any_model(document)
    _epoch(made)
    found = _look(made, count)
    if as_json:
        reports.print_json({**reports.shape_document(made.shape), "dataset": dataset, **found.to_json()})
    else:
        sys.stdout.write(f"{_drawn(made.shape, found)}\n")


def _any_model(document: dict[str, Any]) -> Experiment:
    """An experiment with the document's data and the first architecture that takes them. Raises SpecError."""
    for entry in ARCHITECTURES:
        assign(document, "model.architecture", entry.name)
        try:
            return experiment(document)
        except SpecError as error:
            refused = error
            if any(problem.path != "model.architecture" for problem in error.problems):
                break
    raise refused


def _look(made: Experiment, count: int) -> SamplesAnswer:
    from tdl_tui.data.dataset import DataError
    from tdl_tui.worker.questions import look

    try:
        return look(made, find_home(), count, reports.tell)
    except DataError as error:
        raise FailedRequest(str(error)) from None


def _drawn(shape: DataShape, found: SamplesAnswer) -> str:
    """Samples and class counts as the workbench draws them, for this terminal or none."""
    from rich.console import Console

    from tdl_tui.screens.preview_samples import draw_counts, draw_samples
    from tdl_tui.widgets.palette import DARK

    from .printing import printed

    console = Console(file=sys.stdout)
    colors = None if console.no_color else console.color_system
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 80
    plane = shape.kind == "table" and shape.input == (2,)
    parts = (
        draw_samples(found, "", shape, width, 24 if plane else 10_000, DARK),
        draw_counts(found, width, 12, DARK),
    )
    return "\n\n".join(filter(None, [reports.shape_text(shape), *(printed(part, colors) for part in parts)]))


@app.command()
def summary(
    *,
    model: Annotated[str, typer.Option("--model", help="see tdl models", autocompletion=_entries(ARCHITECTURES))],
    dataset: Dataset = None,
    shape: Annotated[
        str | None,
        typer.Option("--input", metavar="3x224x224", help="channels × height × width, steps × features, or features"),
    ] = None,
    classes: Annotated[int | None, typer.Option("--classes", metavar="N", min=1, help="outputs, with --input")] = None,
    assignments: Assignments = None,
    plugins: Plugins = None,
    as_json: Json = False,
) -> None:
    """An architecture's layers, shapes, parameters and MACs."""
    if (dataset is None) == (shape is None):
        raise WrongRequest("summary takes --dataset D, or --input 3x224x224 --classes 1000")
    if (classes is None) != (shape is None):
        raise WrongRequest("--input and --classes go together: --input 3x224x224 --classes 1000")
    document: dict[str, Any] = {"model": {"architecture": model}}
    for assignment in assignments or ():
        assign_text(document, assignment)
    if dataset is not None:
        assign(document, "data.dataset", dataset)
        made = experiment(document)
        found = _summarize(made.model.architecture, made.shape, made.model.options)
    else:
        options = document["model"].get("options", {})
        if (
            set(document) != {"model"}
            or set(document["model"]) - {"architecture", "options"}
            or not isinstance(options, dict)
        ):
            raise WrongRequest("--set takes model.options.NAME=VALUE here")
        assert shape is not None
        assert classes is not None
        found = _summarize(model, _data_shape(shape, classes), options)
    if as_json:
        reports.print_json(found)
    else:
        reports.say(reports.layers_text(found))


def _data_shape(text: str, classes: int) -> DataShape:
    numbers = text.lower().replace("×", "x").split("x")
    sizes = tuple(int(n) for n in numbers if n.isascii() and n.isdigit() and len(n) < 8)
    if len(sizes) != len(numbers) or not 1 <= len(sizes) <= 3 or 0 in sizes:
        raise WrongRequest(
            f"--input: must be like 3x224x224 (picture), 40x1 (sequence) or 13 (table), got {shown(text)}"
        )
    kind = {1: "table", 2: "sequence", 3: "image"}[len(sizes)]
    return DataShape("classification", kind, sizes, classes)  # type: ignore[arg-type]  # the three kinds there are


def _summarize(architecture: str, shape: DataShape, options: dict[str, Any]) -> dict[str, Any]:
    ARCHITECTURES[architecture]
    from dataclasses import asdict

    import torch

    from tdl_tui.models.build import Refused, build
    from tdl_tui.training.summary import example_of, summarize

    try:
        with torch.device("meta"):
            module = build(architecture, shape, options)
    except Refused as error:
        raise WrongRequest(f"--model: {error}") from None
    return {
        "model": architecture,
        "input": list(shape.input),
        "outputs": shape.outputs,
        **asdict(summarize(module, shape.input, example_of(shape).dtype)),
    }


@app.command()
def doctor(as_json: Json = False) -> int:
    """Look at devices, terminal, home folder and versions."""
    from .doctor import examine

    findings = examine()
    if as_json:
        reports.print_json({"findings": [finding.document() for finding in findings]})
    else:
        reports.say("\n".join(finding.line for finding in findings))
    return FAILED if any(finding.mark == "✗" for finding in findings) else DONE
