"""Editing one line of text: what each key makes of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tdl_tui.screens.line_editor import LineEditor

KEYS = [
    "left",
    "right",
    "home",
    "end",
    "backspace",
    "delete",
    "ctrl+a",
    "ctrl+u",
    "ctrl+k",
    "ctrl+w",
    "ctrl+h",
    "ctrl+left",
    "ctrl+right",
    "enter",
    "up",
]


def after(editor: LineEditor, *keys: str) -> LineEditor:
    for key in keys:
        editor = editor.insert(key) if len(key) == 1 else editor.press(key) or editor
    return editor


def test_typing_replaces_what_was_there() -> None:
    assert after(LineEditor.on("64"), "1", "2").text == "12"
    assert after(LineEditor.on("64"), "backspace").text == ""
    assert after(LineEditor.on("64"), "ctrl+w", "8").text == "8"


def test_moving_keeps_it_for_editing() -> None:
    assert after(LineEditor.on("0.001"), "end", "backspace", "5").text == "0.005"
    assert after(LineEditor.on("0.001"), "left", "1").text == "10.001"
    assert after(LineEditor.on("0.001"), "home", "delete", "3").text == "3.001"
    assert after(LineEditor.on("abc"), "right", "left", "ctrl+u").text == "c"
    assert after(LineEditor.on("abc"), "right", "left", "ctrl+k").text == "ab"
    assert after(LineEditor.on("one two"), "right", "ctrl+w").text == "one "


def test_a_pasted_text_ends_at_its_first_line() -> None:
    assert LineEditor.on("").insert("first\nsecond").text == "first"
    assert LineEditor.on("").insert("a\tb\x1b").text == "ab"


def test_other_keys_edit_nothing() -> None:
    assert LineEditor.on("x").press("enter") is None
    assert LineEditor.on("x").press("f5") is None


@given(st.lists(st.one_of(st.sampled_from(KEYS), st.characters(codec="ascii", categories=("L", "N")))))
def test_the_cursor_stays_within_the_text(keys: list[str]) -> None:
    editor = LineEditor.on("some text")
    for key in keys:
        editor = after(editor, key)
        assert 0 <= editor.cursor <= len(editor.text)
        assert not editor.selected or editor.text
