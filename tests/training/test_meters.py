"""Figures of the machine: from files as Linux has them, and from NVML's own functions with another machine behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_training import CPU, Asked, Recording, new_run, toy

from tdl_tui.runs.bottleneck import LEAST
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State
from tdl_tui.training import energy, meters
from tdl_tui.training.control import CommandQueue
from tdl_tui.training.energy import Counter, Energy, rapl_counters
from tdl_tui.training.gpu import Gpu, gpu_of
from tdl_tui.training.meters import Meters
from tdl_tui.training.session import run_training

SPAN = 262_143_328_850  # microjoules: what a Xeon's package has


class Powercap:
    """/sys/class/powercap of a machine with two packages, as Linux lays it out."""

    def __init__(self, root: Path) -> None:
        self.root = root
        names = {
            "intel-rapl:0": "package-0",
            "intel-rapl:0:0": "core",
            "intel-rapl:0:1": "dram",
            "intel-rapl:1": "package-1",
            "intel-rapl:2": "psys",
        }
        for zone, name in names.items():
            (root / zone).mkdir(parents=True)
            (root / zone / "name").write_text(f"{name}\n")
            (root / zone / "max_energy_range_uj").write_text(f"{SPAN}\n")
            self.use(zone, 1000)
        (root / "intel-rapl").mkdir()
        (root / "intel-rapl" / "enabled").write_text("1\n")

    def use(self, zone: str, microjoules: int) -> None:
        path = self.root / zone / "energy_uj"
        now = int(path.read_text()) if path.exists() else 0
        path.write_text(f"{(now + microjoules) % (SPAN + 1)}\n")


def spent(found: Energy) -> dict[str, float]:
    return dict(found.figures())


def test_packages_and_memory_are_counted_and_what_is_in_them_is_not(tmp_path: Path) -> None:
    machine = Powercap(tmp_path)
    used = Energy({"cpu": rapl_counters(tmp_path)})
    for zone, joules in (("0", 5), ("0:0", 4), ("0:1", 2), ("1", 3), ("2", 100)):
        machine.use(f"intel-rapl:{zone}", joules * 1_000_000)
    assert spent(used) == pytest.approx({"system/energy": 10.0, "system/energy/cpu": 10.0})


@given(st.lists(st.integers(0, SPAN), min_size=1, max_size=20))
def test_a_counter_that_begins_anew_loses_nothing(grown: list[int]) -> None:
    at = [SPAN - 1]

    def read() -> float:
        return at[0] % SPAN / 1e6

    counter, total = Counter(read, SPAN / 1e6), 0.0
    for microjoules in grown:
        at[0] += min(microjoules, SPAN - 1)
        total += counter.since()
    assert total == pytest.approx(sum(min(m, SPAN - 1) for m in grown) / 1e6, rel=1e-6, abs=1e-3)


def test_what_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    assert rapl_counters(tmp_path / "nowhere") == []
    machine = Powercap(tmp_path)
    (machine.root / "intel-rapl:1" / "energy_uj").unlink()
    assert rapl_counters(tmp_path) == []  # half of the packages would be a guess
    assert spent(Energy({"cpu": [], "gpu": []})) == {}


def test_a_look_that_fails_is_made_up_by_the_next(tmp_path: Path) -> None:
    machine = Powercap(tmp_path)
    used = Energy({"cpu": rapl_counters(tmp_path)})
    place = machine.root / "intel-rapl:0" / "energy_uj"
    held = place.read_text()
    place.unlink()
    spent(used)
    place.write_text(held)
    machine.use("intel-rapl:0", 7_000_000)
    assert spent(used)["system/energy"] == pytest.approx(7.0)


def test_energy_goes_on_from_what_was_used_before_and_leaves_pauses_out(tmp_path: Path) -> None:
    machine = Powercap(tmp_path)
    used = Energy({"cpu": rapl_counters(tmp_path)})
    machine.use("intel-rapl:0", 9_000_000)  # before it was told
    used.carry_on({"cpu": 100.0, "gpu": 50.0})
    machine.use("intel-rapl:0", 1_000_000)
    assert spent(used) == pytest.approx({"system/energy": 151.0, "system/energy/cpu": 101.0, "system/energy/gpu": 50.0})
    machine.use("intel-rapl:0", 30_000_000)
    used.skip()
    machine.use("intel-rapl:0", 1_000_000)
    assert spent(used)["system/energy"] == pytest.approx(152.0)


class Machine:
    """What stands behind NVML's functions: one GPU."""

    uuid = "b0a3b7a2-1c3e-4d10-9f26-0a1b2c3d4e5f"

    def __init__(self) -> None:
        self.millijoules = 5_000_000
        self.broken: set[str] = set()

    def functions(self) -> Mapping[str, Any]:
        def of(name: str, value: Any) -> Any:
            def call(handle: object, *arguments: object) -> Any:
                assert handle is self
                if name in self.broken:
                    raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
                return value(*arguments) if callable(value) else value

            return call

        def temperature(sensor: int) -> int:
            assert sensor == pynvml.NVML_TEMPERATURE_GPU
            return 61

        def by_uuid(uuid: bytes) -> Machine:
            assert uuid == f"GPU-{self.uuid}".encode()
            return self

        return {
            "nvmlInit": lambda: None,
            "nvmlDeviceGetHandleByUUID": by_uuid,
            "nvmlDeviceGetUtilizationRates": of("utilisation", SimpleNamespace(gpu=87, memory=40)),
            "nvmlDeviceGetMemoryInfo": of("memory", SimpleNamespace(total=80 << 30, free=60 << 30, used=20 << 30)),
            "nvmlDeviceGetPowerUsage": of("power", 251_500),
            "nvmlDeviceGetTemperature": of("temperature", temperature),
            "nvmlDeviceGetTotalEnergyConsumption": of("energy", lambda: self.millijoules),
        }


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    made = Machine()
    for name, function in made.functions().items():
        monkeypatch.setattr(pynvml, name, function)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid=made.uuid))
    monkeypatch.setattr(meters, "rapl_counters", list)
    return made


