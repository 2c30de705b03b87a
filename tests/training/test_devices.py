from __future__ import annotations

import pytest
import torch
from torch import nn

from tdl_tui.training import devices


@pytest.fixture
def no_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)


@pytest.mark.usefixtures("no_accelerator")
def test_auto_is_the_cpu_where_there_is_nothing_else() -> None:
    assert devices.resolve("auto") == torch.device("cpu")
    assert devices.resolve("cpu") == torch.device("cpu")


@pytest.mark.usefixtures("two_gpus")
def test_cuda() -> None:
    assert devices.resolve("auto") == torch.device("cuda:0")
    assert devices.resolve("cuda") == torch.device("cuda:0")
    assert devices.resolve("cuda:1") == torch.device("cuda:1")
    with pytest.raises(devices.DeviceError, match=r"^training.device: no cuda:2, there are 2 CUDA devices"):
        devices.resolve("cuda:2")


@pytest.mark.usefixtures("no_accelerator")
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_a_device_that_is_not_there_is_no_other(name: str) -> None:
    with pytest.raises(devices.DeviceError, match=r'^training\.device: .*there is "cpu"$'):
        devices.resolve(name)


def test_convolutions_have_their_channels_last_where_that_is_faster() -> None:
    convolution, dense = nn.Sequential(nn.Conv2d(1, 2, 3)), nn.Linear(1, 1)
    cpu, cuda = torch.device("cpu"), torch.device("cuda:0")
    assert devices.memory_format(convolution, cpu, "fp32") is torch.channels_last
    assert devices.memory_format(convolution, cuda, "fp32") is torch.contiguous_format
    assert devices.memory_format(convolution, cuda, "bf16") is torch.channels_last
    large = nn.Sequential(nn.Conv2d(512, 512, 3, device="meta"))
    assert devices.memory_format(large, cpu, "fp32") is torch.contiguous_format
    assert devices.memory_format(large, cuda, "bf16") is torch.channels_last
    assert devices.memory_format(dense, cpu, "fp32") is torch.contiguous_format
