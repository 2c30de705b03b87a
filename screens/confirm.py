"""A question before what cannot be undone."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from .frame import KeyBar


class ConfirmScreen(ModalScreen[bool]):
    """Asks; dismisses with whether the answer was yes."""

    CSS_PATH = "confirm.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y,enter", "answer(True)", "yes"),
        Binding("n,escape,q", "answer(False)", "no"),
    ]

    def __init__(self, question: str, consequence: str = "") -> None:
        super().__init__()
        self._question = question
        self._consequence = consequence

    def compose(self) -> ComposeResult:
        with Vertical(id="dialogue"):
            yield Static(self._question, id="question", markup=False)
            if self._consequence:
                yield Static(self._consequence, id="consequence", markup=False)
            yield Static("[bold $accent]y[/] yes     [bold $accent]n[/] no", id="answers")
        yield KeyBar()

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)


class AskScreen(ModalScreen[str | None]):
    """Asks for one line of text; dismisses with it, or with None."""

    CSS_PATH = "confirm.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(None)", "never mind")]

    def __init__(self, question: str, text: str = "", hint: str = "") -> None:
        super().__init__()
        self._question = question
        self._text = text
        self._hint = hint

    def compose(self) -> ComposeResult:
        from textual.widgets import Input

        with Vertical(id="dialogue"):
            yield Static(self._question, id="question", markup=False)
            if self._hint:
                yield Static(self._hint, id="consequence", markup=False)
            yield Input(self._text, select_on_focus=True, compact=True)
            yield Static("[bold $accent]enter[/] take it     [bold $accent]esc[/] never mind", id="answers")
        yield KeyBar()

    def on_input_submitted(self, event: object) -> None:
        from textual.widgets import Input

        self.dismiss(self.query_one(Input).value.strip() or None)
