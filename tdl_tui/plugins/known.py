"""The plugins whose names are known in this process, and which they are. Imports no torch.

A plugin is a Python file, or an installed module, that registers a person's own architectures and data sets as ours
are registered. It imports torch: the interface has it executed by another process and registers stand-ins; a process
that imports torch anyway executes it itself.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from tdl_tui.registry import ARCHITECTURES, DATASETS, DatasetEntry

from .execution import OPEN, execute, is_file
from .faults import PluginError
from .stand_ins import Host, from_json

VARIABLE = "TDL_PLUGINS"
GROUP = "tdl.plugins"


class Plugins:
    """What plugins have registered. With `here` they are executed in this process."""

    def __init__(self) -> None:
        self.here = False
        self.host = Host()
        self._stamps: dict[str, object] = {}
        self._lock = threading.RLock()

    def use(self, plugins: Iterable[str]) -> None:
        """Makes known what plugins register; one whose file has changed since is executed anew.

        Raises PluginError for the first that is wrong; of that one nothing is known then.
        """
        with self._lock:
            for plugin in dict.fromkeys(map(canonical, plugins)):
                stamp = self._stamp(plugin)
                if self._stamps.get(plugin) != stamp:
                    self._read(plugin, self.here)
                    self._stamps[plugin] = stamp

    def known(self, plugins: Iterable[str]) -> bool:
        """Whether all are known as they are now, so that `use` would return at once."""
        try:
            return all(self._stamps.get(plugin) == self._stamp(plugin) for plugin in map(canonical, plugins))
        except PluginError:
            return False

    def clear(self) -> None:
        """Takes away what all plugins have registered."""
        with self._lock:
            for plugin in list(self._stamps):
                self.forget(plugin)

    def _stamp(self, plugin: str) -> object:
        """What changes when a plugin does."""
        if not is_file(plugin):
            return "installed"
        try:
            status = Path(plugin).stat()
        except OSError as error:
            self.forget(plugin)
            raise PluginError(f"plugin {plugin}: cannot be read: {error.strerror}") from None
        return status.st_mtime_ns, status.st_size

    def forget(self, plugin: str) -> None:
        """Takes away what a plugin has registered."""
        self.host.forget(plugin)
        self._stamps.pop(plugin, None)
        for registry, _ in OPEN:
            for entry in registry:
                if entry.plugin == plugin:
                    registry.remove(entry.name)

    def _read(self, plugin: str, here: bool) -> None:
        self.forget(plugin)
        try:
            if here:
                execute(plugin)
            else:
                for document in self.host.use(plugin):
                    self._stand_in(plugin, document)
        except PluginError:
            self.forget(plugin)
            raise

    def _stand_in(self, plugin: str, document: dict[str, Any]) -> None:
        registry: Any = DATASETS if document["sort"] == DatasetEntry.__name__ else ARCHITECTURES
        name = document["name"]

        def real(*arguments: Any, **options: Any) -> Any:
            """Executes the plugin here after all: this process builds something."""
            with self._lock:
                if registry[name].target is real:
                    stamp = self._stamp(plugin)
                    self._read(plugin, here=True)
                    self._stamps[plugin] = stamp
            return registry[name].load()(*arguments, **options)

        registry.register(from_json(document, partial(self.host.ask, plugin), real))


PLUGINS = Plugins()


def installed() -> tuple[str, ...]:
    """The modules that installed packages offer as plugins."""
    from importlib.metadata import entry_points

    return tuple(dict.fromkeys(point.value for point in entry_points(group=GROUP)))


def asked_for() -> tuple[str, ...]:
    """The plugins that the environment lists."""
    return tuple(name for part in os.environ.get(VARIABLE, "").split(os.pathsep) if (name := part.strip()))


def read_wanted() -> tuple[bool, list[str]]:
    """Reads the plugins that packages offer and that the environment lists, where they are not known as they are now.

    Whether there was anything to read, and a line for each that is wrong.
    """
    wanted = [plugin for plugin in (*installed(), *asked_for()) if not PLUGINS.known([plugin])]
    wrong = []
    for plugin in wanted:
        try:
            PLUGINS.use([plugin])
        except PluginError as error:
            wrong.append(str(error))
    return bool(wanted), wrong


def ask_for(plugins: Iterable[str]) -> None:
    """Adds plugins to those that the environment lists, for this process and those that it starts."""
    if wanted := [canonical(plugin) for plugin in plugins]:
        os.environ[VARIABLE] = os.pathsep.join([*asked_for(), *wanted])


def canonical(plugin: str, folder: Path = Path()) -> str:
    """A file's absolute path, as seen from `folder`; a module's name as it is."""
    return str((folder / Path(plugin).expanduser()).resolve()) if is_file(plugin) else plugin
