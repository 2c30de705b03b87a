"""What the doctor says of GPUs and of counters of energy: NVML's functions with another machine behind, and files."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from tdl_tui.verbs.doctor_machine import cpu_energy, gpu_energy, gpus
from tdl_tui.verbs.findings import CAUTION, GOOD, Finding
from tdl_tui.worker import checks

A100, H100 = "NVIDIA A100", "NVIDIA H100"


class Machine:
    """GPUs by their number: name, GiB in use, percent busy, whether energy is counted. `lost` ones answer nothing."""

    def __init__(self, *gpus: tuple[str, int, int, bool]) -> None:
        self.gpus = gpus
        self.lost: set[int] = set()

    def stand_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def handle(number: int) -> int:
            if number in self.lost:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
            return number

        def energy(number: int) -> int:
            if not self.gpus[number][3]:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
            return 1

        def memory(number: int) -> Any:
            used = self.gpus[number][1] << 30
            return SimpleNamespace(total=80 << 30, used=used, free=(80 << 30) - used)

        functions = {
            "nvmlInit": lambda: None,
            "nvmlShutdown": lambda: None,
            "nvmlSystemGetDriverVersion": lambda: "580.1",
            "nvmlDeviceGetCount": lambda: len(self.gpus),
            "nvmlDeviceGetHandleByIndex": handle,
            "nvmlDeviceGetUUID": lambda number: f"GPU-{number}000",
            "nvmlDeviceGetName": lambda number: self.gpus[number][0],
            "nvmlDeviceGetMemoryInfo": memory,
            "nvmlDeviceGetUtilizationRates": lambda number: SimpleNamespace(gpu=self.gpus[number][2]),
            "nvmlDeviceGetTotalEnergyConsumption": energy,
        }
        for name, function in functions.items():
            monkeypatch.setattr(pynvml, name, function)
        monkeypatch.setattr(checks, "_built_for_gpu", lambda *kinds: kinds != ("hip",))


def found(monkeypatch: pytest.MonkeyPatch, machine: Machine, mask: str = "") -> dict[str, Finding]:
    machine.stand_in(monkeypatch)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if mask:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", mask)
    return {finding.subject: finding for finding in gpus()}


def test_each_gpu_is_told_with_what_cuda_calls_it_and_whether_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine((A100, 0, 0, True), (A100, 70, 98, True), (A100, 30, 0, True), (A100, 0, 0, True))
    machine.lost = {3}
    told = found(monkeypatch, machine, mask="1,0")
    assert told["gpu 0"] == Finding("gpu 0", GOOD, f"cuda:1: {A100}, 80.0 GiB of 80.0 GiB free, 0 % busy, driver 580.1")
    assert (told["gpu 1"].mark, told["gpu 1"].text[:7]) == (CAUTION, "cuda:0:")
    assert "at work" in told["gpu 1"].advice
    assert (told["gpu 2"].mark, told["gpu 2"].text[-27:]) == (GOOD, "by CUDA_VISIBLE_DEVICES=1,0")
    assert "lost" in told["gpu 3"].text
    assert "gpu order" not in told


def test_gpus_that_differ_may_be_counted_otherwise_by_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine((A100, 0, 0, True), (H100, 0, 0, False))
    told = found(monkeypatch, machine)
    assert "PCI_BUS_ID" in told["gpu order"].advice
    assert told["gpu energy"].text.startswith("of gpu 1 not counted")
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    assert "gpu order" not in {finding.subject for finding in gpus()}


@pytest.mark.parametrize(
    ("code", "mark", "says"),
    [
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, GOOD, "no NVIDIA GPU here"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, CAUTION, "mismatch"),
    ],
)
def test_a_driver_that_answers_nothing_is_told(
    monkeypatch: pytest.MonkeyPatch, code: int, mark: str, says: str
) -> None:
    def broken() -> None:
        raise pynvml.NVMLError(code)

    monkeypatch.setattr(pynvml, "nvmlInit", broken)
    (finding,) = gpus()
    assert finding.mark == mark and says in finding.text
    monkeypatch.setattr(checks, "_built_for_gpu", lambda *kinds: True)
    assert mark == CAUTION or "AMD" in next(gpus()).text


def test_whose_energy_is_counted_is_told_and_why_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gpu_energy(dict.fromkeys(range(8), True)).text == "counted, so it is in a run's energy"
    assert "Volta" in gpu_energy({0: False}).text
    assert cpu_energy(tmp_path).mark == GOOD
    for zone, name in (("intel-rapl:0", "package-0"), ("intel-rapl:0:0", "core"), ("intel-rapl:1", "package-1")):
        (tmp_path / zone).mkdir()
        (tmp_path / zone / "name").write_text(f"{name}\n")
        for file in ("energy_uj", "max_energy_range_uj"):
            (tmp_path / zone / file).write_text("1000\n")
    assert cpu_energy(tmp_path).text.startswith("counted (package-0, package-1), so")
    read = Path.read_text

    def refused(path: Path, *arguments: Any, **more: Any) -> str:
        if path == tmp_path / "intel-rapl:1" / "energy_uj":
            raise PermissionError(13, "Permission denied")
        return read(path, *arguments, **more)

    monkeypatch.setattr(Path, "read_text", refused)  # root may read whatever it is
    finding = cpu_energy(tmp_path)
    assert finding.mark == CAUTION
    assert "(package-1: permission denied)" in finding.text
    assert "chmod a+r" in finding.advice
