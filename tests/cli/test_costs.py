"""What a run cost, on the command line: where its time went, its energy, a profile of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdl_tui.runs.bottleneck import LEAST, MOST, PARTS
from tdl_tui.runs.footprint import footprint
from tdl_tui.runs.gpus import Gpu
from tdl_tui.runs.home import create
from tdl_tui.runs.profiles import Operator, Profile, profile_of
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State
from tdl_tui.runs.writer import RunWriter
from tdl_tui.verbs.costs import costs, costs_rows
from tdl_tui.verbs.profile import duration_of, profile_text
from tdl_tui.widgets.numbers import joules, mass

TIMES = {"data": 0.05, "forward": 0.3, "backward": 0.5, "optimizer": 0.1, LEAST: 0.02, MOST: 0.1}


def new(home: Path) -> Path:
    made = create(home, {}, title="")
    os.close(made.lock_fd)
    return made.folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = new(tmp_path)
    with RunWriter(folder) as writer:
        for step in range(1, 2001):
            for part in (*PARTS, LEAST, MOST):
                writer.point(f"time/{part}", step, TIMES.get(part, 0.0) * (2 if step > 1000 else 1) / 1.5)
        for step, used in ((1, 3600.0), (2000, 7200.0)):
            writer.point("system/energy", step, used)
            writer.point("system/energy/gpu", step, used)
    return folder


def said(document: dict[str, Any]) -> str:
    return "\n".join(" ".join(row) for row in costs_rows(document))


def test_the_shares_are_those_of_the_whole_run(run: Path) -> None:
    found = costs(run, {"telemetry": {"grid_intensity": 500.0}})
    assert found["time"]["shares"]["forward"] == pytest.approx(0.3)
    assert found["time"]["verdict"]["name"] == "compute-bound"
    assert found["energy"] == {"joules": 7200.0, "gpu": 7200.0, "co2_grams": 1.0}
    text = said(found)
    assert "backward 50.0 %, forward 30.0 %, optimizer 10.0 %, data 5.0 %" in text
    assert "compute-bound" in text
    assert "2.00 Wh (GPU), 1.00 g of CO₂" in text


def test_what_nobody_stated_or_measured_is_not_guessed(run: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    found = costs(run, {"telemetry": {}})
    assert found["energy"]["co2_grams"] is None
    assert "CO₂" not in said(found)
    empty = new(tmp_path_factory.mktemp("home"))
    assert costs(empty, {}) == {"time": None, "energy": None, "gpus": None}
    assert said(costs(empty, {})) == ""


def test_all_gpus_of_the_machine_are_told_while_it_trains(tmp_path: Path) -> None:
    made = create(tmp_path, {}, title="")
    with RunWriter(made.folder) as writer:
        writer.update(state=State.RUNNING, gpus=[Gpu(number, "A100", 80 << 30, number == 1) for number in range(2)])
        for name, value in (("gpu", 87.0), ("gpu_memory", 2.0**34), ("gpu_memory_own", 2.0**33), ("gpu/0", 3.0)):
            writer.point(f"system/{name}", 2000, value)
    document = costs(made.folder, {})  # the lock is held by this process
    unknown = {"power": None, "temperature": None}
    assert document["gpus"] == [
        {"number": 1, "name": "A100", "memory": 80 << 30, "trains": True, "utilisation": 87.0, **unknown}
        | {"memory_used": 2.0**34, "memory_own": 2.0**33},
        {"number": 0, "name": "A100", "memory": 80 << 30, "trains": False, "utilisation": 3.0, **unknown}
        | {"memory_used": None, "memory_own": None},
    ]
    assert "gpu 1 A100 of 80.0 GiB, 87 %, 16.0 GiB in use, trains this run\ngpu 0 A100 of 80.0 GiB, 3 %" in said(
        document
    )
    os.close(made.lock_fd)
    document = costs(made.folder, {})
    assert [gpu["utilisation"] for gpu in document["gpus"]] == [None, None]
    assert said(document) == "gpu 1 A100 of 80.0 GiB, trains this run"


@pytest.mark.parametrize(
    "gpus", ["A100", [1], [{}], [{"number": -1, "name": "A100", "memory": 1, "trains": True}], [{"number": "0"}]]
)
def test_gpus_that_no_writer_wrote_are_damage(run: Path, gpus: object) -> None:
    with RunWriter(run) as writer:
        writer.update(gpus=gpus)
    with RunReader(run) as reader:
        assert "damaged" in reader.summary().damage


@given(st.floats(0, 1e12), st.floats(0, 1e4))
def test_carbon_is_energy_times_the_grids_intensity(used: float, intensity: float) -> None:
    found = footprint({"system/energy": used}, {"telemetry": {"grid_intensity": intensity}})
    assert found is not None
    expected = used / 1000 / 3600 * intensity if intensity else None
    assert found.grams == (pytest.approx(expected) if expected is not None else None)
    assert footprint({}, {"telemetry": {"grid_intensity": intensity}}) is None


@pytest.mark.parametrize("telemetry", [None, [], {"grid_intensity": "much"}, {"grid_intensity": None}])
def test_any_document_is_taken(telemetry: object) -> None:
    found = footprint({"system/energy": 1.0}, {"telemetry": telemetry})
    assert found is not None
    assert found.grams is None


def test_a_profile_fits_a_screen_and_comes_back_from_its_event() -> None:
    operators = tuple(Operator(f"aten::op{i}", 10 * i, 0.001 * (16 - i), 0.01 * (16 - i)) for i in range(16))
    found = Profile("profiles/step-9.json", 5, 5, 0.1, operators)
    assert profile_of(found.document()) == found
    lines = profile_text(found, Path("/home/runs/x")).splitlines()
    assert len(lines) <= 22
    assert max(map(len, lines)) <= 100
    assert "5 steps from step 5, 20 ms each" in lines[0]
    for broken in ({}, {**found.document(), "operators": [{}]}, {**found.document(), "steps": "x"}):
        with pytest.raises((KeyError, TypeError, ValueError)):
            profile_of(broken)


def test_small_and_large_figures_have_their_units() -> None:
    assert [joules(value) for value in (812.0, 4428.0, 4.56 * 3.6e6)] == ["812 J", "1.23 Wh", "4.56 kWh"]
    assert [mass(value) for value in (0.123, 12.3, 4560.0)] == ["0.123 g", "12.3 g", "4.56 kg"]
    assert [duration_of(value).strip() for value in (12.3e-6, 4.56e-3, 2.0)] == ["12.3 µs", "4.56 ms", "2.0 s"]
