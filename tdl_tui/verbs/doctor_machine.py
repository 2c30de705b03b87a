"""What `tdl doctor` says of the machine: cores, memory, GPUs, and whose energy is counted. Imports no torch."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tdl_tui.runs.gpus import BUSY, SPARE
from tdl_tui.widgets.numbers import size

from .findings import CAUTION, GOOD, Finding

LEAST_FREE = 1 << 30


def machine() -> Iterator[Finding]:
    """In the order in which it is told."""
    yield from _cores_and_memory()
    yield from gpus()
    yield cpu_energy()


def _cores_and_memory() -> Iterator[Finding]:
    import psutil

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    load = os.getloadavg()[0]
    busy = load > cores
    advice = "others are at work here, training will be slower" if busy else ""
    yield Finding("cpu", CAUTION if busy else GOOD, f"{cores} cores to use, load {load:.1f}", advice)
    memory = psutil.virtual_memory()
    short = memory.available < LEAST_FREE
    text = f"{size(memory.available)} of {size(memory.total)} free"
    yield Finding("memory", CAUTION if short else GOOD, text, "close what is not needed" if short else "")


@dataclass(frozen=True, slots=True)
class _Gpu:
    """What the driver says of one: its name; what it does, in words; the bytes and percent in use (-1: not told);
    whether its energy is counted. Or, in `trouble`, why it says nothing."""

    uuid: str
    name: str = ""
    text: str = ""
    used: int = -1
    busy: int = -1
    counts: bool = False
    trouble: str = ""


def gpus() -> Iterator[Finding]:
    """Each GPU by the driver's number, with what CUDA calls it and whether training could take it; then which of them
    count their energy."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded):
        yield Finding("gpu", GOOD, _without_nvml())
        return
    except pynvml.NVMLError as error:
        advice = "see nvidia-smi; after an update of the driver the machine has to be started anew"
        yield Finding("gpu", CAUTION, f"the driver says “{error}”", advice)
        return
    try:
        driver = _text(pynvml.nvmlSystemGetDriverVersion())
        found = [_asked(pynvml, number) for number in range(pynvml.nvmlDeviceGetCount())]
    finally:
        pynvml.nvmlShutdown()
    if not found:
        yield Finding("gpu", GOOD, _without_nvml())
        return
    yield from _each(found, driver)
    asked = {number: gpu for number, gpu in enumerate(found) if not gpu.trouble}
    if len({gpu.name for gpu in asked.values()}) > 1 and os.environ.get("CUDA_DEVICE_ORDER") != "PCI_BUS_ID":
        text = "CUDA counts the fastest GPU first, the driver by bus: cuda:N may be another GPU than N"
        yield Finding("gpu order", CAUTION, text, "export CUDA_DEVICE_ORDER=PCI_BUS_ID")
    if asked:
        yield gpu_energy({number: gpu.counts for number, gpu in asked.items()})


def _without_nvml() -> str:
    from tdl_tui.worker.checks import LaunchError, visible_gpus

    try:
        amd = visible_gpus() is None
    except LaunchError:  # torch is not installed, which is said above
        amd = False
    if amd or (sys.platform, platform.machine()) == ("darwin", "arm64"):
        whose = "AMD's, for which this torch is built" if amd else "Apple's (mps)"
        return f"{whose}: its utilisation, memory, power and energy stay unknown"
    return "no NVIDIA GPU here; training runs on the CPU"


def _asked(pynvml: Any, number: int) -> _Gpu:
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(number)
        uuid, name = _text(pynvml.nvmlDeviceGetUUID(handle)), _text(pynvml.nvmlDeviceGetName(handle))
    except pynvml.NVMLError as error:
        return _Gpu("", trouble=str(error))
    said, used, busy, counts = [name], -1, -1, True
    try:
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        used = int(memory.used)
        said.append(f"{size(memory.free)} of {size(memory.total)} free")
    except pynvml.NVMLError:
        said.append("memory not told")
    try:
        busy = int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
        said.append(f"{busy} % busy")
    except pynvml.NVMLError:
        said.append("utilisation not told")
    try:
        pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except pynvml.NVMLError:
        counts = False
    return _Gpu(uuid, name, ", ".join(said), used, busy, counts)


def _each(found: Sequence[_Gpu], driver: str) -> Iterator[Finding]:
    from tdl_tui.worker.checks import LaunchError, check_device, left_by

    mask = os.environ.get("CUDA_VISIBLE_DEVICES")
    called = {number: f"cuda:{at}" for at, number in enumerate(left_by(mask, [gpu.uuid for gpu in found]))}
    for number, gpu in enumerate(found):
        subject = f"gpu {number}"
        if gpu.trouble:
            yield Finding(subject, CAUTION, f"cannot be asked: {gpu.trouble}", "see nvidia-smi")
            continue
        text, name = f"{gpu.text}, driver {driver}", called.get(number, "")
        if not name:
            yield Finding(subject, GOOD, f"{text}; hidden by CUDA_VISIBLE_DEVICES={mask}")
            continue
        try:
            check_device(name)
        except LaunchError as error:
            yield Finding(subject, CAUTION, text, str(error).removeprefix("training.device: "))
            continue
        taken = gpu.used >= SPARE or gpu.busy >= BUSY
        others = "somebody is at work there, training will be slower" if taken else ""
        yield Finding(subject, CAUTION if taken else GOOD, f"{name}: {text}", others)


def gpu_energy(counted: Mapping[int, bool]) -> Finding:
    """Whether the energy of GPUs is counted, by their numbers."""
    without = ", ".join(str(number) for number, counts in counted.items() if not counts)
    if not without:
        return Finding("gpu energy", GOOD, "counted, so it is in a run's energy")
    those = f"of gpu {without} " if any(counted.values()) else ""
    return Finding("gpu energy", GOOD, f"{those}not counted (GPUs before Volta), so it is not in a run's energy")


def cpu_energy(root: Path | None = None) -> Finding:
    """Whether the CPU's energy is counted, in what parts, and why not."""
    from tdl_tui.training.energy import POWERCAP, rapl_domains

    domains = rapl_domains(root or POWERCAP)
    names = ", ".join(domain.name for domain in domains)
    lacking = "so it is not in a run's energy"
    if not domains:
        why = "no counter is shown, as in virtual machines" if sys.platform == "linux" else "Linux alone shows one"
        return Finding("cpu energy", GOOD, f"not counted here ({why}), {lacking}")
    troubles = [f"{domain.name}: {domain.trouble}" for domain in domains if domain.trouble]
    if not troubles:
        return Finding("cpu energy", GOOD, f"counted ({names}), so it is in a run's energy")
    text = f"counted, but it cannot be read ({', '.join(troubles)}), {lacking}"
    advice = "all parts are needed"
    if any(domain.trouble == "permission denied" for domain in domains):
        advice = (
            "an administrator may allow it until the next start, and with it that everybody watches the CPU's power: "
            f"chmod a+r {POWERCAP}/intel-rapl:*/energy_uj"
        )
    return Finding("cpu energy", CAUTION, text, advice)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
