"""Each rule at its threshold: it speaks just beyond, and is silent just before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf, log, nan
from pathlib import Path
from typing import Any

import pytest

from tdl_tui.diagnosis import limits
from tdl_tui.diagnosis.changes import changed
from tdl_tui.diagnosis.evidence import SAMPLES, Evidence, Recorded
from tdl_tui.diagnosis.rules import BY_NAME, RULES, diagnose
from tdl_tui.runs.bottleneck import DATA
from tdl_tui.runs.records import LAYER_COLUMNS, LayerSample, Matrix, Progress
from tdl_tui.spec import experiment

ROOT = Path(__file__).resolve().parents[2]
EVEN = log(10)
"""The loss of a guess among ten classes of the same size."""
NEAR = 1e-6


def course(values: Sequence[float], first: int = 1, stride: int = 1) -> Any:
    recorded = Recorded()
    recorded.extend(first, stride, values)
    return recorded.course()


def samples(**columns: Sequence[float]) -> tuple[LayerSample, ...]:
    """The newest samples, all alike: a value a layer for some columns, NaN for the others."""
    layers = len(next(iter(columns.values())))
    rows = tuple(tuple(columns.get(c, [nan] * layers)[layer] for c in LAYER_COLUMNS) for layer in range(layers))
    return tuple(LayerSample(step, 0.0, rows) for step in range(1, SAMPLES + 1))


def evidence(
    document: dict[str, Any] | None = None,
    loss: Sequence[float] = (),
    val: Sequence[float] = (),
    *,
    epoch: int = 20,
    total: int = 400,
    **more: Any,
) -> Evidence:
    """Of a training on digits whose losses are a value a step, and a value an epoch of `epoch` steps."""
    chosen = experiment(document or {})
    series = dict(more.pop("series", {}))
    if loss:
        series["train/loss"] = course(loss)
    if val:
        series["val/loss"] = course(val, epoch, epoch)
    counts = {"class_counts": (100,) * 10} if chosen.shape.task == "classification" else {}
    first = {"first_loss": loss[0]} if loss else {}
    given = {
        "progress": Progress(len(loss), len(loss) // epoch, total, epoch, 1.0),
        "series": series,
        "layer_names": ("first", "second", "third"),
        "validation": 10_000,
    }
    return Evidence(chosen, chosen.shape, **{**counts, **first, **given, **more})


def swinging(size: float) -> Evidence:
    return evidence(loss=[1.0] * 300, val=[1.0 + size * (place % 2) for place in range(15)])


def overfitted(now: float, lowest: float = 1.0, **more: Any) -> Evidence:
    return evidence(loss=[2.0] * 100 + [0.01] * 200, val=[lowest] * 5 + [now] * 10, **more)


def underfitted(accuracy: float) -> Evidence:
    return evidence(loss=[2.0] * 400, series={"train/accuracy": course([accuracy] * 400)})


def better(val: float) -> Evidence:
    return evidence(loss=[1.0] * 200, val=[val] * 9)


def stalled(loss: float, steps: int = 200) -> Evidence:
    return evidence(loss=[loss] * steps)


def rate(ratio: float, loss: float = EVEN) -> Evidence:
    return evidence(
        loss=[loss] * 100, layer_samples=samples(update_ratio=[ratio] * 3), series={"lr": course([1e-3, 1e-3])}
    )


def gradients(first: float) -> Evidence:
    return evidence(loss=[2.0] * 10, layer_samples=samples(gradient_norm=[first, 0.5, 1.0]))


def exploded(norm: float) -> Evidence:
    return evidence(loss=[2.0] * 100, first_gradient=1.0, series={"grad/norm": course([1.0] * 99 + [norm])})


def dead(share: float, document: dict[str, Any] | None = None) -> Evidence:
    return evidence(document, loss=[2.0] * 100, layer_samples=samples(dead_share=[share, 0.0, 0.0]))


def saturated(share: float, loss: float = 2.0) -> Evidence:
    return evidence(loss=[loss] * 100, layer_samples=samples(saturated_share=[share, nan, nan]))


def waiting(share: float, storage: str) -> Evidence:
    """Of a training of which half the time goes into validations."""
    parts = {"data": share / 2, "forward": 0.1, "validation": 0.5 - 1e-9}
    series = {f"time/{part}": course([value] * 11) for part, value in parts.items()}
    return evidence(loss=[2.0] * 100, storage=storage, series=series)


def gpu(busy: float) -> Evidence:
    return evidence(loss=[2.0] * 100, device="cuda", series={"system/gpu": course([busy] * 11)})


def remembered(*norms: Sequence[float], core: str = "rnn", loss: float = EVEN, **options: Any) -> Evidence:
    """Of a recurrent network that stands at a loss for 300 of 400 steps; `norms` by time, the last step's last."""
    document = {"model": {"architecture": core, "options": options}}
    matrices = tuple(Matrix("through_time/l0", step, 0.0, tuple(map(tuple, norms))) for step in range(1, 6))
    return evidence(document, [loss] * 300, through_time={"through_time/l0": matrices})


