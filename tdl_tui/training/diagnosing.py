"""Diagnoses made while a run is recorded: everything is passed on, and a little of it is looked at on its way.

Nothing of the training is touched: what is looked at are numbers that were recorded.
"""

from __future__ import annotations

import time
import traceback
from array import array
from collections import deque
from collections.abc import Sequence
from math import nan
from pathlib import Path
from typing import Any

from torch import Tensor

from tdl_tui.data.prepare import Prepared
from tdl_tui.diagnosis.evidence import SAMPLES, SERIES, THROUGH_TIME, Evidence, Recorded, of_reader, recall
from tdl_tui.diagnosis.in_force import InForce
from tdl_tui.diagnosis.rules import diagnose, since
from tdl_tui.diagnosis.watch import KIND, Watch
from tdl_tui.runs.reader import RunReader, diagnosis
from tdl_tui.runs.records import Diagnosis, LayerSample, Matrix, Progress, State
from tdl_tui.runs.undone import all_events, holding
from tdl_tui.runs.writer import RunWriter
from tdl_tui.spec import Experiment, SpecError, experiment

from .recorder import Recorder

SECONDS = 3.0
"""Between two looks, but after a validation there is one at once."""
BUDGET = 0.0005
"""Of the time, at most, that looks may take; the one at the end is made in any case."""
FIRST = 0.001
"""Seconds that the first look is taken to cost."""
GRAIN = 8
"""Points of a series with one at each step that are summed up from the start."""


