"""Diagnoses made while a run is recorded: everything is passed on, and a few series are looked at on their way.

Nothing of the training is touched: what is looked at are numbers that were recorded.
"""

from __future__ import annotations

import time
import traceback
from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import nan
from pathlib import Path
from typing import Any

from tdl_tui.data.prepare import Prepared
from tdl_tui.diagnosis.evidence import LAYER_SAMPLES, SERIES, Evidence, Recorded, of_reader, recall
from tdl_tui.diagnosis.rules import diagnose
from tdl_tui.diagnosis.watch import KIND, Watch
from tdl_tui.runs.reader import RunReader, diagnosis
from tdl_tui.runs.records import Event, LayerSample, Matrix, Probe, ProbeSample, Progress, State
from tdl_tui.runs.writer import RunWriter
from tdl_tui.spec import Experiment, SpecError, experiment

from .recorder import Recorder

SECONDS = 3.0
"""Between two looks, but after a validation there is one at once."""
BUDGET = 0.001
"""Of the time, at most, that looks may take; the one at the end is made in any case."""

GRAIN = 8
"""Points of a series with one at each step that are summed up from the start: one by one they would cost too much."""


class Diagnosing:
    """A Recorder in front of another one."""

    def __init__(self, recorder: Recorder, chosen: Experiment, prepared: Prepared, device: str) -> None:
        """`device` is a torch device's type."""
        self._recorder = recorder
        self._evidence = Evidence(
            chosen,
            prepared.shape,
            prepared.class_counts,
            prepared.batches.sizes["validation"],
            prepared.storage,
            device,
        )
        self._series: dict[str, Recorded] = {}
        self._firsts: dict[str, float] = {}
        self._samples: deque[LayerSample] = deque(maxlen=LAYER_SAMPLES)
        self._watch = Watch()
        self._paid = self._due = 0.0
        self._broken = False

    def recall(self, folder: Path, step: int) -> None:
        """Goes on with a run that was recorded up to `step`."""
        with RunReader(folder) as reader:
            known = recall(reader, step)
            held = [diagnosis(document) for document in reader.facts().get("diagnoses", [])]
            self._watch = Watch(held, _events(reader))
        self._series = known.series
        self._samples.extend(known.layer_samples)
        self._firsts = {"train/loss": known.first_loss, "grad/norm": known.first_gradient}
        self._evidence = replace(self._evidence, layer_names=known.layer_names)

    # ------------------------------------------------------------------------------------- what is looked at meanwhile

    def extend(
        self, name: str, first_step: int, stride: int, values: array[float], first_time: float, last_time: float
    ) -> None:
        self._recorder.extend(name, first_step, stride, values, first_time, last_time)
        if name in SERIES and len(values):
            self._take(name, first_step, stride, values)
            if name == "train/loss":
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
        self._evidence = replace(self._evidence, layer_names=tuple(names))

    def layer_sample(self, sample: LayerSample) -> None:
        self._recorder.layer_sample(sample)
        self._samples.append(sample)

    def update(self, **facts: Any) -> None:
        if isinstance(progress := facts.get("progress"), Progress):
            self._evidence = replace(self._evidence, progress=progress)
        if facts.get("state") in (State.FINISHED, State.STOPPED):
            self._paid = self._due = 0.0
            self._look()
        self._recorder.update(**facts)

    def drop_after(self, step: int, again: Sequence[str] = ()) -> None:
        self._recorder.drop_after(step, again)
        for name, recorded in self._series.items():
            recorded.drop_after(step - 1 if name in again else step)
        self._samples = deque((s for s in self._samples if s.step <= step), maxlen=LAYER_SAMPLES)

    def event(self, kind: str, text: str, step: int, data: dict[str, Any] | None = None) -> None:
        self._recorder.event(kind, text, step, data)

    def _look(self) -> None:
        """Asks the rules, if it is time and was paid for, and says what is new."""
        started = time.perf_counter()
        if started < max(self._due, self._paid) or self._broken:
            return
        try:
            evidence = replace(
                self._evidence,
                series={name: recorded.course() for name, recorded in self._series.items()},
                first_loss=self._firsts.get("train/loss", nan),
                first_gradient=self._firsts.get("grad/norm", nan),
                layer_samples=tuple(self._samples),
            )
            before = self._watch.held
            news = self._watch.look(diagnose(evidence), evidence.step)
            for new in news:
                self._recorder.event(KIND, new.text, new.step, new.data)
            if self._watch.held != before:
                self._recorder.update(diagnoses=self._watch.held)
        except (ArithmeticError, ValueError, LookupError, TypeError):  # a training is worth more than a word about it
            self._broken = True
            traceback.print_exc()
            self._recorder.event("warning", "the doctor failed, and is silent from here on: see the log", 0)
        now = time.perf_counter()
        self._paid = now + (now - started) / BUDGET
        self._due = now + SECONDS

    # ------------------------------------------------------------------------------------------------ what is passed on

    def probes(self, probes: Sequence[Probe]) -> None:
        self._recorder.probes(probes)

    def probe_sample(self, sample: ProbeSample) -> None:
        self._recorder.probe_sample(sample)

    def matrix(self, matrix: Matrix) -> None:
        self._recorder.matrix(matrix)

    def steps(self) -> dict[str, int]:
        return self._recorder.steps()

    def flush(self) -> None:
        self._recorder.flush()

    def check(self) -> None:
        self._recorder.check()


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
    for new in watch.look(diagnose(evidence), evidence.step):
        writer.event(KIND, new.text, new.step, new.data)
    writer.update(diagnoses=watch.held)


def _events(reader: RunReader) -> Iterator[Event]:
    after = 0
    while events := reader.events(after):
        yield from events
        after = events[-1].id
