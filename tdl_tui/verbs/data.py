"""`tdl data`: what a data set holds. Imports torch when it runs."""

from __future__ import annotations

import shutil
import sys
from typing import Annotated, Any

import typer

from tdl_tui.cli import FailedRequest
from tdl_tui.registry import ARCHITECTURES, DataShape
from tdl_tui.runs.home import find_home
from tdl_tui.spec import Experiment, SpecError, assign, assign_text, experiment
from tdl_tui.worker.answers import SamplesAnswer

from .catalogs import shape_document, shape_text
from .completion import entries
from .experiments import epoch_of
from .options import Assignments, Json, Plugins
from .reports import print_json, tell

data = typer.Typer(help="Look at data.", rich_markup_mode=None)


@data.command("show")
def show_data(
    dataset: Annotated[str, typer.Argument(metavar="D", help="see tdl datasets", autocompletion=entries("DATASETS"))],
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
    epoch_of(made)
    found = _look(made, count)
    if as_json:
        print_json({**shape_document(made.shape), "dataset": dataset, **found.to_json()})
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
        return look(made, find_home(), count, tell)
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
    return "\n\n".join(filter(None, [shape_text(shape), *(printed(part, colors) for part in parts)]))
