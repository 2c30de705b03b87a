"""Every threshold of the rules, in one place: from where on each speaks. Where a number is from stands beside its rule
in `rules.RULES`; what a source leaves open was set so that healthy reference trainings stay silent.
"""

from __future__ import annotations

START = 2.0  # times the loss of an even guess, ln C, plus START_MARGIN: the first loss beyond it
START_MARGIN = 1.0

LARGE = 3.0  # the root mean square of the inputs; it is 1 where they are normalised

EARLIEST = 50  # steps before which nothing is said about how the loss goes
DIVERGED = 2.0  # times the loss at the start: the recent loss
FALLEN = 0.5  # times the loss at the start: one that had fallen so far and is back has diverged too

STALLED = 0.97  # times the loss of a guess: the recent loss above it
STALLED_AFTER = 0.25  # of all steps
STALLED_STEPS = 200
GATED = ("gru", "lstm")  # what lies far back they find late, and then all at once: a long stand is no stall
STALLED_GATED = 0.5  # of all steps, for these: an LSTM needs 45 % of the recipe for the adding problem

SWINGS = 10  # validations in a row
SWING = 0.15  # times the loss of a guess: the mean change of the validation loss from one to the next
TURNS = 0.5  # of the changes go the other way than the one before

LAYER_SAMPLES = 5  # of the layers, of which medians are taken

UPDATE_HIGH = 0.1  # a hundred times the 1e-3 of a training that goes well
UPDATE_LOW = 1e-5  # a hundredth of it
LEARNS = 0.9  # times the loss of a guess: a recent loss below it is one that learns

VANISHED = 1e-3  # the first layers' gradient norm, of the last ones'; the farthest state's, of the nearest one's
GROWN = 100.0  # times the gradient norm at the nearest state: that at some state farther back; healthy ones reach 10
GROWN_SAMPLES = 3  # in a row, where there are as many
EXPLODED = 1000.0  # times the gradient norm at the first step

DEAD = 0.4  # of a layer's units
DEAD_EXAMPLES = 16  # looked at, at least
SATURATED = 0.8  # of a layer's values, while the recent loss is above FALLEN of a guess's

# times the lowest validation loss (Prechelt's GL above 20 %, 30 %), and by so much of a guess's loss; either is enough
OVERFITTED = ((1.2, 0.05), (1.3, 0.02))
OVERFITTED_VALIDATIONS = 5  # Prechelt's strip: the lowest is the mean of one, and all of the newest are above

UNDERFITTED = 0.25  # of the way from a guess to perfect
UNDERFITTED_AFTER = 0.5  # of all steps
PLATEAU = 0.01  # times the loss of a guess: the loss fell by less over the last fifth of the training so far

BETTER = 0.8  # times the training loss of the epoch that follows: the validation loss
BETTER_MARGIN = 0.05  # times the loss of a guess
BETTER_VALIDATIONS = 5
BETTER_ERRORS = 3.0  # standard errors of a mean over the validation part

IMBALANCED = 10.0  # times as many examples of the most frequent class as of the rarest

IDLE_GPU = 30.0  # percent
MACHINE_POINTS = 10  # of a series about the machine, at least
