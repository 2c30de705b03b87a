"""Data of one's own that take a while to read: the form goes on meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tdl_tui.data import table_reading
from tdl_tui.data.own_files import QUICK_BYTES
from tdl_tui.registry import DATASETS, Options, Undescribable
from tdl_tui.screens.app import Workbench
from tdl_tui.screens.form import READING
from tdl_tui.screens.form_view import FormView

Bench = Callable[..., Workbench]
Until = Any


@pytest.fixture
def held_back(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Tables are read once this is set."""
    released = threading.Event()
    read = table_reading.read_table._read

    def slowly(options: Options) -> Any:
        assert not options["file"] or released.wait(30)
        return read(options)

    monkeypatch.setattr(table_reading.read_table, "_read", slowly)
    return released


def table(folder: Path, last: str = "yes") -> Path:
    rows = QUICK_BYTES // 6
    path = folder / "table.csv"
    path.write_text("a,b\n" + "1.5,yes\n2.5,no\n" * (rows // 2) + f"3.5,{last}\n")
    return path


async def test_keys_are_answered_while_a_table_is_read(
    bench: Bench, held_back: threading.Event, tmp_path: Path, until: Until
) -> None:
    app = bench()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("n")
        view = app.screen.query_one(FormView)
        view.go_to("data.dataset")
        view.take("csv")
        view.go_to("data.options.file")
        view.take(str(table(tmp_path)))
        assert view.form.wrong["data.options.file"] == READING
        view.go_to("data.batch_size")
        await pilot.press(*"32")
        size = view.form.field("data.batch_size")
        assert size is not None and view.form.text(size) == "32"
        assert view.form.shape is None
        held_back.set()
        await until(pilot, lambda: view.form.shape is not None)
        assert view.form.shape is not None and view.form.shape.classes == ("no", "yes")
        assert not view.form.wrong


async def test_what_is_wrong_with_it_is_said_when_it_has_been_read(
    bench: Bench, held_back: threading.Event, tmp_path: Path, until: Until
) -> None:
    path = table(tmp_path, last="yes,more")
    app = bench(new_document={"data": {"dataset": "csv", "options": {"file": str(path)}}})
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: isinstance(app.screen.query(FormView).first(), FormView))
        form = app.screen.query_one(FormView).form
        assert form.wrong["data.options.file"] == READING
        held_back.set()
        await until(pilot, lambda: form.wrong["data.options.file"] != READING)
        assert "line" in form.wrong["data.options.file"]


def test_a_refusal_is_remembered_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = table(tmp_path, last="yes,more")
    options = {**DATASETS["csv"].defaults(), "file": str(path)}
    with pytest.raises(Undescribable) as first:
        table_reading.describe_table(options)
    with monkeypatch.context() as patch:
        patch.setattr(table_reading.read_table, "_read", lambda options: pytest.fail("read again"))
        with pytest.raises(Undescribable) as second:
            table_reading.describe_table(options)
    assert str(first.value) == str(second.value)
    assert table_reading.describe_table({**options, "file": str(table(tmp_path))}).classes == ("no", "yes")