def forgotten(share: float) -> Evidence:
    return remembered([share, 0.1, 1.0])


def grown(times: float) -> Evidence:
    return remembered([times, 0.1, 1.0])


def begun(loss: float) -> Evidence:
    return evidence(loss=[loss])


def risen(loss: float) -> Evidence:
    return evidence(loss=[EVEN] * 100 + [loss] * 20)


def fallen(loss: float) -> Evidence:
    """A loss that had come to `loss` and is back a little above where it began."""
    return evidence(loss=[EVEN] * 40 + [loss] * 60 + [EVEN + 0.1] * 20)


Made = Callable[[float], Evidence]
AT: list[tuple[str, Made, float, float]] = [
    # rule, evidence by a figure, the threshold, and which way it is passed
    ("initial_loss", begun, limits.START * EVEN + limits.START_MARGIN, +1),
    ("diverges", risen, limits.DIVERGED * EVEN, +1),
    ("diverges", fallen, limits.FALLEN * EVEN, -1),
    ("stalls", stalled, limits.STALLED * EVEN, +1),
    ("oscillates", swinging, limits.SWING * EVEN, +1),
    ("rate_too_high", rate, limits.UPDATE_HIGH, +1),
    ("rate_too_low", rate, limits.UPDATE_LOW, -1),
    ("rate_too_low", lambda loss: rate(1e-6, loss), limits.LEARNS * EVEN, +1),
    ("vanishing_gradients", gradients, limits.VANISHED, -1),
    ("exploding_gradients", exploded, limits.EXPLODED, +1),
    ("vanishing_through_time", forgotten, limits.VANISHED, -1),
    ("exploding_through_time", grown, limits.GROWN, +1),
    ("dead_units", dead, limits.DEAD, +1),
    ("saturated_units", saturated, limits.SATURATED, +1),
    ("overfitting", overfitted, 1.2, +1),
    ("overfitting", lambda now: overfitted(now, 0.2), 1.3 * 0.2, +1),
    ("overfitting", lambda now: overfitted(now, 0.1), 0.1 + 0.02 * EVEN, +1),
    ("saturated_units", lambda loss: saturated(1.0, loss), limits.FALLEN * EVEN, +1),
    ("underfitting", underfitted, 0.1 + limits.UNDERFITTED * 0.9, -1),
    ("validation_better", better, limits.BETTER, -1),
    ("data_bound", lambda share: waiting(share, "stream"), DATA, +1),
    ("data_bound", lambda share: waiting(share, "memory"), DATA, +1),
    ("idle_gpu", gpu, limits.IDLE_GPU, -1),
]


@pytest.mark.parametrize(
    ("rule", "made", "threshold", "way"), AT, ids=[f"{case[0]}-{at}" for at, case in enumerate(AT)]
)
def test_a_rule_speaks_beyond_its_threshold_alone(rule: str, made: Made, threshold: float, way: int) -> None:
    beyond, before = threshold * (1 + way * NEAR), threshold * (1 - way * NEAR)
    diagnosis = BY_NAME[rule].diagnose(made(beyond))
    assert diagnosis is not None and diagnosis.rule == rule
    assert BY_NAME[rule].diagnose(made(before)) is None


def test_a_class_that_is_ten_times_as_rare() -> None:
    def counted(least: int) -> Evidence:
        return evidence(loss=[1.0], class_counts=(1000,) * 9 + (least,))

    rule = BY_NAME["class_imbalance"]
    assert rule.diagnose(counted(101)) is None
    found = rule.diagnose(counted(100))
    assert found is not None and found.change == {"objective.options.class_weights": "balanced"}
    missing = rule.diagnose(counted(0))
    assert missing is not None and missing.change == {}  # no weight helps a class without examples


@pytest.mark.parametrize("message", ["out of memory: a smaller batch", "too little memory: training takes 1 TiB"])
def test_memory_that_ran_out(message: str) -> None:
    failed = BY_NAME["does_not_fit"].diagnose(evidence(message=message))
    assert failed is not None and failed.change == {"training.accumulation": 2} and failed.seen == message
    assert BY_NAME["does_not_fit"].diagnose(evidence(message="KeyError: 'x'")) is None