class Diagnosing:
    """A Recorder in front of another one."""

    def __init__(self, recorder: Recorder, launched: Experiment, prepared: Prepared, device: str) -> None:
        """`device` is a torch device's type."""
        self._recorder = recorder
        self._launched = launched
        self._prepared = prepared
        self._device = device
        self._input_size = _size(prepared.probe_inputs)
        self._in_force = InForce(launched)
        self._progress = Progress()
        self._series: dict[str, Recorded] = {}
        self._firsts: dict[str, float] = {}
        self._layer_names: tuple[str, ...] = ()
        self._samples: deque[LayerSample] = deque(maxlen=SAMPLES)
        self._through_time: dict[str, deque[Matrix]] = {}
        self._watch = Watch()
        self._paid = self._due = 0.0
        self._broken = False
        # what is passed on without a look at it
        self.probes, self.probe_sample, self.event = recorder.probes, recorder.probe_sample, recorder.event
        self.steps, self.flush, self.check = recorder.steps, recorder.flush, recorder.check

    def recall(self, folder: Path, step: int) -> None:
        """Goes on with a run that was recorded up to `step`."""
        with RunReader(folder) as reader:
            known = recall(reader, self._launched, step)
            held = [diagnosis(document) for document in reader.facts().get("diagnoses", [])]
            self._watch = Watch(held, holding(all_events(reader)))
        self._in_force = known.in_force
        self._series = known.series
        self._samples.extend(known.layer_samples)
        self._through_time = {name: deque(found, SAMPLES) for name, found in known.through_time.items()}
        self._firsts = {"train/loss": known.first_loss, "grad/norm": known.first_gradient}
        self._layer_names = known.layer_names

    # ------------------------------------------------------------------------------------- what is looked at meanwhile

    def extend(
        self, name: str, first_step: int, stride: int, values: array[float], first_time: float, last_time: float
    ) -> None:
        self._recorder.extend(name, first_step, stride, values, first_time, last_time)
        if name in SERIES and len(values):
            self._take(name, first_step, stride, values)
            if name == "train/loss" and time.perf_counter() >= max(self._due, self._paid):
                self._look()

    def point(self, name: str, step: int, value: float, time: float | None = None) -> None:
        self._recorder.point(name, step, value, time)
        if name in SERIES:
            self._take(name, step, 1, (value,))
            if name == "val/loss":
                self._due = 0.0

    def _take(self, name: str, first_step: int, stride: int, values: Sequence[float]) -> None:
        if first_step == 1:
            self._firsts[name] = values[0]
        recorded = self._series.get(name)
        if recorded is None:
            recorded = self._series[name] = Recorded(points=GRAIN if len(values) > 1 else 1)
        recorded.extend(first_step, stride, values)

    def layers(self, names: Sequence[str]) -> None:
        self._recorder.layers(names)
        self._layer_names = tuple(names)

    def layer_sample(self, sample: LayerSample) -> None:
        self._recorder.layer_sample(sample)
        self._samples.append(sample)

    def matrix(self, matrix: Matrix) -> None:
        self._recorder.matrix(matrix)
        if matrix.name.startswith(THROUGH_TIME):
            self._through_time.setdefault(matrix.name, deque(maxlen=SAMPLES)).append(matrix)

    def update(self, **facts: Any) -> None:
        for name, value in facts.items():
            if name == "progress":
                self._progress = value
            elif name == "settings" and value != self._in_force.values:
                self._change(value)
            elif name == "state" and value is State.RUNNING:
                self._paid = max(self._paid, time.perf_counter() + FIRST / BUDGET)
            elif name == "state" and value in (State.FINISHED, State.STOPPED):
                self._look()
        self._recorder.update(**facts)

    def _change(self, settings: dict[str, Any]) -> None:
        """Values are others from here on."""
        self._in_force.put(settings, self._newest)
        self._paid = self._due = 0.0  # seldom enough

    @property
    def _newest(self) -> int:
        """The newest step that was recorded."""
        recorded = self._series.get("train/loss")
        return recorded.newest if recorded else 0

    def drop_after(self, step: int, again: Sequence[str] = ()) -> None:
        self._recorder.drop_after(step, again)
        for name, recorded in self._series.items():
            recorded.drop_after(step - 1 if name in again else step)
        self._samples = deque((s for s in self._samples if s.step <= step), SAMPLES)
        for name, found in self._through_time.items():
            self._through_time[name] = deque((matrix for matrix in found if matrix.step <= step), SAMPLES)
        self._in_force.go_back(step)
        before = self._watch.held
        self._watch.go_back(step)
        self._tell(before)

    def _look(self) -> None:
        """Asks the rules, and says what is new."""
        if self._broken:
            return
        started = time.perf_counter()
        try:
            evidence = self._evidence()
            before = self._watch.held
            for new in self._watch.look(diagnose(evidence), evidence.step, since(evidence)):
                self._recorder.event(KIND, new.text, new.step, new.data)
            self._tell(before)
        except (ArithmeticError, ValueError, LookupError, TypeError):  # a training is worth more than a word about it
            self._broken = True
            traceback.print_exc()
            self._recorder.event("warning", "the doctor failed, and is silent from here on: see the log", 0)
        now = time.perf_counter()
        self._paid = now + (now - started) / BUDGET
        self._due = now + SECONDS

    def _evidence(self) -> Evidence:
        prepared = self._prepared
        return Evidence(
            self._in_force.experiment,
            prepared.shape,
            prepared.class_counts,
            prepared.target_variance,
            self._input_size,
            prepared.batches.sizes["validation"],
            prepared.storage,
            self._device,
            self._progress,
            {name: recorded.course() for name, recorded in self._series.items()},
            self._firsts.get("train/loss", nan),
            self._firsts.get("grad/norm", nan),
            self._layer_names,
            tuple(self._samples),
            {name: tuple(found) for name, found in self._through_time.items()},
            changes=self._in_force.changes,
        )

    def _tell(self, before: list[Diagnosis]) -> None:
        """Records the diagnoses that hold, where they are others than before."""
        if self._watch.held != before:
            self._recorder.update(diagnoses=self._watch.held)


def _size(inputs: Tensor) -> float:
    """The root mean square; NaN where there is none, or they are names of tokens."""
    return float(inputs.square().mean().sqrt()) if inputs.is_floating_point() and len(inputs) else nan


def after_failure(folder: Path, writer: RunWriter) -> None:
    """Looks once more at a run that has failed, and whose writer has said why. Raises WriteError."""
    writer.flush()
    with RunReader(folder) as reader:
        facts = reader.facts()
        try:
            evidence = of_reader(reader, experiment(facts["experiment"]))
        except SpecError:
            return  # what it is cannot be told, and that is why it failed
        held = [diagnosis(document) for document in facts.get("diagnoses", [])]
    watch = Watch(held)
    for new in watch.look(diagnose(evidence), evidence.step, since(evidence)):
        writer.event(KIND, new.text, new.step, new.data)
    writer.update(diagnoses=watch.held)
