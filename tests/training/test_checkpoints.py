from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tdl_tui.training import checkpoints
from tdl_tui.training.checkpoints import DamagedCheckpoint

AT_3 = {"position": {"step": 3}, "model": {"weight": torch.arange(600.0)}}
AT_5 = {"position": {"step": 5}, "model": {"weight": torch.arange(700.0)}}


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints" / "last.pt"
    checkpoints.save(path, {"model": nn.Linear(2, 2).state_dict(), "position": {"step": 3}})
    assert checkpoints.load(path)["position"] == {"step": 3}
    assert [p.name for p in path.parent.iterdir()] == ["last.pt"]


def test_a_checkpoint_that_cannot_be_written_leaves_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    checkpoints.save(path, {"step": 1})
    with pytest.raises(Exception, match="pickle"):
        checkpoints.save(path, {"step": lambda: 2})
    assert checkpoints.load(path)["step"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut off"])
def test_a_damaged_file_is_named_in_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    path.write_bytes(content)
    with pytest.raises(checkpoints.CheckpointError) as caught:
        checkpoints.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_newer_format_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "FORMAT", 99)
    checkpoints.save(tmp_path / "last.pt", {})
    monkeypatch.undo()
    with pytest.raises(checkpoints.CheckpointError, match="format 99") as caught:
        checkpoints.load(tmp_path / "last.pt")
    assert not isinstance(caught.value, DamagedCheckpoint)
    checkpoints.save(tmp_path / "previous.pt", AT_3)
    with pytest.raises(checkpoints.CheckpointError, match="format 99"):
        checkpoints.recover(tmp_path)  # the one before is no answer to that


def test_random_states_come_back(tmp_path: Path) -> None:
    cpu = torch.device("cpu")
    checkpoints.save(tmp_path / "r.pt", checkpoints.random_states(cpu))
    expected = random.random(), torch.rand(3)
    checkpoints.restore_random_states(checkpoints.load(tmp_path / "r.pt"), cpu)
    assert random.random() == expected[0]
    assert torch.equal(torch.rand(3), expected[1])


