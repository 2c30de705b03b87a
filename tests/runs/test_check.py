"""Damage done to runs for real: it is found and told, mended where that can be, and what was whole is read again."""

from __future__ import annotations

import hashlib
import math
import os
import shutil
import sqlite3
import stat
import tempfile
from array import array
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdl_tui.runs import home, schema, series, signatures
from tdl_tui.runs.check import Finding, check_home, check_run
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import LayerSample, Probe, ProbeSample, State
from tdl_tui.runs.writer import RunWriter

TWO_ROWS = f"x'{array('d', (2.0, 0.25, 0.75, 0.5, 0.5)).tobytes().hex()}'"
"""Outputs of two probes, as a sample holds them."""
STEPS = 9000  # enough for rollup rows of two levels
PAGE = schema.PAGE_BYTES


def make(place: Path, steps: int = STEPS) -> Path:
    new = home.create(place, {"seed": 0}, title="a run")
    with RunWriter(new.folder) as writer:
        writer.update(state=State.STOPPED)
        writer.layers(["first", "second"])
        writer.probes([Probe(0, "table", (2,), (0.5, 1.5), 1.0)])
        for start in range(0, steps, 900):
            writer.extend("train/loss", start + 1, 1, array("d", map(value, range(start, start + 900))), 0.0, 1.0)
            writer.point("val/loss", start + 900, 0.5)
            writer.layer_sample(LayerSample(start + 1, 0.0, ((1.0,) * 7, (2.0,) * 7)))
            writer.probe_sample(ProbeSample(start + 1, 0.0, ((0.25, 0.75),)))
            writer.event("state", f"at {start}", start)
            writer.flush()
    os.close(new.lock_fd)
    return new.folder


def value(step: int) -> float:
    return math.inf if step == 700 else math.sin(step)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def run(tmp_path: Path, whole: Path) -> Path:
    folder = tmp_path / "home" / "runs" / whole.name
    shutil.copytree(whole, folder)
    for place in (tmp_path / "home", tmp_path / "home" / "runs"):
        place.chmod(0o700)
    return folder


def change(folder: Path, statement: str, *parameters: object) -> None:
    connection = sqlite3.connect(folder / schema.FILE)
    with connection:
        assert connection.execute(statement, parameters).rowcount != 0
    connection.close()


def losses(folder: Path) -> list[float]:
    with RunReader(folder) as reader:
        steps, _, values = reader.columns("train/loss")
        assert list(steps) == list(range(1, len(steps) + 1))
        buckets = reader.buckets("train/loss", 40)
        assert sum(bucket.count + bucket.nonfinite for bucket in buckets) == len(steps)
        return values.tolist()


EVERYTHING = list(map(value, range(STEPS)))


def told(findings: list[Finding]) -> str:
    assert all("\n" not in str(finding) for finding in findings)
    return "\n".join(map(str, findings))


def mended(folder: Path, words: str) -> None:
    """The damage is found and told with `words`; it is mended, and then nothing is wrong any more."""
    before = (folder / schema.FILE).read_bytes()
    assert words in told(found := check_run(folder))
    assert not any(finding.mended for finding in found)
    assert (folder / schema.FILE).read_bytes() == before
    after = check_run(folder, repair=True)
    assert words in told(after)
    assert all(finding.mended for finding in after), told(after)
    assert check_run(folder) == []
    for path in [folder, *folder.rglob("*")]:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def test_a_run_as_it_is_left_is_whole(run: Path) -> None:
    assert check_run(run) == []
    assert check_run(run, repair=True) == []


def test_a_run_at_work_is_whole_and_never_mended(tmp_path: Path) -> None:
    new = home.create(tmp_path, {"seed": 0}, title="")
    with RunWriter(new.folder) as writer:
        for step in range(1, 40):
            writer.point("x", step, 1.0)
            writer.flush()
            assert check_run(new.folder) == []
        (new.folder / "log.txt").chmod(0o644)
        (new.folder / "checkpoints" / ".last.pt.part").touch(0o600)
        found = check_run(new.folder, repair=True)
    assert (
        told(found) == "log.txt: others may get at it (mode 644, not 600)\na worker is at work on it: nothing is mended"
    )
    assert stat.S_IMODE((new.folder / "log.txt").stat().st_mode) == 0o644
    os.close(new.lock_fd)


