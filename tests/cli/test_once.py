"""`tdl open RUN --once`: one frame of the Run screen on standard output."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from command_line import MakeRun, Tdl, tree

from tdl_tui.runs.records import State
from tdl_tui.widgets.palette import DARK, LIGHT

Lines = list[str]


def text_of(page: str) -> Lines:
    """The lines that an HTML page shows."""
    found: Lines = []

    class Reads(HTMLParser):
        inside = False

        def handle_starttag(self, tag: str, attributes: object) -> None:
            self.inside = self.inside or tag == "pre"

        def handle_data(self, data: str) -> None:
            if self.inside:
                found.append(data)

    Reads().feed(page)
    return [line.rstrip() for line in "".join(found).split("\n")]


def test_a_frame_as_text_is_the_screen(tdl: Tdl, make_run: MakeRun) -> None:
    make_run("étude")
    shown = tdl("open", "étude", "--once")
    assert shown.status == 0 and not shown.err
    lines = shown.out.removesuffix("\n").split("\n")
    assert len(lines) == 40 and max(map(len, lines)) <= 120
    assert "étude" in lines[0] and "finished" in lines[0] and "1 loss" in lines[2]
    assert any("⠀" < character <= "⣿" for character in shown.out)  # a range of braille
    assert "\x1b" not in shown.out


@pytest.mark.parametrize("size", ["72x20", "80x24", "200x60"])
def test_a_frame_has_the_size_that_was_asked_for(tdl: Tdl, make_run: MakeRun, size: str) -> None:
    make_run("lines")
    columns, lines = map(int, size.split("x"))
    shown = tdl("open", "lines", "--once", "--size", size).out.removesuffix("\n").split("\n")
    assert len(shown) == lines and len(shown[-1]) > columns - 20 and max(map(len, shown)) <= columns


def test_every_format_shows_the_same_and_the_same_again(tdl: Tdl, make_run: MakeRun) -> None:
    make_run("the same <&> {again}")
    text = tdl("open", "last", "--once").out
    made = {format: tdl("open", "last", "--once", "--format", format).out for format in ("text", "svg", "html")}
    assert made["text"] == text
    assert text_of(made["html"])[:20] == text.rstrip("\n").split("\n")[:20]
    drawn = "".join(ElementTree.fromstring(made["svg"]).itertext())
    assert "the\xa0same\xa0<&>\xa0{again}" in drawn
    for format, picture in made.items():
        assert tdl("open", "last", "--once", "--format", format).out == picture


@pytest.mark.parametrize("format", ["svg", "html"])
@pytest.mark.parametrize(("theme", "palette"), [("dark", DARK), ("light", LIGHT)])
def test_a_picture_is_in_the_palette_and_loads_nothing(
    tdl: Tdl, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, format: str, theme: str, palette: object
) -> None:
    monkeypatch.setenv("TDL_THEME", theme)
    make_run("colours")
    picture = tdl("open", "last", "--once", "--format", format).out
    colors = DARK if palette is DARK else LIGHT
    assert colors.train in picture.lower() and colors.text in picture.lower()
    assert not re.search(r"(src|href)\s*[=:]|url\((?!#)|@import", picture)


def test_ascii_goes_for_every_format(tdl: Tdl, make_run: MakeRun) -> None:
    make_run("étude")
    for format in ("text", "svg", "html"):
        picture = tdl("open", "last", "--once", "--ascii", "--format", format).out
        assert picture.replace("\xa0", " ").isascii() and "etude" in picture.replace("&#160;", " ")


def test_a_run_that_cannot_be_read_is_said_in_the_frame(tdl: Tdl, make_run: MakeRun) -> None:
    folder = make_run("broken")
    database = folder / "run.db"
    database.write_bytes(b"no database" * 100)
    shown = tdl("open", folder.name, "--once")
    assert shown.status == 1
    assert "tdl check --repair" in shown.out and "damaged" in shown.out


def test_a_frame_starts_and_changes_nothing(tdl: Tdl, make_run: MakeRun, home: Path) -> None:
    folder = make_run("waits", state=State.QUEUED)
    before = {path: status for path, status in tree(home).items() if "-shm" not in path and "-wal" not in path}
    assert "queued" in tdl("open", folder.name, "--once").out
    after = {path: status for path, status in tree(home).items() if "-shm" not in path and "-wal" not in path}
    assert {path: size for path, (size, _) in after.items()} == {path: size for path, (size, _) in before.items()}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--once", "--size", "10x10"], "--size: must be 72x20 to 1000x400"),
        (["--once", "--size", "wide"], "--size: must be COLUMNSxLINES"),
        (["--once", "--format", "pdf"], "--format: must be text, svg, html"),
        (["--once", "--fps", "3"], "--fps: one frame has no refreshes"),
        (["--format", "svg"], "they go with --once"),
    ],
)
def test_what_cannot_be_asked_is_said(tdl: Tdl, make_run: MakeRun, options: list[str], said: str) -> None:
    make_run("asked")
    answer = tdl("open", "last", *options)
    assert answer.status == 2 and said in answer.err and not answer.out


def test_options_of_the_display_go_behind_the_verb(tdl: Tdl) -> None:
    answer = tdl("--ascii", "ls")
    assert answer.status == 2 and "go behind the verb" in answer.err