def test_a_loss_that_is_not_finite_diverges() -> None:
    for loss in (nan, inf, -inf):
        assert BY_NAME["diverges"].diagnose(evidence(loss=[1.0, loss])) is not None
    failed = evidence(loss=[1.0], message="the loss is not finite from step 2 on")
    assert BY_NAME["diverges"].diagnose(failed) is not None


SILENT: dict[str, tuple[str, Evidence]] = {
    "a loss with class weights has no ln C": (
        "initial_loss",
        evidence({"objective": {"options": {"class_weights": "balanced"}}}, [100.0]),
    ),
    "nor has one with label smoothing": (
        "initial_loss",
        evidence({"objective": {"options": {"label_smoothing": 0.1}}}, [100.0]),
    ),
    "a training that goes on from a checkpoint has no first loss": ("initial_loss", evidence(first_loss=nan)),
    "the first steps may rise": ("diverges", evidence(loss=[EVEN] * 10 + [10.0] * 30)),
    "a few steps are no stall": ("stalls", stalled(EVEN, limits.STALLED_STEPS - 1)),
    "nor is the beginning of a long training": ("stalls", evidence(loss=[EVEN] * 200, total=10_000)),
    "one swing is none": ("oscillates", evidence(loss=[1.0] * 300, val=[1.0] * 14 + [3.0])),
    "a loss that falls steeply does not swing": (
        "oscillates",
        evidence(loss=[1.0] * 300, val=[9.0 - place / 2 for place in range(15)]),
    ),
    "long steps that learn are right": ("rate_too_high", rate(0.3, 1.0)),
    "what a schedule has brought down is not too low": (
        "rate_too_low",
        evidence(
            loss=[EVEN] * 100,
            layer_samples=samples(update_ratio=[1e-7] * 3),
            series={"lr": course([1e-3] * 50 + [1e-6])},
        ),
    ),
    "two layers have no first third": (
        "vanishing_gradients",
        evidence(loss=[2.0] * 10, layer_samples=samples(gradient_norm=[1e-9, 1.0])),
    ),
    "clipped gradients may be long": (
        "exploding_gradients",
        replace(exploded(1e9), experiment=experiment({"training": {"gradient_clip_norm": 1.0}})),
    ),
    "a lone unit of a tanh is not dead": ("dead_units", dead(1.0, {"model": {"options": {"activation": "tanh"}}})),
    "of few examples nothing is said": (
        "dead_units",
        dead(1.0, {"data": {"batch_size": 8}, "telemetry": {"probes": 8}}),
    ),
    "a small rise is none": ("overfitting", evidence(loss=[0.1] * 100 + [0.01] * 200, val=[0.05] * 5 + [0.09] * 10)),
    "one bad validation is none": ("overfitting", evidence(loss=[2.0] * 300, val=[1.0] * 14 + [9.0])),
    "nor is one good one the lowest": (
        "overfitting",
        evidence(loss=[2.0] * 100 + [0.01] * 200, val=[1.2, 0.8, *[1.2] * 13]),
    ),
    "what still falls is not done": (
        "underfitting",
        evidence(loss=[2.0 - place / 400 for place in range(400)], series={"train/accuracy": course([0.1] * 400)}),
    ),
    "of a small validation part nothing is said": ("validation_better", replace(better(0.5), validation=20)),
    "tokens are rare by nature": (
        "class_imbalance",
        evidence({"data": {"dataset": "copy_memory"}}, [1.0], class_counts=(1,) * 9 + (10_000,)),
    ),
    "weighted classes are looked after": (
        "class_imbalance",
        evidence({"objective": {"options": {"class_weights": "balanced"}}}, [1.0], class_counts=(1000,) * 9 + (1,)),
    ),
    "a CPU has no GPU that idles": ("idle_gpu", replace(gpu(1.0), device="cpu")),
    "a training that has just begun waits": (
        "data_bound",
        evidence(
            loss=[2.0] * 100,
            storage="stream",
            series={f"time/{part}": course([0.4] * limits.MACHINE_POINTS) for part in ("data", "forward")},
        ),
    ),
}


@pytest.mark.parametrize("why", SILENT)
def test_a_rule_holds_back(why: str) -> None:
    rule, seen = SILENT[why]
    assert BY_NAME[rule].diagnose(seen) is None


