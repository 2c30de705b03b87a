"""What a run consists of, as plain frozen values: the words that writer, reader, worker and screens share. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from .gpus import Gpu


class State(StrEnum):
    """A run's state. LOST and ELSEWHERE are never written: a reader finds them by looking at the lock and the host."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    LOST = "lost"
    ELSEWHERE = "elsewhere"

    @property
    def live(self) -> bool:
        """Whether a worker is at work on it."""
        return self in (State.STARTING, State.RUNNING, State.PAUSED)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, at a step (0: before the first) and a time (seconds since the epoch)."""

    id: int
    time: float
    step: int
    kind: str
    text: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is. `seconds` counts training time: pauses are left out."""

    step: int = 0
    epoch: int = 0
    total_steps: int = 0
    steps_per_epoch: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Best:
    """The best value so far of the monitored series."""

    series: str
    step: int
    value: float


class Point(NamedTuple):
    """One recorded value: optimizer step, time in seconds since the epoch, value (may be NaN or infinite)."""

    step: int
    time: float
    value: float


class Bucket(NamedTuple):
    """Points first..last (steps) summed up: extremes, mean and count of the finite ones, and the count of the others.

    `count` may be 0, then minimum, maximum and mean are NaN. `time` is the time of the last point.
    """

    first: int
    last: int
    time: float
    minimum: float
    maximum: float
    mean: float
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody wants of a bucket
    nonfinite: int


@dataclass(frozen=True, slots=True)
class Probe:
    """A held-out example that is followed. `input` holds the raw values (before normalisation) in row-major order.

    kind "image": shape (C, H, W), values 0 to 1; "sequence": (T, F); "table": (F,); "text": (T,), numbers of tokens;
    "graph": (1,), the number of a node. `target` is a class index (the last step's where each has one), or the value
    in regression.
    """

    index: int
    kind: str
    shape: tuple[int, ...]
    input: tuple[float, ...]
    target: float


@dataclass(frozen=True, slots=True)
class ProbeSample:
    """The outputs (logits, or predictions in original units) of every probe at a step; `outputs[p]` is probe p's."""

    step: int
    time: float
    outputs: tuple[tuple[float, ...], ...]


LAYER_COLUMNS = (
    "gradient_norm",
    "weight_norm",
    "update_ratio",
    "activation_mean",
    "activation_deviation",
    "dead_share",
    "saturated_share",
)


@dataclass(frozen=True, slots=True)
class LayerSample:
    """Layer statistics at a step: a row a layer, in the run's layer order, a column as in LAYER_COLUMNS (NaN: none)."""

    step: int
    time: float
    rows: tuple[tuple[float, ...], ...]


PARAMETER_COLUMNS = LAYER_COLUMNS[:3]
HISTOGRAM_BINS = 32
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True)
class Matrix:
    """A named matrix of numbers at a step, whose rows are of one length.

    "confusion": counts of the validation, a row a class that is right, a column a class that was said; where there are
    more than a hundred classes, "classes": a row a class, how often it was said rightly and how often it was there.
    "confusion/test", "classes/test": the same of the test.

    "parameters": a row a parameter, in the order of the fact "parameters" (their names, a layer's beside each other); a
    column as in PARAMETER_COLUMNS (NaN: none).

    "histogram/gradient/<layer>", "histogram/weight/<layer>", "histogram/activation/<layer>": three rows of
    HISTOGRAM_BINS + 1 numbers, of a layer's values or some spread evenly over them. The edges of the bins, ascending
    from the lowest to the highest value; the counts of the values from an edge (with it) to the next (without it, but
    with the highest), and at the end that of those that are not finite; mean, deviation and QUANTILES, and NaN for the
    rest. Where no value is finite, edges and summary are NaN.

    "through_time/<layer>": the gradient's way back through a recurrent layer, called l0, l1, …, and l0_reverse where it
    reads backward. Row 0 is ‖∂L/∂h_t‖, in an LSTM row 1 ‖∂L/∂c_t‖, a column a time step t: each the mean over some
    examples, L an example's own loss.
    """

    name: str
    step: int
    time: float
    rows: tuple[tuple[float, ...], ...]


Severity = Literal["note", "caution", "bad"]
"""A note explains what one might wonder at; the others are alarms."""


@dataclass(frozen=True)
class Diagnosis:
    """What a rule noticed about a training, at a step.

    `rule` is the rule's name, `word` what it is called in a table. `seen` is one line with the figure, `means` what it
    usually means, `tries` what to try, the likeliest first; `change` is that one as TOML paths with values, empty where
    it is no value of the experiment.
    """

    rule: str
    word: str
    severity: Severity
    seen: str
    means: str
    tries: tuple[str, ...]
    change: dict[str, Any]
    step: int


@dataclass(frozen=True)
class Parent:
    """What a run was forked from: the id of a run and its name, the step and the name of a checkpoint."""

    run: str
    name: str
    step: int
    checkpoint: str


@dataclass(frozen=True)
class Summary:
    """What the table of runs shows of one run. `damage` says in one line why a run cannot be read, "" when it can.

    `diagnoses` are those that hold, the worst first; `gpus` those of the machine, the one that trains first.
    """

    id: str
    name: str
    state: State
    created: float
    changed: float
    experiment: dict[str, Any] = field(default_factory=dict)
    progress: Progress = field(default_factory=Progress)
    best: Best | None = None
    test: dict[str, float] | None = None
    message: str = ""
    pid: int = 0
    host: str = ""
    device: str = ""
    damage: str = ""
    diagnoses: tuple[Diagnosis, ...] = ()
    parent: Parent | None = None
    gpus: tuple[Gpu, ...] = ()
