"""Figures of the machine: from files as Linux has them, and from NVML's own functions with another machine behind."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from math import isnan
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
from tdl_tui.runs.gpus import gpus_of as gpus_known
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State
from tdl_tui.training import energy, meters
from tdl_tui.training.control import CommandQueue
from tdl_tui.training.energy import Counter, Energy, rapl_counters, rapl_domains
from tdl_tui.training.gpu import gpus_of
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
    assert [(domain.name, domain.trouble) for domain in rapl_domains(tmp_path)] == [
        ("package-0", ""),
        ("dram", ""),
        ("package-1", "no such file or directory"),
    ]
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


class Device:
    """A GPU as NVML knows it; what it is asked and `cannot` say raises."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.uuid = f"b0a3b7a2-1c3e-4d10-9f26-0a1b2c3d4e{number:02x}"
        self.used = (20 - number) << 30
        self.busy = 87 - number
        self.millijoules = 5_000_000
        self.processes = [SimpleNamespace(pid=os.getpid(), usedGpuMemory=12 << 30)]
        self.cannot: dict[str, int] = {}
        self.whole = self  # of a part of one (MIG), the GPU


class Machine:
    """What stands behind NVML's functions: `GPUS` of which CUDA has the second alone."""

    GPUS = 4

    def __init__(self) -> None:
        self.devices = [Device(number) for number in range(self.GPUS)]
        self.training = self.devices[1]
        self.lost = -1
        self.asked: list[int] = []

    def functions(self) -> Mapping[str, Any]:
        def of(name: str, value: Callable[..., Any]) -> Any:
            def call(handle: Device, *arguments: object) -> Any:
                if name in handle.cannot:
                    raise pynvml.NVMLError(handle.cannot[name])
                self.asked.append(handle.number)
                return value(handle, *arguments)

            return call

        def temperature(handle: Device, sensor: int) -> int:
            assert sensor == pynvml.NVML_TEMPERATURE_GPU
            return 61 - handle.number

        def by_uuid(uuid: bytes) -> Device:
            kind = "GPU" if self.training.whole is self.training else "MIG"
            if uuid != f"{kind}-{self.training.uuid}".encode():
                raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)
            return self.training

        def by_index(number: int) -> Device:
            if number == self.lost:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
            return self.devices[number]

        return {
            "nvmlInit": lambda: None,
            "nvmlDeviceGetCount": lambda: len(self.devices),
            "nvmlDeviceGetHandleByUUID": by_uuid,
            "nvmlDeviceGetHandleByIndex": by_index,
            "nvmlDeviceGetDeviceHandleFromMigDeviceHandle": lambda handle: handle.whole,
            "nvmlDeviceGetIndex": lambda handle: handle.number,
            "nvmlDeviceGetName": lambda handle: "NVIDIA A100",
            "nvmlDeviceGetUtilizationRates": of("utilisation", lambda d: SimpleNamespace(gpu=d.busy, memory=40)),
            "nvmlDeviceGetMemoryInfo": of("memory", lambda d: SimpleNamespace(total=80 << 30, used=d.used)),
            "nvmlDeviceGetPowerUsage": of("power", lambda d: 251_500 - 1000 * d.number),
            "nvmlDeviceGetTemperature": of("temperature", temperature),
            "nvmlDeviceGetTotalEnergyConsumption": of("energy", lambda d: d.millijoules),
            "nvmlDeviceGetComputeRunningProcesses_v3": of("processes", lambda d: d.processes),
        }


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    for name, function in made.functions().items():
        monkeypatch.setattr(pynvml, name, function)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(uuid=made.training.uuid))
    monkeypatch.setattr(meters, "rapl_counters", list)
    return made


FIRST = torch.device("cuda:0")  # CUDA's first and only one, the driver's second


def test_the_gpu_that_trains_is_found_by_its_uuid_and_all_others_are_recorded_beside_it(machine: Machine) -> None:
    gpus = gpus_of(FIRST)
    assert [(gpu.number, gpu.trains, gpu.memory) for gpu in gpus.known] == [
        (1, True, 80 << 30),
        (0, False, 80 << 30),
        (2, False, 80 << 30),
        (3, False, 80 << 30),
    ]
    found = dict(gpus.figures())
    assert found.pop("system/gpu_memory_own") == 12 << 30
    firsts = {"gpu": (87, 1), "gpu_memory": (20 << 30, 1 << 30), "gpu_power": (251.5, 1), "gpu_temperature": (61, 1)}
    assert found == {
        f"system/{quantity}" + (f"/{number}" if number != 1 else ""): first - number * less
        for quantity, (first, less) in firsts.items()
        for number in range(4)
    }
    assert gpus.news() == []
    assert gpus_of(CPU).known == ()


def test_what_a_gpu_cannot_say_is_left_out(machine: Machine) -> None:
    machine.training.cannot = dict.fromkeys(("power", "temperature"), pynvml.NVML_ERROR_NOT_SUPPORTED)
    machine.training.processes = [SimpleNamespace(pid=os.getpid() + 1, usedGpuMemory=1 << 30)]  # a container's numbers
    gpus = gpus_of(FIRST)
    assert {name for name, _ in gpus.figures() if name.count("/") == 1} == {"system/gpu", "system/gpu_memory"}
    assert gpus.news() == []


