"""The losses', optimizers' and schedules' entries. Imports no torch."""

from __future__ import annotations

from math import exp, inf, log, log1p

from tdl_tui.registry import (
    LOSSES,
    MANY,
    OPTIMIZERS,
    SCHEDULES,
    LossEntry,
    OptimizerEntry,
    Option,
    ScheduleEntry,
)


def _smoothed(p: float, smoothing: float) -> float:
    """Cross-entropy of two classes, the target's probability being p."""
    other = smoothing / 2
    return (-(1 - other) * log(p) if p > 0 else inf) - (other and (other * log(1 - p) if p < 1 else -inf))


def _huber(error: float, delta: float) -> float:
    return error**2 / 2 if error <= delta else delta * (error - delta / 2)


LOSSES.register(
    LossEntry(
        name="cross_entropy",
        help="−log softmax(outputs)[target], the mean over the batch",
        target="tdl_tui.training.objectives:cross_entropy",
        options=(
            Option("label_smoothing", 0.0, "share of the target that is spread over all classes", low=0, high=1),
            Option(
                "class_weights",
                "none",
                "balanced: a class counts by the inverse of its share of the training part",
                choices=("none", "balanced"),
            ),
        ),
        tasks=("classification",),
        formula="−log softmax(z)[y]",
        axis="probability of the target",
        curve=lambda options: lambda p: _smoothed(p, float(options["label_smoothing"])),  # type: ignore[arg-type]  # no tuple
        source="Szegedy et al. 2016 (smoothing); King & Zeng 2001 (weights)",
    )
)
LOSSES.register(
    LossEntry(
        name="binary_cross_entropy",
        help="each class against the rest: cross-entropy of a sigmoid and the one-hot target, the mean over classes",
        target="tdl_tui.training.objectives:binary_cross_entropy",
        tasks=("classification",),
        formula="mean of −q·log σ(z) − (1−q)·log(1−σ(z)), q one-hot",
        axis="output of the target",
        curve=lambda options: lambda z: max(-z, 0.0) + log1p(exp(-abs(z))),
    )
)
LOSSES.register(
    LossEntry(
        name="hinge",
        help="max margin: the target's output is to exceed every other by a margin",
        target="tdl_tui.training.objectives:hinge",
        options=(Option("margin", 1.0, "by how much", low=0, above=True),),
        tasks=("classification",),
        formula="max(0, m − z[y] + max of the other z)",
        axis="margin",
        curve=lambda options: lambda margin: max(0.0, float(options["margin"]) - margin),  # type: ignore[arg-type]  # no tuple
        source="Crammer & Singer 2001",
    )
)
LOSSES.register(
    LossEntry(
        name="mse",
        help="squared distance to the target (to the one-hot target in classification), the mean over all outputs",
        target="tdl_tui.training.objectives:mean_squared_error",
        tasks=("classification", "regression"),
        formula="mean of (z − y)²",
        axis="error",
        curve=lambda options: lambda error: error**2,
    )
)
LOSSES.register(
    LossEntry(
        name="l1",
        help="distance to the target (to the one-hot target in classification), the mean over all outputs",
        target="tdl_tui.training.objectives:mean_absolute_error",
        tasks=("classification", "regression"),
        formula="mean of |z − y|",
        axis="error",
        curve=lambda options: abs,
    )
)
LOSSES.register(
    LossEntry(
        name="huber",
        help="squared for small errors, straight for large ones, the mean over all outputs",
        target="tdl_tui.training.objectives:huber",
        options=(Option("delta", 1.0, "where the straight part begins", low=0, above=True),),
        tasks=("classification", "regression"),
        formula="mean of e²/2 if |e| ≤ δ, else δ·(|e| − δ/2); e = z − y",
        axis="error",
        curve=lambda options: lambda error: _huber(abs(error), float(options["delta"])),  # type: ignore[arg-type]  # no tuple
        source="Huber 1964",
    )
)
LOSSES.register(
    LossEntry(
        name="l2_norm",
        help="length of the difference to the target (to the one-hot target in classification), not squared",
        target="tdl_tui.training.objectives:l2_norm",
        tasks=("classification", "regression"),
        formula="√Σ(z − y)²",
        axis="error",
        curve=lambda options: abs,
    )
)

