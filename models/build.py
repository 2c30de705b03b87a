"""From an architecture's name to a module."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from tdl_tui.plugins.faults import wrong
from tdl_tui.registry import ARCHITECTURES, ArchitectureEntry, DataShape, Options

from .no_draws import NoDrawsOnMeta


class Refused(ValueError):
    """The architecture cannot be built so. The message is one line for people."""


def build(architecture: str, shape: DataShape, options: Options | None = None) -> nn.Module:
    """The architecture for data of that shape; options that are not given take their defaults.

    Its forward takes (N, *shape.input) float32 (int64 for text and graphs) and gives (N, shape.outputs), or
    (N, shape.outputs, shape.steps) where each step has a target: logits or predictions. Weights are drawn
    from torch's current random state, on torch's current default device ("meta" allocates none).
    Raises UnknownName for a name that is not there, Refused for an option or data that the architecture cannot take,
    PluginError for a plugin's architecture that is no module.
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
    with NoDrawsOnMeta():
        module: nn.Module = entry.load()(shape, **chosen)
    if entry.plugin:
        _watch(module, entry, shape)
    return module


def _watch(module: object, entry: ArchitectureEntry, shape: DataShape) -> None:
    """Raises PluginError for what is no module, and lets the module raise it for outputs of the wrong shape."""
    if not isinstance(module, nn.Module):
        raise wrong(entry, f"is built as {type(module).__name__}, not as a torch.nn.Module")
    each = (shape.outputs, shape.steps) if shape.steps else (shape.outputs,)

    def check(module: nn.Module, inputs: tuple[Any, ...], outputs: object) -> None:
        wanted = (len(inputs[0]), *each)
        if not isinstance(outputs, Tensor):
            raise wrong(entry, f"gives {type(outputs).__name__}, not a tensor {wanted}", type(module).forward)
        if outputs.shape != wanted:
            raise wrong(entry, f"gives outputs {tuple(outputs.shape)}, they must be {wanted}", type(module).forward)

    module.register_forward_hook(check)
