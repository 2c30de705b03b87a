"""The process that executes plugins for the interface: `python -m tdl_tui.plugins.process`. See `stand_ins.py`.

It reads questions and writes answers, a JSON line each, and ends when nobody can ask any more.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from tdl_tui.registry import ARCHITECTURES, DATASETS, DataShape, Undescribable

from .execution import entries_of
from .faults import PluginError, fault_of, wrong
from .known import PLUGINS
from .stand_ins import frozen, to_json


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a plugin prints is no answer
    PLUGINS.here = True
    for line in sys.stdin:
        answers.write(answer(json.loads(line)) + "\n")
        answers.flush()


def answer(question: Mapping[str, Any]) -> str:
    """{"answer": …}, {"undescribable": [option, one line]} or {"error": one line, "details": traceback}, as JSON."""
    try:
        if "forget" in question:
            PLUGINS.forget(question["forget"])
            return json.dumps({"answer": None})
        return json.dumps({"answer": use(question["use"]) if "use" in question else ask(question)})
    except Undescribable as error:
        return json.dumps({"undescribable": [error.option, str(error)]})
    except PluginError as error:
        return json.dumps({"error": str(error), "details": error.details})
    except Exception as error:  # noqa: BLE001  # a person's code may raise anything
        line = fault_of(question.get("plugin", question.get("use")), error)
        return json.dumps({"error": line, "details": "".join(traceback.format_exception(error))})


def use(plugin: str) -> list[dict[str, Any]]:
    """Executes a plugin: its entries."""
    PLUGINS.use([plugin])
    return [to_json(entry) for entry in entries_of(plugin)]


def ask(question: Mapping[str, Any]) -> Any:
    """What an entry's function says."""
    options = frozen(question["options"])
    if question["ask"] == "refuse":
        architecture = ARCHITECTURES[question["of"]]
        reason = architecture.refuse(DataShape(**frozen(question["shape"])), options)
        return reason if reason is None else str(reason)
    dataset = DATASETS[question["of"]]
    if question["ask"] == "missing":
        reason = dataset.missing(options)
        return reason if reason is None else str(reason)
    shape = dataset.describe(options)
    if not isinstance(shape, DataShape):
        raise wrong(dataset, f"describes itself by {type(shape).__name__}, not by a DataShape", dataset.describe)
    return asdict(shape)


if __name__ == "__main__":
    main()
