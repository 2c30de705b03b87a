"""The lines above a run's charts: where the time goes, and what the machine does."""

from __future__ import annotations

import re
from itertools import pairwise
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdl_tui.runs.bottleneck import LEAST, MOST, PARTS
from tdl_tui.runs.footprint import Footprint
from tdl_tui.runs.gpus import Gpu
from tdl_tui.widgets.gpus import draw_all, draw_others
from tdl_tui.widgets.palette import DARK, LIGHT, Palette
from tdl_tui.widgets.system import TALL, draw_system, outside
from tdl_tui.widgets.time_shares import draw_time

SHARES = {"data": 0.03, "forward": 0.24, "backward": 0.36, "optimizer": 0.27, "validation": 0.06, LEAST: 0.5, MOST: 0.9}
CPU = {"system/cpu": 99.6, "system/memory": 4.2e8, "system/disk_free": 8e10, "system/disk_written": 1.3e6}
GPU = {"system/gpu": 87.0, "system/gpu_memory": 2e10, "system/gpu_power": 251.5, "system/gpu_temperature": 61.0}
USED = Footprint(12345.0, {"cpu": 1.0, "gpu": 2.0}, 1.03)
widths = st.integers(20, 250)


def time_line(width: int, shares: dict[str, float] = SHARES) -> str:
    (strip,) = draw_time(shares, width, DARK)
    return strip.text


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from([*PARTS, LEAST, MOST]), st.floats(0, 1)), widths)
def test_any_shares_make_one_line_of_the_width(shares: dict[str, float], width: int) -> None:
    strips = draw_time(shares, width, LIGHT)
    assert [strip.cell_length for strip in strips] == ([width] if "forward" in shares else [])


@pytest.mark.parametrize("width", [80, 120, 160, 200])
def test_the_largest_shares_and_the_verdict_are_always_said(width: int) -> None:
    text = time_line(width)
    assert "backward 36 %" in text
    assert "optimizer 27 %" in text
    assert "overhead-bound" in text
    assert ("data  3 %" in text) == (width >= 160)


def test_with_room_it_says_why_and_what_helps() -> None:
    assert "50 % and more" in time_line(260)
    assert "larger batch" in time_line(320)


def test_the_bar_is_shared_out_as_the_time_is() -> None:
    bar = re.match(r" time (\S+)  ", time_line(120))
    assert bar is not None
    assert len(bar[1]) == 20
    assert bar[1].count("╍") == 5  # forward


@pytest.mark.parametrize("colors", [DARK, LIGHT])
def test_neighbours_are_told_apart_without_colours_and_with(colors: Palette) -> None:
    (strip,) = draw_time(dict.fromkeys((*PARTS, LEAST), 1 / 8), 320, colors)
    fills = re.findall(r"  ([━╍┅╌]) (\w+)", strip.text)
    assert [name for _, name in fills] == [*PARTS, "other"]
    assert all(one != next for (one, _), (next, _) in pairwise(fills))
    hues = [segment.style.color for segment in strip if segment.text.strip() in ("━", "╍", "┅", "╌") and segment.style]
    assert len(set(hues)) == len(PARTS) + 1


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from([*CPU, *GPU]), st.floats(allow_nan=True)), widths, st.booleans())
def test_any_figures_make_lines_of_the_width(latest: dict[str, float], width: int, used: bool) -> None:
    strips = draw_system(latest, USED if used else None, width, 2, DARK)
    assert len(strips) <= 2
    assert {strip.cell_length for strip in strips} <= {width}


def system_lines(latest: dict[str, float], used: Footprint | None, width: int, **machine: Any) -> list[str]:
    return [strip.text.rstrip() for strip in draw_system(latest, used, width, 2, DARK, **machine)]


def test_all_of_a_cpu_stands_in_one_line_and_of_a_gpu_in_two() -> None:
    (line,) = system_lines(CPU, None, 80)
    assert line == " cpu 100 %  memory 401 MiB  energy unknown  disk 74.5 GiB free"
    (line,) = system_lines(CPU, None, 120)
    assert line.endswith("1.24 MiB/s written")
    assert system_lines({**GPU, **CPU}, USED, 80) == [
        " gpu  87 % · 18.6 GiB · 252 W · 61 °C  cpu 100 %  memory 401 MiB",
        " energy 3.43 Wh CPU + GPU · 1.03 g CO₂  disk 74.5 GiB free",
    ]
    (line,) = system_lines({**GPU, **CPU}, USED, 160)


def machine(count: int, trains: int = 0) -> tuple[Gpu, ...]:
    made = [Gpu(number, "NVIDIA A100", 80 << 30, number == trains) for number in range(count)]
    return tuple(sorted(made, key=lambda gpu: not gpu.trains))


