"""Series in the database: points as packed chunks, their rollups as packed rows, and reading both by ordinal.

An ordinal numbers a series' points from 0. A chunk's steps are `step + i * stride`, and its times lie evenly within
each of its pieces; where single points were recorded, steps and times are kept one by one.
"""

from __future__ import annotations

import sqlite3
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from . import rollups
from .records import Bucket
from .rollups import BASE, FACTOR, Columns

ROW = 124  # buckets in a rollup row: a multiple of FACTOR, and two rows fill a page
CHUNK_BYTES = 8080  # of data in a chunk: its row fills a page, and needs no second
POINT_BYTES = 8
PIECE_BYTES = 10
SINGLE_BYTES = 24
FEW = 8  # from so many points on a block is worth a piece, after single ones
LARGEST_STEP = 2**62

CHUNK_FIELDS = "first, count, step, stride, since, steps, counts, times, data"
INSERT_CHUNK = f"INSERT INTO chunk (series, {CHUNK_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
UPDATE_CHUNK = "UPDATE chunk SET count = ?, steps = ?, counts = ?, times = ?, data = ? WHERE series = ? AND first = ?"
INSERT_ROLLUP = (
    "INSERT INTO rollup (series, level, row, step, stride, steps, data, nonfinite) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)

Statement = tuple[str, tuple[object, ...]]
ChunkRow = tuple[int, int, int, int, float, bytes | None, bytes, bytes, bytes]


@dataclass(frozen=True, slots=True)
class Piece:
    """Points that were written together: the first `values` at `first_time`, the last at `last_time`."""

    step: int
    stride: int
    first_time: float
    last_time: float
    values: Sequence[float]

    def step_at(self, index: int) -> int:
        return self.step + index * self.stride

    def time_at(self, index: int) -> float:
        gaps = len(self.values) - 1
        if index == 0:
            return self.first_time
        if index == gaps:
            return self.last_time
        return self.first_time + (self.last_time - self.first_time) * index / gaps

    def part(self, start: int, stop: int) -> Piece:
        """The points start..stop (exclusive) as a piece of their own."""
        return Piece(
            self.step_at(start),
            self.stride,
            self.time_at(start),
            self.time_at(stop - 1),
            self.values[start:stop],
        )


def times_between(first: float, last: float, indices: range, count: int) -> list[float]:
    """The times of some of `count` points that lie evenly from `first` to `last`."""
    gaps, width = max(count - 1, 1), last - first
    return [last if index == gaps else first + width * index / gaps for index in indices]


class Chunk:
    """Consecutive points of one series as a row holds them, made of pieces, or else of single points.

    Of pieces, whose steps go on evenly: `counts` says how many points each has, `times` when its first and its last
    lie, in seconds since `since`. Of single points: `steps` and `times` have one entry each, absolute ones.
    """

    __slots__ = ("counts", "data", "first", "since", "step", "steps", "stride", "times")

    def __init__(self, first: int, step: int, stride: int, since: float, *, singles: bool) -> None:
        self.first = first
        self.step = step
        self.stride = stride
        self.since = since
        self.steps: array[int] | None = array("q") if singles else None
        self.counts = array("H")
        self.times = array("d" if singles else "f")
        self.data = array("d")

    @classmethod
    def decode(cls, row: ChunkRow) -> Chunk:
        first, _, step, stride, since, steps, counts, times, data = row
        chunk = cls(first, step, stride, since, singles=steps is not None)
        if steps is not None:
            chunk.steps = array("q", steps)
        chunk.counts.frombytes(counts)
        chunk.times.frombytes(times)
        chunk.data.frombytes(data)
        return chunk

    def __len__(self) -> int:
        return len(self.data)

    def room(self) -> int:
        """How many more points one more piece may bring."""
        if self.steps is not None:
            return CHUNK_BYTES // SINGLE_BYTES - len(self.data)
        return (CHUNK_BYTES - PIECE_BYTES * (len(self.counts) + 1)) // POINT_BYTES - len(self.data)

    def takes(self, step: int, stride: int, count: int) -> bool:
        """Whether `count` points from `step` on can go on this chunk, the first of them at least."""
        if self.steps is not None:
            return count < FEW and self.room() >= count
        follows = step == self.step + len(self.data) * self.stride
        return self.room() > 0 and follows and (count == 1 or stride == self.stride)

    def append(self, piece: Piece) -> None:
        """Adds a piece that the chunk takes, and has room for."""
        count = len(piece.values)
        self.data.extend(piece.values)
        if self.steps is None:
            self.counts.append(count)
            self.times.extend((piece.first_time - self.since, piece.last_time - self.since))
        else:
            self.steps.extend(map(piece.step_at, range(count)))
            self.times.extend(map(piece.time_at, range(count)))

    def append_whole(self, piece: Piece) -> bool:
        """Adds a piece that goes on as the chunk does and finds room; False, and nothing done, for any other."""
        held, count = len(self.data), len(piece.values)
        if (
            self.steps is not None
            or piece.step != self.step + held * self.stride
            or piece.stride != self.stride
            or (held + count) * POINT_BYTES + (len(self.counts) + 1) * PIECE_BYTES > CHUNK_BYTES
        ):
            return False
        self.data.extend(piece.values)
        self.counts.append(count)
        self.times.extend((piece.first_time - self.since, piece.last_time - self.since))
        return True

    def all_steps(self) -> Sequence[int]:
        """The step of each point."""
        if self.steps is not None:
            return self.steps
        if self.stride == 0:
            return array("q", [self.step]) * len(self.data)
        return range(self.step, self.step + len(self.data) * self.stride, self.stride)

    def times_at(self, indices: range) -> list[float]:
        """The times of the points at ascending indices."""
        if self.steps is not None:
            return self.times[indices.start : indices.stop : indices.step].tolist()
        out: list[float] = []
        start, wanted, since = 0, indices.start, self.since
        ends = iter(self.times)
        for count, first, last in zip(self.counts, ends, ends, strict=True):
            stop = min(start + count, indices.stop)
            if wanted < stop:
                part = range(wanted - start, stop - start, indices.step)
                out += times_between(since + first, since + last, part, count)
                wanted += len(part) * indices.step
            start += count
        return out

    def truncate(self, count: int) -> None:
        """Keeps the first `count` points."""
        if self.steps is not None:
            del self.steps[count:], self.times[count:], self.data[count:]
            return
        pieces, left = 0, count
        while left > self.counts[pieces]:
            left -= self.counts[pieces]
            pieces += 1
        self.times[2 * pieces + 1] = self.times_at(range(count - 1, count))[0] - self.since
        self.counts[pieces] = left
        del self.counts[pieces + 1 :], self.times[2 * pieces + 2 :], self.data[count:]

    def insertion(self, series: int) -> Statement:
        """The statement that stores the chunk."""
        return INSERT_CHUNK, (
            series,
            self.first,
            len(self),
            self.step,
            self.stride,
            self.since,
            *self._blobs(),
        )

    def update(self, series: int) -> Statement:
        """The statement that stores what was added to the chunk."""
        return UPDATE_CHUNK, (len(self), *self._blobs(), series, self.first)

    def _blobs(self) -> tuple[bytes | None, bytes, bytes, bytes]:
        steps = None if self.steps is None else self.steps.tobytes()
        return steps, self.counts.tobytes(), self.times.tobytes(), self.data.tobytes()


# ---------------------------------------------------------------------------------------------------- rollup rows


def encode_row(series: int, level: int, row: int, columns: Columns) -> tuple[object, ...]:
    """ROW complete buckets as the parameters of INSERT_ROLLUP."""
    first, last = columns.first, columns.last
    size = rollups.size(level)
    stride, rest = divmod(last[0] - first[0], size - 1)
    regular = (
        rest == 0
        and first == list(_arithmetic(first[0], stride * size))
        and last == list(_arithmetic(last[0], stride * size))
    )
    return (
        series,
        level,
        row,
        first[0],
        stride,
        None if regular else array("q", first + last).tobytes(),
        array("d", columns.time + columns.minimum + columns.maximum + columns.mean).tobytes(),
        array("q", columns.nonfinite).tobytes() if any(columns.nonfinite) else None,
    )


def _arithmetic(start: int, difference: int) -> Iterable[int]:
    return range(start, start + ROW * difference, difference) if difference else [start] * ROW


RollupRow = tuple[int, int, bytes | None, bytes, bytes | None]


def _extend_with_row(columns: Columns, level: int, row: RollupRow) -> None:
    step, stride, steps, data, nonfinite = row
    size = rollups.size(level)
    if steps is None:
        columns.first += _arithmetic(step, stride * size)
        columns.last += _arithmetic(step + (size - 1) * stride, stride * size)
    else:
        both = array("q", steps).tolist()
        columns.first += both[:ROW]
        columns.last += both[ROW:]
    numbers = array("d", data).tolist()
    columns.time += numbers[:ROW]
    columns.minimum += numbers[ROW : 2 * ROW]
    columns.maximum += numbers[2 * ROW : 3 * ROW]
    columns.mean += numbers[3 * ROW :]
    missing = [0] * ROW if nonfinite is None else array("q", nonfinite).tolist()
    columns.count += [size - n for n in missing]
    columns.nonfinite += missing


# -------------------------------------------------------------------------------------------------------- reading


class SeriesReader:
    """One series in the database. Made within a transaction, and good for as long as that lasts."""

    def __init__(self, connection: sqlite3.Connection, series: int) -> None:
        self.connection = connection
        self.series = series
        row = connection.execute(
            "SELECT first, count FROM chunk WHERE series = ? ORDER BY first DESC LIMIT 1", (series,)
        ).fetchone()
        self.closed: int = row[0] if row else 0  # rollup rows cover what lies before the last chunk
        self.count: int = sum(row) if row else 0

    def chunks(self, start: int, stop: int) -> Iterator[Chunk]:
        """The chunks that hold the ordinals start..stop (exclusive)."""
        if stop <= start:
            return
        rows = self.connection.execute(
            f"SELECT {CHUNK_FIELDS} FROM chunk WHERE series = :series AND first < :stop AND first >="
            " (SELECT first FROM chunk WHERE series = :series AND first <= :start ORDER BY first DESC LIMIT 1)"
            " ORDER BY first",
            {"series": self.series, "start": start, "stop": stop},
        )
        yield from map(Chunk.decode, rows)

    def last_chunk(self) -> Chunk | None:
        return next(self.chunks(self.count - 1, self.count), None) if self.count else None

    def points(self, start: int, stop: int) -> tuple[array[int], array[float], array[float]]:
        """Steps, times and values of the ordinals start..stop (exclusive)."""
        steps, times, values = array("q"), array("d"), array("d")
        for chunk in self.chunks(start, stop):
            part = range(max(start - chunk.first, 0), min(stop - chunk.first, len(chunk)))
            steps.extend(chunk.all_steps()[part.start : part.stop])
            times.extend(chunk.times_at(part))
            values.extend(chunk.data[part.start : part.stop])
        return steps, times, values

    def ordinal_of(self, step: int, *, after: bool = False) -> int:
        """How many points lie before `step`; with `after` also those at it."""
        row = self.connection.execute(
            f"SELECT {CHUNK_FIELDS} FROM chunk WHERE series = ? AND step {'<=' if after else '<'} ?"
            " ORDER BY step DESC, first DESC LIMIT 1",
            (self.series, min(step, LARGEST_STEP)),
        ).fetchone()
        if row is None:
            return 0
        chunk = Chunk.decode(row)
        return chunk.first + (bisect_right if after else bisect_left)(chunk.all_steps(), step)

    def complete(self, level: int, start: int, stop: int) -> Columns:
        """The complete buckets start..stop (exclusive) of a level; those in no row yet are made from those below."""
        size = rollups.size(level)
        stored = self.closed // (size * ROW) * ROW
        columns = Columns()
        if start < min(stop, stored):
            rows = self.connection.execute(
                "SELECT step, stride, steps, data, nonfinite FROM rollup"
                " WHERE series = ? AND level = ? AND row BETWEEN ? AND ? ORDER BY row",
                (self.series, level, start // ROW, (min(stop, stored) - 1) // ROW),
            )
            for row in rows:
                _extend_with_row(columns, level, row)
            columns = columns.take(start % ROW, start % ROW + min(stop, stored) - start)
        rest = max(start, stored)
        if rest < stop:
            if level:
                below = self.complete(level - 1, rest * FACTOR, stop * FACTOR)
                columns.extend(rollups.fold(below, FACTOR))
            else:
                columns.extend(self.grouped(BASE, rest, stop))
        return columns

    def grouped(self, size: int, start: int, stop: int) -> Columns:
        """The complete buckets start..stop (exclusive) of `size` points, from the points themselves."""
        values = array("d")
        first: list[int] = []
        last: list[int] = []
        times: list[float] = []
        for chunk in self.chunks(start * size, stop * size):
            begin, end = max(start * size - chunk.first, 0), min(stop * size - chunk.first, len(chunk))
            values.extend(chunk.data[begin:end])
            steps = chunk.all_steps()
            first += steps[begin + -(chunk.first + begin) % size : end : size]
            ends = range(begin + (-1 - chunk.first - begin) % size, end, size)
            last += steps[ends.start : ends.stop : size]
            times += chunk.times_at(ends)
        return rollups.of_points(values, size, first, last, times)

    def partial(self, start: int, stop: int) -> Columns:
        """The ordinals start..stop (exclusive; start a multiple of a level's size) as one bucket."""
        parts = []
        level = 0
        while rollups.size(level + 1) <= stop - start:
            level += 1
        while level >= 0:
            size = rollups.size(level)
            count = (stop - start) // size
            if count:
                parts.append(self.complete(level, start // size, start // size + count))
                start += count * size
            level -= 1
        if start < stop:
            steps, times, values = self.points(start, stop)
            ends = steps[:1].tolist(), steps[-1:].tolist(), times[-1:].tolist()
            parts.append(rollups.of_points(values, stop - start, *ends))
        return rollups.merge(rollups.concatenate(parts))

    def buckets(self, start: int, stop: int, width: int) -> Columns:
        """The fixed buckets that hold the ordinals start..stop (exclusive), at most 2 · width (and one) of them.

        They are of the smallest power of two that does, so their bounds stay where they are as points arrive, and
        those that are complete never change.
        """
        if stop <= start:
            return Columns()
        size = bucket_size(start, stop, width)
        return self.fixed(size, start // size, -(-stop // size))

    def fixed(self, size: int, first: int, end: int) -> Columns:
        """The buckets first..end (exclusive) of `size` points, a power of two; the last may have fewer."""
        whole = min(end, self.count // size)
        if size < BASE:
            columns = self.grouped(size, first, whole)
        else:
            level = 0
            while rollups.size(level + 1) <= size:
                level += 1
            factor = size // rollups.size(level)
            columns = self.complete(level, first * factor, whole * factor)
            if factor > 1:
                columns = rollups.fold(columns, factor)
        if whole < end:
            columns.extend(self.partial(whole * size, min(end * size, self.count)))
        return columns


def bucket_size(start: int, stop: int, width: int) -> int:
    """The smallest power of two that covers the ordinals start..stop (exclusive) with at most 2 · width buckets."""
    size = 1
    while -(-stop // size) - start // size > 2 * width:
        size *= 2
    return size


@dataclass(frozen=True, slots=True)
class Grown:
    """All `count` points of a series in buckets of `size` each."""

    size: int = 1
    count: int = 0
    buckets: tuple[Bucket, ...] = ()


NO_POINTS = Grown()


class Readable(Protocol):
    """A series, wherever its points are kept."""

    count: int

    def points(self, start: int, stop: int) -> tuple[array[int], array[float], array[float]]: ...

    def fixed(self, size: int, first: int, end: int) -> Columns: ...


def grow(series: Readable, width: int, before: Grown) -> Grown:
    """All points in at most 2 · width buckets; of what was there `before` only what has come since is read.

    Points are added at the end, or dropped from a step on and recorded again, later: while the last one is where and
    when it was, so are all before it.
    """
    if 0 < before.count <= series.count:
        (step,), (time,), _ = series.points(before.count - 1, before.count)
        if (step, time) != (before.buckets[-1].last, before.buckets[-1].time):
            before = NO_POINTS
    else:
        before = NO_POINTS
    size = bucket_size(0, series.count, width)
    if (size, series.count) == (before.size, before.count):
        return before
    kept = before.count // size if size == before.size else 0
    fresh = series.fixed(size, kept, -(-series.count // size)).buckets()
    return Grown(size, series.count, (*before.buckets[:kept], *fresh))


# -------------------------------------------------------------------------------------------------------- writing


class SeriesWriter:
    """Turns what is recorded of one series into rows. Keeps the last chunk, and what no rollup row holds yet."""

    def __init__(self, stored: SeriesReader) -> None:
        self.series = stored.series
        self._chunk = stored.last_chunk()
        self._is_stored = True
        self._is_changed = False
        self._rollups = RollupWriter.after(stored)

    def write(self, piece: Piece) -> Iterable[Statement]:
        """Takes a piece in. The statements are for one transaction, together with those of `finish`."""
        if self._chunk is not None and self._chunk.append_whole(piece):
            self._is_changed = True
            return ()
        return self._write_parts(piece)

    def _write_parts(self, piece: Piece) -> Iterator[Statement]:
        start, total = 0, len(piece.values)
        while start < total:
            step, chunk = piece.step_at(start), self._chunk
            if chunk is None or not chunk.takes(step, piece.stride, total - start):
                ordinal = 0
                if chunk is not None:
                    yield from self.finish()
                    yield from self._rollups.add(chunk)
                    ordinal = chunk.first + len(chunk)
                # single points keep their steps and times one by one
                chunk = self._chunk = Chunk(ordinal, step, piece.stride, piece.time_at(start), singles=total == 1)
                self._is_stored = False
            stop = min(start + chunk.room(), total)
            chunk.append(piece.part(start, stop) if stop - start < total else piece)
            self._is_changed = True
            start = stop

    def finish(self) -> Iterator[Statement]:
        """The statement that stores what changed of the last chunk."""
        if self._is_changed and self._chunk is not None:
            yield self._chunk.update(self.series) if self._is_stored else self._chunk.insertion(self.series)
            self._is_stored, self._is_changed = True, False


class RollupWriter:
    """Turns a series' chunks, one after the other, into rollup rows. Keeps the buckets that fill no row yet."""

    def __init__(self, series: int) -> None:
        self.series = series
        self._step = 0  # of the first of the points that fill no bucket yet
        self._values = array("d")
        self._levels = [Columns()]

    @classmethod
    def after(cls, stored: SeriesReader) -> RollupWriter:
        """One that goes on behind the chunks that are followed by another."""
        writer = cls(stored.series)
        steps, _, writer._values = stored.points(stored.closed - stored.closed % BASE, stored.closed)
        writer._step = steps[0] if steps else 0
        writer._levels = []
        known = stored.closed // BASE  # buckets of a level; the level above gets to know them by full rows
        while known or not writer._levels:
            full = known // ROW * ROW
            writer._levels.append(stored.complete(len(writer._levels), full, known))
            known = full // FACTOR
        return writer

    def add(self, chunk: Chunk) -> Iterator[Statement]:
        """Takes a chunk in that is followed by another now. The statements store the rows that it has completed."""
        waiting = len(self._values)
        if not waiting:
            self._step = chunk.step
        values = self._values + chunk.data if waiting else chunk.data
        whole = len(values) // BASE
        if whole:
            steps = chunk.all_steps()
            ends = range(BASE - 1 - waiting, whole * BASE - waiting, BASE)
            first = [self._step, *steps[ends[0] + 1 : ends[-1] + 1 : BASE]]
            self._levels[0].extend(
                rollups.of_points(
                    values[: whole * BASE].tolist(),
                    BASE,
                    first,
                    list(steps[ends.start : ends.stop : BASE]),
                    chunk.times_at(ends),
                )
            )
            rest = whole * BASE - waiting
            if rest < len(chunk):
                self._step = steps[rest]
        self._values = values[whole * BASE :]
        yield from self._full_rows(0, (chunk.first + len(chunk)) // BASE)

    def _full_rows(self, level: int, complete: int) -> Iterator[Statement]:
        """The rows of a level that are full now; the level has `complete` complete buckets."""
        columns = self._levels[level]
        while len(columns) >= ROW:
            row = (complete - len(columns)) // ROW
            full = columns.take(0, ROW)
            columns.drop(ROW)
            yield INSERT_ROLLUP, encode_row(self.series, level, row, full)
            if level + 1 == len(self._levels):
                self._levels.append(Columns())
            self._levels[level + 1].extend(rollups.fold(full, FACTOR))
            yield from self._full_rows(level + 1, (row + 1) * ROW // FACTOR)


def rollup_rows(stored: SeriesReader) -> Iterator[tuple[object, ...]]:
    """The parameters of INSERT_ROLLUP for all rows that a series should have, by its chunks."""
    writer = RollupWriter(stored.series)
    for chunk in stored.chunks(0, stored.closed):
        for _, parameters in writer.add(chunk):
            yield parameters


def rebuild_rollups(connection: sqlite3.Connection, series: int) -> None:
    """Makes a series' rollup rows anew from its chunks. Within a transaction."""
    connection.execute("DELETE FROM rollup WHERE series = ?", (series,))
    connection.executemany(INSERT_ROLLUP, rollup_rows(SeriesReader(connection, series)))


def drop_after(connection: sqlite3.Connection, series: int, step: int) -> None:
    """Removes a series' points after `step`, and the rollup rows that reach beyond them. Within a transaction."""
    before = SeriesReader(connection, series)
    count = before.ordinal_of(step, after=True)
    if count >= before.count:
        return
    chunk = next(before.chunks(count - 1, count), None) if count else None
    connection.execute("DELETE FROM chunk WHERE series = ? AND first >= ?", (series, count))
    if chunk is not None and chunk.first + len(chunk) > count:
        chunk.truncate(count - chunk.first)
        connection.execute(*chunk.update(series))
    closed = SeriesReader(connection, series).closed
    level = 0
    while (points := rollups.size(level) * ROW) <= before.closed:
        connection.execute(
            "DELETE FROM rollup WHERE series = ? AND level = ? AND row >= ?", (series, level, closed // points)
        )
        level += 1
