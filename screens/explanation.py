"""The lines below the form: the field that has the focus in words, and the command line that says the same."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence

from textual.strip import Strip

from tdl_tui.widgets.canvas import Canvas
from tdl_tui.widgets.lines import PLAIN, Piece, fit, ink, line
from tdl_tui.widgets.palette import Palette

from .form import Field, Form, text_of
from .form_view import FormView
from .frame import palette


def explain(form: Form, field: Field | None, width: int, rows: int, colors: Palette) -> list[Strip]:
    """About the field that has the focus: what it is, on as many of `rows` as it takes; type, range and default."""
    if field is None:
        says = "Starts the training in a process of its own: it goes on when this window is closed."
        return [line([(fit(f"   {says}", width), ink(colors.text))], width), line((), width)]
    help = field.option.help
    if entry_help := form.help.get(field.path):
        help = entry_help
    kind = "one of a list" if field.names else field.option.kind
    facts = [kind if len(kind) < 60 else "one of a list"]
    if field.option.range and not field.choices:
        facts.append(field.option.range)
    default = text_of(form.default(field))
    facts.append(f"default {default}" if default else "empty by default")
    where = f"   {field.path}  "
    if len(where) + len(" · ".join(facts)) > width - 1 and len(facts) > 2:
        del facts[0]
    said = textwrap.wrap(help, width - 4)
    if len(said) > rows - 1:
        said = [*said[: rows - 2], " ".join(said[rows - 2 :])]
    return [
        *(line([("   ", PLAIN), (part, ink(colors.text))], width) for part in said if part),
        line([(where, ink(colors.accent)), (" · ".join(facts), ink(colors.muted))], width),
    ]


def command_lines(command: str, width: int, rows: int, colors: Palette) -> list[Strip]:
    """The equivalent command line on at most `rows` lines, broken between words as a shell takes it."""
    parts = textwrap.wrap(command, max(20, width - 8), break_long_words=False, break_on_hyphens=False) or [""]
    if len(parts) > rows:
        parts = [*parts[: rows - 1], " ".join(parts[rows - 1 :])]
    out: list[Strip] = []
    for at, part in enumerate(parts):
        pieces: list[Piece] = [(" $ " if at == 0 else "     ", ink(colors.faint)), (part, ink(colors.muted))]
        if at < len(parts) - 1:
            pieces.append((" \\", ink(colors.faint)))
        out.append(line(pieces, width))
    return out


class Explanation(Canvas):
    """The field that has the focus in words, and the command line that says the same as the form."""

    def __init__(self, view: FormView, command_line: Callable[[], str]) -> None:
        super().__init__(id="explanation")
        self._view = view
        self._command_line = command_line

    def draw(self, width: int, height: int) -> Sequence[Strip]:
        colors = palette(self.app)
        about = explain(self._view.form, self._view.current, width, height - 1, colors)
        return [*about, *command_lines(self._command_line(), width, height - len(about), colors)]