def test_a_gpu_says_what_it_can(machine: Machine) -> None:
    gpu = gpu_of(torch.device("cuda:0"))
    assert gpu is not None
    assert dict(gpu.figures()) == {
        "system/gpu": 87.0,
        "system/gpu_memory": float(20 << 30),
        "system/gpu_power": 251.5,
        "system/gpu_temperature": 61.0,
    }
    machine.broken = {"power", "temperature"}
    assert set(dict(gpu.figures())) == {"system/gpu", "system/gpu_memory"}
    assert gpu_of(CPU) is None


def test_figures_of_a_gpu_and_its_energy_are_recorded(machine: Machine, tmp_path: Path) -> None:
    recording = Recording()
    measuring = Meters(recording, torch.device("cuda:0"))
    measuring.watch(tmp_path, {"gpu": 10.0})
    machine.millijoules += 2_500
    measuring.count(64, 1)
    assert recording.values("system/gpu_power") == [251.5]
    assert recording.values("system/energy") == recording.values("system/energy/gpu") == [12.5]
    assert recording.values("system/disk_free")[0] > 0
    machine.millijoules += 50_000
    measuring.skip()
    machine.millijoules += 1_000
    measuring._due = 0.0
    measuring.count(64, 2)
    assert recording.values("system/energy")[-1] == 13.5


def test_a_gpu_without_a_counter_has_no_energy(machine: Machine) -> None:
    machine.broken = {"energy"}
    recording = Recording()
    Meters(recording, torch.device("cuda:0")).count(64, 1)
    assert "system/gpu" in recording.series
    assert not any(name.startswith("system/energy") for name in recording.series)
    with pytest.raises(OSError):
        Gpu(machine).joules()


def test_a_cpu_alone_has_its_own_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    powercap = Powercap(tmp_path)
    monkeypatch.setattr(meters, "rapl_counters", lambda: rapl_counters(tmp_path))
    recording = Recording()
    measuring = Meters(recording, CPU)
    powercap.use("intel-rapl:1", 4_000_000)
    measuring.count(64, 1)
    assert recording.values("system/energy/cpu") == [4.0]
    assert 0 <= recording.values("system/cpu")[0] <= 100
    assert "system/disk_free" not in recording.series
    assert not any(name.startswith("system/gpu") for name in recording.series)


def test_a_resumed_run_adds_to_what_it_has_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also to what it used for steps that are made again: it was used."""

    class Running:
        joules = 0.0

        def read(self) -> float:
            self.joules += 5.0
            return self.joules

    monkeypatch.setattr(meters, "rapl_counters", lambda: [Counter(Running().read)])
    monkeypatch.setattr(meters, "SECONDS", 0.0)
    folder = new_run(tmp_path, toy())
    control = CommandQueue()
    control.put(Asked("stop"))
    assert run_training(folder, control) is State.STOPPED
    before = energy.spent(folder)
    assert before["cpu"] > 0
    assert run_training(folder, CommandQueue()) is State.FINISHED
    with RunReader(folder) as reader:
        _, _, used = reader.columns("system/energy/cpu")
        assert reader.last("system/disk_free") is not None
        assert reader.last(f"time/{LEAST}") is not None
    assert used[0] == before["cpu"]
    assert used[-1] >= before["cpu"] + 5.0
    assert list(used) == sorted(used)
