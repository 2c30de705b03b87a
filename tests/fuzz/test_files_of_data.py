"""Whatever stands in a file of data, its reader reads it or says in one line what is wrong."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tdl_tui.data.npz_reading import describe_npz
from tdl_tui.data.series_reading import describe_series
from tdl_tui.data.table_reading import describe_table
from tdl_tui.data.text_reading import describe_text
from tdl_tui.registry import DATASETS, DataShape, Undescribable

few = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def read(dataset: str, describe: Callable[[Any], DataShape], name: str, content: bytes, **options: Any) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, name)
        path.write_bytes(content)
        try:
            shape = describe({**DATASETS[dataset].defaults(), "file": str(path), **options})
        except Undescribable as error:
            assert str(error).isprintable(), repr(str(error))
            assert len(str(error)) < 5000
        else:
            assert shape.examples > 0 and shape.outputs > 0 and all(size > 0 for size in shape.input)


CELLS = st.one_of(
    st.sampled_from(
        ["", "1", "-2.5", "1e400", "nan", "inf", "NA", "?", '"', '"a', "a,b", "1_0", "١", "x" * 50, "\x1b[2J"]
    ),
    st.text(max_size=8),
    st.floats().map(str),
)
TABLES = st.builds(
    lambda rows, delimiter, end: end.join(delimiter.join(row) for row in rows),
    st.lists(st.lists(CELLS, min_size=1, max_size=5), max_size=12),
    st.sampled_from([",", ";", "\t", "|", " "]),
    st.sampled_from(["\n", "\r\n", "\r", "\n\n"]),
)


@few
@given(
    st.one_of(st.binary(max_size=300), TABLES.map(lambda text: text.encode("utf-8", "surrogatepass"))),
    st.sampled_from(["auto", "classification", "regression"]),
    st.sampled_from(["drop", "fill", "own_category"]),
    st.sampled_from(["auto", "yes", "no"]),
)
def test_tables(content: bytes, task: str, missing: str, header: str) -> None:
    read("csv", describe_table, "x.csv", content, task=task, missing=missing, header=header)


@few
@given(
    st.one_of(st.binary(max_size=300), st.text(max_size=400).map(lambda text: text.encode("utf-8", "surrogatepass"))),
    st.sampled_from(["characters", "words"]),
)
def test_texts(content: bytes, unit: str) -> None:
    read("text", describe_text, "x.txt", content, unit=unit)


LINES = st.one_of(
    st.sampled_from(
        ["@data", "@classLabel true a b", "@targetLabel true", "@timeStamps true", "# x", "@", ":", "1,2:a", "1,?,3:b"]
    ),
    st.lists(st.sampled_from(["1", "2.5", "?", "nan", "1e999", "a", ":", ",", " "]), max_size=10).map("".join),
    st.text(max_size=20),
)


@few
@given(
    st.one_of(
        st.binary(max_size=200),
        st.lists(LINES, max_size=12).map(lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass")),
    ),
    st.sampled_from(["x.ts", "x.tsv"]),
    st.booleans(),
)
def test_series(content: bytes, name: str, fill: bool) -> None:
    read("ucr", describe_series, name, content, fill=fill)


def archive() -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, x=np.ones((12, 3), np.float32), y=np.arange(12) % 3)
    return out.getvalue()


ARCHIVE = archive()


def packed(header: str, content: bytes = b"", version: int = 1) -> bytes:
    """An archive whose y has such a header."""
    out = io.BytesIO()
    start = b"\x93NUMPY" + bytes([version, 0]) + len(header.encode()).to_bytes(2 if version == 1 else 4, "little")
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        plain = io.BytesIO()
        np.save(plain, np.ones((12, 3), np.float32))
        file.writestr("x.npy", plain.getvalue())
        file.writestr("y.npy", start + header.encode() + content)
    return out.getvalue()


@few
@given(
    st.lists(st.tuples(st.integers(0, len(ARCHIVE) - 1), st.integers(0, 255)), max_size=8), st.integers(0, len(ARCHIVE))
)
@example([], len(ARCHIVE))
def test_archives_with_wrong_bytes(changes: list[tuple[int, int]], length: int) -> None:
    content = bytearray(ARCHIVE)
    for place, byte in changes:
        content[place] = byte
    read("npz", describe_npz, "x.npz", bytes(content[: length if length % 3 == 0 else len(content)]))


@few
@given(
    st.one_of(
        st.text(max_size=80),
        st.builds(
            "{{'descr': {!r}, 'fortran_order': {!r}, 'shape': {!r}}}".format,
            st.one_of(
                st.sampled_from(["<i8", "|u1", "<U3", "<U0", "|O", "<f4", "<M8[s]", "V9"]),
                st.text(max_size=4),
                st.integers(),
            ),
            st.one_of(st.booleans(), st.text(max_size=2)),
            st.one_of(st.just((12,)), st.lists(st.integers(-2, 10**20), max_size=3).map(tuple), st.text(max_size=3)),
        ),
    ),
    st.binary(max_size=120),
    st.sampled_from([1, 2, 3, 200]),
)
def test_archives_with_any_header(header: str, content: bytes, version: int) -> None:
    read("npz", describe_npz, "x.npz", packed(header, content, version))


@pytest.mark.parametrize(
    "header",
    ["(" * 5000, "-" * 9000 + "1", "[" * 9000, "{" + "1:" * 4000, "9" * 9000, "'" + "x" * 70_000],
    ids=["tuples", "signs", "lists", "dict", "digits", "text"],
)
def test_archives_with_a_header_that_is_hard_to_read(header: str) -> None:
    read("npz", describe_npz, "x.npz", packed(header, version=2))