# -------------------------------------------------------------------------------------------- series and their rollups


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            "UPDATE rollup SET data = zeroblob(length(data)) WHERE level = 0 AND row = 1",
            "do not say what the points say",
        ),
        ("UPDATE rollup SET data = x'00' WHERE level = 1", "do not say what the points say"),
        ("DELETE FROM rollup WHERE level = 0 AND row = 2", "do not say what the points say"),
        (
            "INSERT INTO rollup SELECT series, level, row + 10, step, stride, steps, data, nonfinite FROM rollup",
            "rollup",
        ),
        ("INSERT INTO rollup SELECT 77, level, row, step, stride, steps, data, nonfinite FROM rollup", "of no series"),
        ("DROP INDEX chunk_by_ordinal", "the index chunk_by_ordinal is missing"),
        ("DROP INDEX chunk_by_step", "the index chunk_by_step is missing"),
        ("DROP INDEX rollup_by_row", "the index rollup_by_row is missing"),
        ("UPDATE chunk SET count = count + 5 WHERE first = (SELECT max(first) FROM chunk)", "are whole and in order"),
    ],
)
def test_what_sums_up_or_finds_the_points_is_made_anew(run: Path, statement: str, words: str) -> None:
    change(run, statement)
    mended(run, words)
    assert losses(run) == EVERYTHING


def test_an_incomplete_last_chunk_keeps_its_whole_points(run: Path) -> None:
    last = "WHERE series = 1 AND first = (SELECT max(first) FROM chunk WHERE series = 1)"
    change(run, f"UPDATE chunk SET data = substr(data, 1, length(data) - 8 * 100 - 3) {last}")
    mended(run, "points are whole and in order, the rest is not")
    assert losses(run) == EVERYTHING[:-101]
    with RunWriter(run) as writer:
        writer.extend("train/loss", STEPS - 100, 1, array("d", EVERYTHING[-101:]), 2.0, 3.0)
    assert losses(run) == EVERYTHING
    assert check_run(run) == []


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM chunk WHERE series = 1 AND first = (SELECT max(first) FROM chunk WHERE first < 5000)",
        "UPDATE chunk SET step = 1000000000 WHERE series = 1 AND first BETWEEN 2000 AND 3500",
        "UPDATE chunk SET times = 'text' WHERE series = 1 AND first BETWEEN 2000 AND 3500",
        "UPDATE chunk SET stride = -1 WHERE series = 1 AND first BETWEEN 2000 AND 3500",
    ],
)
def test_points_that_are_lost_leave_the_others_and_a_copy_is_kept(run: Path, damage: str) -> None:
    change(run, damage)
    mended(run, "series train/loss: ")
    with RunReader(run) as reader:
        steps, _, values = reader.columns("train/loss")
        buckets = reader.buckets("train/loss", 40)
    assert 5000 < len(steps) < STEPS
    assert values.tolist() == [EVERYTHING[step - 1] for step in steps]
    assert sum(bucket.count + bucket.nonfinite for bucket in buckets) == len(steps)
    kept = sqlite3.connect(run / "run.db.damaged")
    assert kept.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    kept.close()


def test_single_points_that_go_back_are_cut_off(run: Path) -> None:
    (steps,) = sqlite3.connect(run / schema.FILE).execute("SELECT steps FROM chunk WHERE series = 2").fetchone()
    numbers = array("q", steps)
    numbers[6] = 5
    change(run, "UPDATE chunk SET steps = ? WHERE series = 2", numbers.tobytes())
    mended(run, "series val/loss: ")
    with RunReader(run) as reader:
        assert list(reader.columns("val/loss")[0]) == list(range(900, 5401, 900))


def test_a_series_that_lost_its_name_gets_another(run: Path) -> None:
    change(run, "DELETE FROM series WHERE id = 1")
    mended(run, "series 1 has no name")
    with RunReader(run) as reader:
        assert reader.columns("unnamed/1")[2].tolist() == EVERYTHING


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["row", "bits", "more", "index", "step"]), min_size=1, max_size=4), st.randoms())
def test_no_point_is_lost_with_what_sums_up_or_finds_them(whole: Path, damages: list[str], chance: Random) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "run")
        shutil.copytree(whole, folder)
        connection = sqlite3.connect(folder / schema.FILE)
        with connection:
            for damage in damages:
                row = chance.randrange(1, 7)
                match damage:
                    case "row":
                        connection.execute("DELETE FROM rollup WHERE rowid = ?", (row,))
                    case "bits":
                        for number, data in connection.execute(
                            "SELECT rowid, data FROM rollup WHERE data != x''"
                        ).fetchall():
                            content = bytearray(data)
                            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
                            connection.execute("UPDATE rollup SET data = ? WHERE rowid = ?", (content, number))
                    case "more":
                        connection.execute(
                            "INSERT OR IGNORE INTO rollup VALUES (1, ?, 9, 0, 1, NULL, x'', x'')", (row,)
                        )
                    case "index":
                        names = ("chunk_by_ordinal", "chunk_by_step", "rollup_by_row", "layer_sample_by_step")
                        connection.execute(f"DROP INDEX IF EXISTS {chance.choice(names)}")
                    case "step":
                        connection.execute("UPDATE rollup SET step = ?, steps = 'x' WHERE rowid = ?", (row, row))
        connection.close()
        check_run(folder)
        assert all(finding.mended for finding in check_run(folder, repair=True))
        assert check_run(folder) == []
        assert losses(folder) == EVERYTHING
        assert not (folder / "run.db.damaged").exists()


