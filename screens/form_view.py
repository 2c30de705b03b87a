"""The form on the screen: lines from the form's fields, the field that has the focus, and the keys that edit it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip

from tdl_tui.widgets.canvas import Canvas
from tdl_tui.widgets.lines import PLAIN, Piece, blank, fit, ink, line
from tdl_tui.widgets.palette import Palette

from .form import Field, Form
from .frame import palette
from .line_editor import LineEditor
from .runs_table import grounded

LABEL = 19
LEFT = 3


@dataclass(frozen=True)
class Line:
    """A line of the form, and the index of the field it belongs to (None for headings and blank lines)."""

    strip: Strip
    field: int | None = None


def form_lines(form: Form, focus: int | None, editor: LineEditor, width: int, colors: Palette) -> list[Line]:
    """Every line: headings, fields, and under each wrong field what would be right."""
    out: list[Line] = []
    group = ""
    for at, field in enumerate(form.fields):
        if field.group != group:
            group = field.group
            if out:
                out.append(Line(blank(width)))
            rule = "─" * max(0, width - LEFT - len(group) - 2)
            out.append(
                Line(
                    line(
                        [("   ", PLAIN), (f"{group} ", ink(colors.muted, bold=True)), (rule, ink(colors.faint))], width
                    )
                )
            )
        here = at == focus
        strip = _field_line(form, field, editor if here else None, width, colors)
        out.append(Line(grounded(strip, colors.raised) if here else strip, at))
        if field.path in form.wrong:
            indent = LEFT + 2
            for text in textwrap.wrap(form.wrong[field.path], max(10, width - indent - 1)):
                out.append(Line(line([(" " * indent, PLAIN), (text, ink(colors.bad))], width), at))
    return out


def _field_line(form: Form, field: Field, editor: LineEditor | None, width: int, colors: Palette) -> Strip:
    """A field's line. The editor is given for the field that has the focus."""
    here = editor is not None
    wrong = field.path in form.wrong
    sign, color = ("✗", colors.bad) if wrong else ("•", colors.accent) if form.changed(field) else (" ", colors.text)
    indent = "  " if field.nested else ""
    label = fit(f"{indent}{field.label}", LABEL)
    pieces: list[Piece] = [
        ("▸" if here else " ", ink(colors.accent, bold=True)),
        (f"{sign} ", ink(color, bold=True)),
        (label, ink(colors.text if here else colors.muted)),
    ]
    room = width - LEFT - LABEL
    style = ink(colors.bad if wrong else colors.text, bold=form.changed(field) or here)
    if editor is None:
        text = form.text(field)
        pieces.append(
            (f"  {fit(text, room - 2)}" if text else f"  {_nothing(field)}", style if text else ink(colors.faint))
        )
    elif field.choices:
        pieces += [("‹ ", ink(colors.accent)), (fit(form.text(field), min(room - 4, len(form.text(field)))), style)]
        pieces.append((" ›", ink(colors.accent)))
    else:
        pieces += [("  ", PLAIN), *_edited(editor, room - 2, style, colors)]
    return line(pieces, width)


def _nothing(field: Field) -> str:
    return "from data and architecture" if field.path == "name" else "–"


def _edited(editor: LineEditor, width: int, style: Style, colors: Palette) -> list[Piece]:
    """The text with its cursor, moved along so that the cursor is in sight."""
    start = max(0, editor.cursor - width + 1)
    text = editor.text[start : start + width]
    at = editor.cursor - start
    if editor.selected:
        marked = ink(colors.ground, on=colors.accent)
        return [(text[:at], marked), (text[at : at + 1] or " ", style + Style(underline=True)), (text[at + 1 :], style)]
    return [(text[:at], style), (text[at : at + 1] or " ", ink(colors.ground, on=colors.text)), (text[at + 1 :], style)]


