"""The line in which the table of runs, or the list of series, is filtered."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input


class FilterLine(Input):
    """Its screen hears what is typed, and ends it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "keep it"),
        Binding("escape", "screen.drop_filter", "all again"),
    ]

    def __init__(self, text: str, placeholder: str = "words of name, data, architecture, state") -> None:
        super().__init__(text, placeholder=placeholder, id="filter", compact=True)
