"""Looks through the tables of a `run.db` for what is not as a writer leaves it, and puts it right where asked.

Each function takes a connection within a transaction, and `mend`. It yields the faults found; with `mend` they are
gone when it ends, but for those that say they are lasting. Work in bounded memory, however long the run.
"""

from __future__ import annotations

import json
import math
import sqlite3
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from . import samples, schema, series
from .reader import summarize
from .records import LAYER_COLUMNS, State
from .schema import UnreadableRun
from .series import CHUNK_FIELDS, LARGEST_STEP, Chunk, SeriesReader
from .text import printable

MOST = 100  # faults told; who has more has others worries than their number
ROLLUP_FIELDS = "step, stride, steps, data, nonfinite"
INDEX_FAULTS = ("missing from index", "wrong # of entries in index", "non-unique entry in index")
REPLACE_CHUNK = f"INSERT INTO chunk (rowid, series, {CHUNK_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
UNDECODABLE = (ValueError, TypeError, KeyError, IndexError, OverflowError, ZeroDivisionError, RecursionError)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, in one line. `loses`: mending leaves something out; `lasts`: it cannot be mended."""

    text: str
    loses: bool = False
    lasts: bool = False


class Broken(Exception):
    """SQLite cannot read the file: its rows have to be salvaged. The message is one line."""


def inspect(connection: sqlite3.Connection, folder: Path, *, mend: bool) -> list[Fault]:
    """All faults of a database in today's layout, at most MOST. Raises Broken, and sqlite3.Error."""
    steps = (_structure, _series, _indexes, _rollups, _layers, _samples, _matrices, _probes, _events, _facts)
    found: list[Fault] = []
    for step in steps:
        found += islice(step(connection, folder, mend), None if mend else MOST)
    return found[:MOST]


def _structure(connection: sqlite3.Connection, folder: Path, mend: bool) -> Iterator[Fault]:
    """What SQLite itself finds."""
    try:
        lines = [str(line) for (line,) in connection.execute("PRAGMA integrity_check(20)")]
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise Broken(_one_line(error)) from None
    wrong = [line for line in lines if line != "ok"]
    if other := [line for line in wrong if not any(words in line for words in INDEX_FAULTS)]:
        raise Broken(_one_line(other[0]))
    if wrong:
        yield Fault(f"an index does not fit its table: {_one_line(wrong[0])}")
        if mend:
            for name in ("chunk_by_ordinal", "rollup_by_row"):  # made anew once nothing is there twice
                connection.execute(f"DROP INDEX IF EXISTS {name}")
            connection.execute("REINDEX")


def _indexes(connection: sqlite3.Connection, folder: Path, mend: bool) -> Iterator[Fault]:
    for name, statement in schema.missing_indexes(connection).items():
        yield Fault(f"the index {name} is missing")
        if mend and name == "rollup_by_row":
            connection.execute("DELETE FROM rollup")  # some may be there twice; all are made anew below
        if mend:
            connection.execute(statement)


# --------------------------------------------------------------------------------------------------------- series


def _series(connection: sqlite3.Connection, folder: Path, mend: bool) -> Iterator[Fault]:
    yield from _series_names(connection, mend)
    for number, name in connection.execute("SELECT id, name FROM series ORDER BY id").fetchall():
        wrong = [text for text in _chunks(connection, number, mend) if text]
        if wrong:
            more = f", and {len(wrong) - 1} more like it" if len(wrong) > 1 else ""
            yield Fault(f"series {printable(str(name))}: {wrong[0]}{more}", loses=True)


def _series_names(connection: sqlite3.Connection, mend: bool) -> Iterator[Fault]:
    nameless = connection.execute(
        "SELECT series, 0 FROM chunk EXCEPT SELECT id, 0 FROM series"
        " UNION SELECT id, 1 FROM series WHERE typeof(name) != 'text'"
    ).fetchall()
    for number, known in nameless:
        name = f"unnamed/{number}"
        yield Fault(f"series {number} has no name" + (f": it is called {name} now" if mend else ""))
        if mend and known:
            connection.execute("UPDATE OR REPLACE series SET name = ? WHERE id = ?", (name, number))
        elif mend:
            connection.execute("INSERT OR REPLACE INTO series (id, name) VALUES (?, ?)", (number, name))


