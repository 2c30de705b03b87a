"""Devices that are refused before a run exists."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tdl_tui.worker import checks
from tdl_tui.worker.checks import LaunchError, check_device, left_by, visible_gpus


def gpus(monkeypatch: pytest.MonkeyPatch, count: int, mask: str | None = None, built: str = "cuda") -> None:
    monkeypatch.setattr(checks, "_uuids", lambda: [f"GPU-{number}932f937-d72c" for number in range(count)])
    monkeypatch.setattr(checks, "_built_for_gpu", lambda *kinds: built in (kinds or ("cuda", "hip")))
    if mask is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", mask)


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_what_every_machine_has_is_accepted(device: str) -> None:
    check_device(device)


def test_the_installed_torch_is_read_without_importing_it() -> None:
    program = "import sys; from tdl_tui.worker import launch, steer, answers; launch.check_device('cpu')\n"
    program += "from tdl_tui.worker.checks import _built_for_gpu; print(_built_for_gpu())\n"
    program += "assert not {'torch', 'numpy', 'sklearn', 'torchvision'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(torch.version.cuda is not None or torch.version.hip is not None)


def test_a_gpu_that_is_there_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 2)
    check_device("cuda")
    check_device("cuda:1")


@pytest.mark.parametrize(
    ("count", "built", "device", "says"),
    [
        (1, "cuda", "cuda:1", "there is cuda:0"),
        (2, "cuda", "cuda:7", "there is cuda:0, cuda:1"),
        (0, "cuda", "cuda", "no GPU is visible"),
        (1, "none", "cuda", "for CPUs only"),
        (1, "cuda", "tpu", "must be auto, cpu"),
    ],
)
def test_a_gpu_that_is_not_there_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, count: int, built: str, device: str, says: str
) -> None:
    gpus(monkeypatch, count, built=built)
    with pytest.raises(LaunchError, match=says) as refused:
        check_device(device)
    assert "\n" not in str(refused.value)
    assert device in str(refused.value)


@pytest.mark.parametrize(
    ("mask", "numbers"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("1", [1]),
        ("2, 0", [2, 0]),
        ("0,9,1", [0]),
        ("0,0", []),
        ("-1", []),
        ("GPU-1932f937", [1]),
        ("GPU-2932,GPU-0", [2, 0]),
        ("GPU-", []),
        ("GPU-7", []),
        ("MIG-8932f937,1", [None, 1]),
    ],
)
def test_cuda_visible_devices_is_heeded(
    monkeypatch: pytest.MonkeyPatch, mask: str | None, numbers: list[int | None]
) -> None:
    gpus(monkeypatch, 3, mask)
    assert left_by(mask, checks._uuids()) == numbers
    assert visible_gpus() == len(numbers)
    assert left_by(mask, []) == []


def test_mps_needs_apple_silicon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "sys", SimpleNamespace(platform="linux"))
    with pytest.raises(LaunchError, match="Apple silicon"):
        check_device("mps")
    monkeypatch.setattr(checks, "sys", SimpleNamespace(platform="darwin"))
    monkeypatch.setattr(checks.platform, "machine", lambda: "arm64")
    check_device("mps")


def test_a_built_in_torch_version_file_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = tmp_path / "torch" / "version.py"
    version.parent.mkdir()
    spec = SimpleNamespace(origin=str(version.with_name("__init__.py")))
    monkeypatch.setattr(checks.importlib.util, "find_spec", lambda name: spec)
    for text, cuda, hip in (
        ("cuda: Optional[str] = '12.8'\nhip: Optional[str] = None\n", True, False),
        ("cuda: Optional[str] = None\nhip: Optional[str] = '6.4'\n", False, True),
        ("cuda = None\nhip = None\n", False, False),
    ):
        version.write_text(text)
        assert (checks._built_for_gpu("cuda"), checks._built_for_gpu("hip")) == (cuda, hip)
        assert checks._built_for_gpu() == (cuda or hip)
