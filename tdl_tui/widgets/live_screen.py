"""A screen for what changes by itself: narrow updates, no more than the line carries, and rest while it is covered."""

from __future__ import annotations

from typing import Any

from textual.screen import Screen, ScreenResultType

from .display import EVERYTHING, Display
from .paced_driver import Pace
from .spans import SpanCompositor


class LiveScreen(Screen[ScreenResultType]):
    """Repaints changed cells alone; while another screen lies above, a dialogue too, nothing.

    Textual counts the screen right below the top one as visible, opaque or not: whatever it wants repainted would
    have the top screen repainted whole, again with each of its messages.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._compositor = SpanCompositor()

    @property
    def period(self) -> float:
        """Seconds between two looks at what is shown."""
        display: Display = getattr(self.app, "shown_on", EVERYTHING)
        return display.period

    @property
    def is_current(self) -> bool:
        """Whether this screen is to be repainted: when it is on top."""
        return self.is_active

    def _on_timer_update(self) -> None:
        """Repaints what has changed, or waits for its next turn while the terminal has not got the last frames yet.

        What changes meanwhile goes with it: of frames that nobody could have seen none is sent.
        """
        pace: Pace | None = getattr(self.app._driver, "pace", None)  # a headless driver has none
        if pace is None or not pace.behind:
            super()._on_timer_update()
