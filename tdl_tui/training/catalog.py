"""The losses', optimizers' and schedules' entries. Imports no torch."""

from __future__ import annotations

from math import inf, log

from tdl_tui.registry import (
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    LossEntry,
    OptimizerEntry,
    Option,
    ScheduleEntry,
)

LOSSES.register(
    LossEntry(
        name="cross_entropy",
        help="−log softmax(outputs)[target], the mean over the batch",
        target="tdl_tui.training.objectives:cross_entropy",
        tasks=("classification",),
        formula="−log softmax(z)[y]",
        axis="probability of the target",
        curve=lambda options: lambda p: -log(p) if p > 0 else inf,
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
        options=(Option("final", 0.0, "share of the learning rate at the end", low=0, high=1),),
        source="Loshchilov & Hutter 2017",
    )
)
