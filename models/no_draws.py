"""Building without drawing: what has no memory needs no numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

DRAWS = frozenset({Tensor.normal_, Tensor.uniform_, nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_})
"""Those of torch.nn.init stand here where torch hands them over whole; the others draw with the tensor's own."""


class NoDrawsOnMeta(TorchFunctionMode):
    """Within it, drawing weights on the meta device does nothing: torch would load its compiler, for seconds, only to
    fill no memory. On other devices nothing changes."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        if func in DRAWS:
            tensor: Tensor = args[0] if args else named["tensor"]
            if tensor.is_meta:
                return tensor
        return func(*args, **named)