@pytest.mark.parametrize(("core", "change"), [
    ("rnn", {"model.architecture": "gru", "model.options.hidden_size": 16}),
    ("lstm", {"model.options.forget_bias": 1.0}),
    ("gru", {"model.options.readout": "all"}),
])  # fmt: skip
def test_a_network_that_forgets_is_offered_one_that_remembers(core: str, change: dict[str, Any]) -> None:
    found = BY_NAME["vanishing_through_time"].diagnose(remembered([1e-9, 1e-6, 1.0], core=core, hidden_size=16))
    assert found is not None and found.change == change
    assert "1 at one end of 3 steps and 1e-09 at the other" in found.seen
    assert found.seen.endswith("less than a thousandth is left 1 step back")
    stuck = BY_NAME["stalls"].diagnose(remembered([1e-9, 1e-6, 1.0], core=core, hidden_size=16))
    assert stuck is not None and stuck.change == change  # the same cause


def test_one_way_back_is_enough() -> None:
    """Of an LSTM the cell, of two directions either."""
    through_cell = remembered([1e-9, 1.0], [0.5, 1.0], core="lstm")
    assert BY_NAME["vanishing_through_time"].diagnose(through_cell) is None


def test_a_loss_that_rises_without_the_accuracy_is_said_to_be_too_sure() -> None:
    def meaning(then: float, now: float) -> str:
        accuracy = course([then] * 5 + [now] * 10, 20, 20)
        found = BY_NAME["overfitting"].diagnose(overfitted(2.0, series={"val/accuracy": accuracy}))
        assert found is not None
        return found.means

    assert "the accuracy is not down (80 % then, 90 % now): the network grows too sure" in meaning(0.8, 0.9)
    assert "too sure" in meaning(0.8, 0.8)
    assert "by heart" in meaning(0.9, 0.8)


def test_a_change_of_the_learning_rate_is_judged_by_what_comes_after_it() -> None:
    swings = swinging(1.0)
    rule = BY_NAME["oscillates"]
    assert rule.diagnose(swings) is not None
    assert rule.diagnose(replace(swings, changes={"optimizer.lr": 100})) is None  # ten validations have to come first
    assert rule.diagnose(replace(swings, changes={"optimizer.lr": 60})) is not None
    assert rule.diagnose(replace(swings, changes={"training.epochs": 290})) is not None  # which it does not go by


def test_a_value_that_was_changed_back_up_can_diverge_from_where_it_had_come_to() -> None:
    back = fallen(0.3 * EVEN)
    assert BY_NAME["diverges"].diagnose(replace(back, changes={"optimizer.lr": 60})) is not None
    assert BY_NAME["diverges"].diagnose(replace(back, changes={"optimizer.lr": 110})) is None


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_nothing_is_said_of_nothing(rule: Any) -> None:
    assert rule.diagnose(evidence()) is None
    assert rule.diagnose(evidence({"data": {"dataset": "diabetes"}, "model": {"architecture": "linear"}})) is None


def test_the_worst_comes_first() -> None:
    found = diagnose(replace(saturated(1.0), message="out of memory"))
    assert [diagnosis.severity for diagnosis in found] == ["bad", "caution"]


def test_another_architecture_comes_with_its_own_options() -> None:
    document = experiment({"model": {"architecture": "softmax_regression"}}).document()
    made = experiment(changed(document, {"model.architecture": "mlp", "optimizer.lr": 0.3}))
    assert (made.model.architecture, made.optimizer.lr) == ("mlp", 0.3)
    assert made.model.options["widths"] == (128, 64)
    assert document["model"]["architecture"] == "softmax_regression"


def test_every_rule_names_its_source_with_the_year_and_its_threshold() -> None:
    assert len(BY_NAME) == len(RULES)
    for rule in RULES:
        assert any(year.strip(";,").isdigit() and len(year.strip(";,")) == 4 for year in rule.source.split()), rule.name
        assert rule.limit and rule.sees and len(rule.word) <= 14


def test_the_page_of_the_doctor_has_every_rule_as_it_is() -> None:
    page = (ROOT / "docs" / "doctor.md").read_text()
    for rule in RULES:
        assert f"| {rule.word} | {rule.sees} | {rule.limit} | {rule.source} |" in page, rule.name
    assert page.count("\n| ") == len(RULES) + 1


def test_a_gpu_that_idles_for_want_of_data_or_no_longer_answers_is_not_said_to_idle() -> None:
    idle, starved = gpu(5.0), waiting(0.9, "stream")
    rule = BY_NAME["idle_gpu"]
    assert rule.diagnose(idle) is not None
    assert BY_NAME["data_bound"].diagnose(starved) is not None
    assert rule.diagnose(replace(idle, series={**idle.series, **starved.series}, storage="stream")) is None
    assert rule.diagnose(replace(idle, series={"system/gpu": course([5.0] * 11 + [nan])})) is None
