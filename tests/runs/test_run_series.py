"""However points are cut into blocks, commits, crashes and resumes: what is read is what the points say."""

import math
import random
import sqlite3
import tempfile
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tdl_tui.runs import rollups, schema, series
from tdl_tui.runs.records import Bucket, Point
from tdl_tui.runs.series import NO_POINTS, Grown, Piece, SeriesReader, SeriesWriter, grow

NUMBERS = st.one_of(
    st.floats(-10, 10),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf, 1.7e308, -1.7e308, 5e-324]),
)


SIZES = (2, 15, 100, 200, 495, 960, 1500, 3840)  # about what fills buckets, chunks and rollup rows


@dataclass
class Store:
    """A series in a database, beside a plain list of what was recorded in it."""

    connection: sqlite3.Connection
    points: list[Point] = field(default_factory=list)
    committed: list[Point] = field(default_factory=list)
    seen: dict[tuple[int, int], Bucket] = field(default_factory=dict)  # complete buckets, by size and first step
    grown: dict[int, Grown] = field(default_factory=dict)  # what was read last, by width
    clock: float = 1e9

    def __post_init__(self) -> None:
        self.connection.execute("INSERT INTO series (id, name) VALUES (1, 'x')")
        self.reopen()

    def reopen(self) -> None:
        self.connection.execute("BEGIN")
        self.writer = SeriesWriter(self.reader())

    def reader(self) -> SeriesReader:
        return SeriesReader(self.connection, 1)

    def extend(self, values: Sequence[float], gap: int, stride: int, seconds: float) -> None:
        last = self.points[-1] if self.points else Point(0, 1e9, 0.0)
        last = last._replace(time=max(last.time, self.clock))  # which goes on while points are dropped
        step, count = last.step + gap, len(values)
        if count == 0:
            return
        piece = Piece(step, stride, last.time + seconds, last.time + 2 * seconds, array("d", values))
        for statement in self.writer.write(piece):
            self.connection.execute(*statement)
        self.points += [
            Point(step + i * stride, last.time + seconds * (1 + i / max(count - 1, 1)), value)
            for i, value in enumerate(values)
        ]
        if count == 1:
            self.points[-1] = self.points[-1]._replace(time=last.time + seconds)

    def commit(self) -> None:
        for statement in self.writer.finish():
            self.connection.execute(*statement)
        self.connection.execute("COMMIT")
        self.connection.execute("BEGIN")
        self.committed = list(self.points)

    def crash(self) -> None:
        self.connection.execute("ROLLBACK")
        self.points = list(self.committed)
        self.reopen()

    def drop_after(self, step: int) -> None:
        self.commit()
        self.clock = max([self.clock, *(point.time for point in self.points[-1:])]) + 1
        series.drop_after(self.connection, 1, step)
        self.connection.execute("COMMIT")
        self.points = [point for point in self.points if point.step <= step]
        self.committed = list(self.points)
        self.seen.clear()
        self.reopen()

    def check(self, width: int, start: int, stop: int) -> None:
        """Everything that can be read, against the list."""
        self.commit()
        reader = self.reader()
        count = len(self.points)
        assert reader.count == count
        steps, times, values = reader.points(0, count)
        assert steps.tolist() == [point.step for point in self.points]
        assert values.tobytes() == array("d", [point.value for point in self.points]).tobytes()
        assert all(abs(time - point.time) < 0.01 for time, point in zip(times, self.points, strict=True))
        self.grown[width] = grow(reader, width, self.grown.get(width, NO_POINTS))
        assert repr(list(self.grown[width].buckets)) == repr(reader.buckets(0, count, width).buckets())
        start, stop = sorted((start * count // 1000, stop * count // 1000))
        for low, high in ((0, count), (start, stop)):
            check_buckets(self, reader.buckets(low, high, width).buckets(), low, high, width)


def check_buckets(store: Store, buckets: list[Bucket], start: int, stop: int, width: int) -> None:
    if stop <= start:
        assert buckets == []
        return
    size = 1
    while math.ceil(stop / size) - start // size > 2 * width:
        size *= 2
    low = start // size * size
    assert len(buckets) == math.ceil((stop - low) / size) <= 2 * width
    for position, bucket in enumerate(buckets):
        points = store.points[low + position * size : low + (position + 1) * size]
        check_bucket(bucket, points)
        if len(points) == size:
            key = (size, low + position * size)
            assert repr(store.seen.setdefault(key, bucket)) == repr(bucket)


def check_bucket(bucket: Bucket, points: list[Point]) -> None:
    finite = [point.value for point in points if math.isfinite(point.value)]
    assert (bucket.first, bucket.last) == (points[0].step, points[-1].step)
    assert abs(bucket.time - points[-1].time) < 0.01
    assert (bucket.count, bucket.nonfinite) == (len(finite), len(points) - len(finite))
    if not finite:
        assert math.isnan(bucket.minimum) and math.isnan(bucket.maximum) and math.isnan(bucket.mean)
        return
    assert (bucket.minimum, bucket.maximum) == (min(finite), max(finite))
    mean = math.fsum(value / len(finite) for value in finite)
    assert math.isclose(bucket.mean, mean, rel_tol=1e-12, abs_tol=1e-12 * max(map(abs, finite)) + 1e-320)
    assert bucket.minimum <= bucket.mean <= bucket.maximum


@st.composite
def values(draw: st.DrawFn) -> list[float]:
    """A pattern, repeated to a length about what fills buckets, chunks or rollup rows."""
    pattern = draw(st.lists(NUMBERS, min_size=1, max_size=20))
    count = draw(st.sampled_from(SIZES)) + draw(st.integers(-2, 2))
    return [pattern[i % len(pattern)] if i % 7 else float(i) for i in range(count)]


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("extend"), values(), st.integers(1, 3), st.sampled_from([1, 1, 1, 2, 5]), st.floats(0, 100)),
        st.tuples(st.just("extend"), values(), st.just(1), st.just(1), st.floats(0, 1)),
        st.tuples(
            st.just("extend"), st.lists(NUMBERS, min_size=1, max_size=1), st.integers(0, 2), st.just(1), st.just(1.0)
        ),
        st.tuples(st.just("commit")),
        st.tuples(st.just("crash")),
        st.tuples(st.just("drop_after"), st.integers(0, 1000)),
        st.tuples(st.just("check"), st.integers(1, 200), st.integers(0, 1000), st.integers(0, 1000)),
    ),
    min_size=4,
    max_size=15,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(OPERATIONS)
