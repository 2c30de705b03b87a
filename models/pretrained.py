"""Weights that were trained on ImageNet, fetched by torchvision."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tdl_tui import torchvision_import

from .build import Refused

COUNTER = "num_batches_tracked"  # of batch normalisation; files from before it was counted leave it out


def load(module: nn.Module, name: str) -> None:
    """Gives all layers but the head the weights that torchvision publishes for its model of that name.

    The module has that model's layers in the same order, under whatever names. Where its first convolution takes one
    channel, the weights are summed over the published three: a grey picture is then seen as one of three equal
    channels. On the meta device nothing is fetched. Raises Refused, in one line, where the weights cannot be had.
    """
    if next(module.parameters()).is_meta:
        return
    own = {key: value for key, value in module.state_dict().items() if COUNTER not in key}
    first, *_ = own
    *body, _, _ = own  # without the head's weight and bias
    taken = dict(zip(body, _published(name), strict=True))
    if own[first].shape[1] == 1:
        taken[first] = taken[first].sum(1, keepdim=True)
    module.load_state_dict(taken, strict=False)


def _published(name: str) -> list[Tensor]:
    """The weights of torchvision's model of that name without its heads, in the order of its layers."""
    models = torchvision_import.models()
    choice = models.get_model_weights(name).DEFAULT
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    try:
        state = choice.get_state_dict(progress=False, check_hash=True, weights_only=True)
        if name == "googlenet":
            state = _for_standard_inputs(state)
        return [state[key] for key in _body(models, name)]
    except (OSError, http.client.HTTPException) as error:
        raise Refused(
            f"{name}: the pretrained weights could not be downloaded ({error}); "
            f"put {choice.url} into {folder} or turn pretrained off"
        ) from None
    except Exception as error:  # noqa: BLE001  # a file that holds something else fails in any of many ways
        file, what = folder / choice.url.rpartition("/")[2], str(error).partition("\n")[0]
        raise Refused(f"{name}: {file} does not hold its weights ({what}); remove it or turn pretrained off") from None


def _body(models: Any, name: str) -> list[str]:
    """The names of the weights before the head, in the order in which torchvision makes the layers."""
    plain = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):
        keys = [key for key in getattr(models, name)(**plain).state_dict() if COUNTER not in key]
    return keys[:-2]


def _for_standard_inputs(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """GoogLeNet's weights for inputs of zero mean and unit deviation, as all others are.

    They were trained on x·s + m with s = deviation / 0.5 and m = (mean - 0.5) / 0.5 of ImageNet's channels: s goes
    into the first convolution, m into the mean of the normalisation behind it, which is exact but for the border,
    where the convolution sees zeros.
    """
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    weight, running_mean = state["conv1.conv.weight"], state["conv1.bn.running_mean"]
    return {
        **state,
        "conv1.conv.weight": weight * (deviation / 0.5)[:, None, None],
        "conv1.bn.running_mean": running_mean - weight.sum((2, 3)) @ ((mean - 0.5) / 0.5),
    }
