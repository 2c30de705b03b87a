"""The home screen: all runs, kept current, and what can be done with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.strip import Strip

from tdl_tui.runs.records import State, Summary
from tdl_tui.runs.text import printable
from tdl_tui.widgets.canvas import Canvas
from tdl_tui.widgets.lines import Piece, ink
from tdl_tui.widgets.live_screen import LiveScreen
from tdl_tui.widgets.palette import Palette

from .frame import Banner, KeyBar, palette, workbench
from .runs_table import SORTS, Paper, View, arrange, branches_of, centred, detail, fitted, table

if TYPE_CHECKING:
    from tdl_tui.runs.table import RunTable

    from .app import Workbench
    from .losses import Losses
    from .queue_watch import QueueWatch

MOVING = Binding.Group("Move")
ACTING = Binding.Group("Runs (the marked ones, else the one under the cursor)")
TABLE = Binding.Group("Table")


class RunsTable(Canvas, can_focus=True):
    """The table. It holds what was last read and how a person looks at it."""

    def __init__(self) -> None:
        super().__init__(id="table")
        self.view = View()
        self.runs: list[Summary] = []
        self.shown: list[Summary] = []
        self._branches: dict[str, str] = {}
        self.losses: dict[str, Sequence[float]] = {}
        self.places: dict[str, int] = {}
        self.read = False
        self.problem = ""

    def take(self, runs: list[Summary]) -> None:
        """New facts; the cursor stays with its run, the marks with those that are still there."""
        self.read = True
        self.problem = ""
        self.runs = runs
        self.look(replace(self.view, marked=self.view.marked & {run.id for run in runs}))

    def look(self, view: View) -> None:
        """Another view on the same facts."""
        before = [run.id for run in self.shown]
        self.shown = arrange(self.runs, view)
        self._branches = branches_of(self.shown, view)
        ids = [run.id for run in self.shown]
        if view.cursor not in ids and ids:
            # the run under the cursor is gone: its neighbour follows
            at = before.index(view.cursor) if view.cursor in before else 0
            view = replace(view, cursor=ids[min(at, len(ids) - 1)])
        self.view = view
        self._keep_in_sight()
        self.paint()

    @property
    def current(self) -> Summary | None:
        """The run under the cursor."""
        return next((run for run in self.shown if run.id == self.view.cursor), None)

    @property
    def chosen(self) -> list[Summary]:
        """The marked runs, else the one under the cursor."""
        marked = [run for run in self.shown if run.id in self.view.marked]
        return marked or ([self.current] if self.current else [])

    @property
    def in_sight(self) -> list[Summary]:
        return self.shown[self.view.top : self.view.top + max(0, self.content_size.height - 1)]

    @property
    def spark_width(self) -> int:
        return next((c.width for c in fitted(self.shown, self.content_size.width) if c.name == "loss"), 0)

    def move(self, by: int) -> None:
        if not self.shown:
            return
        ids = [run.id for run in self.shown]
        at = ids.index(self.view.cursor) + by if self.view.cursor in ids else 0
        self.look(replace(self.view, cursor=ids[max(0, min(at, len(ids) - 1))]))

    def draw(self, width: int, height: int) -> Sequence[Strip]:
        colors = palette(self.app)
        if self.problem:
            hope = ("It is looked at again until it can be read.", colors.muted)
            return centred([(self.problem, colors.bad), hope], width, height)
        if not self.read:
            return centred([("reading the runs …", colors.muted)], width, height)
        if not self.runs:
            first = ("No runs yet.", colors.text)
            return centred(
                [first, ("Press n for a new training; ctrl+l there launches it.", colors.muted)], width, height
            )
        if not self.shown:
            first = (f"No run matches “{self.view.filter}”.", colors.text)
            return centred([first, ("esc shows all runs again.", colors.muted)], width, height)
        paper = Paper(colors, self._bench.clock(), self.losses, self.places, self._branches)
        return table(self.shown, self.view, paper, width, height)

    def on_resize(self, event: events.Resize) -> None:
        self._keep_in_sight()
        self.paint()

    def on_click(self, event: events.Click) -> None:
        at = self.view.top + event.y - 1
        if event.y and at < len(self.shown):
            self.look(replace(self.view, cursor=self.shown[at].id))
            if event.chain == 2:
                self.screen.call_later(self.screen.run_action, "open")

    def on_mouse_scroll_down(self) -> None:
        self.move(3)

    def on_mouse_scroll_up(self) -> None:
        self.move(-3)

    @property
    def _bench(self) -> Workbench:
        return workbench(self)

    def _keep_in_sight(self) -> None:
        rows = max(1, self.content_size.height - 1)
        ids = [run.id for run in self.shown]
        at = ids.index(self.view.cursor) if self.view.cursor in ids else 0
        top = min(self.view.top, at, max(0, len(ids) - rows))
        self.view = replace(self.view, top=max(top, at - rows + 1))


class Detail(Canvas):
    """The line below the table: more about the run under the cursor."""

    run: Summary | None = None

    def take(self, run: Summary | None) -> None:
        self.run = run
        self.paint()

    def draw(self, width: int, height: int) -> Sequence[Strip]:
        return [detail(self.run, palette(self.app), width)] if self.run else []


class RunsScreen(LiveScreen[None]):
    """Reads the runs twice a second in a thread, and shows what changed."""

    TITLE = "Runs"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "open", group=ACTING),
        Binding("n", "new", "new", group=ACTING, tooltip="set up a training"),
        Binding("x", "stop", "stop", group=ACTING, tooltip="with a checkpoint, or out of the queue"),
        Binding("p", "pause", "pause", group=ACTING),
        Binding("r", "resume", "resume", group=ACTING, tooltip="goes on, or from the last checkpoint"),
        Binding("d,delete", "delete", "delete", group=ACTING),
        Binding("u", "undo", "undo delete", group=ACTING),
        Binding("slash", "filter", "filter", group=TABLE),
        Binding("s", "sort", "sort", group=TABLE, tooltip="by age, state, name, best, progress"),
        Binding("S", "reverse", "reverse the order", show=False, group=TABLE),
        Binding("c", "copy", "copy", group=ACTING, tooltip="to a new experiment"),
        Binding("space", "mark", "mark", group=TABLE),
        Binding("a", "mark_all", "mark all, or none", show=False, group=TABLE),
        Binding("escape", "clear", "clear filter and marks", show=False, group=TABLE),
        Binding("down,j", "move(1)", "down", show=False, group=MOVING),
        Binding("up,k", "move(-1)", "up", show=False, group=MOVING),
        Binding("pagedown", "page(1)", "a page down", show=False, group=MOVING),
        Binding("pageup", "page(-1)", "a page up", show=False, group=MOVING),
        Binding("home,g", "move(-1000000)", "first", show=False, group=MOVING),
        Binding("end,G", "move(1000000)", "last", show=False, group=MOVING),
        Binding("q", "app.quit", "quit", show=False),
    ]

    def __init__(self, awaited: str = "") -> None:
        super().__init__()
        self._reading = False
        self._deleted: list[tuple[str, Path]] = []
        self.awaited = awaited
        """The run that was opened last: the cursor goes to it when it is read."""
        self._left = 0
        """Runs that are still to be read, when there are many."""
        self._known: RunTable | None = None
        self._losses: Losses | None = None
        self._queue: QueueWatch | None = None

    def compose(self) -> ComposeResult:
        yield Banner("Runs")
        yield RunsTable()
        yield Detail(id="detail")
        yield KeyBar()

    def on_mount(self) -> None:
        self._table = self.query_one(RunsTable)
        self._table.focus()
        self.set_interval(self.period, self._read)
        self.call_after_refresh(self._read)

    def on_screen_resume(self) -> None:
        self._read()

    # -- reading

    def _read(self) -> None:
        if self._reading or not self.is_active:  # beneath a dialogue each change would repaint the whole terminal
            return
        self._reading = True
        self.run_worker(self._read_in_thread, thread=True, group="read")

    def _read_in_thread(self) -> None:
        from tdl_tui.runs.home import HomeError
        from tdl_tui.runs.table import RunTable

        from .losses import Losses
        from .queue_watch import QueueWatch

        app = workbench(self)
        try:
            self._known = self._known or RunTable(app.home)
            for runs, left in self._known.read(self._table.content_size.height):
                self._queue = self._queue or QueueWatch(app.home)
                places = self._queue.places(runs)
                in_sight, width = app.call_from_thread(self._take, runs, places, left)
                self._losses = self._losses or Losses()
                losses = {run.id: self._losses.of(run, app.home, width) for run in in_sight} if width else {}
                app.call_from_thread(self._take_losses, losses)
                if places and (problem := self._queue.keep_moving()):
                    app.call_from_thread(self.notify, problem, severity="warning", markup=False)
        except HomeError as error:
            app.call_from_thread(self._take_problem, str(error))
        finally:
            self._reading = False

    def _take(self, runs: list[Summary], places: dict[str, int], left: int) -> tuple[list[Summary], int]:
        self._table.places = places
        if runs is self._table.runs and left == self._left and not self._table.problem:
            self._table.paint()  # ages go on
            return self._table.in_sight, self._table.spark_width
        self._left = left
        self._table.take(runs)
        if any(run.id == self.awaited for run in runs):
            if any(run.id == self.awaited for run in self._table.shown):
                self._table.look(replace(self._table.view, cursor=self.awaited))
            self.awaited = ""
        self._changed()
        return self._table.in_sight, self._table.spark_width

    def _take_problem(self, problem: str) -> None:
        """The home cannot be read: there is nothing to act on until it can."""
        self._left = 0
        self._table.take([])
        self._table.problem = problem
        self._table.paint()
        self._changed()

    def _take_losses(self, losses: dict[str, Sequence[float]]) -> None:
        self._table.losses = losses
        self._table.paint()

    def _changed(self) -> None:
        """The view or the facts are others: what stands around the table follows."""
        self.query_one(Detail).take(self._table.current)
        self.query_one(Banner).say(self._state_of_affairs)
        self.refresh_bindings()

    def _state_of_affairs(self, colors: Palette) -> list[Piece]:
        table, muted = self._table, ink(colors.muted)
        if not table.read:
            return []
        live = sum(run.state.live for run in table.runs)
        pieces: list[Piece] = []
        if table.view.marked:
            marked, seen = len(table.view.marked), sum(run.id in table.view.marked for run in table.shown)
            said = f"{marked} marked" if seen == marked else f"{seen} of {marked} marked in sight"
            pieces.append((f"{said}  ", ink(colors.accent)))
        if live:
            pieces.append((f"{live} training  ", ink(colors.accent)))
        if queued := len(table.places):
            pieces.append((f"{queued} queued  ", ink(colors.caution)))
        if self._left:
            pieces.append((f"reading {self._left:,} more  ", ink(colors.caution)))
        total = len(table.runs) + self._left
        if table.view.filter:
            pieces.append((f"“{table.view.filter}” ", ink(colors.accent)))
            pieces.append((f"{len(table.shown)} of ", muted))
        pieces.append((f"{total:,} run{'' if total == 1 else 's'} ", muted))
        return pieces

    # -- looking

    def action_move(self, by: int) -> None:
        self._table.move(by)
        self._changed()

    def action_page(self, by: int) -> None:
        self.action_move(by * max(1, self._table.content_size.height - 2))

    def _look(self, view: View) -> None:
        self._table.look(view)
        self._changed()

    def action_sort(self) -> None:
        view = self._table.view
        following = SORTS[(SORTS.index(view.sort) + 1) % len(SORTS)]
        self._look(replace(view, sort=following, reverse=False))

    def action_reverse(self) -> None:
        self._look(replace(self._table.view, reverse=not self._table.view.reverse))

    def action_mark(self) -> None:
        if run := self._table.current:
            self._look(replace(self._table.view, marked=self._table.view.marked ^ {run.id}))
            self.action_move(1)

    def action_mark_all(self) -> None:
        everything = frozenset(run.id for run in self._table.shown)
        marked = frozenset[str]() if everything <= self._table.view.marked else everything
        self._look(replace(self._table.view, marked=marked))

    def action_clear(self) -> None:
        self._look(replace(self._table.view, filter="", marked=frozenset()))

    async def action_filter(self) -> None:
        from .filter_line import FilterLine

        line = FilterLine(self._table.view.filter)
        await self.mount(line, after=self._table)
        line.focus()

    def on_input_changed(self, event: object) -> None:
        from textual.widgets import Input

        self._look(replace(self._table.view, filter=self.query_one("#filter", Input).value))

    async def on_input_submitted(self) -> None:
        await self._end_filter()

    async def _end_filter(self) -> None:
        await self.query("#filter").remove()
        self._table.focus()

    async def action_drop_filter(self) -> None:
        await self._end_filter()
        self._look(replace(self._table.view, filter=""))

    # -- doing

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Only what has something to act on stands in the footer."""
        if not hasattr(self, "_table"):
            return True
        table = self._table

        def some_run(holds: Callable[[Summary], bool]) -> bool:
            return any(map(holds, table.chosen))

        needed: dict[str, Callable[[], bool]] = {
            "stop": lambda: some_run(_stoppable),
            "pause": lambda: some_run(lambda run: run.state is State.RUNNING),
            "resume": lambda: some_run(_resumable),
            "delete": lambda: some_run(lambda run: not run.state.live),
            "copy": lambda: table.current is not None and bool(table.current.experiment),
            "open": lambda: bool(table.shown),
            "mark": lambda: bool(table.shown),
            "mark_all": lambda: bool(table.shown),
            "undo": lambda: bool(self._deleted),
            "filter": lambda: bool(table.runs) and not self.query("#filter"),
            "sort": lambda: bool(table.runs),
            "reverse": lambda: bool(table.runs),
        }
        return needed[action]() if action in needed else True

    def action_open(self) -> None:
        run = self._table.current
        if run is None:
            return
        if run.damage:
            self.notify(run.damage, severity="error", markup=False)
            return
        workbench(self).open_run(self._folder(run))

    def action_new(self) -> None:
        workbench(self).new()

    def action_copy(self) -> None:
        from tdl_tui.plugins.faults import PluginError
        from tdl_tui.plugins.named import refuse_unnamed

        if not (run := self._table.current) or not run.experiment:
            return
        try:
            refuse_unnamed(workbench(self).home, run.experiment)  # the form would read them
        except PluginError as error:
            self.notify(printable(str(error)), severity="error", markup=False)
            return
        workbench(self).new({key: value for key, value in run.experiment.items() if key != "name"})

    def action_stop(self) -> None:
        from tdl_tui.worker.steer import stop

        from .confirm import ConfirmScreen

        runs = [run for run in self._table.chosen if _stoppable(run)]
        if not runs:
            return
        if all(run.state is State.QUEUED for run in runs):
            question, hint, done = f"Take {_named(runs)} out of the queue?", "r starts it later.", "out of the queue"
        else:
            question, hint = f"Stop {_named(runs)}?", "A checkpoint is written first; r resumes from there."
            done = "stopped"

        def answered(yes: bool | None) -> None:
            if yes:
                self._each(runs, lambda run: stop(self._folder(run)), done)

        self.app.push_screen(ConfirmScreen(question, hint), answered)

    def action_pause(self) -> None:
        from tdl_tui.worker.steer import pause

        runs = [run for run in self._table.chosen if run.state is State.RUNNING]
        self._each(runs, lambda run: pause(self._folder(run)), "paused")

    def action_resume(self) -> None:
        from tdl_tui.worker.steer import resume

        spare = workbench(self).spare
        runs = [run for run in self._table.chosen if _resumable(run)]
        # queued ones keep waiting where others are meant
        runs = [run for run in runs if run.state is not State.QUEUED] or runs
        begins = any(run.state is State.QUEUED for run in runs)
        self._each(runs, lambda run: resume(self._folder(run), spare=spare), "begins" if begins else "goes on")

    def action_delete(self) -> None:
        from tdl_tui.runs.home import delete

        runs = self._table.chosen
        busy = [run for run in runs if run.state.live]
        if busy:
            self.notify(f"{_named(busy)} is training: stop it first (x)", severity="warning", markup=False)

        def remove(run: Summary) -> None:
            self._deleted.append((run.name or run.id, delete(self._folder(run))))

        self._each([run for run in runs if not run.state.live], remove, "deleted; u brings it back")

    def action_undo(self) -> None:
        from tdl_tui.runs.home import HomeError, restore

        if not self._deleted:
            return
        name, moved = self._deleted.pop()
        try:
            restore(moved)
        except HomeError as error:
            self.notify(f"{name}: {error}", severity="error", markup=False)
        else:
            self.app.clear_notifications()  # one that it was deleted may still stand there
            self.notify(f"{name}: is back", markup=False)
        self._read()

    def on_unmount(self) -> None:
        """Removes for good what was deleted: nothing can bring it back now."""
        if self._deleted:
            from tdl_tui.runs.home import HomeError, purge

            while self._deleted:
                with suppress(HomeError):  # what cannot be removed now is tidied up another day
                    purge(self._deleted.pop()[1])

    def _folder(self, run: Summary) -> Path:
        return workbench(self).home / "runs" / run.id

    def _each(self, runs: Sequence[Summary], act: Callable[[Summary], object], done: str) -> None:
        """Does something with each run in a thread, and says what came of it."""

        def work() -> None:
            well = []
            for run in runs:
                try:
                    act(run)
                    well.append(run)
                except Exception as error:  # noqa: BLE001  # whatever went wrong with one run is said, the rest goes on
                    self.app.call_from_thread(
                        self.notify, f"{run.name or run.id}: {error}", severity="error", markup=False
                    )
            if well:
                self.app.call_from_thread(self.notify, f"{_named(well)}: {done}", markup=False)
            self.app.call_from_thread(self._read)

        if runs:
            self.run_worker(work, thread=True, group="act")


def _resumable(run: Summary) -> bool:
    resumable = (State.PAUSED, State.STOPPED, State.FAILED, State.LOST, State.QUEUED)
    return not run.damage and run.state in resumable


def _stoppable(run: Summary) -> bool:
    return run.state.live or run.state is State.QUEUED


def _named(runs: Sequence[Summary]) -> str:
    return (runs[0].name or runs[0].id) if len(runs) == 1 else f"{len(runs)} runs"
