"""`tdl summary`: an architecture's layers. Imports torch when it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from tdl_tui.cli import WrongRequest
from tdl_tui.registry import ARCHITECTURES, DataShape, shown
from tdl_tui.spec import assign, assign_text, experiment

from .completion import entries
from .options import Assignments, Dataset, Json, Plugins
from .reports import print_json, say, table


def summary(
    *,
    model: Annotated[str, typer.Option("--model", help="see tdl models", autocompletion=entries("ARCHITECTURES"))],
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
        print_json(found)
    else:
        say(layers_text(found))


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


def layers_text(document: Mapping[str, Any]) -> str:
    """The layers of `tdl summary`."""

    def row(layer: Mapping[str, Any]) -> list[str]:
        seen = layer["receptive_field"]
        return [
            layer["name"],
            layer["kind"],
            "×".join(map(str, layer["input_shape"])),
            "×".join(map(str, layer["output_shape"])),
            f"{layer['parameters']:>12,}",
            f"{layer['macs']:>14,}",
            f"{'all' if seen is None else seen:>5}",
        ]

    head = ("LAYER", "KIND", "INPUT", "OUTPUT", f"{'PARAMETERS':>12}", f"{'MACS':>14}", " SEES")
    total = ["all", "", "", "", f"{document['parameters']:>12,}", f"{document['macs']:>14,}", ""]
    return table([*map(row, document["layers"]), total], head)
