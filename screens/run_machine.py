"""What the training costs: where its time goes, and what the machine does for it."""

from __future__ import annotations

from collections.abc import Sequence

from textual.geometry import Size
from textual.strip import Strip

from tdl_tui.runs.footprint import footprint
from tdl_tui.widgets.gpus import draw_all, draw_others
from tdl_tui.widgets.palette import Palette
from tdl_tui.widgets.system import TALL, draw_system
from tdl_tui.widgets.time_shares import draw_time

from .frame import palette
from .run_panels import Panel
from .run_snapshot import Snapshot


def drawn(snapshot: Snapshot, width: int, rows: int, colors: Palette) -> list[Strip]:
    """The lines for a screen of so many `rows`: the time's, and the machine's: on a low one that of several GPUs."""
    latest, summary = snapshot.latest, snapshot.summary
    gpus = summary.gpus
    shares = {name.removeprefix("time/"): value for name, value in latest.items() if name.startswith("time/")}
    strips = draw_time(shares, width, colors)
    now = latest if summary.state.live or snapshot.at is not None else {}
    if rows < TALL:
        return strips + draw_all(gpus, now, width, colors)
    used = footprint(latest, summary.experiment)
    strips += draw_system(now, used, width, 2, colors, gpus=gpus, device=summary.device)
    return strips + draw_others(gpus, now, width, 2, colors)


class MachinePanel(Panel):
    """As many lines as there is something to say."""

    def fit(self, snapshot: Snapshot | None, size: Size) -> int:
        """Takes the lines that it needs on a screen of that size, and says how many."""
        count = self._count(snapshot, size)
        self.display = count > 0
        self.styles.height = count
        return count

    def fits(self, snapshot: Snapshot | None, size: Size) -> bool:
        """Whether it has as many as it needs."""
        return self._count(snapshot, size) == (self.styles.height.value if self.display and self.styles.height else 0)

    def _count(self, snapshot: Snapshot | None, size: Size) -> int:
        return len(drawn(snapshot, size.width, size.height, palette(self.app))) if snapshot and size.width else 0

    def drawn(self, snapshot: Snapshot, width: int, height: int) -> Sequence[Strip]:
        return drawn(snapshot, width, self.screen.size.height, palette(self.app))
