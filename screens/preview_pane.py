"""The pane beside the form: it holds what is known of what would be trained, and draws it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from textual import events
from textual.strip import Strip

from tdl_tui.widgets.canvas import Canvas

from .frame import palette
from .preview import Preview, draw_preview, network_room
from .preview_network import AROUND, shown


class PreviewPane(Canvas):
    """What would come of the form as it stands."""

    def __init__(self) -> None:
        super().__init__(id="preview")
        self.preview = Preview()

    def take(self, preview: Preview) -> None:
        """Shows what is known now; nothing is drawn where that is what is shown already."""
        if preview != self.preview:
            self.preview = preview
            self.paint()

    def scroll_layers(self, by: int) -> bool:
        """Moves the window over the layers of a long network; False where all of them stand there."""
        summary, (width, height) = self.preview.summary, self.content_size
        if summary is None or self.preview.section != "Architecture":
            return False
        room = network_room(self.preview, width, height, palette(self.app)) - AROUND
        table = shown(summary.layers, room, self.preview.top)
        self.take(replace(self.preview, top=max(0, min(table.top + by, table.most_top))))
        return table.most_top > 0

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self.scroll_layers(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self.scroll_layers(-3)

    def draw(self, width: int, height: int) -> Sequence[Strip]:
        return draw_preview(self.preview, width, height, palette(self.app))
