"""Executing a plugin in this process, so that it registers its entries. Imports no torch; plugins do."""

from __future__ import annotations

import importlib
import linecache
import os
import re
import sys
import traceback
import zlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from tdl_tui.registry import ADOPT, ARCHITECTURES, DATASETS, ArchitectureEntry, DatasetEntry, Entry, Option, Registry

from .faults import MODULES, PluginError, fault_of

OPEN: tuple[tuple[Registry[Any], type[Entry]], ...] = ((DATASETS, DatasetEntry), (ARCHITECTURES, ArchitectureEntry))
"""The registries that plugins may add to."""


def is_file(plugin: str) -> bool:
    """Whether a plugin is a file; else it is a module."""
    return plugin.endswith(".py") or os.sep in plugin


def entries_of(plugin: str) -> list[Entry]:
    """What a plugin has registered in this process."""
    return [entry for registry, _ in OPEN for entry in registry if entry.plugin == plugin]


def execute(plugin: str) -> None:
    """Executes a plugin, a file's absolute path or a module's name. Raises PluginError for whatever goes wrong."""
    for registry, _ in OPEN:
        len(registry)  # read what is ours first: its names are taken
    token = ADOPT.set(partial(_adopt, plugin))
    try:
        if is_file(plugin):
            _execute_file(Path(plugin))
        else:
            MODULES.add(plugin)
            importlib.import_module(plugin)
    except (Exception, SystemExit) as error:  # a person's code may raise anything
        raise PluginError(fault_of(plugin, error), "".join(traceback.format_exception(error))) from error
    finally:
        ADOPT.reset(token)
    if not entries_of(plugin):
        raise PluginError(f"plugin {plugin}: registers nothing; ARCHITECTURES.register(…) or DATASETS.register(…) does")


def _execute_file(path: Path) -> None:
    """Executes a file as a module of its own, of its source as it is now. What stands beside it can be imported."""
    name = f"tdl_plugin_{path.stem}_{zlib.crc32(str(path).encode()):08x}"
    module = ModuleType(name)
    module.__file__ = str(path)
    MODULES.add(name)
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # last: nothing there may stand in for a library
    linecache.checkcache(str(path))
    exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)


def _adopt(plugin: str, registry: Registry[Any], entry: Any) -> Any:
    """The entry, marked as the plugin's. Raises ValueError or TypeError saying what is wrong with it."""
    sort = next((sort for open_registry, sort in OPEN if open_registry is registry), None)
    if sort is None:
        raise ValueError(f"a plugin registers architectures and datasets, not a {registry.noun}")
    if type(entry) is not sort:
        raise TypeError(f"register takes {_article(sort.__name__)} here, got {_article(type(entry).__name__)}")
    if not isinstance(entry.name, str) or not re.fullmatch(r"[A-Za-z0-9_.-]+", entry.name):
        raise ValueError(f"a name is letters, digits, _, . and -, got {entry.name!r}")
    for option in entry.options:
        if not isinstance(option, Option):
            raise TypeError(f"{entry.name}: options are Option(…), got {_article(type(option).__name__)}")
        _check_option(f"{entry.name}: option {option.name!r}", option)
    names = [option.name for option in entry.options]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"{entry.name}: option {twice!r} is there twice")
    if not callable(entry.target) and not re.fullmatch(r"[\w.]+:\w+", str(entry.target)):
        raise TypeError(f'{entry.name}: target is a class, a function or "module:attribute", got {entry.target!r}')
    return replace(entry, plugin=plugin)


def _check_option(which: str, option: Option) -> None:
    if not isinstance(option.name, str) or not option.name.isidentifier():
        raise ValueError(f"{which}: a name is letters, digits and _")
    if not isinstance(option.help, str) or not option.help.isprintable():
        raise ValueError(f"{which}: help is one line of text")
    numbers = option.default if isinstance(option.default, tuple) else (0,)
    if not isinstance(option.default, (bool, int, float, str, tuple)) or not all(
        isinstance(number, (int, float)) for number in numbers
    ):
        raise TypeError(f"{which}: a default is true or false, a number, text or a tuple of numbers")
    try:
        option.check(option.default)
    except ValueError as error:
        raise ValueError(f"{which}: its default {error}") from None


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'AEIOUaeiou' else 'a'} {noun}"
