"""The form of a new training, what would come of it beside, and the launch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from tdl_tui.data_name import data_name
from tdl_tui.plugins.faults import PluginError
from tdl_tui.registry import ARCHITECTURES, DATASETS, DataShape, LossEntry, OptimizerEntry, ScheduleEntry
from tdl_tui.spec import Experiment, SpecError
from tdl_tui.widgets.lines import Piece, ink
from tdl_tui.widgets.live_screen import LiveScreen
from tdl_tui.widgets.palette import Palette
from tdl_tui.worker.answers import SamplesAnswer, SummaryAnswer

from .choose import Choice, ChooseScreen
from .explanation import Explanation
from .form import Form, text_of
from .form_view import FormView
from .frame import Banner, KeyBar, workbench
from .preview import Preview
from .preview_pane import PreviewPane
from .preview_training import obstacle

if TYPE_CHECKING:
    from tdl_tui.worker.origin import Origin

PAUSE_SECONDS = 0.15
"""What is typed within this time is asked about once."""
SAMPLES = 128
MOVING = Binding.Group("Move")
FILLING = Binding.Group("Fill in")
TRAINING = Binding.Group("Training")


class NewScreen(LiveScreen[None]):
    """One form from the data to the launch, filled by the keyboard alone."""

    TITLE = "New training"
    CSS_PATH = "new.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+l,f5", "launch", "launch", group=TRAINING, priority=True),
        Binding("ctrl+o,f6", "queue", "queue", group=TRAINING, tooltip="let it wait for its turn", priority=True),
        Binding("down", "step(1)", "next", key_display="↓", show=False, group=MOVING),
        Binding("up", "step(-1)", "previous", key_display="↑", show=False, group=MOVING),
        Binding("tab", "step(1)", "next", show=False, group=MOVING),
        Binding("shift+tab", "step(-1)", "previous", show=False, group=MOVING),
        Binding("pagedown", "group(1)", "next section", show=False, group=MOVING),
        Binding("pageup", "group(-1)", "previous section", show=False, group=MOVING),
        Binding("left", "cycle(-1)", "choice before", key_display="←", show=False, group=FILLING),
        Binding("right", "cycle(1)", "change", key_display="← →", group=FILLING),
        Binding("enter", "enter", "list", group=FILLING, tooltip="lists the choices; after typing: next"),
        Binding("escape", "back", "back", tooltip="to the runs; the form is kept", group=TRAINING),
        Binding("ctrl+f", "find_lr", "find lr", group=TRAINING, tooltip="tries learning rates from small to large"),
        Binding("shift+down", "layers(5)", "more layers", key_display="shift+↓", show=False, group=MOVING),
        Binding("shift+up", "layers(-5)", "layers before", key_display="shift+↑", show=False, group=MOVING),
        Binding("ctrl+s", "save", "save", group=TRAINING, tooltip="the experiment as a TOML file"),
        Binding("ctrl+r", "reset", "default", group=FILLING, tooltip="takes back what was said in this field"),
        Binding("ctrl+n", "clear", "start over", show=False, group=FILLING),
        Binding("ctrl+y", "copy", "copy command", show=False, group=TRAINING),
    ]

    def __init__(
        self, document: Mapping[str, Any] | None = None, origin: Origin | None = None, start: str = ""
    ) -> None:
        """The form is filled from `document`; with an `origin` what is launched begins with a checkpoint. `start` is
        the path of the value that has the focus at first."""
        super().__init__()
        self._given = document
        self._origin = origin
        self._start = start
        self._asked: tuple[Any, ...] | None = None
        self._asking = False
        self._reading = False
        self._launching = False

    def compose(self) -> ComposeResult:
        bench = workbench(self)
        form = Form(self._given) if self._given is not None else bench.draft or Form()
        self._view = FormView(form)
        yield Banner(f"Fork {self._origin.line}" if self._origin else "New training")
        with Horizontal():
            yield self._view
            yield PreviewPane()
        yield Explanation(self._view, self._command_line)
        yield KeyBar()

    def on_mount(self) -> None:
        self._pane = self.query_one(PreviewPane)
        self._view.focus()
        if self._start or self._origin is not None:  # of a fork the data and the network mostly stay
            self._view.go_to(self._start or "optimizer.lr")
        if self._view.form.left_out:
            unknown = ", ".join(self._view.form.left_out)
            self.notify(f"not taken over, no such field: {unknown}", severity="warning", markup=False)
        if problem := self._view.form.plugins_problem:
            self.notify(problem, severity="error", markup=False)
        self.look_again()  # since the form was made
        self.run_worker(workbench(self).read_plugins, thread=True, group="plugins")

    def look_again(self) -> None:
        """There are other names to choose from, or data have been read."""
        if not hasattr(self, "_pane"):
            return  # not there yet; it looks when it is
        self._view.form.look_again()
        self._view.paint()
        self._changed()

    # -- keys

    def action_step(self, by: int) -> None:
        self._view.step(by)

    def action_group(self, by: int) -> None:
        self._view.step_group(by)

    def action_cycle(self, by: int) -> None:
        self._view.cycle(by)

    def action_layers(self, by: int) -> None:
        self._pane.scroll_layers(by)

    def action_enter(self) -> None:
        """Shown in the footer; the form itself answers the key."""

    def action_reset(self) -> None:
        self._view.reset()

    def action_clear(self) -> None:
        self._view.replace(Form())

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self._command_line())
        self.notify("the command line is in the clipboard")

    def _command_line(self) -> str:
        """What launches the same from a shell."""
        return self._view.form.command_line(self._origin)

    def action_back(self) -> None:
        if self._origin is None:
            workbench(self).draft = self._view.form
        self.dismiss()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What does nothing in this field does not stand in the footer."""
        view = getattr(self, "_view", None)
        if view is None:
            return True
        field = view.current
        match action:
            case "cycle" | "enter":
                return field is not None and bool(field.choices)
            case "reset":
                return field is not None and view.form.changed(field)
            case "find_lr":
                return field is not None and field.group in ("Optimizer", "Schedule")
            case "layers":
                return field is not None and field.group == "Architecture"
            case _:
                return True

    def action_find_lr(self) -> None:
        from tdl_tui.worker.spare import SpareError

        from .lr_range import LrRangeScreen

        experiment = self._experiment()
        if experiment is None:
            return

        def ask(request: Mapping[str, Any]) -> dict[str, Any]:
            spare = workbench(self).wait_for_spare()
            if spare is None:
                raise SpareError("there is no spare worker to try learning rates")
            return spare.ask(request)

        def answered(lr: float | None) -> None:
            if lr is not None:
                self._view.go_to("optimizer.lr")
                self._view.take(text_of(lr))

        self.app.push_screen(LrRangeScreen(experiment.document(), ask, experiment.optimizer.lr), answered)

    def action_save(self) -> None:
        from .confirm import AskScreen

        experiment = self._experiment()
        if experiment is None:
            return
        name = "-".join("".join(c if c.isalnum() else " " for c in experiment.title.lower()).split())

        def answered(text: str | None) -> None:
            if text:
                self._save(experiment, Path(text).expanduser())

        self.app.push_screen(AskScreen("Save the experiment as", f"{name}.toml"), answered)

    def _save(self, experiment: Experiment, path: Path) -> None:
        from .confirm import ConfirmScreen

        def write(yes: bool | None) -> None:
            if not yes:
                return
            try:
                path.write_text(experiment.toml(), encoding="utf-8")
            except OSError as error:
                self.notify(f"{path} cannot be written: {error.strerror}", severity="error", markup=False)
            else:
                self.notify(f"saved: tdl train {path}", markup=False)

        if path.exists():
            self.app.push_screen(ConfirmScreen(f"Overwrite {path.name}?", f"There is such a file: {path}"), write)
        else:
            write(True)

    def action_launch(self) -> None:
        self._begin(self._launch, "launching …")

    def action_queue(self) -> None:
        self._begin(self._enqueue, "queueing …")

    def _begin(self, carry_out: Callable[[Experiment], None], busy: str) -> None:
        """Carries out a launch in a thread, unless something stands in its way."""
        experiment = self._experiment()
        if experiment is None or self._launching:
            return
        if reason := self._obstacle():
            self.notify(reason, title="Not launched", severity="error", markup=False)
            return
        self._launching = True
        self._view.busy = busy
        self._view.paint()
        self.run_worker(lambda: carry_out(experiment), thread=True, group="launch")

    def _experiment(self) -> Experiment | None:
        """The experiment, or None after the focus was put on the first field that is wrong."""
        form = self._view.form
        try:
            return form.experiment()
        except SpecError as error:
            if field := form.first_wrong:
                self._view.go_to(field.path)  # where it says what would be right
                self.app.bell()
            else:
                self.notify(str(error), severity="error", markup=False)
            return None

    def _obstacle(self) -> str:
        """Why the form as it stands cannot be trained, by the spare's newest answer; "" where that is not known."""
        form, summary = self._view.form, self._pane.preview.summary
        if summary is None or self._asking or self._asked != _asked_of(form):
            return ""
        optimizer = form.entry("optimizer")
        return obstacle(summary, optimizer if isinstance(optimizer, OptimizerEntry) else None)

    def _launch(self, experiment: Experiment) -> None:
        from tdl_tui.worker.launch import launch

        bench = workbench(self)
        try:
            self._refuse(experiment)
            launched = launch(experiment, bench.home, bench.spare, self._origin)
        except Exception as error:  # noqa: BLE001  # whatever prevents a launch is said in one line; the form stays
            self.app.call_from_thread(self._not_launched, str(error))
        else:
            self.app.call_from_thread(self._launched, launched.folder)

    def _refuse(self, experiment: Experiment) -> None:
        """Raises where a fork cannot begin with its checkpoint."""
        if self._origin is None:
            return

        def ask(request: Mapping[str, Any]) -> dict[str, Any]:
            spare = workbench(self).wait_for_spare()
            return {} if spare is None else spare.ask(request)  # without one the worker finds out

        self._origin.refuse(experiment, ask)

    def _enqueue(self, experiment: Experiment) -> None:
        from tdl_tui.worker.launch import enqueue

        try:
            self._refuse(experiment)
            queued = enqueue(experiment, workbench(self).home, self._origin)
        except Exception as error:  # noqa: BLE001  # as with a launch
            self.app.call_from_thread(self._not_launched, str(error))
        else:
            place = f"place {queued.place} in the queue" if queued.place else "its turn has come"
            self.app.call_from_thread(self._queued, f"{experiment.title}: {place} for {queued.device}")

    def _queued(self, message: str) -> None:
        """The form stays, for the next one."""
        self._at_rest()
        self.notify(message, title="Queued", markup=False)

    def _at_rest(self) -> None:
        self._launching = False
        self._view.busy = ""
        self._view.paint()

    def _not_launched(self, message: str) -> None:
        self._at_rest()
        self.notify(message, title="Not launched", severity="error", markup=False)

    def _launched(self, folder: Path) -> None:
        bench = workbench(self)
        if self._origin is None:
            bench.draft = None
        self.dismiss()
        bench.open_run(folder)

    # -- the form speaks

    def on_form_view_moved(self) -> None:
        self.query_one(Explanation).paint()
        self._pane.take(replace(self._pane.preview, **self._said()))
        self.refresh_bindings()

    def on_form_view_changed(self) -> None:
        self._changed()

    def on_form_view_launch(self) -> None:
        self.action_launch()

    def on_form_view_choose(self, message: FormView.Choose) -> None:
        form, field = self._view.form, message.field
        refused = form.refused(field)
        helps = {entry.name: entry.help for entry in field.names} if field.names else {}
        choices = [Choice(name, helps.get(name, ""), refused.get(name, "")) for name in field.choices]
        choices.sort(key=lambda choice: bool(choice.refused))  # what can be taken first, else as they are

        def answered(name: str | None) -> None:
            if name is not None:
                self._view.take(name)

        self.app.push_screen(ChooseScreen(field.label, choices, form.text(field)), answered)

    # -- what would come of it

    def _changed(self) -> None:
        form = self._view.form
        if form.unread is not None and not self._reading:
            self._reading = True
            self._view.busy = "reading the data …"
            read = form.unread
            self.run_worker(lambda: self._read_in_thread(read), thread=True, group="read")
        self.query_one(Explanation).paint()
        self.refresh_bindings()
        name = form.field("name")
        data = data_name(form.document().get("data", {})) or form.dataset
        title = (form.text(name) if name else "") or f"{form.architecture} on {data}"

        def said(colors: Palette) -> list[Piece]:
            wrong = len(form.wrong)
            if not wrong or form.unread is not None:
                return [(f"{title} ", ink(colors.muted))]
            return [(f"{wrong} value{'' if wrong == 1 else 's'} to put right ", ink(colors.bad))]

        self.query_one(Banner).say(said)
        self._pane.take(replace(self._pane.preview, **self._said()))
        self._warn()
        self.set_timer(PAUSE_SECONDS, self._ask)

    def _read_in_thread(self, read: Callable[[], None]) -> None:
        try:
            read()
        finally:
            self.app.call_from_thread(self._have_read)

    def _have_read(self) -> None:
        self._reading = False
        self._view.busy = ""
        self.look_again()

    def _said(self) -> dict[str, Any]:
        """What of the preview the form alone says."""
        form, field = self._view.form, self._view.current
        loss, optimizer, schedule = (form.entry(section) for section in ("objective", "optimizer", "schedule"))
        return {
            "shape": form.shape,
            "epochs": form.document().get("training", {}).get("epochs", 0),
            "section": field.group if field is not None else "",
            "loss": loss if isinstance(loss, LossEntry) else None,
            "loss_options": form.options("objective"),
            "optimizer": optimizer if isinstance(optimizer, OptimizerEntry) else None,
            "schedule": schedule if isinstance(schedule, ScheduleEntry) else None,
        }

    def _warn(self) -> None:
        """Says at the launch line what stands in the way of a launch."""
        warning = self._obstacle()
        if warning != self._view.warning:
            self._view.warning = warning
            self._view.paint()

    def _ask(self) -> None:
        """Asks the spare about the form as it stands, one request at a time; the newest form is asked about last."""
        form = self._view.form
        document = form.document()
        wanted = _asked_of(form)
        if self._asking or wanted == self._asked:
            return
        before, self._asked = self._asked, wanted
        if form.wrong.keys() & {field.path for field in form.fields if field.path.startswith(("data.", "model."))}:
            reason = form.wrong.get("model.architecture", "")
            self._pane.take(replace(self._pane.preview, summary=None, summary_problem=reason, waiting="", top=0))
            if form.shape is None:  # it is not known what data they would be
                problem = next((said for path, said in form.wrong.items() if path.startswith("data.")), "")
                self._pane.take(replace(self._pane.preview, samples=None, samples_problem=problem))
            if any(path.startswith("data.") for path in form.wrong) or document.get("data") is None:
                return
        new_data = before is None or before[0] != wanted[0] or self._pane.preview.samples is None
        self._asking = True
        spare = workbench(self).spare
        waiting = "working it out …" if spare is not None and spare.ready else "the worker warms up …"
        self._pane.take(replace(self._pane.preview, waiting=waiting))
        self.run_worker(
            lambda: self._ask_in_thread(document, bool(form.wrong), new_data),
            thread=True,
            group="ask",
        )

    def _ask_in_thread(self, document: dict[str, Any], wrong: bool, new_data: bool) -> None:
        preview = self._pane.preview
        try:
            spare = workbench(self).wait_for_spare()
            if spare is not None:
                preview = self._answers(spare, document, wrong, new_data, preview)
        finally:
            self.app.call_from_thread(self._answered, preview)

    def _answers(self, spare: Any, document: dict[str, Any], wrong: bool, new_data: bool, preview: Preview) -> Preview:
        from tdl_tui.worker.spare import SpareError

        if not wrong:
            try:
                summary = SummaryAnswer.from_json(spare.ask({"ask": "summary", "experiment": document}))
                same = preview.summary is not None and preview.summary.layers == summary.layers
                preview = replace(preview, summary=summary, summary_problem="", top=preview.top if same else 0)
            except SpareError as error:
                preview = replace(preview, summary=None, summary_problem=str(error))
        if new_data:
            data = {"data": document["data"], "model": {"architecture": _any_architecture(preview.shape)}}
            data["plugins"] = document.get("plugins", [])
            try:
                if missing := DATASETS[document["data"]["dataset"]].missing(document["data"].get("options", {})):
                    raise SpareError(missing)
                asked = {"ask": "samples", "experiment": data, "count": SAMPLES}
                preview = replace(preview, samples=SamplesAnswer.from_json(spare.ask(asked)), samples_problem="")
            except (SpareError, PluginError) as error:
                preview = replace(preview, samples=None, samples_problem=str(error))
        return preview

    def _answered(self, preview: Preview) -> None:
        self._asking = False
        self._pane.take(replace(preview, **self._said(), waiting=""))
        self._warn()
        self._ask()


def _asked_of(form: Form) -> tuple[Any, ...]:
    """What of the form the spare's answers depend on, the data first."""
    document = form.document()
    sections = ("data", "model", "optimizer", "schedule", "training")
    return (*(document.get(section) for section in sections), dict(form.wrong))


def _any_architecture(shape: DataShape | None) -> str:
    """The first architecture that takes such data: to be shown them, some has to be named."""
    names = (
        entry.name
        for entry in ARCHITECTURES
        if shape and not entry.plugin and entry.refusal(shape, entry.defaults()) is None
    )
    return next(names, "linear")
