"""From an architecture's name to a module."""

from __future__ import annotations

from torch import nn

from tdl_tui.registry import ARCHITECTURES, DataShape, Options


class Refused(ValueError):
    """The architecture cannot be built so. The message is one line for people."""


def build(architecture: str, shape: DataShape, options: Options | None = None) -> nn.Module:
    """The architecture for data of that shape; options that are not given take their defaults.

    Its forward takes (N, *shape.input) float32 (int64 for text and graphs) and gives (N, shape.outputs), or
    (N, shape.outputs, shape.steps) where each step has a target: logits or predictions. Weights are drawn
    from torch's current random state, on torch's current default device ("meta" allocates none).
    Raises UnknownName for a name that is not there, Refused for an option or data that the architecture cannot take.
    """
    entry = ARCHITECTURES[architecture]
    known = {option.name: option for option in entry.options}
    chosen = entry.defaults()
    for name, value in (options or {}).items():
        if name not in known:
            raise Refused(f'{architecture} has no option "{name}"; it has {", ".join(known) or "none"}')
        try:
            chosen[name] = known[name].check(value)
        except ValueError as error:
            raise Refused(f"{architecture}: {name} {error}") from None
    if reason := entry.refusal(shape, chosen):
        raise Refused(f"{architecture} {reason}")
    module: nn.Module = entry.load()(shape, **chosen)
    return module
