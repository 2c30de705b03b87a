from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from torch import nn

from tdl_tui.training import checkpoints


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
    with pytest.raises(checkpoints.CheckpointError, match="format 99"):
        checkpoints.load(tmp_path / "last.pt")


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
