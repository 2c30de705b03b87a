"""Where the time goes: laps of some steps, what lies between steps, and shares that add up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_training import CPU, Asked, AtSteps, Recording, run_toy, same, toy, weights

from tdl_tui.runs.bottleneck import IN_STEPS, PARTS
from tdl_tui.training import timers as timers_module
from tdl_tui.training.timers import BUDGET, HostClock, Timers


class TurnedClock:
    """A clock that goes on when it is turned, and whose marks pass when it is said."""

    def __init__(self) -> None:
        self.now = 0.0
        self.behind = False

    def mark(self) -> float:
        return self.now

    def seconds(self, first: float, last: float) -> float:
        return last - first

    def passed(self, mark: float) -> bool:
        return not self.behind

    def wait(self, mark: float) -> None:
        self.behind = False

    def free(self, marks: Iterable[float]) -> None:
        pass


def turned() -> tuple[Timers, TurnedClock, Recording]:
    recording, clock = Recording(), TurnedClock()
    timers = Timers(recording, CPU, clock)
    timers.start(0)
    return timers, clock, recording


def shares(recording: Recording) -> dict[str, float]:
    return {part: recording.values(f"time/{part}")[-1] for part in PARTS}


def step(timers: Timers, clock: TurnedClock, took: dict[str, float]) -> None:
    """A step whose parts took so long."""

    def read() -> Iterator[None]:
        clock.now += took["data"]
        yield

    for _ in timers.steps(read()):
        for part in IN_STEPS[1:]:
            clock.now += took[part]
            timers.lap(part)


def test_shares_are_of_the_whole_time() -> None:
    timers, clock, recording = turned()
    step(timers, clock, {"data": 1.0, "forward": 2.0, "backward": 4.0, "optimizer": 1.0})
    with timers.measured("validation"):
        clock.now += 1.0
        with timers.measured("checkpoint"):
            clock.now += 0.5
        clock.now += 0.5
    timers.close(1)
    timers.collect()
    expected = {"data": 0.1, "forward": 0.2, "backward": 0.4, "optimizer": 0.1, "validation": 0.15, "checkpoint": 0.05}
    assert shares(recording) == pytest.approx({"telemetry": 0.0, **expected})


def test_laps_of_one_step_stand_for_those_that_were_not_taken() -> None:
    timers, clock, recording = turned()
    step(timers, clock, dict.fromkeys(IN_STEPS, 1.0))
    timers.end()
    clock.now += 36.0
    timers.lap("forward")  # nobody samples: heard by nobody
    timers.close(10)
    timers.collect()
    assert [shares(recording)[part] for part in IN_STEPS] == pytest.approx([0.25] * 4)


def test_what_lies_within_a_step_is_in_none_of_its_laps_and_a_pause_in_nothing() -> None:
    timers, clock, recording = turned()
    for _ in timers.steps([None]):
        clock.now += 1.0
        timers.lap("forward")
        with timers.measured("telemetry"):
            clock.now += 1.0
        timers.lap("optimizer")
        timers.end()
    with timers.measured("validation"), timers.measured("pause"):
        clock.now += 1000.0
    timers.close(1)
    timers.collect()
    found = shares(recording)
    assert (found["forward"], found["telemetry"], found["optimizer"]) == pytest.approx((0.5, 0.5, 0.0))
    assert sum(found.values()) == pytest.approx(1.0)


def test_nothing_waits_for_the_device() -> None:
    timers, clock, recording = turned()
    clock.behind = True
    step(timers, clock, dict.fromkeys(IN_STEPS, 1.0))
    timers.plan(1)
    assert not recording.series
    clock.behind = False
    timers.plan(1)
    assert recording.series
    step(timers, clock, dict.fromkeys(IN_STEPS, 1.0))
    clock.behind = True
    timers.close(2)
    timers.collect(wait=True)
    assert len(recording.series["time/data"]) == 2


def test_no_step_is_sampled_where_time_cannot_be_told() -> None:
    recording = Recording()
    timers = Timers(recording, torch.device("mps"), HostClock())
    timers.start(0)
    assert list(timers.steps(range(100))) == list(range(100))
    with timers.measured("telemetry"):
        pass
    assert not timers._spans  # which nothing would take away
    timers.close(100)
    timers.collect(wait=True)
    assert not recording.series


@settings(max_examples=30, deadline=None)
@given(seconds=st.floats(1e-6, 1.0))
def test_laps_take_no_more_than_their_share(seconds: float) -> None:
    """Of a long row of steps that take so long each, so few are drawn that their laps fit the budget."""
    timers, clock, _ = turned()
    timers._cost = cost = 2e-6
    step(timers, clock, dict.fromkeys(IN_STEPS, seconds / 4))
    timers.close(1)
    timers.collect()
    timers._left = 0
    steps = min(20_000, 400 * timers._gap)
    for _ in timers.steps(range(steps)):
        timers.lap("forward")
    drawn = sum(part == "forward" for part, _, _ in timers._laps)
    if cost <= BUDGET * seconds:
        assert drawn >= steps - 1
    else:
        assert 0 < drawn * cost <= 1.3 * BUDGET * seconds * steps + cost


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"training": {"accumulation": 2, "gradient_clip_norm": 1.0}, "objective": {"l1_penalty": 0.01}},
        {"optimizer": {"name": "lbfgs"}, "data": {"batch_size": 0}},
        {"optimizer": {"name": "random_search"}, "data": {"batch_size": 0}},
    ],
    ids=["adam", "in parts", "with a closure", "without gradients"],
)
def test_shares_of_real_trainings_add_up_and_change_no_weight(
    changes: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timers_module, "SECONDS", 0.0)
    chosen = toy(**changes)
    recording, trainer, _ = run_toy(chosen, tmp_path)
    for at, _ in enumerate(recording.values("time/data")):
        found = {part: recording.values(f"time/{part}")[at] for part in PARTS}
        assert all(0 <= share <= 1 for share in found.values())
        assert 0.5 < sum(found.values()) <= 1 + 1e-9
    assert found["forward"] > 0
    assert (found["backward"] > 0) == trainer.goes_by.gradients

    monkeypatch.setattr(Timers, "steps", lambda self, batches: batches)
    monkeypatch.setattr(Timers, "lap", lambda self, part: None)
    without, other, _ = run_toy(chosen, tmp_path)
    assert "time/data" not in without.series
    assert same(weights(trainer), weights(other))


def test_a_step_that_is_looked_at_is_sampled_too(tmp_path: Path) -> None:
    recording, _, _ = run_toy(toy(training={"epochs": 1}, data={"batch_size": 0}), tmp_path)
    assert [at for at, _ in recording.series["time/forward"]] == [1]
    assert recording.values("time/telemetry")[0] > 0


def test_a_pause_is_not_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = count()
    monkeypatch.setattr(HostClock, "mark", staticmethod(lambda: float(next(ticks))))
    control = AtSteps({2: [Asked("pause"), Asked("resume")]})

    def waits(timeout: float | None = None) -> bool:
        for _ in range(100_000):
            next(ticks)
        return True

    monkeypatch.setattr(control, "wait", waits)
    recording, _, _ = run_toy(toy(), tmp_path, control=control)
    for at, _ in enumerate(recording.values("time/data")):
        assert sum(recording.values(f"time/{part}")[at] for part in PARTS) > 0.5


class SimulatedGpu:
    """A device that does what the host queued up, one after another, and its events. Seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.host = self.done = 0.0
        self.made = self.waited = 0
        gpu, stream = self, object()

        class Event:
            def __init__(self, enable_timing: bool) -> None:
                assert enable_timing
                gpu.made += 1

            def record(self, on: object) -> None:
                assert on is stream
                gpu.done = self.at = max(gpu.host, gpu.done)

            def elapsed_time(self, other: Event) -> float:
                assert self.query() and other.query(), "asked before it has passed"
                return 1000 * (other.at - self.at)

            def query(self) -> bool:
                return gpu.host >= self.at

            def synchronize(self) -> None:
                gpu.waited += not self.query()
                gpu.host = max(gpu.host, self.at)

        monkeypatch.setattr(torch.cuda, "Event", Event)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device: stream)

    def queue(self, host: float, device: float) -> None:
        """Takes the host so long to ask for and the device so long to do."""
        self.host += host
        self.done = max(self.host, self.done) + device

    def train(self, timers: Timers, steps: int, host: float, device: float, data: float = 0.0) -> None:
        def batches() -> Iterator[None]:
            for _ in range(steps):
                self.host += data
                yield

        for _ in timers.steps(batches()):
            for part, share in (("forward", 0.25), ("backward", 0.5), ("optimizer", 0.25)):
                self.queue(host * share, device * share)
                timers.lap(part)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> SimulatedGpu:
    return SimulatedGpu(monkeypatch)