# ------------------------------------------------------------------------------------------------- the rest of run.db


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE event SET data = '[1' WHERE id = 3", "1 events cannot be read"),
        ("UPDATE event SET step = 'x' WHERE id = 3", "1 events cannot be read"),
        ("UPDATE layer_sample SET data = x'00' WHERE number = 2", "1 samples of layer statistics cannot be decoded"),
        ("UPDATE probe_sample SET data = x'00' WHERE number < 2", "2 samples of outputs of probes cannot be decoded"),
        (
            f"UPDATE probe_sample SET data = {TWO_ROWS} WHERE number = 1",
            "1 samples of outputs of probes cannot be decoded",
        ),
        ("UPDATE fact SET value = '{' WHERE key = 'worker'", "what the run says of its worker cannot be understood"),
        ("UPDATE fact SET value = '\"flying\"' WHERE key = 'state'", "what the run says of its state"),
        ("DELETE FROM fact WHERE key = 'state'", "it does not say which state it is in"),
        ("INSERT INTO fact VALUES ('progress', '{\"step\": \"x\"}')", "what the run says of its progress"),
        ("INSERT INTO fact VALUES ('best', '{\"steps\": 3}')", "what the run says of its best"),
    ],
)
def test_what_cannot_be_decoded_is_left_out(run: Path, statement: str, words: str) -> None:
    change(run, statement)
    mended(run, words)
    assert losses(run) == EVERYTHING
    with RunReader(run) as reader:
        assert reader.summary().damage == ""
        assert len(reader.events()) >= 9


def test_samples_of_before_a_probe_was_added_are_whole(run: Path) -> None:
    change(run, "INSERT INTO probe SELECT 1, example + 1, kind, shape, input, target FROM probe")
    change(run, f"UPDATE probe_sample SET data = {TWO_ROWS} WHERE number > 5")
    assert check_run(run) == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DELETE FROM fact WHERE key = 'experiment'", "its experiment is lost"),
        ("DELETE FROM layer WHERE position = 0", "names of layers are missing"),
        ("UPDATE probe SET shape = '[3]'", "probes are missing or cannot be decoded"),
    ],
)
def test_what_cannot_be_mended_is_said(run: Path, statement: str, words: str) -> None:
    change(run, statement)
    found = check_run(run, repair=True)
    assert any(words in finding.text and not finding.mended for finding in found)
    assert losses(run) == EVERYTHING


# ------------------------------------------------------------------------------------------ files that SQLite refuses


def cut(content: bytes) -> bytes:
    return content[: 31 * PAGE + 100]


def without_header(content: bytes) -> bytes:
    return bytes(PAGE) + content[PAGE:]


def noise_in_header(content: bytes) -> bytes:
    return content[:16] + Random(1).randbytes(84) + content[100:]


def noise_in_a_page(content: bytes) -> bytes:
    return content[: 25 * PAGE] + Random(1).randbytes(PAGE) + content[26 * PAGE :]


@pytest.mark.parametrize(("spoil", "lost"), [(cut, 3), (without_header, 0), (noise_in_header, 0), (noise_in_a_page, 1)])
def test_of_a_damaged_file_what_can_be_read_goes_on(run: Path, spoil: Callable[[bytes], bytes], lost: int) -> None:
    path = run / schema.FILE
    path.write_bytes(damaged := spoil(path.read_bytes()))
    mended(run, "")
    assert (run / "run.db.damaged").read_bytes() == damaged
    with RunReader(run) as reader:
        steps, _, values = reader.columns("train/loss")
        assert reader.summary().damage == ""
    assert values.tolist() == [EVERYTHING[step - 1] for step in steps]
    chunk = series.CHUNK_BYTES // series.POINT_BYTES
    assert len(steps) >= STEPS - lost * chunk
    with RunWriter(run) as writer:
        writer.extend("train/loss", steps[-1] + 1, 1, array("d", [1.0] * 3000), 2.0, 3.0)
    assert check_run(run) == []


