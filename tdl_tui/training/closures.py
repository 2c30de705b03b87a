"""What an optimizer asks that wants the loss of one batch more than once a step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from tdl_tui.registry import OptimizerEntry

from .passes import Lap, Pass, unheard


class TooManyParameters(ValueError):
    """A model is too large for an optimizer. The message is one line for people."""


def check_size(entry: OptimizerEntry, model: nn.Module) -> None:
    """Raises TooManyParameters for a model that `entry` would take far too long with."""
    count = sum(p.numel() for p in model.parameters() if p.requires_grad)
    if 0 < entry.most_parameters < count:
        raise TooManyParameters(
            f"optimizer.name: {entry.name} is for models of up to {entry.most_parameters:,} parameters, this one has "
            f"{count:,}: take one that goes by gradients, as adam does, or a smaller model"
        )


class Closure:
    """The loss of one batch as a function of the weights as they are when it is called, the penalty included.

    Every call within a step sees the same batch and draws the same random numbers, and leaves the model's buffers and
    torch's random state, from which an optimizer may draw, as they were. With `gradients` a call leaves the gradients
    behind, clipped; the first call of a step is for the weights that the step begins with, and takes what `evaluate`
    has found there. Without, no call computes a gradient.
    """

    def __init__(
        self,
        model: nn.Module,
        evaluate: Pass,
        device: torch.device,
        *,
        gradients: bool,
        clip: Callable[[], object] | None = None,
        penalty: Callable[[], Tensor] | None = None,
        lap: Lap = unheard,
    ) -> None:
        """`evaluate` computes a batch's outputs and loss; with `gradients` it adds those of loss and penalty too. Every
        call but those that compute nothing tells `lap` that what went before it was the optimizer's."""
        self._parameters: Sequence[nn.Parameter] = [p for p in model.parameters() if p.requires_grad]
        self._buffers = [*model.buffers()]
        self._evaluate = evaluate
        self._gradients = gradients
        self._clip = clip
        self._penalty = penalty
        self._lap = lap
        self._devices = [device] if device.type == "cuda" else []
        self._known: Tensor | None = None

    def begin(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """A step begins with this batch. Outputs and loss (without the penalty) at the weights as they are."""
        self._batch = inputs, targets
        self._random = self._random_states()
        outputs, loss = self._evaluate(inputs, targets)
        self._known = self._whole(loss) if self._gradients else None
        return outputs, loss

    def __call__(self) -> Tensor:
        """The loss at the weights as they are: a scalar, on the device."""
        if self._known is not None:
            known, self._known = self._known, None
            return known
        self._lap("optimizer")
        held = [buffer.clone() for buffer in self._buffers]
        with torch.random.fork_rng(self._devices):
            torch.set_rng_state(self._random[0])
            for device, state in zip(self._devices, self._random[1:], strict=True):
                torch.cuda.set_rng_state(state, device)
            with torch.set_grad_enabled(self._gradients):
                for parameter in self._parameters:
                    parameter.grad = None
                _, loss = self._evaluate(*self._batch)
        for buffer, before in zip(self._buffers, held, strict=True):
            buffer.copy_(before)
        if self._gradients and self._clip is not None:
            self._clip()
        return self._whole(loss)

    def _whole(self, loss: Tensor) -> Tensor:
        with torch.no_grad():
            return loss.detach() if self._penalty is None else loss.detach() + self._penalty()

    def _random_states(self) -> list[Tensor]:
        return [torch.get_rng_state(), *map(torch.cuda.get_rng_state, self._devices)]