def _chunks(connection: sqlite3.Connection, number: int, mend: bool) -> Iterator[str]:
    """A line for each chunk that is not as it should be, "" for those that are."""
    rows = connection.execute("SELECT rowid FROM chunk WHERE series = ? ORDER BY first, rowid", (number,)).fetchall()
    first = last_step = 0
    following = _chunk_row(connection, rows[0]) if rows else None
    for row, after in pairwise([*rows, None]):
        stored, following = following, _chunk_row(connection, after) if after else None
        assert stored is not None
        chunk, wrong = _as_it_should_be(stored, first, last_step, following)
        if mend and wrong:
            connection.execute("DROP INDEX IF EXISTS chunk_by_ordinal")  # until all are in order
            connection.execute("DELETE FROM chunk WHERE rowid = ?", row)
            if chunk is not None:
                connection.execute(REPLACE_CHUNK, (*row, *chunk.insertion(number)[1]))
        if chunk is not None:
            first += len(chunk)
            last_step = chunk.all_steps()[-1]
        yield wrong


def _chunk_row(connection: sqlite3.Connection, row: tuple[int]) -> tuple[Any, ...]:
    found: tuple[Any, ...] = connection.execute(f"SELECT {CHUNK_FIELDS} FROM chunk WHERE rowid = ?", row).fetchone()
    return found


def _as_it_should_be(
    stored: tuple[Any, ...], first: int, last_step: int, following: tuple[Any, ...] | None
) -> tuple[Chunk | None, str]:
    """The chunk at ordinal `first`, after `last_step`, without what is not whole (None: nothing is); what is wrong."""
    where = f"the points from step {stored[2]} on" if isinstance(stored[2], int) else "a chunk"
    try:
        chunk, whole = _whole_points(stored, first)
        steps = chunk.all_steps()
        ascending = _ascending(steps, last_step) if whole else 0
    except UNDECODABLE:
        return None, f"{where} cannot be decoded"
    if not ascending:
        return None, f"{where} {'do not follow those before' if whole else 'are not there'}"
    if following is not None and isinstance(following[2], int) and last_step <= following[2] < steps[ascending - 1]:
        return None, f"{where} do not lie before those that follow"
    if ascending < len(chunk):
        chunk.truncate(ascending)
    should = chunk.insertion(0)[1][1:]
    wrong = ""
    if should != stored:
        wrong = f"{where}: {ascending} points are whole and in order, the rest is not"
        if should[1:] == stored[1:]:
            wrong = f"points before step {steps[0]} are missing"
    return chunk, wrong


