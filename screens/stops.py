"""Going on after a stop from outside: `kill -STOP` and `kill -CONT`, as batch systems and debuggers do it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver


def go_on_after_stops(app: App[Any], repaint: Callable[[], None]) -> None:
    """Has the app set its terminal up anew when it is continued, and paint it. For its event loop.

    Nothing where it has no terminal.

    Textual takes each SIGCONT for the end of a ctrl+z, before which it had let go of the terminal. After a stop that
    it did not know of it would read keys in one more thread, and leave the terminal as it is now when it ends.
    """
    driver = app._driver
    if isinstance(driver, LinuxDriver):
        asyncio.get_running_loop().add_signal_handler(signal.SIGCONT, _continued, repaint, driver)


def _continued(repaint: Callable[[], None], driver: LinuxDriver) -> None:
    if not driver._must_signal_resume:  # it was no ctrl+z
        driver.suspend_application_mode()
    driver.resume_application_mode()
    repaint()
