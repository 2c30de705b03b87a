"""Which plugins a person has named: none that only a run names is executed. Imports no torch.

A run keeps the plugins that it needs, and may come from somebody else. The home remembers those that its person
launched something with.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .faults import PluginError
from .known import asked_for, canonical, installed

FILE = "plugins.txt"


def remember(home: Path, plugins: Iterable[str]) -> None:
    """Notes in the home, a plugin a line, that a person has named these. Raises OSError, and PluginError for a name of
    several lines."""
    if new := [plugin for plugin in dict.fromkeys(plugins) if plugin not in _remembered(home)]:
        if several := [plugin for plugin in new if plugin.splitlines() != [plugin]]:
            raise PluginError(f"plugin {several[0]!r}: a name is one line")
        descriptor = os.open(home / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "a", encoding="utf-8") as file:
            file.writelines(f"{plugin}\n" for plugin in new)


def refuse_unnamed(home: Path, experiment: dict[str, Any]) -> None:
    """Raises PluginError where a run's experiment needs a plugin that nobody has named here."""
    listed = experiment.get("plugins", [])
    if not listed:
        return
    named = {*_remembered(home), *installed(), *map(canonical, asked_for())}
    if not isinstance(listed, list):
        raise PluginError(f"plugins {listed!r}: must be files in brackets")
    for plugin in listed:
        if not isinstance(plugin, str) or plugin not in named:
            raise PluginError(
                f"plugin {plugin}: the run names it, you have not: look at what it does, then say --plugin {plugin}"
            )


def _remembered(home: Path) -> set[str]:
    try:
        return set((home / FILE).read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError):
        return set()
