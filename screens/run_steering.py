"""How a run is steered from its screen: what each key asks, and what is said meanwhile. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.binding import Binding, BindingType

from tdl_tui.runs.records import State
from tdl_tui.runs.text import printable
from tdl_tui.widgets.live_screen import LiveScreen
from tdl_tui.widgets.numbers import brief, size

from .confirm import AskScreen, ConfirmScreen
from .frame import workbench

if TYPE_CHECKING:
    from tdl_tui.runs.kept import Kept

    from .run_snapshot import Snapshot

STEERING = Binding.Group("The training")
AT_WORK = (State.RUNNING, State.PAUSED)
SUITED: dict[str, tuple[State, ...]] = {
    "pause": (State.RUNNING,),
    "resume": (State.PAUSED,),
    "restart": (State.STOPPED, State.FAILED, State.LOST),
    "start": (State.QUEUED,),
    "checkpoint": AT_WORK,
    "evaluate": AT_WORK,
    "undo": AT_WORK,
    "profile": (State.RUNNING,),
}
DOING = {
    "pause": "pausing after the step in progress …",
    "resume": "going on …",
    "restart": "starting a worker from the last checkpoint …",
    "start": "starting a worker …",
    "checkpoint": "writing a checkpoint …",
    "evaluate": "validating at this step …",
    "undo": "setting the last change back …",
    "profile": "profiling the next steps …",
}


class Steering(LiveScreen[None]):
    """The part of a run's screen that steers. Whatever takes time is done in a thread."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("p", "steer('pause')", "pause", group=STEERING, tooltip="after the step in progress"),
        Binding("p", "steer('resume')", "go on", group=STEERING, tooltip="let a paused run train on"),
        Binding("r", "steer('restart')", "resume", group=STEERING, tooltip="from its last checkpoint"),
        Binding("r", "steer('start')", "start", group=STEERING, tooltip="at once, before its turn"),
        Binding("s", "stop", "stop", group=STEERING, tooltip="with a checkpoint to resume from; asks first"),
        Binding("S", "stop_at_epoch_end", "stop at epoch's end", show=False, group=STEERING, tooltip="again: train on"),
        Binding("c", "steer('checkpoint')", "checkpoint", show=False, group=STEERING, tooltip="keep the weights"),
        Binding("e", "steer('evaluate')", "evaluate", show=False, group=STEERING, tooltip="validate at this step"),
        Binding("P", "steer('profile')", "profile", show=False, group=STEERING, tooltip="what ten steps are made of"),
        Binding("t", "tune", "tune", group=STEERING, tooltip="any value that can be changed"),
        Binding("l", "learning_rate", "learning rate", show=False, group=STEERING, tooltip="another from now on"),
        Binding("u", "steer('undo')", "undo", show=False, group=STEERING, tooltip="set the last change back"),
        Binding("R", "roll_back", "roll back", show=False, group=STEERING, tooltip="to a checkpoint; asks which"),
        Binding("F", "fork", "fork", show=False, group=STEERING, tooltip="a new run from a checkpoint"),
    ]
    folder: Path
    snapshot: Snapshot | None

    def say(self, text: str, *, bad: bool = False) -> None:
        """Says what came of it."""
        raise NotImplementedError

    def look_now(self) -> None:
        """Looks at the run now."""
        raise NotImplementedError

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What suits the run's state."""
        state = self.snapshot.summary.state if self.snapshot else None
        damaged = bool(self.snapshot and self.snapshot.summary.damage)
        match action, parameters:
            case "steer", (str(verb),):
                return state in SUITED[verb] and not damaged
            case (("learning_rate" | "tune" | "roll_back" | "stop_at_epoch_end"), _):
                return state in AT_WORK and not damaged
            case "fork", _:
                return state not in (None, State.QUEUED, State.ELSEWHERE) and not damaged
            case "stop", _:
                return state is not None and (state.live or state is State.QUEUED)
            case _:
                return super().check_action(action, parameters)

    @work(thread=True, group="steer")
    def carry_out(self, doing: str, act: Callable[[Any, Path], str]) -> None:
        """Says what is being done, does it and says what came of it. `act` is given `worker.steer` and the folder."""
        from tdl_tui.worker import steer

        self.app.call_from_thread(self.say, doing)
        try:
            said = act(steer, self.folder)
        except steer.SteerError as error:
            self.app.call_from_thread(self.say, str(error), bad=True)
        else:
            self.app.call_from_thread(self.say, said)
        self.look_now()

    def action_steer(self, verb: str) -> None:
        spare = getattr(self.app, "spare", None)

        def act(steer: Any, folder: Path) -> str:
            match verb:
                case "resume" | "restart" | "start":
                    return str(steer.resume(folder, spare=spare))
                case "profile":
                    return str(steer.profile(folder).text)
                case _:
                    return str(getattr(steer, verb)(folder))

        self.carry_out(DOING[verb], act)

    def action_stop(self) -> None:
        doing, question, hint = "stopping with a checkpoint …", "Stop this training?", "It ends with a checkpoint: "
        hint += "r resumes it from there."
        if self.snapshot is not None and self.snapshot.summary.state is State.QUEUED:
            doing, question, hint = "taking it out of the queue …", "Take it out of the queue?", "r starts it later."

        def answered(yes: bool | None) -> None:
            if yes:
                self.carry_out(doing, lambda steer, folder: steer.stop(folder))

        self.app.push_screen(ConfirmScreen(question, hint), answered)

    def action_stop_at_epoch_end(self) -> None:
        def act(steer: Any, folder: Path) -> str:
            asked = steer.stops_after(folder) is not None
            return str((steer.cancel_stop if asked else steer.stop_at_epoch_end)(folder))

        self.carry_out("telling it about the epoch's end …", act)

    # ------------------------------------------------------------------------------------------------------- values

    def action_learning_rate(self) -> None:
        from tdl_tui.settables import settable
        from tdl_tui.spec import SpecError

        now = self.snapshot.latest.get("lr", math.nan) if self.snapshot else math.nan

        def answered(text: str | None) -> None:
            if text is None:
                return
            try:
                value = settable("lr").check(text, {})
            except SpecError as error:
                self.say(str(error), bad=True)
                return
            self.set_values({"optimizer.lr": value})

        hint = "A number above 0, such as 3e-4, from the next step on."
        self.app.push_screen(AskScreen("Learning rate", brief(now) if math.isfinite(now) else "", hint), answered)

    def set_values(self, values: dict[str, Any]) -> None:
        """Changes values of the run, by their paths."""
        from tdl_tui.settables import settable

        what = ", ".join(settable(path).label for path in values)
        self.carry_out(f"setting {what} …", lambda steer, folder: steer.set_value(folder, values))

    def action_tune(self) -> None:
        self._find_out("looking up the values …", _in_force, self._tune)

    def _tune(self, found: tuple[dict[str, Any], dict[str, Any]]) -> None:
        from .tune import TuneScreen

        def answered(values: dict[str, Any] | None) -> None:
            if values:
                self.set_values(values)

        self.app.push_screen(TuneScreen(*found), answered)

    def try_out(self, change: Mapping[str, Any]) -> None:
        """Opens the form with the run's experiment, its values as they are by now, and some of them changed; at the
        first of these."""
        show = partial(workbench(self).new, start=next(iter(change), ""))
        self._find_out("looking up the values …", partial(_changed, change=change), show)

    # -------------------------------------------------------------------------------------------------- checkpoints

    def action_roll_back(self) -> None:
        self._choose_from("Roll back to", self._roll_back)

    def _roll_back(self, chosen: Kept) -> None:
        def answered(yes: bool | None) -> None:
            if yes:
                doing = f"going back to step {chosen.step:,} …"
                self.carry_out(doing, lambda steer, folder: steer.rollback(folder, chosen.short))

        hint = "What was recorded after it is dropped, and values are as they were. That cannot be undone."
        self.app.push_screen(ConfirmScreen(f"Roll back to step {chosen.step:,} ({chosen.short})?", hint), answered)

    def action_fork(self) -> None:
        self._choose_from("Fork from", self._fork)

    def _fork(self, chosen: Kept) -> None:
        def found(origin: Any) -> None:
            self.say("")
            workbench(self).new(origin.document, origin)

        self._find_out("reading what it begins with …", partial(_origin, name=chosen.short), found)

    def _choose_from(self, title: str, then: Callable[[Kept], None]) -> None:
        """Lets a checkpoint be chosen, and goes on with it."""
        self._find_out("looking up the checkpoints …", _kept, partial(self._choose_checkpoint, title, then))

    def _choose_checkpoint(self, title: str, then: Callable[[Kept], None], found: list[Kept]) -> None:
        from .choose import Choice, ChooseScreen
        from .runs_table import age

        if not found:
            self.say("there is no checkpoint yet; c keeps one", bad=True)
            return
        now = workbench(self).clock()
        choices = []
        for one in found:
            what = "" if one.whole else ", weights alone"
            choices.append(Choice(one.short, f"step {one.step:,}, {age(now - one.time)} ago, {size(one.size)}{what}"))

        def answered(name: str | None) -> None:
            if name is not None:
                then(next(one for one in found if one.short == name))

        self.app.push_screen(ChooseScreen(title, choices, found[0].short), answered)

    @work(thread=True, group="steer")
    def _find_out(self, doing: str, ask: Callable[[Path], Any], then: Callable[[Any], None]) -> None:
        """Asks in a thread, and goes on with the answer; says where there is none."""
        self.app.call_from_thread(self.say, doing)
        try:
            found = ask(self.folder)
        except Exception as error:  # noqa: BLE001  # whatever a damaged run raises is one line
            self.app.call_from_thread(self.say, printable(str(error)), bad=True)
        else:
            self.app.call_from_thread(self.say, "")
            self.app.call_from_thread(then, found)


def _in_force(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A run's experiment, and the values that it has by now where they are others."""
    from tdl_tui.runs.reader import RunReader
    from tdl_tui.worker.steer import settings

    with RunReader(folder) as reader:
        return reader.summary().experiment, settings(folder)


def _changed(folder: Path, change: Mapping[str, Any]) -> dict[str, Any]:
    """A run's experiment, without its name, with the values in force and then those of `change`, by path."""
    from tdl_tui.diagnosis.changes import changed
    from tdl_tui.plugins.named import refuse_unnamed

    experiment, settings = _in_force(folder)
    refuse_unnamed(folder.parent.parent, experiment)  # the form would read them
    return changed(experiment, {**settings, **change, "name": ""})


def _kept(folder: Path) -> list[Kept]:
    from tdl_tui.runs.kept import PREVIOUS, kept
    from tdl_tui.runs.reader import RunReader

    with RunReader(folder) as reader:
        return [one for one in kept(folder, reader) if one.name != PREVIOUS]


def _origin(folder: Path, name: str) -> Any:
    from tdl_tui.plugins.named import refuse_unnamed
    from tdl_tui.worker.origin import origin

    found = origin(folder, name)
    refuse_unnamed(folder.parent.parent, found.experiment)  # the form would read them
    return found
