"""What there is to choose from: architectures, data sets, losses, optimizers, schedules. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from tdl_tui.registry import (
    ARCHITECTURES,
    DATASETS,
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    DatasetEntry,
    DataShape,
    Entry,
    Option,
    Registry,
    shown,
)

from .completion import entries
from .options import Json, Plugins
from .reports import count, print_json, say, table


def models(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]…", autocompletion=entries("ARCHITECTURES"))
    ] = None,
    plugins: Plugins = None,
    as_json: Json = False,
) -> None:
    """The architectures and their options."""
    _catalog(ARCHITECTURES, "model", names, as_json)


def datasets(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]…", autocompletion=entries("DATASETS"))] = None,
    plugins: Plugins = None,
    as_json: Json = False,
) -> None:
    """The data sets and their options."""
    _catalog(DATASETS, "data", names, as_json)


def losses(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]…", autocompletion=entries("LOSSES"))] = None,
    as_json: Json = False,
) -> None:
    """The losses and their options."""
    _catalog(LOSSES, "objective", names, as_json)


def optimizers(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]…", autocompletion=entries("OPTIMIZERS"))] = None,
    as_json: Json = False,
) -> None:
    """The optimizers and their options."""
    _catalog(OPTIMIZERS, "optimizer", names, as_json)


def schedules(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]…", autocompletion=entries("SCHEDULES"))] = None,
    as_json: Json = False,
) -> None:
    """The schedules of the learning rate and their options."""
    _catalog(SCHEDULES, "schedule", names, as_json)


def _catalog(registry: Registry[Any], section: str, names: list[str] | None, as_json: bool) -> None:
    chosen: list[Entry] = [registry[name] for name in names] if names else list(registry)
    if as_json:
        print_json([entry_document(entry) for entry in chosen])
    else:
        say(entries_text(chosen, section))


def option_document(option: Option) -> dict[str, Any]:
    return {
        "name": option.name,
        "default": option.default,
        "kind": option.kind,
        "low": option.low,
        "high": option.high,
        "above": option.above,
        "choices": list(option.choices) or None,
        "help": option.help,
    }


def entry_document(entry: Entry) -> dict[str, Any]:
    """An entry as `tdl models --json` and `tdl datasets --json` give it. The shape of data in a person's own files is
    null as long as none is named."""
    document: dict[str, Any] = {"name": entry.name, "help": entry.help, "source": entry.source}
    if entry.plugin:
        document["plugin"] = entry.plugin
    if isinstance(entry, DatasetEntry):
        missing = entry.missing(entry.defaults())
        shape = None if entry.own and missing else entry.describe(entry.defaults())
        document |= {**shape_document(shape), "missing": missing}
    return {**document, "options": [option_document(option) for option in entry.options]}


def shape_document(shape: DataShape | None) -> dict[str, Any]:
    """What data are, every value null where that is not known."""
    return {
        "task": shape and shape.task,
        "kind": shape and shape.kind,
        "input": shape and list(shape.input),
        "outputs": shape and shape.outputs,
        "examples": shape and shape.examples,
    }


def entries_text(entries: Iterable[Entry], section: str) -> str:
    """Entries with their options, as they are typed after --set, their defaults, ranges and help."""
    blocks, entries = [], list(entries)
    width = max((len(entry.name) for entry in entries), default=0) + 2
    for entry in entries:
        lines = [f"{entry.name:<{width}}{entry.help}"]
        if isinstance(entry, DatasetEntry):
            missing = entry.own and entry.missing(entry.defaults())
            lines.append(f"{'':<{width}}{missing or shape_text(entry.describe(entry.defaults()))}")
        if entry.plugin:
            lines.append(f"{'':<{width}}from {entry.plugin}")
        options = [
            (f"  {section}.options.{option.name}", shown(option.default), option.wanted, option.help)
            for option in entry.options
        ]
        blocks.append("\n".join(lines + ([table(options)] if options else [])))
    return "\n\n".join(blocks)


def shape_text(shape: DataShape) -> str:
    """A data shape in words: "classification, image 1×8×8, 10 classes, 1,797 examples"."""
    outputs = "classes" if shape.task == "classification" else "targets" if shape.outputs > 1 else "target"
    size = "×".join(map(str, shape.input))
    return f"{shape.task}, {shape.kind} {size}, {shape.outputs} {outputs}, {count(shape.examples)} examples"
