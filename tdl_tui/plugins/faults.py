"""What goes wrong in a plugin's code, as one line that names its file and line. Imports no torch."""

from __future__ import annotations

import inspect
import traceback
from contextlib import suppress
from typing import Any

from tdl_tui.registry import Entry, Undescribable

MODULES: set[str] = set()
"""The modules that were executed as plugins in this process; what they import as `module.…` is theirs too."""


class PluginError(ValueError):
    """What is wrong with a plugin, in one line. `details` is the traceback, if there is one."""

    def __init__(self, line: str, details: str = "") -> None:
        super().__init__(line)
        self.details = details


def fault(error: BaseException) -> str | None:
    """ "plugin FILE, line N: what", of the last line of a plugin that an error came through; None where it came
    through none, and for data that a plugin says cannot be described."""
    if isinstance(error, PluginError):
        return str(error)
    if isinstance(error, Undescribable):
        return None
    place = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        module = str(frame.f_globals.get("__name__", ""))
        if any(module == name or module.startswith(f"{name}.") for name in MODULES):
            place = f"{frame.f_code.co_filename}, line {line}"
    return place and f"plugin {place}: {_what(error)}"


def fault_of(plugin: str, error: BaseException) -> str:
    """As `fault`, for an error that is the plugin's wherever it came through."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f"plugin {error.filename}, line {error.lineno}: {type(error).__name__}: {error.msg}"
    return fault(error) or f"plugin {plugin}: {_what(error)}"


def wrong(entry: Entry, what: str, code: Any = None) -> PluginError:
    """The error that a plugin's `code` (its target by default) gives what it should not, with its first line."""
    place, code = entry.plugin, code or entry.load()
    with suppress(OSError, TypeError):  # no code that Python could show
        place = f"{inspect.getsourcefile(code)}, line {max(1, inspect.getsourcelines(code)[1])}"
    return PluginError(f"plugin {place}: {entry.name} {what}")


def _what(error: BaseException) -> str:
    line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {line}" if line else type(error).__name__
