"""Runs that never were: snapshots made by formulas, the same on every machine."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from tdl_tui.registry import DataShape
from tdl_tui.runs.reader import LAYER_SERIES
from tdl_tui.runs.records import (
    Best,
    Bucket,
    Event,
    LayerSample,
    Probe,
    ProbeSample,
    Progress,
    State,
    Summary,
)
from tdl_tui.screens.run_snapshot import Snapshot, Wants

START = 1_700_000_000.0
TEXT = "It was a bright cold day, and the clocks were striking thirteen.\nHe said noth"
LETTERS = tuple("\n !,.ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
TOTAL, EACH = 4600, 230
SHAPES = {
    "image": DataShape("classification", "image", (1, 8, 8), 10, tuple("0123456789"), examples=1797),
    "sequence": DataShape("classification", "sequence", (40, 1), 10, tuple("0123456789"), examples=5000),
    "table": DataShape(
        "classification",
        "table",
        (4,),
        3,
        ("setosa", "versicolor", "virginica"),
        ("sepal length", "sepal width", "petal length", "petal width"),
        150,
    ),
    "text": DataShape("classification", "text", (len(TEXT),), len(LETTERS), LETTERS, examples=800, steps=len(TEXT)),
    "graph": DataShape("classification", "graph", (1,), 2, ("Mr. Hi", "Officer"), examples=34, graph=(34, 34)),
    "regression": DataShape(
        "regression", "table", (10,), 1, (), ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"), 442
    ),
}
LAYERS = ("layers.0", "layers.2", "layers.4")


def _wiggle(n: float) -> float:
    """Between -1 and 1, without a pattern to the eye."""
    return math.sin(n * 12.9898) * math.cos(n * 78.233)


def _buckets(last: int, each: int, value: Any) -> tuple[Bucket, ...]:
    return tuple(
        Bucket(first, first + each - 1, START + first * 0.01, mean, mean, mean, each, 0)
        for first in range(1, last - each + 2, each)
        for mean in (value(first),)
    )


def _probe(kind: str, index: int, shape: DataShape) -> Probe:
    count = math.prod(shape.input)
    if kind == "image":
        size = shape.input[1]
        middle = (size - 1) / 2
        ring = [
            max(0.0, 1 - abs(math.hypot(x - middle, y - middle) - size / 3.2) / (size / 7))
            for y in range(size)
            for x in range(size)
        ]
        values = tuple(ring)
    elif kind == "sequence":
        values = tuple(math.sin(t / 5 + index) + 0.2 * _wiggle(t) for t in range(count))
    elif kind == "text":
        return Probe(index * 7, kind, shape.input, tuple(float(LETTERS.index(c)) for c in TEXT), LETTERS.index("i"))
    elif kind == "graph":
        return Probe(index, kind, shape.input, (float(index + 1),), float(index % 2))
    else:
        values = tuple(3 + 2 * _wiggle(index * 10 + i) for i in range(count))
    target = float(index % shape.outputs) if shape.task == "classification" else 90.0 + 14 * index
    return Probe(index * 7, kind if kind != "regression" else "table", shape.input, values, target)


def snapshot(kind: str = "image", step: int = 2000, state: State = State.RUNNING, message: str = "") -> Snapshot:
    """A run of a kind (a name in SHAPES) that has come to `step` of 4,600."""
    shape = SHAPES[kind]
    metric = "r2" if shape.task == "regression" else "accuracy"
    loss = lambda s: 2.3 * math.exp(-s / 700) + 0.08 + 0.05 * _wiggle(s) * math.exp(-s / 2000)  # noqa: E731
    held = lambda s: 2.3 * math.exp(-s / 800) + 0.15  # noqa: E731
    series = {
        "train/loss": _buckets(step, 40, loss),
        "val/loss": _buckets(step, EACH, held),
        f"train/{metric}": _buckets(step, 40, lambda s: 1 - loss(s) / 2.6),
        f"val/{metric}": _buckets(step, EACH, lambda s: 1 - held(s) / 2.6),
    }
    probes = tuple(_probe(kind, index, shape) for index in range(16)) if step else ()
    sure = 1 + 6 * step / TOTAL
    outputs = tuple(
        tuple((sure if c == int(p.target) else 0.0) + 0.8 * _wiggle(c + 10 * i) for c in range(shape.outputs))
        if shape.task == "classification"
        else (p.target + 20 * _wiggle(i),)
        for i, p in enumerate(probes)
    )
    samples = tuple(
        LayerSample(
            s,
            START + s * 0.01,
            tuple(
                (
                    10 ** (-1 - layer * 0.7) * math.exp(-s / 1500) * (1 + 0.3 * _wiggle(s + layer)),
                    4.0 + layer + s / 4000,
                    (2e-3, 3e-6, 0.3)[layer] * math.exp(-s / 9000),
                    0.12 * layer,
                    0.9,
                    0.05 * layer,
                    math.nan,
                )
                for layer in range(len(LAYERS))
            ),
        )
        for s in range(1, step + 1, 50)
    )
    happened = (
        Event(1, START, 0, "state", "running"),
        Event(2, START + 5, 500, "checkpoint", "checkpoint of step 500"),
        Event(3, START + 9, 900, "learning_rate", "learning rate 0.001 → 0.0005"),
        Event(4, START + 19, 1840, "best", "val/loss 0.381 is the best so far"),
    )
    if kind == "text":
        written = f"the sand of the\nshore {'and the sea ' * 20}END"
        happened = (*happened, Event(5, START + 20, 1900, "sample", written.replace("\n", "⏎"), {"text": written}))
    rate = 5e-4 if step >= 900 else 1e-3
    done = state is State.FINISHED
    summary = Summary(
        id="k3x9a2bc",
        name=f"mlp on {kind}",
        state=state,
        created=START - 2,
        changed=START + step * 0.01,
        experiment={
            "data": {"dataset": kind, "options": {}},
            "model": {"architecture": "mlp"},
            "optimizer": {"name": "adam", "lr": 1e-3},
        },
        progress=Progress(step, -(-step // EACH), TOTAL, EACH, step * 0.01),
        best=Best("val/loss", 1840, 0.381) if step > 1840 else None,
        test={"loss": 0.214, metric: 0.957} if done else None,
        message=message,
        pid=4242,
        host="box",
        device="cpu, 2 threads",
    )
    return Snapshot(
        summary=summary,
        shape=shape,
        names=(*sorted(series), *(prefix + layer for prefix in LAYER_SERIES for layer in LAYERS)) if step else (),
        series=series if step else {},
        latest={"lr": rate, "speed/samples_per_s": 12345.0, "system/memory": 312e6} if step else {},
        layer_names=LAYERS if step else (),
        layer_samples=samples,
        probes=probes,
        outputs=ProbeSample(step, START + step * 0.01, outputs) if step else None,
        events=tuple(e for e in happened if e.step <= step),
        started=START,
        sampled=tuple(sample.step for sample in samples),
        eventful=tuple(e.step for e in happened if 0 < e.step <= step),
    )


def looked_back(now: Snapshot, at: int | None) -> Snapshot:
    """A snapshot as it is when a step is looked at."""
    if at is None:
        return replace(now, at=None, time=math.nan)
    then = snapshot(now.summary.experiment["data"]["dataset"], at)
    return replace(now, at=at, time=START + at * 0.01, latest=then.latest, outputs=then.outputs)


def damaged(text: str) -> Snapshot:
    """A run whose folder cannot be read."""
    return Snapshot(replace(snapshot(step=0).summary, damage=text))


class Playing:
    """A source that gives these snapshots one after the other, then nothing new but the moments that are looked at,
    whose steps are noted in `given`."""

    def __init__(self, *snapshots: Snapshot) -> None:
        self._left = list(snapshots)
        self.given: list[int | None] = []
        self._at: int | None = None
        self._now: Snapshot | None = None

    def read(self, wants: Wants) -> Snapshot | None:
        if self._left:
            self._now = self._left.pop(0)
            return self._now
        if wants.at == self._at or self._now is None:
            return None
        self._at = wants.at
        self.given.append(wants.at)
        return looked_back(self._now, wants.at)

    def close(self) -> None:
        pass
