"""What a few steps are made of, operation by operation: torch's profiler, at work only when somebody asks."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import torch
from torch._C._autograd import DeviceType
from torch.autograd.profiler_util import FunctionEventAvg
from torch.profiler import ProfilerActivity, profile

from tdl_tui.runs.profiles import FOLDER, MOST_STEPS, Operator, Profile

from .recorder import Recorder

SHOWN = 16  # operators, the dearest


class CannotProfile(Exception):
    """Why no profile is taken, in one line."""


class Profiler:
    """Takes one profile at a time. Between `begin` and `end`, which are called between steps, torch's profiler is at
    work, which looks on and changes no figure; at other times nothing is.

    `last` is the step after which `end` is due.
    """

    def __init__(self, recorder: Recorder, device: torch.device, run: Path | None) -> None:
        """Traces are written into the run's folder; without one nothing is profiled."""
        self.last = -1
        self._recorder = recorder
        self._device = device
        self._run = run
        self._asked = 0
        self._first = 0
        self._started = 0.0
        self._at_work: profile | None = None

    def ask(self, steps: int) -> None:
        """So many steps are to be profiled from the next one on. Raises CannotProfile."""
        if self._run is None:
            raise CannotProfile("this training keeps no folder")
        if self._asked or self._at_work is not None:
            raise CannotProfile("a profile is being taken already")
        if not 1 <= steps <= MOST_STEPS:
            raise CannotProfile(f"a profile is of 1 to {MOST_STEPS} steps, got {steps}")
        self._asked = steps

    def begin(self, step: int) -> None:
        """Begins with the step after `step`, if somebody asked."""
        if not self._asked:
            return
        self._first, self.last, self._asked = step + 1, step + self._asked, 0
        cuda = [ProfilerActivity.CUDA] if self._device.type == "cuda" else []
        self._settle()  # what the device still has to do is of no step that is profiled
        self._at_work = profile(activities=[ProfilerActivity.CPU, *cuda])
        self._at_work.start()
        self._started = time.perf_counter()

    def end(self, step: int, *, now: bool = False) -> None:
        """Ends after the last of the steps, or `now`; writes the trace and says what was found."""
        if self._at_work is None or not (now or step >= self.last):
            return
        self._settle()
        seconds = time.perf_counter() - self._started
        at_work, self._at_work, self.last = self._at_work, None, -1
        at_work.stop()
        if step < self._first:
            return
        name = f"{FOLDER}/step-{step}.json"
        operators = self._dearest(at_work, seconds)
        found = Profile(name, self._first, step - self._first + 1, seconds, operators)
        try:
            self._write(at_work, name)
        except OSError as error:
            self._recorder.event("warning", f"the profile could not be written: {error}", step)
            return
        self._recorder.event("profile", found.text(), step, found.document())
        self._recorder.flush()

    def _settle(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def _dearest(self, at_work: profile, seconds: float) -> tuple[Operator, ...]:
        """The operators that took most: of the device's time on CUDA, else of the CPU's, without those they called.

        An operator has the time of the kernels that it started; these stand in the profile once more, on their own.
        """

        def took(found: FunctionEventAvg) -> float:
            spent = found.self_device_time_total if self._device.type == "cuda" else found.self_cpu_time_total
            return float(spent) / 1e6

        operators = [found for found in at_work.key_averages() if found.device_type == DeviceType.CPU]
        dearest = sorted(operators, key=took, reverse=True)[:SHOWN]
        return tuple(
            Operator(found.key, found.count, took(found), took(found) / seconds) for found in dearest if took(found)
        )

    def _write(self, at_work: profile, name: str) -> None:
        """The Chrome trace, for its owner alone. Raises OSError."""
        assert self._run is not None
        place = self._run / name
        place.parent.mkdir(mode=0o700, exist_ok=True)
        draft = place.with_name(f".{place.name}")
        try:
            draft.touch(mode=0o600)  # torch says in its log alone that it could not write
            at_work.export_chrome_trace(str(draft))
            if not draft.stat().st_size:
                raise OSError("the trace is empty; the log says why")
            draft.chmod(0o600)
            draft.replace(place)
        finally:
            with suppress(OSError):
                draft.unlink()
