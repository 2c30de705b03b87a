"""Looking inside a model while it learns, at a few steps, for a share of the time that is kept.

Nothing here touches the training: no mode, random state, buffer, gradient or weight is changed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import ceil, inf, nan, sqrt
from statistics import median

import torch
from torch import Tensor, nn

from tdl_tui.runs.records import LAYER_COLUMNS, LayerSample, ProbeSample

from .evaluation import evaluating
from .layers import Layer, activation_statistics, layers, listening
from .readback import Readback, Stopwatch
from .recorder import Recorder

SECONDS_BETWEEN = 0.5  # at most two samples a second
SAMPLES = 2048  # at most, over a whole run
NO_GRADIENT = -1.0  # stands for the norm of a gradient that is not there
EXAMPLES = 64  # at most, for the activations: probes and some of the current batch


@dataclass(frozen=True, eq=False)
class _Sample:
    """A sample whose numbers are on their way to the host."""

    step: int
    time: float
    numbers: Readback
    heard: tuple[int, ...]
    outputs: tuple[int, ...]
    watch: Stopwatch


class Telemetry:
    """Takes a sample at `next_step`: `before_update` once the gradients are there, if there will be any, `after_update`
    once the weights have changed. Between samples so many steps go by that the time they cost stays within `budget` of
    the whole; only the first and the last are taken in advance.

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
        self._costs: deque[float] = deque(maxlen=5)
        self._watch = Stopwatch(device)
        self._due = 0.0
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

    def after_update(self, step: int, inputs: Tensor) -> None:
        """Notes what the update changed, and looks at the layers and probes. `inputs` is the batch of the step."""
        with self._watch:
            with torch.no_grad():
                parameters = [p.detach() for p in self._parameters]
                torch._foreach_sub_(self._before, parameters)
                norms = [*self._gradients, *torch._foreach_norm(parameters), *torch._foreach_norm(self._before)]
            heard, statistics, outputs = self._look(inputs)
            parts = [torch.stack([norm.float() for norm in norms]), *statistics, outputs.float().flatten()]
            numbers = Readback(torch.cat(parts))
        self._before, self._gradients = [], []
        if self._last:
            self._recorder.point("telemetry/spacing", step, float(step - self._last))
        self._last = step
        self.next_step = self._total_steps if self._total_steps > step else inf  # the last step is always looked at
        self._due = inf  # until the cost is known
        self._under_way.append(_Sample(step, time.time(), numbers, heard, tuple(outputs.shape), self._watch))
        self.collect()

    def collect(self, wait: bool = False) -> None:
        """Records the samples that have arrived; with `wait` all."""
        while self._under_way and (wait or self._under_way[0].numbers.ready):
            sample = self._under_way.popleft()
            with sample.watch:
                self._record(sample)
            paid_off = 2 if not self._costs else 1  # the first, of which nothing was saved up, beside the next
            self._costs.append(sample.watch.seconds())
            self._due = time.perf_counter() + max(SECONDS_BETWEEN, paid_off * median(self._costs) / self._budget)

    def _look(self, inputs: Tensor) -> tuple[tuple[int, ...], list[Tensor], Tensor]:
        """One pass of the probes and of examples of the batch, together no more than the batch has (but all probes):
        which layers were heard, their statistics, and the probes' outputs (P, outputs), those of the last step where
        each has its own."""
        count = len(self._probe_inputs)
        inputs = inputs[: max(0, min(EXAMPLES, len(inputs)) - count)]
        examples = torch.cat([self._probe_inputs, inputs]) if count else inputs
        with evaluating(self._model, self._device), listening(self._model, self._layers) as heard:
            with self._autocast():
                outputs = self._model(examples)
            statistics = [activation_statistics(module, values) for module, values in heard.values()]
            if outputs.dim() > 2:
                outputs = outputs[..., -1]
            return tuple(heard), statistics, self._predictions(outputs[:count].float())

    def _record(self, sample: _Sample) -> None:
        numbers: list[float] = sample.numbers.tensor().tolist()
        count = len(self._parameters)
        gradients, weights, updates = numbers[:count], numbers[count : 2 * count], numbers[2 * count : 3 * count]
        statistics = numbers[3 * count : 3 * count + 3 * len(sample.heard)]
        rows = {}
        first = 0
        for place, layer in enumerate(self._layers):
            last = first + len(layer.parameters)
            weight, update = _norm(weights[first:last]), _norm(updates[first:last])
            rows[place] = (_norm(gradients[first:last]), weight, update / weight if weight else nan)
            first = last
        flow = {place: tuple(statistics[3 * i : 3 * i + 3]) for i, place in enumerate(sample.heard)}
        self._name(sample.heard)
        order = [self._layers.index(layer) for layer in self._ordered]
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
        self._named = True

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
        elif self._costs:
            self._due = time.perf_counter() + max(SECONDS_BETWEEN, median(self._costs) / budget)

    def plan(self, step: int) -> None:
        """Decides, after `step`, whether it is time for another sample. Call it a few times a second."""
        if self._budget > 0 and step + 1 >= self._last + self._thinned and time.perf_counter() >= self._due:
            self.next_step = step + 1


def _norm(parts: list[float]) -> float:
    """The norm of a whole whose parts have these norms; NaN where one is NaN, or none has a gradient."""
    known = [part for part in parts if part != NO_GRADIENT]
    return sqrt(sum(part * part for part in known)) if known else nan
