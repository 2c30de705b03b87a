"""What ctrl+p finds: every action of the screen beneath, and every run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Hits, Provider

from .frame import hints

if TYPE_CHECKING:
    from tdl_tui.runs.records import Summary

    from .app import Workbench

Command = tuple[str, str, Callable[[], object]]


class Actions(Provider):
    """The actions that have a key, and the runs by name."""

    async def startup(self) -> None:
        from tdl_tui.runs.table import RunTable

        table = RunTable(self._workbench.home)
        self._runs: list[Summary] = await self.app.run_worker(table.refresh, thread=True).wait()

    async def discover(self) -> Hits:
        for what, help, callback in self._actions():
            yield DiscoveryHit(what, callback, help=help)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for what, help, callback in (*self._actions(), *self._openings()):
            if (score := matcher.match(what)) > 0:
                yield Hit(score, matcher.highlight(what), callback, help=help)

    @property
    def _workbench(self) -> Workbench:
        from .app import Workbench

        assert isinstance(self.app, Workbench)
        return self.app

    def _actions(self) -> Iterator[Command]:
        for hint in hints(self.screen):
            what = f"{hint.what[:1].upper()}{hint.what[1:]}"
            if hint.action != "command_palette" and hint.group != "Move":
                yield (
                    what,
                    f"{' '.join(hint.keys)}  {hint.help}".strip(),
                    partial(self.app.run_action, hint.action, hint.node),
                )

    def _openings(self) -> Iterator[Command]:
        from tdl_tui.runs.home import runs_folder

        folder = runs_folder(self._workbench.home)
        for run in self._runs:
            yield f"Open run {run.name} ({run.id})", run.state.value, partial(self._workbench.open_run, folder / run.id)