_BETAS = Option("betas", (0.9, 0.999), "decay of the first and second moments", low=0, high=0.999999, fixed=True)
_EPS = Option("eps", 1e-8, "added to the denominator", low=0, above=True)
OPTIMIZERS.register(
    OptimizerEntry(
        name="sgd",
        help="Stochastic gradient descent, with momentum and Nesterov's variant",
        target="tdl_tui.training.optimizers:sgd",
        options=(
            Option("momentum", 0.0, "share of the last update that is kept", low=0, high=0.9999),
            Option("nesterov", False, "look ahead along the momentum; needs momentum above 0"),
        ),
        source="Robbins & Monro 1951; Sutskever et al. 2013",
    )
)
OPTIMIZERS.register(
    OptimizerEntry(
        name="adam",
        help="Adaptive moments; weight decay is added to the gradient",
        target="tdl_tui.training.optimizers:adam",
        options=(_BETAS, _EPS),
        source="Kingma & Ba 2015",
    )
)
OPTIMIZERS.register(
    OptimizerEntry(
        name="adamw",
        help="Adam with weight decay apart from the gradient",
        target="tdl_tui.training.optimizers:adamw",
        options=(_BETAS, _EPS),
        source="Loshchilov & Hutter 2019",
    )
)

_TIME = "in steps; up to 1, as a share of all steps"
_FINAL = Option("final", 0.0, "share of the learning rate at the end", low=0, high=1)
_FACTOR = Option("factor", 0.1, "what is left of the learning rate each time", low=0, high=1)
SCHEDULES.register(
    ScheduleEntry(
        name="constant",
        help="the learning rate as it is",
        target="tdl_tui.training.schedules:constant",
    )
)
SCHEDULES.register(
    ScheduleEntry(
        name="cosine",
        help="half a cosine down to a share of the learning rate at the last step",
        target="tdl_tui.training.schedules:cosine",
        options=(_FINAL,),
        source="Loshchilov & Hutter 2017",
    )
)
SCHEDULES.register(
    ScheduleEntry(
        name="linear",
        help="a straight line down to a share of the learning rate at the last step",
        target="tdl_tui.training.schedules:linear",
        options=(_FINAL,),
    )
)
SCHEDULES.register(
    ScheduleEntry(
        name="exponential",
        help="by the same factor at each step down to a share of the learning rate at the last",
        target="tdl_tui.training.schedules:exponential",
        options=(Option("final", 0.01, "share of the learning rate at the end", low=0, high=1, above=True),),
    )
)
SCHEDULES.register(
    ScheduleEntry(
        name="step",
        help="less by a factor at even distances",
        target="tdl_tui.training.schedules:step",
        options=(
            Option("every", 0.25, f"distance {_TIME}", low=0, high=MANY, above=True),
            _FACTOR,
        ),
    )
)
SCHEDULES.register(
    ScheduleEntry(
        name="multi_step",
        help="less by a factor at each milestone",
        target="tdl_tui.training.schedules:multi_step",
        options=(
            Option("milestones", (0.5, 0.75), f"each {_TIME}", low=0, high=MANY, above=True),
            _FACTOR,
        ),
        source="He et al. 2016",
    )
)
SCHEDULES.register(
    ScheduleEntry(
        name="cosine_restarts",
        help="half a cosine again and again, from the whole learning rate each time",
        target="tdl_tui.training.schedules:cosine_restarts",
        options=(
            Option("period", 0.1, f"length of the first {_TIME}", low=0, high=MANY, above=True),
            Option("multiplier", 2, "how many times as long as the last each next one is", low=1, high=MANY),
            _FINAL,
        ),
        source="Loshchilov & Hutter 2017 (SGDR)",
    )
)
SCHEDULES.register(
    ScheduleEntry(
        name="one_cycle",
        help="up to the learning rate, then down to almost nothing; it may be larger than with other schedules",
        target="tdl_tui.training.schedules:one_cycle",
        options=(
            Option("rise", 0.3, "share of the steps that go up", low=0, high=1),
            Option("start", 0.04, "share of the learning rate at the first step", low=0, high=1, above=True),
            Option("final", 4e-6, "share of the learning rate at the last step", low=0, high=1),
        ),
        source="Smith & Topin 2018",
    )
)
SCHEDULES.register(
    ScheduleEntry(
        name="reduce_on_plateau",
        help="less by a factor when the series that early stopping monitors stands still",
        target="tdl_tui.training.schedules:ReduceOnPlateau",
        options=(
            _FACTOR,
            Option("patience", 3, "validations without improvement that are let pass", low=0, high=MANY),
            Option("threshold", 1e-4, "an improvement by no more than this is none", low=0),
        ),
        observes=True,
    )
)