def _whole_points(stored: tuple[Any, ...], first: int) -> tuple[Chunk, int]:
    """The points that are there with step, time and value, and how many. Raises what decoding raises."""
    _, _, step, stride, since, steps, counts, times, data = stored
    if not all(isinstance(part, bytes) for part in (counts, times, data)) or not isinstance(step, int):
        raise TypeError
    if not isinstance(stride, int) or stride < 0 or not isinstance(since, float):
        raise TypeError
    values = array("d", data[: len(data) // 8 * 8])
    chunk = Chunk(first, step, stride, since, singles=steps is not None)
    if steps is not None:
        whole = min(len(values), len(steps) // 8, len(times) // 8)
        chunk.steps = array("q", steps[: 8 * whole])
        chunk.times = array("d", times[: 8 * whole])
        chunk.data = values[:whole]
        if whole and chunk.steps[0] != step:
            raise ValueError
        return chunk, whole
    pieces = min(len(counts) // 2, len(times) // 8)
    chunk.counts = array("H", counts[: 2 * pieces])
    chunk.times = array("f", times[: 8 * pieces])
    chunk.data = values
    while chunk.counts and sum(chunk.counts) - chunk.counts[-1] >= len(values):
        del chunk.counts[-1:], chunk.times[-2:]
    whole = min(sum(chunk.counts), len(values))
    if whole and 0 in chunk.counts:
        raise ValueError
    if whole < sum(chunk.counts):
        missing = sum(chunk.counts) - whole
        chunk.data = values + array("d", bytes(8 * missing))
        chunk.truncate(whole)
    chunk.data = chunk.data[:whole]
    return chunk, whole


def _ascending(steps: Any, last_step: int) -> int:
    """How many of the steps follow one another, and `last_step`."""
    if isinstance(steps, range):
        return len(steps) if steps[0] >= last_step and steps[-1] <= LARGEST_STEP else 0
    for position, step in enumerate(steps):
        if not last_step <= step <= LARGEST_STEP:
            return position
        last_step = step
    return len(steps)


# -------------------------------------------------------------------------------------------------------- rollups


def _rollups(connection: sqlite3.Connection, folder: Path, mend: bool) -> Iterator[Fault]:
    if "rollup_by_row" in schema.missing_indexes(connection):
        return  # nothing can be found in bounded time
    known = {number for (number,) in connection.execute("SELECT id FROM series")}
    for (number,) in connection.execute("SELECT DISTINCT series FROM rollup").fetchall():
        if number not in known:
            yield Fault("there are rollups of no series")
            if mend:
                connection.execute("DELETE FROM rollup WHERE series IS ?", (number,))
    for number, name in connection.execute("SELECT id, name FROM series ORDER BY id").fetchall():
        try:
            wrong = _wrong_rollups(connection, number)
        except UNDECODABLE:  # the chunks themselves are wrong, and mended first
            wrong = "cannot be compared with its points"
        if wrong:
            yield Fault(f"series {printable(str(name))}: {wrong}")
            if mend:
                series.rebuild_rollups(connection, number)


def _wrong_rollups(connection: sqlite3.Connection, number: int) -> str:
    """How the stored rows differ from those that the chunks make, "" where they do not."""
    wanted = different = 0
    for parameters in series.rollup_rows(SeriesReader(connection, number)):
        wanted += 1
        rows = connection.execute(
            f"SELECT {ROLLUP_FIELDS} FROM rollup WHERE series = ? AND level = ? AND row = ?", parameters[:3]
        ).fetchall()
        different += len(rows) != 1 or not _same(rows[0], parameters[3:])
    (there,) = connection.execute("SELECT count(*) FROM rollup WHERE series = ?", (number,)).fetchone()
    if different:
        return f"{different} of {wanted} rollup rows do not say what the points say"
    return f"there are {there} rollup rows, its points make {wanted}" if there != wanted else ""


def _same(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether two rollup rows say the same, whatever the sign of their zeros."""
    if one == other:
        return True
    if (*one[:3], one[4]) != (*other[:3], other[4]):
        return False
    try:
        pair = array("d", one[3]), array("d", other[3])
    except (TypeError, ValueError):
        return False
    return len(pair[0]) == len(pair[1]) and all(
        a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(*pair, strict=True)
    )


# ------------------------------------------------------------------------------------------- samples, events, facts


def _layers(connection: sqlite3.Connection, folder: Path, mend: bool) -> Iterator[Fault]:
    rows = connection.execute("SELECT position, name FROM layer ORDER BY position").fetchall()
    if [position for position, _ in rows] != list(range(len(rows))):
        yield Fault("names of layers are missing: their statistics cannot be told apart", lasts=True)


def _samples(connection: sqlite3.Connection, folder: Path, mend: bool) -> Iterator[Fault]:
    tables: tuple[tuple[samples.Table, str, str, int | None], ...] = (
        ("layer_sample", "layer", "layer statistics", len(LAYER_COLUMNS)),
        ("probe_sample", "probe", "outputs of probes", None),  # those before a probe was added have fewer
    )
    for table, of, what, width in tables:
        (count,) = connection.execute(f"SELECT count(*) FROM {of}").fetchone()
        wrong = [
            number
            for number, step, time, data in connection.execute(f"SELECT number, step, time, data FROM {table}")
            if not _decodes(_sample, data, step, time, count, width)
        ]
        if wrong:
            yield Fault(f"{len(wrong)} samples of {what} cannot be decoded", loses=True)
            if mend:
                connection.executemany(f"DELETE FROM {table} WHERE number = ?", [(number,) for number in wrong])


def _matrices(connection: sqlite3.Connection, folder: Path, mend: bool) -> Iterator[Fault]:
    known = {matrix for (matrix,) in connection.execute("SELECT id FROM matrix")}
    wrong = [
        place
        for place, matrix, step, time, data in connection.execute(
            "SELECT rowid, matrix, step, time, data FROM matrix_sample"
        )
        if matrix not in known or not _decodes(_matrix, data, step, time)
    ]
    if wrong:
        yield Fault(f"{len(wrong)} samples of matrices cannot be decoded", loses=True)
        if mend:
            connection.executemany("DELETE FROM matrix_sample WHERE rowid = ?", [(place,) for place in wrong])


def _matrix(data: Any, step: Any, time: Any) -> None:
    """Raises ValueError or TypeError for what is no sample of a matrix."""
    samples.decode(data)
    if not (isinstance(step, int) and isinstance(time, (int, float))):
        raise TypeError


def _sample(data: Any, step: Any, time: Any, count: int, width: int | None) -> None:
    """Raises ValueError or TypeError for what is no sample: of `count` rows, each of `width` numbers, or where that is
    not told of at most `count`."""
    rows = samples.decode(data)
    if len(rows) > count or (width is not None and (len(rows) != count or any(len(row) != width for row in rows))):
        raise ValueError
    if not (isinstance(step, int) and isinstance(time, (int, float))):
        raise TypeError


def _probes(connection: sqlite3.Connection, folder: Path, mend: bool) -> Iterator[Fault]:
    rows = connection.execute("SELECT position, shape, input, target FROM probe ORDER BY position").fetchall()

    if not all(_decodes(_probe, *row[1:]) for row in rows) or [row[0] for row in rows] != list(range(len(rows))):
        yield Fault("probes are missing or cannot be decoded: their outputs cannot be told apart", lasts=True)


def _probe(shape: Any, data: Any, target: Any) -> None:
    """Raises ValueError or TypeError for what is no probe."""
    if math.prod(json.loads(shape)) * 8 != len(data) or not isinstance(target, (int, float)):
        raise ValueError


def _events(connection: sqlite3.Connection, folder: Path, mend: bool) -> Iterator[Fault]:
    wrong = [
        number
        for number, *event in connection.execute("SELECT id, time, step, kind, text, data FROM event ORDER BY id")
        if not _decodes(_event, *event)
    ]
    if wrong:
        yield Fault(f"{len(wrong)} events cannot be read", loses=True)
    if mend:
        for number in wrong:
            connection.execute("UPDATE event SET data = '{}' WHERE id = ?", (number,))
            (row,) = connection.execute("SELECT time, step, kind, text, data FROM event WHERE id = ?", (number,))
            if not _decodes(_event, *row):
                connection.execute("DELETE FROM event WHERE id = ?", (number,))


def _event(time: Any, step: Any, kind: Any, text: Any, data: Any) -> None:
    """Raises TypeError or ValueError for what is no event."""
    if not (isinstance(time, (int, float)) and isinstance(step, int) and isinstance(kind, str)):
        raise TypeError
    if not (isinstance(text, str) and isinstance(json.loads(data), dict)):
        raise TypeError


def _facts(connection: sqlite3.Connection, folder: Path, mend: bool) -> Iterator[Fault]:
    facts: dict[str, Any] = {}
    wrong = []
    for key, value in connection.execute("SELECT key, value FROM fact").fetchall():
        try:
            facts[key] = json.loads(value)
            summarize(folder, {"state": State.FAILED.value, key: facts[key]})
        except (UnreadableRun, *UNDECODABLE):
            facts.pop(key, None)
            wrong.append(key)
    for key in wrong:
        yield Fault(f"what the run says of its {printable(str(key))} cannot be understood", loses=True)
        if mend:
            connection.execute("DELETE FROM fact WHERE key IS ?", (key,))
    if "state" not in facts:
        yield Fault("it does not say which state it is in", loses=True)
        if mend:
            said = {"state": State.FAILED.value, "message": "its record was damaged, and mended by tdl check"}
            rows = [(key, json.dumps(value)) for key, value in said.items()]
            connection.executemany("INSERT OR REPLACE INTO fact (key, value) VALUES (?, ?)", rows)
    if "created" not in facts:
        yield Fault("it does not say when it was made", loses=True)
        if mend:
            moment = (folder / schema.FILE).stat().st_mtime
            connection.execute("INSERT OR REPLACE INTO fact (key, value) VALUES ('created', ?)", (json.dumps(moment),))
    if not facts.get("experiment"):
        yield Fault("its experiment is lost: it can be looked at, not resumed", lasts=True)


def _decodes(check: Callable[..., None], *values: Any) -> bool:
    try:
        check(*values)
    except UNDECODABLE:
        return False
    return True


def _one_line(error: object) -> str:
    return printable(" ".join(str(error).split()))
