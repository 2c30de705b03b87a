"""A run as somebody who means harm would send it: sequences that steer terminals wherever there is text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tdl_tui.runs import home
from tdl_tui.runs.records import LayerSample, Matrix, Probe, ProbeSample, State
from tdl_tui.runs.writer import RunWriter

STEERING = "\x1b]0;owned\x07\x1b[2J\x1b[31mred\x9b1m\x7f\r\b\x85\u202etxt"


def make_hostile(place: Path, name: str = "", **facts: Any) -> Path:
    """The run's folder. Every word in it steers; `name` becomes that of its folder."""
    experiment = {
        "name": STEERING,
        STEERING: STEERING,
        "data": {"dataset": STEERING, "options": {STEERING: STEERING}},
        "model": {"architecture": STEERING},
        "optimizer": {"name": STEERING, "lr": 0.1},
        "training": {"epochs": STEERING, "device": STEERING},
        "nothing": None,
    }
    new = home.create(place, experiment, title=STEERING)
    with RunWriter(new.folder) as writer:
        for step in range(1, 6):
            writer.point("train/loss", step, 1.0 / step)
            writer.point("val/loss", step, 2.0 / step)
            writer.point(STEERING, step, 1.0)
            writer.point(f"system/{STEERING}", step, 1.0)
        writer.layers([STEERING, STEERING * 2])
        writer.layer_sample(LayerSample(1, 1.0, ((1.0,) * 7, (2.0,) * 7)))
        writer.probes([Probe(0, "text", (3,), (0.0, 1.0, 1.0), 1.0)])
        writer.probe_sample(ProbeSample(1, 1.0, ((0.25, 0.75),)))
        writer.matrix(Matrix(STEERING, 1, 1.0, ((1.0, 2.0), (3.0, 4.0))))
        writer.event(STEERING, STEERING, 1, {STEERING: STEERING, "text": STEERING})
        writer.event("sample", STEERING, 2, {"text": STEERING})
        writer.update(
            **{
                "state": State.FAILED,
                "message": STEERING,
                "device": STEERING,
                "host": STEERING,
                "pid": 4242,
                "progress": {"step": 5, "epoch": 1, "total_steps": 10, "steps_per_epoch": 5, "seconds": 1.0},
                "best": {"series": STEERING, "step": 5, "value": 0.5},
                "test": {STEERING: 0.5},
                "data_shape": {
                    "task": "classification",
                    "kind": "text",
                    "input": [3],
                    "outputs": 2,
                    "classes": [STEERING, STEERING[::-1]],
                    "features": [STEERING],
                },
                **facts,
            }
        )
    os.close(new.lock_fd)
    (new.folder / "log.txt").write_text(STEERING)
    return new.folder.rename(new.folder.with_name(name)) if name else new.folder


def steering(text: str) -> set[str]:
    """The characters of a text that would steer a terminal."""
    return {
        character
        for character in text
        if character not in "\n\t" and (ord(character) < 32 or 127 <= ord(character) < 160)
    }
