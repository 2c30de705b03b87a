"""How weight matrices are drawn before training. The names stand in `catalog.py`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

INITIALISATIONS: dict[str, Callable[[Tensor], object]] = {
    "xavier": nn.init.xavier_uniform_,
    "kaiming": partial(nn.init.kaiming_normal_, nonlinearity="relu"),
    "orthogonal": nn.init.orthogonal_,
    "small_normal": partial(nn.init.normal_, std=0.01),
}


def initialise(module: nn.Module, name: str) -> None:
    """Draws the weight of every dense and convolutional layer within `module` anew, and sets their biases to 0.

    With n_in numbers into a unit and n_out out of it: "xavier" is uniform within ±√(6 / (n_in + n_out)) (Glorot &
    Bengio 2010, eq. 16); "kaiming" is normal with variance 2 / n_in, for ReLU (He et al. 2015, eq. 10); "orthogonal" is
    a random matrix whose rows, or columns, are orthonormal (Saxe, McClelland & Ganguli 2014); "small_normal" is normal
    with deviation 0.01 (Krizhevsky, Sutskever & Hinton 2012). "default" leaves torch's own, and draws nothing.
    """
    if name == "default":
        return
    for layer in module.modules():
        if isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d)):
            INITIALISATIONS[name](layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