def test_a_gpu_that_fails_half_way_is_said_once_and_its_figures_have_a_gap(machine: Machine) -> None:
    recording = Recording()
    measuring = Meters(recording, FIRST)
    measuring.count(64, 1)
    machine.devices[3].cannot = dict.fromkeys(
        ("utilisation", "memory", "power", "temperature"), pynvml.NVML_ERROR_GPU_IS_LOST
    )
    for step in range(2, 6):
        measuring._due = measuring._gpus._spacing.due = 0.0
        measuring.count(64, step)
    values = recording.values("system/gpu/3")
    assert (len(values), values[0]) == (2, 84.0)
    assert isnan(values[1])
    assert len(recording.values("system/gpu")) == 5
    (said,) = recording.texts("warning")
    assert "GPU 3" in said and "lost" in said


def test_others_are_asked_for_a_small_share_of_the_time(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def slow(handle: Device) -> Any:
        now[0] += 0.0003
        return SimpleNamespace(gpu=handle.busy, memory=40)

    gpus = gpus_of(FIRST)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetUtilizationRates", slow)
    looks = [dict(gpus.figures())]
    assert "system/gpu/3" in looks[0]  # at first all
    for _ in range(2000):
        now[0] += 0.5
        looks.append(dict(gpus.figures()))
    asked = sum(f"system/gpu/{number}" in look for look in looks for number in (0, 2, 3))
    assert all("system/gpu" in look for look in looks)
    assert 0.5 * 0.001 * 1000 <= 0.0003 * asked <= 1.1 * 0.001 * 1000 + 0.02


def test_of_a_part_of_a_gpu_meter_and_sensor_are_the_whole_ones(machine: Machine) -> None:
    """As MIG has it: no utilisation, and power only of the GPU."""
    part = machine.training = Device(1)
    part.whole, part.used = machine.devices[1], 3 << 30
    part.cannot = dict.fromkeys(("utilisation", "power", "temperature", "energy"), pynvml.NVML_ERROR_NOT_SUPPORTED)
    gpus = gpus_of(FIRST)
    found = dict(gpus.figures())
    assert "system/gpu" not in found
    assert (found["system/gpu_memory"], found["system/gpu_power"]) == (3 << 30, 250.5)
    assert [gpu.number for gpu in gpus.known] == [1, 0, 2, 3]
    assert gpus.joules is not None and gpus.joules() == 5000.0


def test_what_nobody_tells_is_said_and_not_guessed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.lost = 2
    (lost,) = gpus_of(FIRST).news()
    assert "GPU 2" in lost[1]

    def broken() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_DRIVER_NOT_LOADED)

    monkeypatch.setattr(pynvml, "nvmlInit", broken)
    recording = Recording()
    measuring = Meters(recording, FIRST)
    for step in (1, 2):
        measuring._due = 0.0
        measuring.count(64, step)
    (said,) = recording.texts("machine")
    assert "unknown" in said and "Driver Not Loaded" in said
    assert not any(name.startswith("system/gpu") for name in recording.series)
    monkeypatch.setattr(torch.version, "hip", "6.4")
    assert "AMD" in gpus_of(FIRST).news()[0][1]
    assert "mps" in gpus_of(torch.device("mps")).news()[0][1]


def test_figures_of_gpus_and_the_energy_of_the_one_that_trains_are_recorded(machine: Machine, tmp_path: Path) -> None:
    recording = Recording()
    measuring = Meters(recording, FIRST)
    measuring.watch(tmp_path, {"gpu": 10.0})
    assert gpus_known({"gpus": [asdict(gpu) for gpu in recording.facts["gpus"]]}) == measuring._gpus.known
    machine.training.millijoules += 2_500
    machine.devices[0].millijoules += 9_000_000
    measuring.count(64, 1)
    assert recording.values("system/gpu_power") == [250.5]
    assert recording.values("system/energy") == recording.values("system/energy/gpu") == [12.5]
    assert recording.values("system/disk_free")[0] > 0
    machine.training.millijoules += 50_000
    measuring.skip()
    machine.training.millijoules += 1_000
    measuring._due = 0.0
    measuring.count(64, 2)
    assert recording.values("system/energy")[-1] == 13.5


def test_a_gpu_without_a_counter_has_no_energy(machine: Machine) -> None:
    machine.training.cannot = {"energy": pynvml.NVML_ERROR_NOT_SUPPORTED}
    recording = Recording()
    Meters(recording, FIRST).count(64, 1)
    assert "system/gpu" in recording.series
    assert not any(name.startswith("system/energy") for name in recording.series)


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


def test_a_resumed_run_adds_to_what_it_has_used(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also to what it used for steps that are made again: it was used. On another GPU it is that one that trains."""

    class Running:
        joules = 0.0

        def read(self) -> float:
            self.joules += 5.0
            return self.joules

    monkeypatch.setattr(meters, "rapl_counters", lambda: [Counter(Running().read)])
    monkeypatch.setattr(meters, "SECONDS", 0.0)
    monkeypatch.setattr(meters, "gpus_of", lambda device: gpus_of(FIRST))
    folder = new_run(tmp_path, toy())
    control = CommandQueue()
    control.put(Asked("stop"))
    assert run_training(folder, control) is State.STOPPED
    before = energy.spent(folder)
    assert before["cpu"] > 0
    machine.training = machine.devices[3]
    assert run_training(folder, CommandQueue()) is State.FINISHED
    with RunReader(folder) as reader:
        _, _, used = reader.columns("system/energy/cpu")
        assert reader.last("system/disk_free") is not None
        assert [gpu.number for gpu in reader.summary().gpus] == [3, 0, 1, 2]
        assert [point.value for name in ("gpu", "gpu/1") if (point := reader.last(f"system/{name}"))] == [84.0, 86.0]
        assert reader.last(f"time/{LEAST}") is not None
    assert used[0] == before["cpu"]
    assert used[-1] >= before["cpu"] + 5.0
    assert list(used) == sorted(used)
