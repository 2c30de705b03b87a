"""Pixels laid over the half blocks of an app's frames, while its terminal's line has room for them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from textual.app import App
from textual.timer import Timer

from tdl_tui.widgets.graphics import Graphics
from tdl_tui.widgets.paced_driver import PacedDriver
from tdl_tui.widgets.picture import Picture
from tdl_tui.widgets.pixels import Pixels, coded
from tdl_tui.widgets.spans import CellUpdate, Shown

SOON = 0.03
"""Seconds after which the line is looked at again."""


class Overlay:
    """Follows an app's frames. A picture is coded in a thread; it goes with a frame, or when the line is idle."""

    def __init__(self, app: App[Any], shown: Shown) -> None:
        self._app = app
        self._shown = shown
        self._pixels = Pixels()
        self._coding = False
        self._timer: Timer | None = None

    def use(self, graphics: Graphics | None) -> None:
        """The terminal has said what it can do."""
        if (driver := self._driver) is not None:
            driver.parting = self._pixels.end
            driver.write(self._pixels.use(graphics, self._shown.lines))
            self._go_on()

    def doubt(self) -> None:
        """The window is another one, and so, perhaps, is the size of its cells."""
        if (driver := self._driver) is not None:
            self._pixels.doubt()
            driver.ask_for_graphics()

    def frame(self, update: CellUpdate) -> CellUpdate:
        """A frame's update with what belongs to it in pixels."""
        update = self._pixels.frame(update)
        if (driver := self._driver) is not None and self._pixels.missing:
            update = update.followed_by(self._pixels.lay(driver.pace.room))
            self._go_on()
        return update

    @property
    def _driver(self) -> PacedDriver | None:
        driver = self._app._driver
        return driver if isinstance(driver, PacedDriver) else None

    def _go_on(self) -> None:
        """Sees to the pictures that are missing yet."""
        if self._timer is None and self._pixels.missing:
            self._timer = self._app.set_timer(SOON, self._look)
        if not self._coding and (pictures := self._pixels.uncoded):
            self._coding = True
            self._app.run_worker(partial(self._code, pictures), thread=True, group="pixels")

    def _look(self) -> None:
        self._timer = None
        driver = self._driver
        if driver is None:
            return
        waits = not driver.pace.idle
        if said := self._pixels.lay(driver.pace.room):
            driver.write(said)
            driver.flush()
        if waits or said:  # what does not fit into an idle line stays half blocks, until there is another frame
            self._go_on()

    def _code(self, pictures: Sequence[tuple[Picture, Graphics]]) -> None:
        """In a thread."""
        for picture, graphics in pictures:
            self._app.call_later(self._take, picture, graphics, coded(picture, graphics))
        self._app.call_later(self._coded)

    def _take(self, picture: Picture, graphics: Graphics, code: str) -> None:
        self._pixels.take(picture, graphics, code)
        self._go_on()

    def _coded(self) -> None:
        self._coding = False
        self._go_on()
