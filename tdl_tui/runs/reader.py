"""Reads a run: its state, its series at any width, its samples and events. Never writes, and holds no lock for long."""

from __future__ import annotations

import json
import math
import sqlite3
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from . import host, lock, rollups, samples, schema
from .gpus import gpus_of
from .records import (
    LAYER_COLUMNS,
    Best,
    Bucket,
    Diagnosis,
    Event,
    LayerSample,
    Matrix,
    Parent,
    Point,
    Probe,
    ProbeSample,
    Progress,
    Severity,
    State,
    Summary,
)
from .schema import UnreadableRun
from .series import LARGEST_STEP, NO_POINTS, Grown, SeriesReader, bucket_size, grow
from .text import printable

LAYER_SERIES = {
    "grad/norm/": LAYER_COLUMNS.index("gradient_norm"),
    "weight/norm/": LAYER_COLUMNS.index("weight_norm"),
    "update/ratio/": LAYER_COLUMNS.index("update_ratio"),
}
PAGE = 4096  # points that are read in a transaction
LATEST = 1e11  # seconds: some thousand years
SECTIONS = {
    "data": "dataset",
    "model": "architecture",
    "objective": "loss",
    "optimizer": "name",
    "schedule": "name",
    "training": "device",
    "telemetry": "",
}
DEEPEST = 16  # of what experiments hold, options are the deepest, and lists in them
DAMAGE = (sqlite3.Error, ValueError, TypeError, KeyError, IndexError, OverflowError, ZeroDivisionError, RecursionError)
"""What reading and decoding raise where the bytes are not what a writer wrote; SQLite's own words may be no UTF-8."""


