"""A screen for what changes by itself: narrow updates, and rest while it is covered."""

from __future__ import annotations

from typing import Any

from textual.screen import Screen, ScreenResultType

from .spans import SpanCompositor


class LiveScreen(Screen[ScreenResultType]):
    """Repaints changed cells alone; while an opaque screen lies above, nothing.

    Textual counts the screen right below the top one as visible, opaque or not: whatever it wants repainted would
    have the top screen repainted whole, over and over.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._compositor = SpanCompositor()

    @property
    def is_current(self) -> bool:
        """Whether anything of this screen can be seen."""
        return self.is_active or (super().is_current and self.app.screen.styles.background.a < 1)
