"""The rules: one table, from which the documentation is made. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tdl_tui.runs.bottleneck import DATA
from tdl_tui.runs.records import Diagnosis
from tdl_tui.settables import DROPOUT

from . import limits, on_layers, on_loss, on_machine, on_time
from .evidence import Evidence
from .finding import Finding, share
from .watch import worst_first


@dataclass(frozen=True)
class Rule:
    """`word` is what a table has room for (14 cells), `sees` what it notices, `limit` from where on it speaks, `source`
    paper or lecture notes with the year. `check` is a pure function. `causes` are the paths of values that can be
    changed while it trains (`settables.PATHS`) and that it goes by: after a change it looks afresh."""

    name: str
    word: str
    sees: str
    limit: str
    source: str
    check: Callable[[Evidence], Finding | None]
    causes: tuple[str, ...] = ()

    def diagnose(self, evidence: Evidence) -> Diagnosis | None:
        """What is wrong, if anything is."""
        found = self.check(evidence.afresh(self.causes))
        if found is None:
            return None
        return Diagnosis(
            self.name, self.word, found.severity, found.seen, found.means, found.tries, found.change, evidence.step
        )


LATE = f"{share(limits.STALLED_AFTER)} of the training ({', '.join(limits.GATED)}: {share(limits.STALLED_GATED)})"
_EITHER = ", or ".join(f"{ratio:g} times the lowest and by {margin:g}" for ratio, margin in limits.OVERFITTED)
PACE = ("optimizer.lr", "training.gradient_clip_norm", "training.gradient_clip_value")
"""By which the length of steps goes."""
HOLD = ("optimizer.weight_decay", DROPOUT)
"""What holds a network back."""
RULES: tuple[Rule, ...] = (
    Rule(
        "initial_loss",
        "starts high",
        "a first loss far above ln C (cross-entropy without class weights and label smoothing), or above 1 (the "
        "squared error of normalised targets)",
        f"above {limits.START:g} · ln C + {limits.START_MARGIN:g}; above {limits.START + limits.START_MARGIN:g}",
        "Karpathy 2019, A Recipe for Training Neural Networks; CS231n notes 2015, Neural Networks Part 3",
        on_loss.initial_loss,
    ),
    Rule(
        "diverges",
        "diverges",
        "a loss that is not finite, far above its start, or back there after it had fallen",
        f"recent loss above {limits.DIVERGED:g} times the start; or above the start after it was below "
        f"{limits.FALLEN:g} of it; from step {limits.EARLIEST} on",
        "Bengio 2012, Practical Recommendations for Gradient-Based Training, section 3.1",
        on_loss.diverges,
        (*PACE, *HOLD),
    ),
    Rule(
        "stalls",
        "stalls",
        "a loss that stays where a guess would have it",
        f"recent loss above {limits.STALLED:g} of a guess's after {limits.STALLED_STEPS} steps and {LATE}",
        "Karpathy 2019; Goodfellow, Bengio & Courville 2016, section 11.5",
        on_loss.stalls,
        (*PACE, *HOLD),
    ),
    Rule(
        "oscillates",
        "oscillates",
        "a validation loss that swings up and down",
        f"mean change of {limits.SWINGS} validations in a row above {limits.SWING:g} of a guess's loss, "
        f"{share(limits.TURNS)} of them turning",
        "LeCun, Bottou, Orr & Müller 1998, Efficient BackProp, section 5",
        on_loss.oscillates,
        (*PACE, *HOLD),
    ),
    Rule(
        "rate_too_high",
        "lr too high",
        "updates that change much of a layer's weights while nothing is learned",
        f"‖Δw‖/‖w‖ of a layer above {limits.UPDATE_HIGH:g} (100 times the usual 10⁻³), recent loss above "
        f"{limits.LEARNS:g} of a guess's",
        "CS231n notes 2015, Neural Networks Part 3: ratio of weights to updates",
        on_layers.rate_too_high,
        PACE,
    ),
    Rule(
        "rate_too_low",
        "lr too low",
        "updates that are next to nothing while everything is still to be learned",
        f"median ‖Δw‖/‖w‖ of the layers below {limits.UPDATE_LOW:g} (a hundredth of the usual 10⁻³), recent loss above "
        f"{limits.LEARNS:g} of a guess's, the learning rate not yet brought down by its schedule",
        "CS231n notes 2015, Neural Networks Part 3: ratio of weights to updates",
        on_layers.rate_too_low,
        PACE,
    ),
    Rule(
        "vanishing_gradients",
        "vanishing",
        "a gradient that does not come through to the first layers",
        f"median gradient norm of the first third of the layers below {limits.VANISHED:g} of the last third's",
        "Hochreiter 1991; Glorot & Bengio 2010",
        on_layers.vanishing_gradients,
    ),
    Rule(
        "exploding_gradients",
        "exploding",
        "a gradient that has become far longer than it was, without clipping",
        f"norm above {limits.EXPLODED:g} times that of the first step, recent loss above {limits.FALLEN:g} of a "
        "guess's",
        "Pascanu, Mikolov & Bengio 2013",
        on_layers.exploding_gradients,
        PACE,
    ),
    Rule(
        "vanishing_through_time",
        "vanishing (t)",
        "a gradient that does not come back to the beginning of a sequence, in a recurrent network that learns nothing",
        f"median of {limits.LAYER_SAMPLES} samples of ‖∂L/∂h_t‖ (or ‖∂L/∂c_t‖) at the far end below "
        f"{limits.VANISHED:g} of the near end's, recent loss above {limits.LEARNS:g} of a guess's, after "
        f"{limits.STALLED_STEPS} steps and {LATE}",
        "Bengio, Simard & Frasconi 1994; Pascanu, Mikolov & Bengio 2013",
        on_time.vanishing_through_time,
    ),
    Rule(
        "exploding_through_time",
        "exploding (t)",
        "a gradient that grows on its way back to the beginning of a sequence, without clipping",
        f"‖∂L/∂h_t‖ (or ‖∂L/∂c_t‖) farther back above {limits.GROWN:g} times the near end's in {limits.GROWN_SAMPLES} "
        f"samples in a row, recent loss above {limits.FALLEN:g} of a guess's",
        "Bengio, Simard & Frasconi 1994; Pascanu, Mikolov & Bengio 2013",
        on_time.exploding_through_time,
        PACE,
    ),
    Rule(
        "dead_units",
        "dead ReLUs",
        "ReLUs that give zero for every example",
        f"more than {share(limits.DEAD)} of a layer's units over {limits.DEAD_EXAMPLES} examples or more",
        "CS231n notes 2015, Neural Networks Part 1; Maas, Hannun & Ng 2013",
        on_layers.dead_units,
    ),
    Rule(
        "saturated_units",
        "saturated",
        "sigmoids or tanhs that lie near their limits before much is learned",
        f"more than {share(limits.SATURATED)} of a layer's values, recent loss above {limits.FALLEN:g} of a guess's",
        "LeCun, Bottou, Orr & Müller 1998, section 4.4; Glorot & Bengio 2010",
        on_layers.saturated_units,
    ),
    Rule(
        "overfitting",
        "overfits",
        "a validation loss that has risen from its lowest while the training loss falls",
        f"{limits.OVERFITTED_VALIDATIONS} validations in a row above {_EITHER} of a guess's loss; the lowest is a mean "
        f"of {limits.OVERFITTED_VALIDATIONS} in a row too",
        "Prechelt 1998, Early Stopping – But When?; Guo, Pleiss, Sun & Weinberger 2017 (too sure)",
        on_loss.overfitting,
        HOLD,
    ),
    Rule(
        "underfitting",
        "underfits",
        "a loss that no longer falls, and training examples that are told hardly better than by a guess",
        f"accuracy (R²) on the training examples below {share(limits.UNDERFITTED)} of the way from a guess to perfect, "
        f"the loss falling by less than {limits.PLATEAU:g} of a guess's in a fifth of the steps, after "
        f"{share(limits.UNDERFITTED_AFTER)} of the training",
        "Goodfellow, Bengio & Courville 2016, section 5.2",
        on_loss.underfitting,
        (*PACE, *HOLD),
    ),
    Rule(
        "validation_better",
        "val < train",
        "a validation loss below the training loss: a leak, unless dropout or augmentation is on (then it is a note)",
        f"{limits.BETTER_VALIDATIONS} validations in a row below {limits.BETTER:g} of the next epoch's training loss, "
        f"by {limits.BETTER_MARGIN:g} of a guess's loss and {limits.BETTER_ERRORS:g} standard errors",
        "Kaufman, Rosset, Perlich & Stitelman 2012, Leakage in Data Mining; Srivastava et al. 2014 (dropout)",
        on_loss.validation_better,
        HOLD,
    ),
    Rule(
        "class_imbalance",
        "imbalance",
        "a class with far more training examples than another (not of tokens, and not where classes are weighted)",
        f"{limits.IMBALANCED:g} times as many",
        "He & Garcia 2009, Learning from Imbalanced Data; King & Zeng 2001 (weights)",
        on_machine.class_imbalance,
    ),
    Rule(
        "data_bound",
        "data-bound",
        "a loop that waits for its examples",
        f"data's share of the time of steps from {share(DATA)} on, over {limits.MACHINE_POINTS} records: where the "
        "verdict of the machine's strip is data-bound too",
        "Mohan, Phanishayee, Raniwala & Chidambaram 2021, Data Stalls in DNN Training",
        on_machine.data_bound,
    ),
    Rule(
        "idle_gpu",
        "GPU idles",
        "a GPU that has nothing to do",
        f"busy for less than {limits.IDLE_GPU:g} % of the time over {limits.MACHINE_POINTS} records",
        "Jeon et al. 2019, Analysis of Large-Scale Multi-Tenant GPU Clusters for DNN Training Workloads",
        on_machine.idle_gpu,
    ),
    Rule(
        "does_not_fit",
        "does not fit",
        "a run that failed as memory ran out, or would have",
        "always",
        "Chen, Xu, Zhang & Guestrin 2016, Training Deep Nets with Sublinear Memory Cost",
        on_machine.does_not_fit,
    ),
)
BY_NAME: Mapping[str, Rule] = {rule.name: rule for rule in RULES}


def since(evidence: Evidence) -> dict[str, int]:
    """Of the rules that look afresh, by name, the step after which."""
    steps = {rule.name: evidence.changed(rule.causes) for rule in RULES} if evidence.changes else {}
    return {name: step for name, step in steps.items() if step}


def diagnose(evidence: Evidence) -> list[Diagnosis]:
    """Every rule that speaks, the worst first, in the table's order among equals."""
    return worst_first(diagnosis for rule in RULES if (diagnosis := rule.diagnose(evidence)) is not None)