class RunReader:
    """A run's folder, opened when first asked, from any thread. `summary` never raises; all else raises
    schema.UnreadableRun (one line) where the run is damaged, newer than this program, or locked by another one for
    longer than `patience` (seconds)."""

    def __init__(self, folder: Path, patience: float = schema.BUSY_SECONDS) -> None:
        self.folder = folder
        self._patience = patience
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None  # the one that is open: device and inode
        self._opened = 0
        self._lock = threading.RLock()

    def close(self) -> None:
        """Lets go of the file. Asking again opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def __enter__(self) -> RunReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------- what kind of run

    def summary(self) -> Summary:
        """The run in short. The state is what the worker last said, checked against the lock and the machine."""
        try:
            return self.readable_summary()
        except UnreadableRun as error:
            return unreadable_summary(self.folder, error)

    def readable_summary(self) -> Summary:
        """As `summary`, but raises UnreadableRun as all else does."""
        self._follow_file()
        found = summarize(self.folder, self.facts())
        # A worker that ended between the look at its words and at its lock seems lost: it has said more since.
        return summarize(self.folder, self.facts()) if found.state is State.LOST else found

    def facts(self) -> dict[str, Any]:
        """Everything the writer said by `update`."""
        with self._transaction() as connection:
            rows = connection.execute("SELECT key, value FROM fact").fetchall()
            return {key: json.loads(value) for key, value in rows}

    def changed(self) -> object:
        """A token that differs from the one before when anything was written, the worker began or ended, or the file
        went away, came back or was put in another's place."""
        with self._lock:
            try:
                self._follow_file()
                (version,) = self._open().execute("PRAGMA data_version").fetchone()
            except (UnreadableRun, sqlite3.Error) as error:
                self.close()
                return str(error)
            return version, self._opened, lock.held(self.folder)

    # ------------------------------------------------------------------------------------------------------ series

    def series_names(self) -> list[str]:
        """The names of all series that have points, sorted; those of the layers, in the layers' order, at the end."""
        with self._transaction() as connection:
            own = [
                _text(name)
                for (name,) in connection.execute(
                    "SELECT name FROM series WHERE EXISTS (SELECT 1 FROM chunk WHERE series = id) ORDER BY name"
                )
            ]
            sampled = connection.execute("SELECT 1 FROM layer_sample LIMIT 1").fetchone()
            layers = self.layer_names() if sampled else []
        return own + [prefix + layer for prefix in LAYER_SERIES for layer in layers]

    def first(self, name: str) -> Point | None:
        """The first point of a series; None where there is none."""
        with self._series(name) as series:
            return next(_points(series, 0, 1), None)

    def last(self, name: str, step: int | None = None) -> Point | None:
        """The last point of a series at or before a step, or of all; None where there is none."""
        with self._series(name) as series:
            _, stop = _range(series, None, step)
            return next(_points(series, stop - 1, stop), None) if stop else None

    def extent(self, name: str) -> tuple[int, int, int] | None:
        """First step, last step and number of points; None where there are none."""
        with self._series(name) as series:
            if not series.count:
                return None
            steps = [series.points(i, i + 1)[0][0] for i in (0, series.count - 1)]
            return steps[0], steps[1], series.count

    def points(self, name: str, first: int | None = None, last: int | None = None) -> Iterator[Point]:
        """Every point as it was recorded, of the steps first..last (inclusive)."""
        with self._series(name) as series:
            at, stop = _range(series, first, last)
        for columns in self._pages(name, at, stop):
            yield from map(Point, *columns)

    def pages(self, name: str, count: int) -> Iterator[tuple[array[int], array[float], array[float]]]:
        """Steps, times and values of the first `count` points, some at a time. Ends early where a resume drops some."""
        return self._pages(name, 0, count)

    def _pages(self, name: str, at: int, stop: int) -> Iterator[tuple[array[int], array[float], array[float]]]:
        while at < stop:
            with self._series(name) as series:
                page = series.points(at, min(at + PAGE, stop, series.count))
            if not page[0]:  # dropped meanwhile, by a resume
                return
            yield page
            at += len(page[0])

    def columns(self, name: str) -> tuple[array[int], array[float], array[float]]:
        """Steps, times and values of all points."""
        with self._series(name) as series:
            return series.points(0, series.count)

    def buckets(self, name: str, width: int, first: int | None = None, last: int | None = None) -> list[Bucket]:
        """The points of the steps first..last (inclusive) in at most 2 · width + 1 buckets, however many they are.

        Buckets cover a power of two of points each and start at multiples of it: the first and last may reach beyond
        the steps asked for, and those that are complete never change. Few points come as buckets of one.
        """
        with self._series(name) as series:
            start, stop = _range(series, first, last)
            return series.buckets(start, stop, max(width, 1)).buckets()

    def growing(self, name: str, width: int, before: Grown = NO_POINTS) -> Grown:
        """All points, as `buckets` gives them; of what was there `before` only what has come since is read."""
        with self._series(name) as series:
            return grow(series, max(width, 1), before)

    # --------------------------------------------------------------------------------------- layers, probes, events

    def layer_names(self) -> list[str]:
        """The layers, in the order of a layer sample's rows."""
        with self._transaction() as connection:
            return [_text(name) for (name,) in connection.execute("SELECT name FROM layer ORDER BY position")]

    def layer_samples(self, limit: int | None = None) -> list[LayerSample]:
        """All layer samples in order, or `limit` of them, evenly chosen, the last among them."""
        with self._transaction() as connection:
            numbers = [n for (n,) in connection.execute("SELECT number FROM layer_sample ORDER BY number")]
            numbers = _evenly(numbers, limit)
            rows = [
                connection.execute("SELECT step, time, data FROM layer_sample WHERE number = ?", (n,)).fetchone()
                for n in numbers
            ]
            return [LayerSample(*_sample(*row)) for row in rows]

    def layer_sample(self, step: int | None = None) -> LayerSample | None:
        """The newest layer sample at or before a step, or of all."""
        row = self._sample("layer_sample", step)
        return row and LayerSample(*row)

    def probes(self) -> list[Probe]:
        """The examples that are followed, in the order of a probe sample's outputs."""
        with self._transaction() as connection:
            rows = connection.execute(
                "SELECT example, kind, shape, input, target FROM probe ORDER BY position"
            ).fetchall()
            return [_probe(*row) for row in rows]

    def probe_count(self) -> int:
        """How many examples are followed by now; some may have been added."""
        with self._transaction() as connection:
            (number,) = connection.execute("SELECT count(*) FROM probe").fetchone()
            return _whole(number)

    def probe_sample(self, step: int | None = None) -> ProbeSample | None:
        """The newest probe sample at or before a step, or of all. Those before a probe was added have fewer rows."""
        row = self._sample("probe_sample", step)
        return row and ProbeSample(*row)

    def probe_samples(self, limit: int | None = None) -> list[ProbeSample]:
        """All probe samples in order, or `limit` of them, evenly chosen, the last among them."""
        with self._transaction() as connection:
            numbers = [n for (n,) in connection.execute("SELECT number FROM probe_sample ORDER BY number")]
            numbers = _evenly(numbers, limit)
            rows = [
                connection.execute("SELECT step, time, data FROM probe_sample WHERE number = ?", (n,)).fetchone()
                for n in numbers
            ]
            return [ProbeSample(*_sample(*row)) for row in rows]

    def sampled_steps(self) -> list[int]:
        """The steps of all layer and probe samples, ascending, each once."""
        with self._transaction() as connection:
            rows = connection.execute("SELECT step FROM layer_sample UNION SELECT step FROM probe_sample ORDER BY step")
            return [_whole(step) for (step,) in rows]

    def matrix_names(self) -> list[str]:
        """The names of all matrices, sorted."""
        with self._transaction() as connection:
            return [_text(name) for (name,) in connection.execute("SELECT name FROM matrix ORDER BY name")]

    def matrices(self, name: str, limit: int | None = None) -> list[Matrix]:
        """All samples of a named matrix in order, or `limit` of them, evenly chosen, the last among them."""
        with self._transaction() as connection:
            which = "FROM matrix_sample WHERE matrix = (SELECT id FROM matrix WHERE name = ?)"
            numbers = [n for (n,) in connection.execute(f"SELECT number {which} ORDER BY number", (name,))]
            rows = [
                connection.execute(f"SELECT step, time, data {which} AND number = ?", (name, n)).fetchone()
                for n in _evenly(numbers, limit)
            ]
            return [Matrix(name, *_sample(*row)) for row in rows]

    def matrix(self, name: str, step: int | None = None) -> Matrix | None:
        """The newest sample of a named matrix at or before a step, or of all."""
        with self._transaction() as connection:
            row = connection.execute(
                "SELECT step, time, data FROM matrix_sample WHERE matrix = (SELECT id FROM matrix WHERE name = ?)"
                " AND step <= ? ORDER BY step DESC, number DESC LIMIT 1",
                (name, LARGEST_STEP if step is None else step),
            ).fetchone()
            return row and Matrix(name, *_sample(*row))

    def events(self, after_id: int = 0, limit: int = 1000) -> list[Event]:
        """The oldest `limit` events after the one with an id."""
        with self._transaction() as connection:
            rows = connection.execute(
                "SELECT id, time, step, kind, text, data FROM event WHERE id > ? ORDER BY id LIMIT ?",
                (after_id, limit),
            ).fetchall()
            return [_event(*row) for row in rows]

    def events_before(self, before_id: int = LARGEST_STEP, step: int = LARGEST_STEP, limit: int = 1000) -> list[Event]:
        """The newest `limit` events, in order: of all, of those before the one with an id, or at or before a step."""
        with self._transaction() as connection:
            rows = connection.execute(
                "SELECT id, time, step, kind, text, data FROM event WHERE id < ? AND step <= ?"
                " ORDER BY id DESC LIMIT ?",
                (before_id, step, limit),
            ).fetchall()
            return [_event(*row) for row in reversed(rows)]

    # ---------------------------------------------------------------------------------------------------- internals

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._file = self._file_now()
            self._connection = schema.open_readonly(self.folder, self._patience)
            self._opened += 1
        return self._connection

    def _follow_file(self) -> None:
        """Lets go of a file that is no longer the folder's: an open one outlives its name."""
        with self._lock:
            if self._connection is not None and self._file_now() != self._file:
                self.close()

    def _file_now(self) -> tuple[int, int] | None:
        try:
            status = (self.folder / schema.FILE).stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One view of the whole run, for as long as it takes to fetch and decode the rows. Nests."""
        with self._lock:
            connection = self._open()
            try:
                if connection.in_transaction:
                    yield connection
                    return
                connection.execute("BEGIN")
                try:
                    yield connection
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
            except DAMAGE as error:
                raise schema.unreadable(self.folder / schema.FILE, error) from None

    @contextmanager
    def _series(self, name: str) -> Iterator[_AnySeries]:
        with self._transaction() as connection:
            row = connection.execute("SELECT id FROM series WHERE name = ?", (name,)).fetchone()
            if row is not None:
                yield SeriesReader(connection, row[0])
            else:
                yield self._layer_series(connection, name)

    def _layer_series(self, connection: sqlite3.Connection, name: str) -> _MemorySeries:
        for prefix, column in LAYER_SERIES.items():
            if name.startswith(prefix):
                layer = connection.execute(
                    "SELECT position FROM layer WHERE name = ? ORDER BY position", (name[len(prefix) :],)
                ).fetchone()
                if layer is not None:
                    rows = connection.execute("SELECT step, time, data FROM layer_sample ORDER BY number").fetchall()
                    steps, times, data = zip(*rows, strict=True) if rows else ((), (), ())
                    return _MemorySeries(
                        array("q", steps), array("d", times), array("d", samples.column(data, layer[0], column))
                    )
        return _MemorySeries(array("q"), array("d"), array("d"))

    def _sample(self, table: samples.Table, step: int | None) -> tuple[int, float, samples.Rows] | None:
        with self._transaction() as connection:
            where = "" if step is None else "WHERE step <= ?"
            row: tuple[int, float, bytes] | None = connection.execute(
                f"SELECT step, time, data FROM {table} {where} ORDER BY step DESC, number DESC LIMIT 1",
                () if step is None else (step,),
            ).fetchone()
            return row and _sample(*row)


class _MemorySeries:
    """A short series that is not stored as such, with the same questions as SeriesReader."""

    def __init__(self, steps: array[int], times: array[float], values: array[float]) -> None:
        self._columns = steps, times, values
        self.count = len(steps)

    def points(self, start: int, stop: int) -> tuple[array[int], array[float], array[float]]:
        steps, times, values = self._columns
        return steps[start:stop], times[start:stop], values[start:stop]

    def ordinal_of(self, step: int, *, after: bool = False) -> int:
        return (bisect_right if after else bisect_left)(self._columns[0], step)

    def buckets(self, start: int, stop: int, width: int) -> rollups.Columns:
        if stop <= start:
            return rollups.Columns()
        size = bucket_size(start, stop, width)
        return self.fixed(size, start // size, -(-stop // size))

    def fixed(self, size: int, first: int, end: int) -> rollups.Columns:
        parts = []
        for at in range(first * size, min(end * size, self.count), size):
            steps, times, values = self.points(at, at + size)
            ends = steps[:1].tolist(), steps[-1:].tolist(), times[-1:].tolist()
            parts.append(rollups.of_points(values, len(values), *ends))
        return rollups.concatenate(parts)


_AnySeries = SeriesReader | _MemorySeries


def _points(series: _AnySeries, start: int, stop: int) -> Iterator[Point]:
    return map(Point, *series.points(start, stop))


def _evenly(numbers: list[int], limit: int | None) -> list[int]:
    """The numbers, or `limit` of them, evenly chosen, the last among them."""
    if limit is None or len(numbers) <= limit:
        return numbers
    last = len(numbers) - 1
    return [numbers[last - last * i // max(limit - 1, 1)] for i in reversed(range(limit))]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no whole number")
    return value


def _sample(step: object, time: object, data: bytes) -> tuple[int, float, samples.Rows]:
    """Step, time and rows of a sample. Raises ValueError or TypeError where a row is none."""
    if not (isinstance(time, (int, float)) and abs(time) <= LATEST):
        raise ValueError(f"a sample at time {time!r}")
    return _whole(step), time, samples.decode(data)


def _event(number: int, time: float, step: int, kind: str, text: str, data: str) -> Event:
    """The event in a row. Raises ValueError or TypeError where that is none."""
    details = json.loads(data)
    if not (abs(time) <= LATEST and isinstance(step, int) and isinstance(details, dict)):
        raise ValueError(f"an event at step {step!r}, time {time!r}")
    return Event(number, time, step, _text(kind), _text(text), details)


def _probe(example: int, kind: str, shape: str, data: bytes, target: float) -> Probe:
    """The probe in a row. Raises ValueError or TypeError where that is none."""
    values, sizes = tuple(array("d", data)), tuple(json.loads(shape))
    if math.prod(sizes) != len(values) or not all(isinstance(size, int) and size > 0 for size in sizes):
        raise ValueError(f"a probe of shape {shape} with {len(values)} values")
    return Probe(example, _text(kind), sizes, values, float(target))


def _range(series: _AnySeries, first: int | None, last: int | None) -> tuple[int, int]:
    """The ordinals of the steps first..last (inclusive), the stop exclusive."""
    start = 0 if first is None else series.ordinal_of(first)
    stop = series.count if last is None else series.ordinal_of(last, after=True)
    return start, stop


# ------------------------------------------------------------------------------------------------------- summaries


def summarize(folder: Path, facts: dict[str, Any]) -> Summary:
    """The summary that facts give. Raises Damaged where they are not what a writer wrote."""
    try:
        worker = _typed(facts, "worker", dict, {})
        best = _typed(facts, "best", dict, None)
        created = _moment(facts, "created", 0.0)
        return Summary(
            id=folder.name,
            name=printable(_typed(facts, "title", str, "")) or folder.name,
            state=_state(folder, State(facts["state"]), worker),
            created=created,
            changed=_moment(facts, "changed", created),
            experiment=_experiment(_typed(facts, "experiment", dict, {})),
            progress=_progress(_typed(facts, "progress", dict, {})),
            best=None if best is None else _best(best),
            test=_figures(_typed(facts, "test", dict, None)),
            message=printable(_typed(facts, "message", str, "")),
            pid=_typed(facts, "pid", int, 0),
            host=printable(_typed(facts, "host", str, "") or str(worker.get("host", ""))),
            device=printable(_typed(facts, "device", str, "")),
            diagnoses=tuple(map(diagnosis, _typed(facts, "diagnoses", list, []))),
            parent=_parent(_typed(facts, "parent", dict, None)),
            gpus=gpus_of(facts),
        )
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise schema.damaged(folder / schema.FILE, error) from None


def _typed(facts: dict[str, Any], key: str, kind: Any, default: Any) -> Any:
    value = facts.get(key)
    if value is None:
        return default
    if not isinstance(value, kind):
        raise TypeError(f"{key} is {value!r}")
    return value


def _moment(facts: dict[str, Any], key: str, default: float) -> float:
    """A time in seconds since the epoch that a calendar has."""
    value = float(_typed(facts, key, (int, float), default))
    if not abs(value) <= LATEST:
        raise ValueError(f"{key} is {value!r}")
    return value


def _experiment(document: dict[str, Any]) -> dict[str, Any]:
    """The document: its sections are tables, its names text, its numbers no larger than a computer's."""
    for section, key in SECTIONS.items():
        table = document.get(section, {})
        if not isinstance(table, dict) or not isinstance(table.get(key, ""), str):
            raise TypeError(f"experiment.{section} is {table!r}"[:200])
    _check_plain(document, DEEPEST)
    return document


