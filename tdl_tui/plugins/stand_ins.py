"""What plugins register, as the interface sees it. Imports no torch, and executes no plugin.

A process of its own executes them (`process.py`) and answers one JSON line with another. The
entries registered here say what it says, and ask it when a data set is to be described or data to be refused.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from tdl_tui.registry import ArchitectureEntry, DatasetEntry, DataShape, Entry, Option, Options, Undescribable

from .faults import PluginError

SECONDS = 120.0
"""How long a plugin may take to be executed or to answer."""


class Host:
    """The process that executes plugins for the interface. It starts with the first question and ends with us."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._used: list[str] = []
        self._lock = threading.RLock()

    def use(self, plugin: str) -> list[dict[str, Any]]:
        """Executes a plugin, anew where it was before: the documents of its entries. Raises PluginError."""
        with self._lock:
            self._used = [name for name in self._used if name != plugin]
            entries: list[dict[str, Any]] = self.ask(plugin, {"use": plugin})
            self._used.append(plugin)
        return entries

    def ask(self, plugin: str, question: Mapping[str, Any]) -> Any:
        """The answer to a question about a plugin. Blocks. Raises PluginError, and Undescribable as `describe` does."""
        with self._lock:
            if self._process is None:
                for name in self._used:
                    with suppress(PluginError):  # it has changed since; whoever asks about it is told
                        self._exchange(name, {"use": name})
            return self._exchange(plugin, question)

    def forget(self, plugin: str) -> None:
        """Takes away what a plugin has registered in the process."""
        with self._lock:
            self._used = [name for name in self._used if name != plugin]
            if self._process is not None:
                with suppress(PluginError):  # a process that ended has forgotten all
                    self._exchange(plugin, {"forget": plugin})

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _exchange(self, plugin: str, question: Mapping[str, Any]) -> Any:
        self._process = self._process or _start()
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        line = b""
        try:
            stdin.write(json.dumps(question).encode() + b"\n")
            stdin.flush()
            if not select.select([stdout], [], [], SECONDS)[0]:
                self._end()
                raise PluginError(f"plugin {plugin}: no answer within {SECONDS:g} s")
            line = stdout.readline()
        except OSError:  # it ended before it read the question
            pass
        if not line:
            self._end()
            raise PluginError(f"plugin {plugin}: the process that executes it ended without an answer")
        answer = json.loads(line)
        if "undescribable" in answer:
            raise Undescribable(*answer["undescribable"])
        if "error" in answer:
            raise PluginError(answer["error"], answer["details"])
        return answer["answer"]


def _start() -> subprocess.Popen[bytes]:
    # -P: a file in the current folder must not shadow a module; a session of its own, out of Ctrl-C's reach
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "tdl_tui.plugins.process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def to_json(entry: Entry) -> dict[str, Any]:
    """An entry but for its functions."""
    document = {name: value for name, value in vars(entry).items() if not callable(value) and name != "target"}
    return {**document, "sort": type(entry).__name__, "options": [asdict(option) for option in entry.options]}


def from_json(document: Mapping[str, Any], ask: Callable[[Mapping[str, Any]], Any], target: Callable[..., Any]) -> Any:
    """The entry that a document describes. Its functions `ask`; what they were told once they know.

    Only a person's own files are looked at again each time.
    """
    known: dict[str, Any] = {}

    def answer(what: str, options: Options, shape: DataShape | None = None) -> Any:
        question = {"ask": what, "plugin": document["plugin"], "of": document["name"], "options": dict(options)}
        if shape is not None:
            question["shape"] = asdict(shape)
        key = json.dumps(question, sort_keys=True)
        if key not in known or document.get("own"):
            known[key] = ask(question)
        return known[key]

    plain = {name: frozen(value) for name, value in document.items() if name not in ("sort", "options")}
    plain["options"] = tuple(Option(**frozen(option)) for option in document["options"])
    if document["sort"] == DatasetEntry.__name__:
        return DatasetEntry(
            **plain,
            target=target,
            describe=lambda options: DataShape(**frozen(answer("describe", options))),
            missing=lambda options: answer("missing", options),
        )
    return ArchitectureEntry(**plain, target=target, refuse=lambda shape, options: answer("refuse", options, shape))


def frozen(value: Any) -> Any:
    """What JSON made a list is a tuple again, at any depth."""
    if isinstance(value, Mapping):
        return {key: frozen(item) for key, item in value.items()}
    return tuple(map(frozen, value)) if isinstance(value, (list, tuple)) else value