@pytest.mark.parametrize("content", [b"", b"x", b"no database at all" * 5000])
def test_what_is_no_record_is_said_to_be_none(run: Path, content: bytes) -> None:
    (run / schema.FILE).write_bytes(content)
    (finding,) = check_run(run, repair=True)
    assert finding.place == "run.db"
    assert "nothing in it can be read as a run" in finding.text
    assert (run / schema.FILE).read_bytes() == content
    assert sorted(path.name for path in run.iterdir()) == [
        "checkpoints",
        "commands",
        "log.txt",
        "run.db",
        "worker.lock",
    ]


def test_what_was_committed_but_not_moved_yet_is_salvaged_too(tmp_path: Path, whole: Path) -> None:
    new = home.create(tmp_path, {"seed": 0}, title="")
    with RunWriter(new.folder) as writer:
        writer.extend("train/loss", 1, 1, array("d", EVERYTHING), 0.0, 1.0)
        writer.flush()
        folder = new.folder.with_name("killed00")
        shutil.copytree(new.folder, folder)
    os.close(new.lock_fd)
    assert (folder / "run.db-wal").stat().st_size > 0
    content = bytearray((folder / schema.FILE).read_bytes())
    content[1 * PAGE : 2 * PAGE] = bytes(PAGE)
    (folder / schema.FILE).write_bytes(content)
    check_run(folder, repair=True)
    assert losses(folder) == EVERYTHING


@pytest.mark.parametrize("seed", range(20))
def test_whatever_bits_are_wrong_it_is_told_and_nothing_raised(run: Path, seed: int) -> None:
    path, chance = run / schema.FILE, Random(seed)
    content = bytearray(path.read_bytes())
    filled = [place for place, byte in enumerate(content) if byte]
    for _ in range(chance.choice((1, 4, 16, 64))):
        content[chance.choice(filled)] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    before = {finding.text for finding in check_run(run)}
    after = check_run(run, repair=True)
    assert bool(before) == bool(after)
    left = [finding for finding in after if not finding.mended]
    assert {finding.text for finding in check_run(run)} == {finding.text for finding in left}
    if not any("nothing in it" in finding.text or "newer" in finding.text for finding in left):
        with RunReader(run) as reader:
            assert reader.summary().damage == ""
            for name in reader.series_names():
                assert len(reader.columns(name)[0]) == (reader.extent(name) or (0, 0, 0))[2]
                reader.buckets(name, 50)