def _check_plain(value: Any, depth: int) -> None:
    """Raises ValueError for whole numbers of more than 64 bits, and for what is nested deeper than `depth`."""
    if isinstance(value, int) and abs(value) > LARGEST_STEP * 2:
        raise ValueError("a number is too large")
    if isinstance(value, (dict, list)):
        if not depth:
            raise ValueError("nested too deeply")
        for item in value.values() if isinstance(value, dict) else value:
            _check_plain(item, depth - 1)


def _progress(document: dict[str, Any]) -> Progress:
    progress = Progress(**document)
    counts = progress.step, progress.epoch, progress.total_steps, progress.steps_per_epoch
    if not all(isinstance(number, int) and 0 <= number <= LARGEST_STEP for number in counts):
        raise ValueError(f"progress is {document!r}")
    if not (isinstance(progress.seconds, (int, float)) and 0 <= progress.seconds <= LATEST):
        raise ValueError(f"progress.seconds is {progress.seconds!r}")
    return progress


def _parent(document: dict[str, Any] | None) -> Parent | None:
    if document is None:
        return None
    run, name, step, checkpoint = (document[key] for key in ("run", "name", "step", "checkpoint"))
    if not isinstance(step, int) or not 0 <= step <= LARGEST_STEP:
        raise ValueError(f"parent.step is {step!r}"[:200])
    return Parent(printable(_text(run)), printable(_text(name)), step, printable(_text(checkpoint)))


