"""The workbench: what all screens share. It composes them and knows nothing of what they show. Imports no torch."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.app import App
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.filter import Monochrome
from textual.screen import Screen
from textual.theme import Theme

from tdl_tui.widgets.display import EVERYTHING, Display
from tdl_tui.widgets.paced_driver import GraphicsKnown, PacedDriver
from tdl_tui.widgets.palette import PALETTES, Palette
from tdl_tui.widgets.spans import CellUpdate, Shown

from .frame import TooSmall, palette
from .overlay import Overlay
from .stops import go_on_after_stops

if TYPE_CHECKING:
    from rich.console import RenderableType
    from textual.command import Provider

    from tdl_tui.worker.origin import Origin
    from tdl_tui.worker.spare import Spare

    from .form import Form

SMALLEST = (72, 20)
"""Columns and lines without which nothing can be shown whole."""


def theme_of(name: str, palette: Palette) -> Theme:
    """A palette as a theme: every colour is there for style sheets under its own name."""
    return Theme(
        name=name,
        dark=palette.dark,
        primary=palette.accent,
        secondary=palette.muted,
        accent=palette.accent,
        warning=palette.caution,
        error=palette.bad,
        success=palette.good,
        foreground=palette.text,
        background=palette.ground,
        surface=palette.surface,
        panel=palette.raised,
        variables={
            "muted": palette.muted,
            "faint": palette.faint,
            "raised": palette.raised,
            "good": palette.good,
            "caution": palette.caution,
            "bad": palette.bad,
            "block-cursor-background": palette.raised,
            "block-cursor-foreground": palette.text,
            "block-cursor-text-style": "none",
            "input-cursor-background": palette.accent,
            "input-cursor-foreground": palette.ground,
            "input-selection-background": f"{palette.accent} 35%",
            "scrollbar": palette.faint,
            "scrollbar-hover": palette.muted,
            "scrollbar-active": palette.accent,
            "scrollbar-background": palette.surface,
            "scrollbar-background-hover": palette.surface,
            "scrollbar-background-active": palette.surface,
        },
    )


def preferred_theme(environment: Mapping[str, str]) -> str:
    """TDL_THEME (light or dark) where it is set, else what COLORFGBG says of the terminal's ground, else dark."""
    if (asked := environment.get("TDL_THEME", "").lower()) in ("light", "dark"):
        return f"tdl-{asked}"
    ground = environment.get("COLORFGBG", "").rpartition(";")[2]
    return "tdl-light" if ground in ("7", "15") else "tdl-dark"


def _actions() -> type[Provider]:
    from .commands import Actions

    return Actions


