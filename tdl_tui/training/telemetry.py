"""Looking inside a model while it learns, at a few steps, for a share of the time that is kept.

Nothing here touches the training: no mode, random state, buffer, gradient or weight is changed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import accumulate
from math import ceil, inf, nan, prod, sqrt

import torch
from torch import Tensor, nn

from tdl_tui.runs.records import LAYER_COLUMNS, LayerSample, Matrix, ProbeSample

from . import through_time
from .evaluation import evaluating
from .histograms import Turns
from .layers import Heard, Layer, activation_statistics, layers, listening
from .objectives import Objective
from .readback import Readback, Stopwatch
from .recorder import Recorder
from .spacing import Spacing
from .through_time import Unrollable, gradients_through_time

SECONDS_BETWEEN = 0.5  # at most two samples a second
SAMPLES = 2048  # at most, over a whole run
NO_GRADIENT = -1.0  # stands for the norm of a gradient that is not there
EXAMPLES = 64  # at most, for the activations: probes and some of the current batch


HISTOGRAMS = 0.25  # of the budget, at most
THROUGH_TIME = 0.25  # likewise, in a recurrent network
SECONDS_BETWEEN_HISTOGRAMS = 1.0


@dataclass(frozen=True, eq=False)
class _Matrices:
    """Named matrices whose numbers are on their way to the host: of each its name and shape, and all rows behind each
    other. They have a part of the budget to themselves."""

    spacing: Spacing
    watch: Stopwatch
    shapes: tuple[tuple[str, tuple[int, ...]], ...]
    numbers: Readback


@dataclass(frozen=True, eq=False)
class _Sample:
    """A sample whose numbers are on their way to the host."""

    step: int
    time: float
    numbers: Readback
    heard: tuple[int, ...]
    outputs: tuple[int, ...]
    watch: Stopwatch
    matrices: tuple[_Matrices, ...]

    @property
    def ready(self) -> bool:
        return (self.matrices[-1] if self.matrices else self).numbers.ready


class Telemetry:
    """Takes a sample at `next_step`: `before_update` once the gradients are there, if there will be any, `after_update`
    once the weights have changed. Between samples so many steps go by that the time they cost stays within `budget` of
    the whole; only the first and the last are taken in advance. Histograms, and the gradient's way through time, are
    not in every sample: of each as many as the part of the budget that is its own allows.

    `probe_inputs` (P, *shape) are on the device, as batches are; `predictions` turns outputs into original units. With
    `total_norm` the series grad/norm is recorded here (clipping knows it at every step).
    """

    def __init__(
        self,
        model: nn.Module,
        recorder: Recorder,
        *,
        budget: float,
        device: torch.device,
        probe_inputs: Tensor,
        predictions: Callable[[Tensor], Tensor],
        autocast: Callable[[], AbstractContextManager[object]],
        objective: Objective,
        total_norm: bool = True,
    ) -> None:
        self.next_step: float = 1 if budget > 0 else inf
        self.total_norm = total_norm
        self._model = model
        self._recorder = recorder
        self._budget = budget
        self._total_steps = 0
        self._device = device
        self._probe_inputs = probe_inputs
        self._predictions = predictions
        self._autocast = autocast
        self._layers = layers(model)
        self._parameters = [p for layer in self._layers for p in layer.parameters]
        self._named = False
        self._watch = Stopwatch(device)
        self._objective = objective
        self._turns = Turns(self._layers)
        self._turns_watch: Stopwatch | None = None  # while histograms are being made
        self._looks, self._histograms, self._through_time = (
            Spacing(share * budget, seconds)
            for share, seconds in zip(
                self._shares(), (SECONDS_BETWEEN, SECONDS_BETWEEN_HISTOGRAMS, SECONDS_BETWEEN), strict=True
            )
        )
        self._last = 0
        self._thinned = 0
        self._before: list[Tensor] = []
        self._gradients: list[Tensor] = []
        self._none = torch.full((), NO_GRADIENT, device=device)
        self._under_way: deque[_Sample] = deque()

    def before_update(self) -> None:
        """Notes the gradients' norms and the weights."""
        self._watch = Stopwatch(self._device)
        with self._watch, torch.no_grad():
            gradients = [p.grad for p in self._parameters if p.grad is not None]
            norms = iter(torch._foreach_norm(gradients) if gradients else ())
            self._gradients = [next(norms) if p.grad is not None else self._none for p in self._parameters]
            self._before = [p.detach().clone() for p in self._parameters]
        self._turns_watch = Stopwatch(self._device) if self._is_due(self._histograms) else None
        if self._turns_watch is not None:
            with self._turns_watch:
                self._turns.begin()

    def after_update(self, step: int, inputs: Tensor, targets: Tensor) -> None:
        """Notes what the update changed, and looks at the layers and probes. The batch is the step's."""
        with self._watch:
            with torch.no_grad():
                parameters = [p.detach() for p in self._parameters]
                torch._foreach_sub_(self._before, parameters)
                norms = [*self._gradients, *torch._foreach_norm(parameters), *torch._foreach_norm(self._before)]
            heard, statistics, outputs = self._look(inputs)
            parts = [torch.stack([norm.float() for norm in norms]), *statistics, outputs.float().flatten()]
            numbers = Readback(torch.cat(parts))
        matrices = [*self._finish_histograms(heard), *self._go_through_time(inputs, targets)]
        self._before, self._gradients = [], []
        if self._last:
            self._recorder.point("telemetry/spacing", step, float(step - self._last))
        self._last = step
        self.next_step = self._total_steps if self._total_steps > step else inf  # the last step is always looked at
        self._looks.begin()
        self._under_way.append(
            _Sample(step, time.time(), numbers, tuple(heard), tuple(outputs.shape), self._watch, tuple(matrices))
        )
        self.collect()

    def collect(self, wait: bool = False) -> None:
        """Records the samples that have arrived; with `wait` all."""
        while self._under_way and (wait or self._under_way[0].ready):
            sample = self._under_way.popleft()
            with sample.watch:
                self._record(sample)
            self._looks.paid(sample.watch.seconds())
            for matrices in sample.matrices:
                with matrices.watch:
                    self._record_matrices(sample, matrices)
                matrices.spacing.paid(matrices.watch.seconds())

    def _is_due(self, spacing: Spacing) -> bool:
        """Whether what is not in every sample belongs into the one that is being taken."""
        return self.next_step == self._total_steps or time.perf_counter() >= spacing.due

    def _finish_histograms(self, heard: Mapping[int, Heard]) -> Iterator[_Matrices]:
        if self._turns_watch is None:
            return
        with self._turns_watch, torch.no_grad():
            names, found = self._turns.finish(heard)
            numbers = Readback(found.flatten())
        self._histograms.begin()
        shapes = tuple((name, tuple(found.shape[1:])) for name in names)
        yield _Matrices(self._histograms, self._turns_watch, shapes, numbers)

    def _go_through_time(self, inputs: Tensor, targets: Tensor) -> Iterator[_Matrices]:
        if not isinstance(self._model, Unrollable) or not self._is_due(self._through_time):
            return
        watch = Stopwatch(self._device)
        with watch:
            few = slice(through_time.EXAMPLES)
            found = dict(gradients_through_time(self._model, inputs[few], targets[few], self._objective))
            numbers = Readback(torch.cat([rows.flatten() for rows in found.values()]))
        self._through_time.begin()
        shapes = tuple((f"through_time/{name}", tuple(rows.shape)) for name, rows in found.items())
        yield _Matrices(self._through_time, watch, shapes, numbers)

    def _record_matrices(self, sample: _Sample, matrices: _Matrices) -> None:
        numbers = matrices.numbers.tensor()
        for name, shape in matrices.shapes:
            own, numbers = numbers[: prod(shape)], numbers[prod(shape) :]
            self._recorder.matrix(Matrix(name, sample.step, sample.time, _rows(own.view(shape))))

    def _look(self, inputs: Tensor) -> tuple[dict[int, Heard], list[Tensor], Tensor]:
        """One pass of the probes and of examples of the batch, together no more than the batch has (but all probes):
        what was heard of the layers, its statistics, and the probes' outputs (P, outputs), those of the last step where
        each has its own."""
        count = len(self._probe_inputs)
        inputs = inputs[: max(0, min(EXAMPLES, len(inputs)) - count)]
        examples = torch.cat([self._probe_inputs, inputs]) if count else inputs
        with evaluating(self._model, self._device), listening(self._model, self._layers) as heard:
            with self._autocast():
                outputs = self._model(examples)
            statistics = [activation_statistics(one) for one in heard.values()]
            if outputs.dim() > 2:
                outputs = outputs[..., -1]
            return heard, statistics, self._predictions(outputs[:count].float())

    def _record(self, sample: _Sample) -> None:
        numbers: list[float] = sample.numbers.tensor().tolist()
        count = len(self._parameters)
        gradients, weights, updates = numbers[:count], numbers[count : 2 * count], numbers[2 * count : 3 * count]
        statistics = numbers[3 * count : 3 * count + 4 * len(sample.heard)]
        rows = {}
        first = 0
        for place, layer in enumerate(self._layers):
            last = first + len(layer.parameters)
            weight, update = _norm(weights[first:last]), _norm(updates[first:last])
            rows[place] = (_norm(gradients[first:last]), weight, _ratio(update, weight))
            first = last
        flow = {place: tuple(statistics[4 * i : 4 * i + 4]) for i, place in enumerate(sample.heard)}
        self._name(sample.heard)
        order = [self._layers.index(layer) for layer in self._ordered]
        first_of = list(accumulate((len(layer.parameters) for layer in self._layers), initial=0))
        own = [i for place in order for i in range(first_of[place], first_of[place + 1])]
        self._recorder.matrix(
            Matrix(
                "parameters",
                sample.step,
                sample.time,
                tuple((_norm(gradients[i : i + 1]), weights[i], _ratio(updates[i], weights[i])) for i in own),
            )
        )
        blank = (nan,) * (len(LAYER_COLUMNS) - 3)
        self._recorder.layer_sample(
            LayerSample(sample.step, sample.time, tuple((*rows[place], *flow.get(place, blank)) for place in order))
        )
        if self.total_norm:
            self._recorder.point("grad/norm", sample.step, _norm(gradients), sample.time)
        probes, width = sample.outputs
        if probes:
            outputs = numbers[-probes * width :]
            self._recorder.probe_sample(
                ProbeSample(
                    sample.step,
                    sample.time,
                    tuple(tuple(outputs[p * width : (p + 1) * width]) for p in range(probes)),
                )
            )

    def _name(self, heard: tuple[int, ...]) -> None:
        """Names the layers once, in the order in which the first pass went through them."""
        if self._named:
            return
        unheard = [place for place in range(len(self._layers)) if place not in heard]
        self._ordered: list[Layer] = [self._layers[place] for place in (*heard, *unheard)]
        self._recorder.layers([layer.name for layer in self._ordered])
        self._recorder.update(parameter_names=[name for layer in self._ordered for name in layer.names])
        self._named = True

    def follow(self, inputs: Tensor) -> None:
        """Follows more probes from the next sample on, behind those so far: (N, *shape), as `probe_inputs` are."""
        self._probe_inputs = torch.cat([self._probe_inputs, inputs])

    def start(self, step: int) -> None:
        """Takes the first sample at `step`."""
        self._last = 0
        if self._budget > 0:
            self.next_step = step

    def until(self, total_steps: int, step: int) -> None:
        """After `step` it is known that the last step is `total_steps`, which is always looked at."""
        if self.next_step == self._total_steps > 0:
            self.next_step = total_steps if total_steps > step else inf
        self._total_steps = total_steps
        self._thinned = ceil(total_steps / SAMPLES)

    def share(self, budget: float, step: int) -> None:
        """From the step after `step` on looking may cost that share of the time; nothing is on its way to the host."""
        before, self._budget = self._budget, budget
        if not budget:
            self.next_step = inf
        elif not before:
            self.next_step = step + 1
        if budget:
            spacings = (self._looks, self._histograms, self._through_time)
            for spacing, share in zip(spacings, self._shares(), strict=True):
                spacing.change(share * budget)

    def _shares(self) -> tuple[float, float, float]:
        """Of the budget: for each look, for histograms, for the way through time."""
        through_time = THROUGH_TIME if isinstance(self._model, Unrollable) else 0.0
        return 1 - HISTOGRAMS - through_time, HISTOGRAMS, through_time

    def plan(self, step: int) -> None:
        """Decides, after `step`, whether it is time for another sample. Call it a few times a second."""
        if self._budget > 0 and step + 1 >= self._last + self._thinned and time.perf_counter() >= self._looks.due:
            self.next_step = step + 1


def _norm(parts: list[float]) -> float:
    """The norm of a whole whose parts have these norms; NaN where one is NaN, or none has a gradient."""
    known = [part for part in parts if part != NO_GRADIENT]
    return sqrt(sum(part * part for part in known)) if known else nan


def _ratio(update: float, weight: float) -> float:
    return update / weight if weight else nan


def _rows(matrix: Tensor) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, matrix.tolist()))
