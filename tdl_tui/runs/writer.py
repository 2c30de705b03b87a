"""The one writer of a run: what training records goes into a bounded buffer, and from there, on a thread, to disk."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import threading
import time
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, Protocol

from . import host, lock, samples, schema, series
from .records import LayerSample, Matrix, Probe, ProbeSample
from .series import Piece, SeriesReader, SeriesWriter

COMMIT_SECONDS = 0.25
BUFFER_POINTS = 4_000_000
BUFFER_OPERATIONS = 200_000
PATIENCE_SECONDS = 15.0  # of failing to write, before training hears of it
RETRY_SECONDS = 0.1

Operation = Callable[["_Transaction"], None]


class Doubles(Protocol):
    """Doubles in one dimension, in a buffer: array("d"), or a NumPy array of float64."""

    def __len__(self) -> int: ...


class WriteError(Exception):
    """What was recorded cannot be written; the message is one line for people."""


class RunWriter:
    """Records into a run's folder. Any thread may call it; the values handed over must not be changed afterwards.

    Raises schema.Damaged or schema.NewerSchema where `run.db` cannot be taken up. Whatever was recorded before is
    gone on with.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.error: Exception | None = None
        self._connection = schema.open_writable(folder)
        self._transaction = _Transaction(self._connection)
        self._last_steps = self._transaction.last_steps()
        self._changed = threading.Condition()
        self._operations: list[Operation] = []
        self._points = 0
        self._accepted = 0  # operations so far; flush waits until as many are durable
        self._durable = 0
        self._sync_wanted = 0
        self._closing = False
        self._is_log_known = False  # whether the folder's entry for the log is on the disk
        self.update(worker={**host.identity(), "lock": lock.inode(folder)})
        self._thread = threading.Thread(target=self._run, name="run-writer", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------------------------------------------- recording

    def extend(
        self,
        name: str,
        first_step: int,
        stride: int,
        values: Doubles,
        first_time: float,
        last_time: float,
    ) -> None:
        """Consecutive points of a series: doubles at first_step, first_step + stride, …, evenly timed.

        Raises ValueError where they do not lie after what was recorded of the series; WriteError once writing has
        kept failing. Waits while the buffer is full.
        """
        count = len(values)
        if not count:
            return
        last_step = first_step + (count - 1) * stride
        piece = Piece(first_step, stride, first_time, last_time, _doubles(values))
        with self._changed:
            if stride < 0 or first_step < self._last_steps.get(name, 0):
                raise ValueError(f"{name}: step {first_step} does not lie after step {self._last_steps.get(name, 0)}")
            self._last_steps[name] = last_step
            self._accept(lambda transaction: transaction.extend(name, piece), count)

    def point(self, name: str, step: int, value: float, time: float | None = None) -> None:
        """One point of a series; its time is now, unless told."""
        moment = _now() if time is None else time
        self.extend(name, step, 1, array("d", (value,)), moment, moment)

    def layers(self, names: Sequence[str]) -> None:
        """The layers' names, in the order of every layer sample's rows. Replaces what was there."""
        rows = list(enumerate(names))

        def store(transaction: _Transaction) -> None:
            transaction.execute("DELETE FROM layer")
            transaction.many("INSERT INTO layer (position, name) VALUES (?, ?)", rows)

        self._operation(store)

    def layer_sample(self, sample: LayerSample) -> None:
        """The statistics of every layer at a step."""
        self._sample("layer_sample", sample.step, sample.time, sample.rows)

    def probes(self, probes: Sequence[Probe]) -> None:
        """The examples that are followed, in the order of every probe sample's outputs. Replaces what was there."""
        rows = [
            (i, p.index, p.kind, json.dumps(p.shape), array("d", p.input).tobytes(), p.target)
            for i, p in enumerate(probes)
        ]

        def store(transaction: _Transaction) -> None:
            transaction.execute("DELETE FROM probe")
            transaction.many(
                "INSERT INTO probe (position, example, kind, shape, input, target) VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            )

        self._operation(store)

    def probe_sample(self, sample: ProbeSample) -> None:
        """The outputs of every probe at a step."""
        self._sample("probe_sample", sample.step, sample.time, sample.outputs)

    def matrix(self, matrix: Matrix) -> None:
        """A named matrix at a step."""
        self._operation(
            lambda transaction: samples.insert_matrix(
                transaction.connection, matrix.name, matrix.step, matrix.time, matrix.rows
            ),
            sum(map(len, matrix.rows)),
        )

    def event(self, kind: str, text: str, step: int, data: dict[str, Any] | None = None) -> None:
        """Something that happened now."""
        row = (_now(), step, kind, text, encode_fact(data or {}))
        self._operation(
            lambda transaction: transaction.execute(
                "INSERT INTO event (time, step, kind, text, data) VALUES (?, ?, ?, ?, ?)", row
            )
        )

    def update(self, **facts: Any) -> None:
        """Facts about the run by name, each replacing its last value: JSON values, dataclasses, enums."""
        rows = [(key, encode_fact(value)) for key, value in facts.items()]
        self._operation(lambda transaction: transaction.facts(rows))

    def drop_after(self, step: int, again: Sequence[str] = ()) -> None:
        """Forgets the series, rollups and samples after a step, in one transaction, as a resume does; of
        the series `again` also what they have at the step itself.
        """
        with self._changed:
            for name, last in self._last_steps.items():
                self._last_steps[name] = min(last, step - 1 if name in again else step)
            self._accept(lambda transaction: transaction.drop_after(step, again), 1)

    def steps(self) -> dict[str, int]:
        """The last recorded step of each series."""
        with self._changed:
            return dict(self._last_steps)

    # --------------------------------------------------------------------------------------------------- barriers

    def flush(self) -> None:
        """Returns when all that was recorded before is durable. Raises WriteError where that keeps failing; where
        another program keeps the file locked it waits."""
        with self._changed:
            target = self._sync_wanted = self._accepted
            self._changed.notify_all()
            while self._durable < target:
                self._raise_error()
                if not self._thread.is_alive():
                    raise WriteError("the run's writer has ended")
                self._changed.wait(COMMIT_SECONDS)

    def check(self) -> None:
        """Raises WriteError once writing has kept failing."""
        if self.error is not None:
            self._raise_error()

    def close(self) -> None:
        """Flushes, and lets go of the file. Raises WriteError where something could not be written."""
        with self._changed:
            self._closing = True
            self._sync_wanted = self._accepted
            self._changed.notify_all()
        self._thread.join()
        self._raise_error()

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------ the training's side

    def _sample(self, table: samples.Table, step: int, time: float, rows: samples.Rows) -> None:
        self._operation(
            lambda transaction: samples.insert(transaction.connection, table, step, time, rows),
            sum(map(len, rows)),
        )

    def _operation(self, operation: Operation, points: int = 1) -> None:
        with self._changed:
            self._accept(operation, points)

    def _accept(self, operation: Operation, points: int) -> None:
        while self._points > BUFFER_POINTS or len(self._operations) > BUFFER_OPERATIONS:
            self._raise_error()
            self._changed.notify_all()
            self._changed.wait(COMMIT_SECONDS)
        if self._closing:
            raise WriteError("the run's writer is closed")
        self._operations.append(operation)
        self._points += points
        self._accepted += 1

    def _raise_error(self) -> None:
        if self.error is not None:
            raise WriteError(str(self.error)) from self.error

    # -------------------------------------------------------------------------------------------- the writer's side

    def _run(self) -> None:
        try:
            while self._write_batch():
                pass
        finally:
            close_plain(self._connection)
            with self._changed:
                self._changed.notify_all()

    def _write_batch(self) -> bool:
        """Waits for something to do, and does it. False: closed, or given up."""
        with self._changed:
            self._changed.wait_for(self._is_due, COMMIT_SECONDS)
            operations, self._operations = self._operations, []
            self._points = 0
            accepted, closing = self._accepted, self._closing
            sync = self._sync_wanted > self._durable
            self._changed.notify_all()
        written = not operations or self._persist(lambda: self._transaction.apply(operations))
        if written and sync:
            written = self._persist(self._sync)
            if written:
                with self._changed:
                    self._durable = accepted
                    self._changed.notify_all()
        return written and not closing

    def _is_due(self) -> bool:
        return (
            self._closing
            or self._sync_wanted > self._durable
            or self._points > BUFFER_POINTS // 2
            or len(self._operations) > BUFFER_OPERATIONS // 2
        )

    def _persist(self, attempt: Callable[[], None]) -> bool:
        """Tries until it works; says so to the training when it keeps failing. False: no use trying again."""
        started = time.monotonic()
        while True:
            try:
                attempt()
            except (sqlite3.Error, OSError, ValueError, TypeError, OverflowError) as error:
                lasting = not _may_pass(error)
                # a reader that was stopped in the middle may hold its lock for hours: recording goes on meanwhile
                patient = schema.is_locked(error) and not self._closing
                if lasting or (not patient and time.monotonic() - started > PATIENCE_SECONDS):
                    with self._changed:
                        self.error = WriteError(f"{self.folder / schema.FILE} cannot be written: {error}")
                        self._changed.notify_all()
                    if lasting or self._closing:
                        return False
                time.sleep(RETRY_SECONDS)
            else:
                self.error = None
                return True

    def _sync(self) -> None:
        """Brings what was committed to the disk: with a rollback journal each commit has done so."""
        log = self.folder / f"{schema.FILE}-wal"
        for path in (log,) if self._is_log_known else (log, self.folder):
            try:
                descriptor = os.open(path, os.O_RDONLY)
            except FileNotFoundError:
                continue
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        self._is_log_known = True


class _Transaction:
    """The writer thread's state: the connection, and what each series keeps in memory between commits.

    Operations are applied to both; where the commit fails the database is as before, so the memory is forgotten, and
    read again from there.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._series: dict[str, SeriesWriter] = {}

    def apply(self, operations: Iterable[Operation]) -> None:
        """All operations, in one transaction."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            for operation in operations:
                operation(self)
            for series_writer in self._series.values():
                self._execute_all(series_writer.finish())
            self.facts([("changed", encode_fact(_now()))])
            self.connection.execute("COMMIT")
        except BaseException:
            self._series.clear()
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        self.connection.execute(statement, parameters)

    def many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        self.connection.executemany(statement, rows)

    def facts(self, rows: Iterable[tuple[str, str]]) -> None:
        self.many("INSERT OR REPLACE INTO fact (key, value) VALUES (?, ?)", rows)

    def extend(self, name: str, piece: Piece) -> None:
        writer = self._series.get(name)
        if writer is None:
            writer = self._series[name] = self._open(name)
        self._execute_all(writer.write(piece))

    def _execute_all(self, statements: Iterable[series.Statement]) -> None:
        for statement, parameters in statements:
            self.connection.execute(statement, parameters)

    def _open(self, name: str) -> SeriesWriter:
        self.connection.execute("INSERT OR IGNORE INTO series (name) VALUES (?)", (name,))
        (number,) = self.connection.execute("SELECT id FROM series WHERE name = ?", (name,)).fetchone()
        return SeriesWriter(SeriesReader(self.connection, number))

    def drop_after(self, step: int, again: Sequence[str]) -> None:
        for series_writer in self._series.values():
            self._execute_all(series_writer.finish())
        self._series.clear()
        for number, name in self.connection.execute("SELECT id, name FROM series").fetchall():
            series.drop_after(self.connection, number, step - 1 if name in again else step)
        for table in ("layer_sample", "probe_sample", "matrix_sample"):
            self.connection.execute(f"DELETE FROM {table} WHERE step > ?", (step,))

    def last_steps(self) -> dict[str, int]:
        """The last step of each series that has points."""
        steps = {}
        for number, name in self.connection.execute("SELECT id, name FROM series").fetchall():
            chunk = SeriesReader(self.connection, number).last_chunk()
            if chunk is not None:
                steps[name] = chunk.all_steps()[-1]
        return steps


def _doubles(values: Doubles) -> array[float]:
    """The values as an array of doubles. Raises ValueError or TypeError for what has other numbers in it."""
    if isinstance(values, array) and values.typecode == "d":
        return values
    view = memoryview(values)  # type: ignore[arg-type]  # buffers have no type before Python 3.12
    if view.format != "d" or view.ndim != 1:
        raise TypeError(f"values must be doubles in one dimension, got format {view.format}")
    return array("d", view.tobytes())


def _may_pass(error: Exception) -> bool:
    """Whether trying again may work: somebody else's lock, a full disk."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EAGAIN, errno.EINTR)
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    return code in (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    )


def close_plain(connection: sqlite3.Connection) -> None:
    """Leaves one plain file behind where nobody else has it open: it can be read where nothing can be written."""
    try:
        connection.execute("PRAGMA busy_timeout = 200")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error:
        pass  # somebody is reading; they see to the log when they end
    finally:
        connection.close()


def encode_fact(value: Any) -> str:
    """A fact as `run.db` keeps it. Raises TypeError or ValueError for what is no JSON value, dataclass or enum."""
    return json.dumps(value, default=_plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be kept as a fact")


def _now() -> float:
    return time.time()
