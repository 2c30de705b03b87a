"""Whatever stands in an experiment's file, in a run's record or among its commands: it is read, or told in one line."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from array import array
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tdl_tui.runs import commands, home, schema
from tdl_tui.runs.check import check_run
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import LayerSample, Matrix, Probe, ProbeSample, State
from tdl_tui.runs.writer import RunWriter
from tdl_tui.spec import SpecError, experiment, read
from tdl_tui.verbs.ls import runs_table
from tdl_tui.verbs.reports import run_document
from tdl_tui.verbs.show import run_text

few = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)

WHOLE = experiment({"name": "a fuzzed one"}).toml()
LINES = WHOLE.splitlines()
WORDS = st.sampled_from(
    [
        "=",
        "[",
        "]",
        "{",
        "}",
        '"',
        "'''",
        "\n",
        ".",
        ",",
        "0x",
        "1e999",
        "nan",
        "-inf",
        "1979-05-27",
        "true",
        "#",
        "\x00",
        "９",
        "[[a]]",
    ]
)


def load(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "x.toml")
        path.write_bytes(content)
        try:
            made = experiment(read(path))
        except SpecError as error:
            assert error.problems
            for problem in error.problems:
                assert "\n" not in str(problem)
        else:
            assert experiment(made.document()) == made


@few
@given(
    st.one_of(st.binary(max_size=200), st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")))
)
def test_any_text_for_an_experiment(content: bytes) -> None:
    load(content)


@few
@given(st.lists(st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 12), WORDS), min_size=1, max_size=5))
def test_a_changed_experiment(changes: list[tuple[int, int, str]]) -> None:
    text = WHOLE
    for place, removed, put in changes:
        text = text[:place] + put + text[place + removed :]
    load(text.encode())


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=10)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=8,
)
SECTIONS = ["name", "seed", "data", "model", "objective", "optimizer", "schedule", "training", "telemetry"]
KEYS = ["dataset", "architecture", "options", "lr", "name", "epochs", "split", "batch_size", "early_stopping", "loss"]
DOCUMENTS = st.dictionaries(
    st.sampled_from(SECTIONS), st.one_of(VALUES, st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=3)), max_size=4
)


@few
@given(DOCUMENTS)
def test_any_document_for_an_experiment(document: dict[str, object]) -> None:
    with suppress(SpecError):
        experiment(document)


@pytest.mark.parametrize(
    "text",
    ["a = " + "[" * 200_000, "[a" + ".a" * 100_000 + "]", "a" + ".a" * 100_000 + " = 1", "a = " + "{b=" * 50_000],
    ids=["lists", "sections", "keys", "tables"],
)
def test_an_experiment_nested_deeply(text: str) -> None:
    load(text.encode())


# ----------------------------------------------------------------------------------------------------------- runs


def make(place: Path) -> Path:
    new = home.create(place, {"seed": 0}, title="a run")
    with RunWriter(new.folder) as writer:
        writer.update(state=State.STOPPED)
        writer.extend("train/loss", 1, 1, array("d", range(3000)), 0.0, 1.0)
        writer.point("val/loss", 1, 1.0)
        writer.layers(["first", "second"])
        writer.layer_sample(LayerSample(1, 1.0, ((1.0,) * 7, (2.0,) * 7)))
        writer.probes([Probe(3, "table", (2,), (0.5, 1.5), 1.0)])
        writer.probe_sample(ProbeSample(1, 1.0, ((0.1, 0.9),)))
        writer.matrix(Matrix("confusion", 1, 1.0, ((1.0, 2.0), (3.0, 4.0))))
        writer.event("state", "training", 0)
    os.close(new.lock_fd)
    return new.folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return (make(tmp_path_factory.mktemp("whole")) / schema.FILE).read_bytes()


def ask_everything(folder: Path) -> None:
    with RunReader(folder) as reader:
        summary = reader.summary()
        assert "\n" not in summary.damage
        json.dumps(run_document(summary, folder))
        runs_table([summary], 2e9)
        if not summary.damage:
            run_text(summary, folder)
        with suppress(schema.UnreadableRun):
            for name in [*reader.series_names(), "grad/norm/second"]:
                with suppress(schema.UnreadableRun):
                    reader.buckets(name, 40)
                with suppress(schema.UnreadableRun):
                    list(reader.points(name))
                    reader.last(name)

        def read_matrices() -> None:
            for name in reader.matrix_names():
                reader.matrices(name)
                reader.matrix(name)

        for ask in (
            reader.layer_samples,
            reader.layer_sample,
            reader.probes,
            reader.probe_sample,
            reader.events,
            read_matrices,
        ):
            with suppress(schema.UnreadableRun):
                ask()


COLUMNS = {
    "fact": ["value"],
    "series": ["name"],
    "chunk": ["first", "count", "step", "stride", "since", "steps", "counts", "times", "data"],
    "rollup": ["level", "row", "step", "stride", "steps", "data", "nonfinite"],
    "layer": ["position", "name"],
    "layer_sample": ["step", "time", "data"],
    "probe": ["kind", "shape", "input", "target"],
    "probe_sample": ["step", "time", "data"],
    "event": ["time", "step", "kind", "text", "data"],
    "matrix": ["name"],
    "matrix_sample": ["matrix", "step", "time", "data"],
}
PLACES = st.sampled_from([(table, column) for table, columns in COLUMNS.items() for column in columns])
CONTENTS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=64),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.floats().map(lambda number: array("d", [number]).tobytes()),
    st.lists(st.floats(), max_size=20).map(lambda numbers: array("d", numbers).tobytes()),
    VALUES.map(json.dumps),
)


@settings(few, max_examples=50, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(PLACES, CONTENTS), min_size=1, max_size=4))
def test_a_record_with_anything_in_its_tables(whole: bytes, changes: list[tuple[tuple[str, str], object]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = make_from(Path(place), whole)
        connection = sqlite3.connect(folder / schema.FILE)
        for (table, column), content in changes:
            with suppress(sqlite3.IntegrityError), connection:
                connection.execute(f"UPDATE {table} SET {column} = ?", (content,))
        connection.close()
        ask_everything(folder)
        check_run(folder)
        check_run(folder, repair=True)
        ask_everything(folder)


def make_from(place: Path, content: bytes) -> Path:
    folder = place / "run"
    for path in (folder, folder / "checkpoints", folder / "commands"):
        path.mkdir(0o700)
    (folder / schema.FILE).write_bytes(content)
    return folder


@settings(few, max_examples=20, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(0, 3))
def test_a_record_with_wrong_bytes(whole: bytes, seed: int, count: int, where: int) -> None:
    chance, content = Random(seed), bytearray(whole)
    filled = [place for place, byte in enumerate(content) if byte and (where or place < 3 * schema.PAGE_BYTES)]
    for _ in range(count):
        content[chance.choice(filled)] = chance.randrange(256)
    with tempfile.TemporaryDirectory() as place:
        folder = make_from(Path(place), bytes(content if where < 3 else content[: chance.randrange(len(content))]))
        ask_everything(folder)
        check_run(folder)
        check_run(folder, repair=True)
        ask_everything(folder)


NAMES = st.one_of(
    st.builds("{:020d}-{:08x}.json".format, st.integers(0, 10**20 - 1), st.integers(0, 2**32 - 1)),
    st.text(st.characters(exclude_characters="/\x00", exclude_categories=["Cs"]), min_size=1, max_size=20),
)


@few
@given(
    st.dictionaries(
        NAMES,
        st.one_of(
            st.binary(max_size=50),
            VALUES.map(lambda value: json.dumps(value).encode()),
            st.fixed_dictionaries(
                {"verb": st.one_of(st.sampled_from(commands.COMMANDS), VALUES), "time": VALUES, "arguments": VALUES}
            ).map(lambda value: json.dumps(value).encode()),
            st.just(b"[" * 70_000),
        ),
        max_size=4,
    )
)
def test_commands(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, commands.FOLDER)
        folder.mkdir()
        for name, content in files.items():
            if name not in (".", ".."):
                with suppress(OSError):  # a name too long
                    (folder / name).write_bytes(content)
        for command in commands.pending(Path(place)):
            assert command.verb in commands.COMMANDS
            assert isinstance(command.arguments, dict)