def test_kept_weights_do_not_follow_the_model() -> None:
    model = nn.BatchNorm1d(2)
    kept = checkpoints.weights(model)
    with torch.no_grad():
        model.weight.add_(1)
    model(torch.randn(4, 2))
    assert torch.equal(kept["weight"], torch.ones(2))
    assert torch.equal(kept["running_mean"], torch.zeros(2))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_full_disk_is_said_in_one_line_and_leaves_what_was(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    checkpoints.save(path, {"step": 1})
    (tmp_path / ".last.pt.part").symlink_to("/dev/full")
    with pytest.raises(checkpoints.CheckpointError, match=rf"^{path} cannot be written: No space left on device$"):
        checkpoints.save(path, {"weights": torch.zeros(100_000)})
    assert checkpoints.load(path)["step"] == 1
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_for_its_owner_and_torch_reads_it_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    checkpoints.save(path, AT_3)
    assert path.stat().st_mode & 0o777 == 0o600
    content = torch.load(path, weights_only=True)
    assert content["model"]["weight"].equal(AT_3["model"]["weight"])  # type: ignore[index]  # of a mixed mapping


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("written") / "last.pt"
    checkpoints.save(path, AT_3)
    return path.read_bytes()


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_any_flipped_bit_is_noticed(
    written: bytes, place: float, bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    damaged = bytearray(written)
    damaged[int(place * len(damaged))] ^= 1 << bit
    path = tmp_path_factory.mktemp("flipped") / "last.pt"
    path.write_bytes(damaged)
    with pytest.raises(DamagedCheckpoint):
        checkpoints.load(path)


@given(kept=st.floats(0, 1, exclude_max=True), filled=st.booleans())
@settings(max_examples=60, deadline=None)
def test_any_missing_end_is_noticed(
    written: bytes, kept: float, filled: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Filled: the file has its length, but the last of it never came to the disk."""
    whole = len(written)
    cut = written[: int(kept * whole)]
    path = tmp_path_factory.mktemp("cut") / "last.pt"
    path.write_bytes(cut.ljust(whole, b"\0") if filled else cut)
    with pytest.raises(DamagedCheckpoint):
        checkpoints.load(path)


def test_checkpoints_of_the_first_format_are_read_and_their_damage_noticed(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    torch.save({"format": 1, **AT_3}, path)
    content = checkpoints.load(path)
    assert content["format"] == checkpoints.FORMAT
    assert content["position"] == {"step": 3}
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(torch.arange(600.0).numpy().tobytes()) + 1000] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(DamagedCheckpoint, match=r"the checksum of .* is another"):
        checkpoints.load(path)


class Foreign:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("executed"),))


def test_nothing_foreign_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoints.save(tmp_path / "last.pt", {"model": Foreign()})
    with pytest.raises(checkpoints.CheckpointError) as caught:
        checkpoints.load(tmp_path / "last.pt")
    assert not isinstance(caught.value, DamagedCheckpoint)  # it is as it was written
    assert not Path("executed").exists()
    torch.save(torch.zeros(3), tmp_path / "tensor.pt")
    with pytest.raises(checkpoints.CheckpointError, match="holds a Tensor"):
        checkpoints.load(tmp_path / "tensor.pt")


def kept(folder: Path, *contents: dict[str, Any]) -> None:
    for content in contents:
        checkpoints.save(folder / "last.pt", content, previous=folder / "previous.pt")


def test_the_last_two_are_kept_and_the_last_is_taken(tmp_path: Path) -> None:
    assert checkpoints.recover(tmp_path) == (None, "")
    kept(tmp_path, {"position": {"step": 1}}, AT_3, AT_5)
    assert checkpoints.load(tmp_path / "previous.pt")["position"]["step"] == 3
    (tmp_path / ".last.pt.part").write_bytes(b"of a worker that was killed")
    content, damage = checkpoints.recover(tmp_path)
    assert content is not None
    assert (content["position"]["step"], damage) == (5, "")
    assert {path.name for path in tmp_path.iterdir()} == {"last.pt", "previous.pt"}


def test_a_damaged_one_is_said_and_set_aside_and_the_one_before_is_taken(tmp_path: Path) -> None:
    kept(tmp_path, AT_3, AT_5)
    (tmp_path / "last.pt").write_bytes(b"")
    content, damage = checkpoints.recover(tmp_path)
    assert content is not None
    assert content["position"]["step"] == 3
    assert damage == (
        "the last checkpoint is damaged (it is cut off; kept as damaged.pt): going on from the one before, of step 3"
    )
    assert (tmp_path / "damaged.pt").exists()
    again, damage = checkpoints.recover(tmp_path)  # killed before the next checkpoint
    assert again is not None
    assert (again["position"]["step"], damage) == (3, "")
    kept(tmp_path, AT_5)
    assert checkpoints.load(tmp_path / "previous.pt")["position"]["step"] == 3  # still a good one


def test_killed_between_the_two_renames_it_goes_on_from_the_last_that_was_whole(tmp_path: Path) -> None:
    kept(tmp_path, AT_3)
    (tmp_path / "last.pt").rename(tmp_path / "previous.pt")
    content, damage = checkpoints.recover(tmp_path)
    assert content is not None
    assert (content["position"]["step"], damage) == (3, "")


def test_where_all_are_damaged_it_is_refused_in_one_line(tmp_path: Path) -> None:
    kept(tmp_path, AT_3, AT_5)
    for name in ("last.pt", "previous.pt"):
        (tmp_path / name).write_bytes(b"x" * 1000)
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(checkpoints.CheckpointError) as caught:
        checkpoints.recover(tmp_path)
    assert str(caught.value) == (
        "no checkpoint can be read: last.pt (it is cut off, or no checkpoint) and previous.pt (it is cut off, or no "
        f"checkpoint); put a good copy in {tmp_path}, or delete what is damaged there to start from the beginning"
    )
    assert {path.name for path in tmp_path.iterdir()} == before


def test_writing_can_be_given_up(tmp_path: Path) -> None:
    kept(tmp_path, AT_3)
    with pytest.raises(checkpoints.Abandoned):
        checkpoints.save(tmp_path / "last.pt", AT_5, previous=tmp_path / "previous.pt", abandoned=lambda: True)
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]
    assert checkpoints.load(tmp_path / "last.pt")["position"]["step"] == 3