class Workbench(App[None]):
    """The home folder, the spare worker, the themes and the way between screens."""

    TITLE = "tdl"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {_actions}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+t", "switch_theme", "light or dark", show=False),
        Binding("ctrl+p", "command_palette", "find", tooltip="any action, any run"),
        Binding("question_mark,f1", "help", "help", key_display="?"),
        Binding("ctrl+q", "quit", "quit", show=False, priority=True),
    ]

    def __init__(
        self,
        home: Path,
        open_folder: Path | None = None,
        new_document: Mapping[str, Any] | None = None,
        *,
        clock: Callable[[], float] = time.time,
        spare: bool = True,
        display: Display = EVERYTHING,
    ) -> None:
        first = "runs.tcss" if open_folder is None else "run.tcss"
        super().__init__(css_path=["app.tcss", first])  # a default screen's own would not be read
        self.shown_on = display
        self._on_terminal = Shown()
        self._overlay = Overlay(self, self._on_terminal)
        self._filter_for(display)
        for name, colors in PALETTES.items():
            self.register_theme(theme_of(name, colors))
        self.theme = preferred_theme(os.environ)
        self.home = home
        self.clock = clock
        self.spare: Spare | None = None
        self.draft: Form | None = None
        """The form as it was left, for the next time."""
        self._prepared = threading.Event()
        self._wants_spare = spare
        self._open_first = open_folder
        self._new_first = new_document

    def _filter_for(self, display: Display) -> None:
        """Has every line pass the filters that the terminal needs, after Textual's own."""
        self._filters = [kept for kept in self._filters if not isinstance(kept, Monochrome)]  # it leaves greys
        if not display.colors:
            from tdl_tui.widgets.colorless import Colorless

            self._filters.append(Colorless(lambda: palette(self)))
        if display.glyphs != "all":
            from tdl_tui.widgets.ascii import StandIns

            self._filters.append(StandIns(display.glyphs))

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our colours for themes that are not ours."""
        return {"muted": "#888888", "faint": "#666666", "raised": "#303030"} | {
            "good": "#2fbf93",
            "caution": "#f0c442",
            "bad": "#ff7b4d",
        }

    def get_driver_class(self) -> type[Driver]:
        """Textual's driver; on Linux and macOS one that knows how far the terminal is behind."""
        found = super().get_driver_class()
        return PacedDriver if found is LinuxDriver else found

    def get_default_screen(self) -> Screen[Any]:
        """The table of runs; the screen of the run that was asked for, without the table beneath it."""
        if self._open_first is None:
            from .runs import RunsScreen

            return RunsScreen()
        from .run import RunScreen

        screen = RunScreen(self._open_first)
        screen._push_result_callback(self, None)  # Textual forgets it here, and could not switch to another screen
        return screen

    def on_mount(self) -> None:
        go_on_after_stops(self, self.repaint)
        if self._new_first is not None:
            self.new(self._new_first)
        self.call_after_refresh(self._after_first_paint)

    def open_run(self, folder: Path) -> None:
        """Shows a run."""
        from .run import RunScreen
        from .runs import RunsScreen

        self.push_screen(RunScreen(folder))
        if isinstance(table := self.screen_stack[0], RunsScreen):
            table.awaited = folder.name

    def show_runs(self, opened: Path) -> None:
        """Shows the table of runs in the place of a run's screen that has nothing beneath it."""
        from .runs import RunsScreen

        self.switch_screen(RunsScreen(opened.name))

    def new(self, document: Mapping[str, Any] | None = None, origin: Origin | None = None, start: str = "") -> None:
        """Shows the form, filled from a document where one is given; with an `origin` what it launches is a fork.
        `start` is the path of the value that has the focus at first."""
        from .new import NewScreen

        self.push_screen(NewScreen(document, origin, start))

    def action_switch_theme(self) -> None:
        self.theme = "tdl-light" if self.current_theme.dark else "tdl-dark"

    def action_help(self) -> None:
        from .help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.screen))

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """Sends of an update what the terminal does not show yet."""
        if renderable is not None and not self._batch_count and not self.is_headless:
            renderable = self._on_terminal.changes(renderable)
            if isinstance(renderable, CellUpdate):
                renderable = self._overlay.frame(renderable)
        super()._display(screen, renderable)

    def repaint(self) -> None:
        """Paints everything, whatever the terminal shows."""
        self._on_terminal.forget()
        self.refresh(layout=True)

    def on_graphics_known(self, message: GraphicsKnown) -> None:
        self._overlay.use(message.graphics)

    def on_resize(self, event: events.Resize) -> None:
        if event.size == self.size:  # Textual would paint nothing, but a larger letter has the terminal draw anew
            self.refresh(layout=True)
        self._on_terminal.forget()
        self._overlay.doubt()
        too_small = event.size.width < SMALLEST[0] or event.size.height < SMALLEST[1]
        shown = isinstance(self.screen, TooSmall)
        if too_small and not shown:
            self.push_screen(TooSmall(*SMALLEST))
        elif shown and not too_small:
            self.pop_screen()

    def _after_first_paint(self) -> None:
        self.run_worker(self._prepare, thread=True, group="prepare")

    def _prepare(self) -> None:
        """What a person will need next, made ready while they look: the form's specs and a spare worker."""
        try:
            if self._wants_spare:
                from tdl_tui.worker.spare import Spare

                self.spare = Spare(self.home)
                self.spare.start()
        except OSError as error:
            message = f"no spare worker could be started: {error.strerror}; launching takes longer"
            self.call_from_thread(self.notify, message, severity="warning", markup=False)
        finally:
            self._prepared.set()
        from tdl_tui.runs.home import tidy

        from . import new  # noqa: F401  # imported now, so that the form opens at once

        self.read_plugins()
        tidy(self.home)
        gc.freeze()  # what is there by now stays: collections leave it out, and need not come after each few objects
        gc.set_threshold(20_000, 20, 20)

    def read_plugins(self) -> None:
        """Reads the plugins that were not read yet or have changed, and tells the form. For threads."""
        from tdl_tui.plugins.known import read_wanted

        from .new import NewScreen

        news, wrong = read_wanted()
        for line in wrong:
            self.call_from_thread(self.notify, line, severity="error", markup=False)
        for screen in self.screen_stack if news else ():
            if isinstance(screen, NewScreen):
                self.call_from_thread(screen.look_again)

    @property
    def fault(self) -> Exception | None:
        """What ended the workbench though nobody wanted it to."""
        return self._exception

    def _fatal_error(self) -> None:
        """Ends the workbench after a fault, without a page of traceback: `run` raises it."""
        self._close_messages_no_wait()

    def wait_for_spare(self) -> Spare | None:
        """The spare worker, once it was started; None where there is none. For threads: it blocks until then."""
        self._prepared.wait(10)
        return self.spare

    def close_spare(self) -> None:
        """Ends the spare worker; a training that it became goes on."""
        self._wants_spare = False
        if self.spare is not None:
            self.spare.close()


def run(
    home: Path,
    open_folder: Path | None = None,
    new_document: dict[str, Any] | None = None,
    display: Display = EVERYTHING,
) -> None:
    """The workbench, until it is left: at the table of runs, a run, or the form. Raises the fault that ended it."""
    app = Workbench(home, open_folder, new_document, display=display)
    try:
        app.run()
    finally:
        app.close_spare()
    if app.fault is not None:
        raise app.fault