def doing(number: int, busy: float, gib: float) -> dict[str, float]:
    figures = {"gpu": busy, "gpu_memory": gib * 2**30, "gpu_power": 300.0, "gpu_temperature": 55.0}
    return {f"system/{name}/{number}": value for name, value in figures.items()}


OWN = {"system/gpu_memory_own": 12 * 2**30}
OTHERS = {**doing(0, 0, 0.5), **doing(1, 98, 71.2), **doing(2, 50, 40.0), **doing(4, 0, 31.5)}


def test_of_one_gpu_memory_in_all_is_said_and_what_others_hold_of_it() -> None:
    lines = system_lines({**GPU, **OWN, **CPU}, None, 100, gpus=machine(1), device="cuda:0 A100")
    assert lines[0].startswith(" gpu  87 % · 18.6/80.0 GiB · 6.63 GiB by others · 252 W · 61 °C   cpu")
    assert draw_others(machine(1), GPU, 100, 2, DARK) == draw_all(machine(1), GPU, 80, DARK) == []


@pytest.mark.parametrize(("device", "says"), [("cuda:0 AMD Instinct", True), ("mps", True), ("cpu", False)])
def test_a_gpu_of_which_nothing_is_known_is_said(device: str, says: bool) -> None:
    (line,) = system_lines(CPU, None, 120, device=device)
    assert line.startswith(" gpu unknown   cpu" if says else " cpu")


def test_several_gpus_stand_in_a_table_where_it_is_wide_and_at_a_glance_where_it_is_not() -> None:
    gpus = machine(5, trains=3)
    (line,) = draw_all(gpus, {**GPU, **OWN, **OTHERS}, 80, DARK)
    assert line.text.rstrip() == " gpu 3  87 % · 18.6/80.0 GiB · 6.63 GiB by others  others 0· 1█ 2▅ 4▁  1 free"
    assert system_lines({**GPU, **CPU}, None, 120, gpus=gpus)[0].startswith(" gpu 3  87 % · 18.6/80.0 GiB · 252 W")
    assert [strip.text.rstrip() for strip in draw_others(gpus, OTHERS, 80, 2, DARK)] == [
        " others  0 free                            1 ━━━━━━━━  98 % 71.2/80.0 GiB",
        "         2 ━━━━╌╌╌╌  50 % 40.0/80.0 GiB    4 ╌╌╌╌╌╌╌╌   0 % 31.5/80.0 GiB",
    ]
    assert "1 ━━━━━━━━  98 %  71 GiB" in draw_others(gpus, OTHERS, 70, 2, DARK)[0].text
    (row,) = draw_others(gpus, OTHERS, 200, 2, DARK)[:1]
    assert "1 ━━━━━━━━  98 % 71.2/80.0 GiB  300 W  55 °C" in row.text


def test_a_gpu_that_no_longer_answers_is_not_called_free() -> None:
    gpus, lost = machine(3), {**doing(1, nan, nan), **doing(2, nan, 40.0)}
    (row,) = draw_others(gpus, lost, 120, 2, DARK)
    assert "1 unknown" in row.text and "2 in use" in row.text
    (line,) = draw_all(gpus, lost, 80, DARK)
    assert line.text.rstrip() == " gpu 0 unknown  others 1? 2?  none free"
    assert draw_all(gpus, {}, 80, DARK) == draw_others(gpus, {}, 120, 2, DARK) == []


@settings(max_examples=60)
@given(
    st.integers(2, 16),
    st.dictionaries(
        st.builds("system/{}/{}".format, st.sampled_from(["gpu", "gpu_memory", "gpu_power"]), st.integers(0, 15)),
        st.floats(-1e12, 1e12) | st.sampled_from([nan, inf]),
    ),
    widths,
    st.integers(1, 3),
)
def test_any_gpus_make_lines_of_the_width(count: int, latest: dict[str, float], width: int, lines: int) -> None:
    drawn = draw_others(machine(count), latest, width, lines, DARK)
    assert len(drawn) <= lines
    assert {strip.cell_length for strip in (*drawn, *draw_all(machine(count), latest, width, LIGHT))} <= {width}


def test_of_an_ended_run_its_energy_is_said_and_of_an_old_one_nothing() -> None:
    assert system_lines({}, Footprint(812.0, {"gpu": 812.0}, None), 80) == [" energy 812 J GPU"]
    assert system_lines({}, None, 80) == []


def test_what_the_strip_says_the_header_does_not() -> None:
    latest = {"lr": 0.1, **CPU}
    assert outside(latest, TALL) == {"lr": 0.1}
    assert outside(latest, TALL - 1) == latest
    assert outside({**latest, **GPU}, TALL - 1, machine(2)) == latest