@pytest.mark.parametrize(
    ("host", "device", "data", "expected"),
    [
        (0.001, 0.100, 0.0, {"data": 0.0, "forward": 0.25, "backward": 0.5, "optimizer": 0.25}),  # the host runs ahead
        (0.001, 0.100, 0.05, {"data": 0.0, "forward": 0.25, "backward": 0.5, "optimizer": 0.25}),  # data come in time
        (0.100, 0.001, 0.0, {"data": 0.0, "forward": 0.25, "backward": 0.5, "optimizer": 0.25}),  # the device waits
        (0.001, 0.100, 0.30, {"data": 0.67, "forward": 0.08, "backward": 0.17, "optimizer": 0.08}),  # for data
    ],
)
def test_on_cuda_a_part_takes_what_the_device_takes(
    gpu: SimulatedGpu, host: float, device: float, data: float, expected: dict[str, float]
) -> None:
    """And nothing waits for the device, whoever is ahead."""
    recording = Recording()
    timers = Timers(recording, torch.device("cuda:0"))
    gpu.waited = 0
    timers.start(0)
    gpu.train(timers, 40, host, device, data)
    timers.end()
    timers.close(40)
    timers.collect()
    if gpu.done > gpu.host:
        assert not recording.series  # the last mark has not passed
    gpu.host = max(gpu.host, gpu.done)
    timers.collect()
    assert {part: shares(recording)[part] for part in IN_STEPS} == pytest.approx(expected, abs=0.03)
    assert timers.step_seconds == pytest.approx(max(host + data, device), rel=0.05)
    assert not gpu.waited


def test_events_are_recorded_again_once_they_were_read(gpu: SimulatedGpu) -> None:
    recording = Recording()
    timers = Timers(recording, torch.device("cuda:0"))
    timers._cost = 0.0  # all steps are looked at
    timers.start(0)
    for window in range(1, 30):
        gpu.train(timers, 20, 0.001, 0.010)
        with timers.measured("telemetry"):
            gpu.queue(0.0, 0.010)
        timers.close(20 * window)
        gpu.host = max(gpu.host, gpu.done)
        timers.collect()
        if window == 2:
            made = gpu.made
    assert gpu.made - made <= 27  # an epoch's last mark, before a step that does not come, is dropped
    assert all(value == pytest.approx(1 / 21, rel=0.01) for value in recording.values("time/telemetry"))


def test_what_the_device_had_to_do_before_makes_no_lap_seem_dear(gpu: SimulatedGpu) -> None:
    gpu.queue(0.0, 1000.0)
    timers = Timers(Recording(), torch.device("cuda:0"))
    assert timers._cost < 1.0
    assert gpu.waited