def test_a_locked_record_is_left_alone(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.05)
    other = sqlite3.connect(run / schema.FILE, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    before = (run / schema.FILE).read_bytes()
    (finding,) = check_run(run, repair=True)
    assert (finding.text, finding.mended) == ("is locked by another program", False)
    other.execute("ROLLBACK")
    other.close()
    assert (run / schema.FILE).read_bytes() == before
    assert check_run(run) == []


def test_a_newer_record_is_left_alone(run: Path) -> None:
    connection = sqlite3.connect(run / schema.FILE)
    connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    connection.close()
    before = (run / schema.FILE).read_bytes()
    (finding,) = check_run(run, repair=True)
    assert "newer version" in finding.text
    assert not finding.mended
    assert (run / schema.FILE).read_bytes() == before


@pytest.mark.parametrize(
    "program",
    [
        "CREATE TRIGGER t AFTER INSERT ON event BEGIN DELETE FROM chunk; END",
        "CREATE VIEW v AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n",
    ],
)
def test_programs_in_a_record_are_refused_and_left_behind(run: Path, program: str) -> None:
    connection = sqlite3.connect(run / schema.FILE)
    connection.execute(program)
    connection.close()
    with RunReader(run) as reader:
        assert "has other tables than the record of a run" in reader.summary().damage
    mended(run, "has other tables than the record of a run")
    assert losses(run) == EVERYTHING


# ----------------------------------------------------------------------------------------------------- the folder


def test_permissions_are_tightened(run: Path) -> None:
    run.chmod(0o755)
    (run / "checkpoints").chmod(0o777)
    (run / schema.FILE).chmod(0o666)
    (run / "log.txt").chmod(0o640)
    assert {finding.place for finding in check_run(run)} == {run.name, "checkpoints", "log.txt", schema.FILE}
    mended(run, "checkpoints: others may get at it (mode 777, not 700)")


def test_a_home_that_others_may_read_is_told(run: Path) -> None:
    place = run.parent.parent
    assert check_home(place) == []
    place.chmod(0o755)
    run.parent.chmod(0o750)
    assert [finding.mended for finding in check_home(place)] == [False, False]
    assert [finding.mended for finding in check_home(place, repair=True)] == [True, True]
    assert check_home(place) == []
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    place.chmod(0o1777)
    assert [finding.mended for finding in check_home(place, repair=True)] == [False]


def test_what_a_killed_program_left_behind_is_removed(run: Path) -> None:
    leftovers = ["checkpoints/.last.pt.part", ".reserve", ".splits.npz", f"commands/.{'1' * 20}-{'a' * 8}"]
    for name in leftovers:
        (run / name).touch(0o600)
    (run / ".salvage-abc").mkdir(0o700)
    mended(run, "checkpoints/.last.pt.part: was left behind")
    assert not any((run / name).exists() for name in leftovers)


def test_folders_and_lock_are_made_again(run: Path) -> None:
    (run / "worker.lock").unlink()
    (run / "commands").rmdir()
    mended(run, "worker.lock: is missing")


def test_a_lost_run_whose_lock_was_missing_can_be_resumed(tmp_path: Path) -> None:
    new = home.create(tmp_path, {"seed": 0}, title="", state=State.RUNNING)
    os.close(new.lock_fd)
    (new.folder / "worker.lock").unlink()
    with RunReader(new.folder) as reader:
        assert reader.summary().state is State.ELSEWHERE
    check_run(new.folder, repair=True)
    with RunReader(new.folder) as reader:
        assert reader.summary().state is State.LOST


def test_links_and_strangers_are_told_and_left(run: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "secret").chmod(0o644)
    (run / "log.txt").unlink()
    (run / "log.txt").symlink_to(tmp_path / "secret")
    (run / "checkpoints" / "best.pt").symlink_to(tmp_path / "secret")
    (run / "notes.txt").touch(0o600)
    os.mkfifo(run / "splits.npz", 0o600)
    found = told(check_run(run, repair=True))
    assert "log.txt: is a link" in found
    assert "checkpoints/best.pt: is a link" in found
    assert "notes.txt: is not of a run" in found
    assert "splits.npz: is not of a run" in found
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o644


@pytest.mark.parametrize("name", ["run.db", "run.db-wal", "run.db-journal"])
def test_a_link_in_place_of_the_record_is_not_followed(run: Path, tmp_path: Path, name: str) -> None:
    target = tmp_path / "other.db"
    shutil.copyfile(run / schema.FILE, target)
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(target)
    with RunReader(run) as reader:
        assert "is a link or no plain file" in reader.summary().damage
    with pytest.raises(schema.Damaged):
        RunWriter(run)
    assert "is a link" in told(check_run(run, repair=True))


def checkpoint(path: Path, content: bytes) -> None:
    path.write_bytes(content + signatures.SIGN + hashlib.sha256(content).hexdigest().encode() + b"\n")
    path.chmod(0o600)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 4
    path.write_bytes(content)


def test_a_damaged_checkpoint_is_told_and_put_aside_where_one_before_is_whole(run: Path) -> None:
    place = run / "checkpoints"
    for name in ("last.pt", "previous.pt", "best.pt"):
        checkpoint(place / name, name.encode() * 1000)
    assert check_run(run) == []
    flip(place / "best.pt")
    flip(place / "last.pt")
    found = told(check_run(run, repair=True))
    assert "checkpoints/best.pt: is damaged: its checksum is another" in found
    assert (
        "checkpoints/last.pt: is damaged: its checksum is another; a resume goes on from previous.pt (mended)" in found
    )
    assert {path.name for path in place.iterdir()} == {"best.pt", "previous.pt", "damaged.pt"}
    flip(place / "previous.pt")
    assert "checkpoints/previous.pt" in told(check_run(run, repair=True))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + b"x" * 500])
def test_a_checkpoint_that_is_none_is_told(run: Path, content: bytes) -> None:
    (run / "checkpoints" / "last.pt").write_bytes(content)
    (run / "checkpoints" / "last.pt").chmod(0o600)
    assert "it is cut off" in told(check_run(run))