def _best(document: dict[str, Any]) -> Best:
    best = Best(**document)
    if not (isinstance(best.series, str) and isinstance(best.step, int) and isinstance(best.value, (int, float))):
        raise TypeError(f"best is {document!r}")
    return replace(best, value=float(best.value))


def diagnosis(document: dict[str, Any]) -> Diagnosis:
    """The diagnosis that a fact or an event holds. Raises TypeError or ValueError where that is none."""
    found = Diagnosis(**document)
    words = found.rule, found.word, found.seen, found.means, *found.tries
    fits = isinstance(found.tries, list) and isinstance(found.change, dict) and isinstance(found.step, int)
    if not fits or not all(isinstance(word, str) for word in words) or found.severity not in get_args(Severity):
        raise TypeError(f"a diagnosis is {document!r}"[:200])
    _check_plain([found.change, found.step], DEEPEST)
    return replace(
        found,
        word=printable(found.word),
        seen=printable(found.seen),
        means=printable(found.means),
        tries=tuple(map(printable, found.tries)),
    )


def _figures(document: dict[str, Any] | None) -> dict[str, float] | None:
    if document is not None and not all(isinstance(value, (int, float)) for value in document.values()):
        raise TypeError(f"test is {document!r}")
    return document


def _state(folder: Path, said: State, worker: dict[str, Any]) -> State:
    """What the worker said, unless it said that it lives or waits: then the lock knows, where it was taken on this
    machine. A queued run whose lock is held was handed to a worker that has not spoken yet."""
    if not (said.live or said is State.QUEUED):
        return said
    if not host.is_here(worker) or worker.get("lock") != lock.inode(folder):
        return State.ELSEWHERE
    if said is State.QUEUED:
        return State.STARTING if lock.held(folder) else said
    return said if lock.held(folder) else State.LOST


def unreadable_summary(folder: Path, error: UnreadableRun) -> Summary:
    """What can be said of a run that cannot be read."""
    damage = str(error)
    try:
        moment = folder.stat().st_mtime
    except OSError:
        moment = 0.0
    return Summary(folder.name, folder.name, State.FAILED, moment, moment, message=damage, damage=damage)