def test_what_is_read_is_what_the_points_say(operations: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        store = Store(schema.create(Path(place)))
        try:
            for name, *arguments in operations:
                if name == "drop_after":
                    last = store.points[-1].step if store.points else 0
                    store.drop_after(arguments[0] * last // 1000)  # type: ignore[operator]  # an integer
                else:
                    getattr(store, str(name))(*arguments)
            for width in (1, 30, 1000):
                store.check(width, 100, 900)
        finally:
            store.connection.close()


@pytest.mark.parametrize("seed", range(12))
def test_a_long_history_is_read_as_it_was(tmp_path: Path, seed: int) -> None:
    """As above, with more and larger blocks than hypothesis likes to draw."""
    chance = random.Random(seed)
    store = Store(schema.create(tmp_path))
    for _ in range(40):
        match chance.choice(("extend", "extend", "extend", "point", "commit", "crash", "drop_after", "check")):
            case "extend":
                block = [
                    chance.gauss(0, 1) if chance.random() > 0.001 else math.nan for _ in range(chance.choice(SIZES))
                ]
                store.extend(block, chance.choice((1, 1, 1, 2)), chance.choice((1, 1, 1, 3)), 0.25)
            case "point":
                store.extend([chance.gauss(0, 1)], 1, 1, 0.25)
            case "commit":
                store.commit()
            case "crash":
                store.crash()
            case "drop_after":
                last = store.points[-1].step if store.points else 0
                store.drop_after(round(last * chance.uniform(0.5, 1.0)))
            case "check":
                store.check(chance.choice((10, 300)), chance.randrange(1000), chance.randrange(1000))
    store.check(1, 0, 1000)
    store.check(100, 300, 600)
    store.connection.close()


def test_a_long_series_is_read_in_bounded_work(tmp_path: Path) -> None:
    store = Store(schema.create(tmp_path))
    for _ in range(150):
        store.extend([math.sin(i) for i in range(2000)], 1, 1, 1.0)
    store.check(1000, 0, 1000)
    rows: list[str] = []
    store.connection.set_trace_callback(rows.append)
    buckets = store.reader().buckets(0, len(store.points), 1000)
    store.connection.set_trace_callback(None)
    assert 1000 < len(buckets) <= 2000
    assert len(rows) < 20  # statements; each reads the rows of one level
    (stored,) = store.connection.execute("SELECT count(*) FROM rollup WHERE level = 1").fetchone()
    assert stored == store.reader().closed // (rollups.size(1) * series.ROW)
    store.connection.close()


def test_of_a_series_that_grows_what_is_known_is_not_read_again(tmp_path: Path) -> None:
    store = Store(schema.create(tmp_path))
    for count in (1000, 300, 0, 2000):
        store.extend([0.5] * count, 1, 1, 0.1)
        store.commit()
        before = store.grown.get(50, NO_POINTS)
        found = store.grown[50] = grow(store.reader(), 50, before)
        if before.size == found.size:
            kept = before.count // before.size
            assert all(a is b for a, b in zip(before.buckets[:kept], found.buckets[:kept], strict=True)) and kept
    assert grow(store.reader(), 50, found) is found
    store.connection.close()


def test_a_short_chunk_fills_one_bucket(tmp_path: Path) -> None:
    store = Store(schema.create(tmp_path))
    for count in (1000, 2, 16, 960, 16, 15, 17, 2000):
        store.extend([float(i) for i in range(count)], 2, 1, 1.0)
    for width in (1, 30, 1000):
        store.check(width, 100, 900)
    store.connection.close()


@pytest.mark.parametrize("kept", [0, 1, 959, 960, 961, 2500, 3840, 4999])
def test_a_series_goes_on_where_it_was_cut(tmp_path: Path, kept: int) -> None:
    store = Store(schema.create(tmp_path))
    for _ in range(2):
        store.extend([math.cos(i) for i in range(5000)], 1, 1, 1.0)
        store.drop_after(kept)
        store.check(20, 0, 1000)
    store.extend([math.sin(i) for i in range(5000)], 1, 1, 1.0)
    for width in (3, 20, 100, 1000):
        store.check(width, 0, 1000)
    store.connection.close()


def test_steps_are_found_where_they_lie(tmp_path: Path) -> None:
    store = Store(schema.create(tmp_path))
    store.extend([0.0] * 1000, 1, 3, 1.0)
    for _ in range(300):
        store.extend([1.0], 0, 1, 0.0)  # many points at one step
    store.extend([2.0] * 10, 1, 1, 1.0)
    store.commit()
    reader = store.reader()
    steps = [point.step for point in store.points]
    for step in (0, 1, 2, 4, 2998, 2999, 3007, 3008, 5000):
        assert reader.ordinal_of(step) == sum(s < step for s in steps)
        assert reader.ordinal_of(step, after=True) == sum(s <= step for s in steps)
    store.connection.close()


def test_small_blocks_fill_large_rows(tmp_path: Path) -> None:
    store = Store(schema.create(tmp_path))
    for _ in range(600):
        store.extend([1.0, 2.0], 1, 1, 0.2)
        store.commit()
    (rows,) = store.connection.execute("SELECT count(*) FROM chunk").fetchone()
    assert rows <= len(store.points) / 200
    store.connection.close()
