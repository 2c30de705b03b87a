"""The losses', optimizers' and schedules' entries. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, inf, log, log1p
from typing import Any

from tdl_tui.registry import (
    LOSSES,
    MANY,
    OPTIMIZERS,
    SCHEDULES,
    LossEntry,
    OptimizerEntry,
    Option,
    ScheduleEntry,
    Value,
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
_MOMENTUM = Option("momentum", 0.9, "share of the last update that is kept", low=0, high=0.9999, above=True)
_AMSGRAD = Option("amsgrad", False, "divide by the largest second moment so far")
_WHOLE: Mapping[str, Value] = {"data.batch_size": 0}  # the whole training part


def _optimizer(name: str, help: str, target: str, source: str, *options: Option, **more: Any) -> None:
    target = f"tdl_tui.training.{target}"
    OPTIMIZERS.register(OptimizerEntry(name, help, target, options, source, **more))


_optimizer(
    "gradient_descent",
    "Against the gradient of the whole training part: one step an epoch, data.batch_size is 0",
    "optimizers:sgd",
    "Cauchy 1847",
    full_batch=True,
    recipe={**_WHOLE, "optimizer.lr": 0.3, "training.epochs": 500},
)
_optimizer(
    "sgd",
    "Against the gradient of a batch; with momentum: momentum or nesterov",
    "optimizers:sgd",
    "Robbins & Monro 1951",
    recipe={"optimizer.lr": 0.1},
)
_optimizer(
    "momentum",
    "SGD whose steps keep a share of the one before",
    "optimizers:momentum",
    "Polyak 1964",
    _MOMENTUM,
    recipe={"optimizer.lr": 0.03},
)
_optimizer(
    "nesterov",
    "SGD with momentum that looks ahead along it",
    "optimizers:nesterov",
    "Nesterov 1983; Sutskever et al. 2013",
    _MOMENTUM,
    recipe={"optimizer.lr": 0.03},
)
_optimizer(
    "adagrad",
    "Each weight's step shrinks by the root of all its squared gradients",
    "optimizers:adagrad",
    "Duchi et al. 2011",
    Option("eps", 1e-10, _EPS.help, low=0, above=True),
    recipe={"optimizer.lr": 0.03},
)
_optimizer(
    "adadelta",
    "Steps as large as recent steps were, by recent gradients; lr 1 is the paper's",
    "optimizers:adadelta",
    "Zeiler 2012, arXiv 1212.5701",
    Option("rho", 0.9, "decay of both running means", low=0, high=0.999999),
    Option("eps", 1e-6, "added under both roots", low=0, above=True),
    recipe={"optimizer.lr": 1.0},
)
_optimizer(
    "rmsprop",
    "Each weight's step is divided by the root of a running mean of its squared gradients",
    "optimizers:rmsprop",
    "Tieleman & Hinton 2012",
    Option("alpha", 0.99, "decay of the running mean", low=0, high=0.999999),
    Option("momentum", 0.0, _MOMENTUM.help, low=0, high=0.9999),
    Option("centered", False, "subtract the squared mean gradient: divide by a deviation"),
    _EPS,
)
_optimizer(
    "adam",
    "Adaptive moments; weight decay is added to the gradient",
    "optimizers:adam",
    "Kingma & Ba 2015",
    _BETAS,
    _EPS,
    _AMSGRAD,
)
_optimizer(
    "adamw",
    "Adam with weight decay apart from the gradient",
    "optimizers:adamw",
    "Loshchilov & Hutter 2019",
    _BETAS,
    _EPS,
    _AMSGRAD,
)
_optimizer(
    "adamax",
    "Adam with the largest recent gradient in the place of the second moment",
    "optimizers:adamax",
    "Kingma & Ba 2015",
    _BETAS,
    _EPS,
)
_optimizer(
    "nadam",
    "Adam that looks ahead as Nesterov does",
    "optimizers:nadam",
    "Dozat 2016",
    _BETAS,
    _EPS,
    Option("momentum_decay", 0.004, "how soon the momentum reaches its full value", low=0, high=1),
)
_optimizer(
    "radam",
    "Adam that waits with adapting until it has seen enough gradients",
    "optimizers:radam",
    "Liu et al. 2020, arXiv 1908.03265",
    _BETAS,
    _EPS,
)
_optimizer(
    "adafactor",
    "Second moments of rows and columns alone: little memory; the step is a share lr of the weights' size",
    "optimizers:adafactor",
    "Shazeer & Stern 2018, arXiv 1804.04235",
    Option("beta2_decay", -0.8, "the second moments' decay at step t is 1 − t to this power", low=-1, high=0),
    Option("clip", 1.0, "largest root mean square of an update", low=1, high=1000),
    recipe={"optimizer.lr": 0.03},
)
_optimizer(
    "muon",
    "Orthogonal updates for weights that are matrices, AdamW for all others; weight decay as in AdamW",
    "optimizers:Muon",
    "Jordan et al. 2024; Liu et al. 2025, arXiv 2502.16982",
    Option("momentum", 0.95, "decay of the matrices' gradients, with Nesterov's look ahead", low=0, high=0.9999),
    Option("betas", (0.9, 0.95), "AdamW's, for the other weights", low=0, high=0.999999, fixed=True),
    _EPS,
    recipe={"optimizer.lr": 5e-3},
)
_optimizer(
    "lbfgs",
    "Quasi-Newton steps with a line search, several on one batch; made for the whole training part",
    "optimizers:LBFGS",
    "Liu & Nocedal 1989",
    Option("iterations", 20, "quasi-Newton steps a step of training", low=1, high=1000),
    Option("history", 10, "changes of weights and gradients that are remembered", low=1, high=1000),
    Option("line_search", "strong_wolfe", "how far along a direction; none: lr", choices=("strong_wolfe", "none")),
    closure=True,
    recipe={**_WHOLE, "optimizer.lr": 1.0},
)

_GRADIENT_FREE: Mapping[str, Any] = {
    "closure": True,
    "gradients": False,
    "most_parameters": 5000,
    "recipe": {
        **_WHOLE,
        "optimizer.lr": 0.1,
        "training.epochs": 300,
        "training.gradient_clip_norm": 0.0,  # which the data's own recipe may ask for
    },
}
_SHARE = Option("share", 0.2, "of the weights that a candidate changes", low=0, high=1, above=True)
_EVALUATIONS = Option("evaluations", 50, "candidates a step", low=1, high=100_000)
_optimizer(
    "random_search",
    "No gradient: a random change is kept if the loss is lower; lr is its deviation; best on the whole training part",
    "gradient_free:RandomSearch",
    "Rastrigin 1963; Matyas 1965",
    _EVALUATIONS,
    _SHARE,
    **_GRADIENT_FREE,
)
_optimizer(
    "simulated_annealing",
    "No gradient: random changes, uphill too while it is hot; lr is their deviation; best on the whole training part",
    "gradient_free:SimulatedAnnealing",
    "Metropolis et al. 1953; Kirkpatrick et al. 1983",
    _EVALUATIONS,
    Option("temperature", 0.01, "rise of the loss taken with a chance of 1/e, at the start", low=0, high=1000),
    Option("cooling", 0.98, "the temperature is multiplied by it at each step", low=0, high=1, above=True),
    _SHARE,
    **_GRADIENT_FREE,
)
_optimizer(
    "evolution_strategy",
    "No gradient: CMA-ES, a normal distribution that learns; lr is its first deviation; on any batch size",
    "gradient_free:EvolutionStrategy",
    "Hansen 2016, arXiv 1604.00772; Ros & Hansen 2008",
    Option("population", 20, "candidates a step", low=4, high=100_000),
    Option(
        "covariance",
        "auto",
        "of all pairs of weights, or each weight's own; auto: full up to 200 weights",
        choices=("auto", "full", "diagonal"),
    ),
    **_GRADIENT_FREE,
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