class FormView(Canvas, can_focus=True):
    """Shows a form and edits it. The last place to go to is the launch line, which always stays in sight."""

    @dataclass
    class Changed(Message):
        """Something else is said."""

    @dataclass
    class Moved(Message):
        """Another field has the focus."""

    @dataclass
    class Choose(Message):
        """The choices of a field are to be listed."""

        field: Field

    @dataclass
    class Launch(Message):
        """The launch line was pressed."""

    def __init__(self, form: Form) -> None:
        super().__init__(id="form")
        self.form = form
        self._at = 0
        self._top = 0
        self._letters = ""
        self._editor = self._fresh()
        self.busy = ""
        self.warning = ""

    # -- the focus

    @property
    def current(self) -> Field | None:
        """The field that has the focus; None on the launch line."""
        fields = self.form.fields
        return fields[self._at] if self._at < len(fields) else None

    def go(self, at: int) -> None:
        """Gives the focus to a field by its index, around the ends; the launch line comes after the last."""
        self._at = at % (len(self.form.fields) + 1)
        self._letters = ""
        self._editor = self._fresh()
        self.paint()
        self.post_message(self.Moved())

    def go_to(self, path: str) -> None:
        self.go(next((i for i, field in enumerate(self.form.fields) if field.path == path), self._at))

    def step(self, by: int) -> None:
        self.go(self._at + by)

    def step_group(self, by: int) -> None:
        """To the first field of the next group or of the one before."""
        fields = self.form.fields
        firsts = [i for i, field in enumerate(fields) if not i or field.group != fields[i - 1].group]
        firsts.append(len(fields))
        if by > 0:
            self.go(next((i for i in firsts if i > self._at), 0))
        else:
            self.go(next((i for i in reversed(firsts) if i < self._at), len(fields)))

    # -- editing

    def take(self, text: str) -> None:
        """Puts a text into the field that has the focus."""
        if field := self.current:
            self.form.set(field, text)
            self._follow(field)

    def cycle(self, by: int) -> None:
        if field := self.current:
            self.form.cycle(field, by)
            self._follow(field)

    def reset(self) -> None:
        """Takes back what was said in this field."""
        if field := self.current:
            self.form.reset(field)
            self._follow(field)

    def replace(self, form: Form) -> None:
        self.form = form
        self.go(0)
        self.post_message(self.Changed())

    def _follow(self, field: Field) -> None:
        """Other fields may have come or gone: the focus stays where it was."""
        self._at = next((i for i, f in enumerate(self.form.fields) if f.path == field.path), 0)
        self._editor = self._fresh()
        self.paint()
        self.post_message(self.Changed())

    def _fresh(self) -> LineEditor:
        field = self.current
        return LineEditor.on(self.form.text(field)) if field is not None and field.typed else LineEditor()

    def _edit(self, editor: LineEditor) -> None:
        before, self._editor = self._editor, editor
        if editor.text != before.text and (field := self.current):
            self.form.set(field, editor.text)
            self.post_message(self.Changed())
        self.paint()

    def check_consume_key(self, key: str, character: str | None) -> bool:
        return character is not None and character.isprintable() and self._typing

    @property
    def _typing(self) -> bool:
        return self.current is not None and self.current.typed

    def on_key(self, event: events.Key) -> None:
        if self._pressed(event):
            event.stop()
            event.prevent_default()

    def _pressed(self, event: events.Key) -> bool:
        """Carries out a key; False for one that means nothing here."""
        field = self.current
        if event.key in ("tab", "shift+tab"):
            self.step(1 if event.key == "tab" else -1)
            return True
        if field is None:
            if event.key in ("enter", "space"):
                self.post_message(self.Launch())
                return True
            return False
        return self._typed(event) if field.typed else self._chose(event, field)

    def _typed(self, event: events.Key) -> bool:
        if event.key == "enter":
            self.step(1)
            return True
        printable = event.character if event.is_printable else None
        editor = self._editor.insert(printable) if printable else self._editor.press(event.key)
        if editor is not None:
            self._edit(editor)
        return editor is not None

    def _chose(self, event: events.Key, field: Field) -> bool:
        if event.key in ("left", "right"):
            self._letters = ""
            self.cycle(1 if event.key == "right" else -1)
        elif event.key in ("enter", "space"):
            if len(field.choices) == 2 and field.names is None:
                self.cycle(1)
            else:
                self.post_message(self.Choose(field))
        elif event.character and event.character.isalnum():
            self._jump(field, event.character.lower())
        else:
            return False
        return True

    def _jump(self, field: Field, letter: str) -> None:
        """To the next choice that can be taken and begins with the letters typed here so far, or with this one."""
        choices = field.choices
        text = self.form.text(field)
        at = choices.index(text) if text in choices else -1
        refused = self.form.refused(field)
        for letters in (self._letters + letter, letter):
            here = max(at, 0) if len(letters) > 1 else at + 1  # more letters may mean the choice that is there already
            for choice in (*choices[here:], *choices[:here]):
                if choice.lower().startswith(letters) and choice not in refused:
                    self.take(choice)
                    self._letters = letters
                    return

    def on_paste(self, event: events.Paste) -> None:
        event.stop()
        if self._typing:
            self._edit(self._editor.insert(event.text))

    def on_click(self, event: events.Click) -> None:
        lines = self._lines(self.content_size.width)
        if event.y >= self.content_size.height - 2:
            self.post_message(self.Launch())
        elif (at := self._top + event.y) < len(lines) and (index := lines[at].field) is not None:
            self.go(index)

    def on_mouse_scroll_down(self) -> None:
        self.step(1)

    def on_mouse_scroll_up(self) -> None:
        self.step(-1)

    # -- drawing

    def _lines(self, width: int) -> list[Line]:
        return form_lines(self.form, self._at, self._editor, width, palette(self.app))

    def draw(self, width: int, height: int) -> Sequence[Strip]:
        colors = palette(self.app)
        lines = self._lines(width)
        room = height - 2
        own = [y for y, entry in enumerate(lines) if entry.field == self._at]
        if own:
            first = max(0, own[0] - 2) if own[0] < 3 else own[0] - 1
            self._top = min(self._top, first)
            self._top = max(self._top, min(own[-1] + 2, len(lines)) - room)
        else:
            self._top = len(lines) - room
        self._top = max(0, min(self._top, len(lines) - room))
        shown = [entry.strip for entry in lines[self._top : self._top + room]]
        shown += [blank(width)] * (room - len(shown))
        below = len(lines) - self._top - room
        more = line([("   ", PLAIN), (f"↓ {below} more lines" if below > 0 else "", ink(colors.faint))], width)
        return [*shown, more, self._launch_line(width, colors)]

    def _launch_line(self, width: int, colors: Palette) -> Strip:
        here = self.current is None
        wrong = len(self.form.wrong)
        hindered = bool(wrong or self.warning)
        said = self.busy or (f"{wrong} to put right first" if wrong else self.warning or "ctrl+l")
        color = colors.muted if not hindered or self.busy else colors.bad
        button = ink(colors.ground, bold=True, on=colors.accent if not hindered else colors.faint)
        return line(
            [
                ("▸" if here else " ", ink(colors.accent, bold=True)),
                ("  ", PLAIN),
                (" ▶ Launch ", button),
                (f"  {said}", ink(color)),
            ],
            width,
        )
