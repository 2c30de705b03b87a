"""The lines above a run's charts: where the time goes, and what the machine does."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tdl_tui.runs.bottleneck import LEAST, MOST, PARTS
from tdl_tui.runs.footprint import Footprint
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


def system_lines(latest: dict[str, float], used: Footprint | None, width: int) -> list[str]:
    return [strip.text.rstrip() for strip in draw_system(latest, used, width, 2, DARK)]


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


def test_of_an_ended_run_its_energy_is_said_and_of_an_old_one_nothing() -> None:
    assert system_lines({}, Footprint(812.0, {"gpu": 812.0}, None), 80) == [" energy 812 J GPU"]
    assert system_lines({}, None, 80) == []


def test_what_the_strip_says_the_header_does_not() -> None:
    latest = {"lr": 0.1, **CPU}
    assert outside(latest, TALL) == {"lr": 0.1}
    assert outside(latest, TALL - 1) == latest
