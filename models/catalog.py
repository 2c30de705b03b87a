"""The architectures' entries: names, options, what they refuse. Imports no torch; each family is one file beside."""

from __future__ import annotations

from tdl_tui.registry import ARCHITECTURES, ArchitectureEntry, DataShape, Option, Options

ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu", "silu")


def _classification_only(shape: DataShape, options: Options) -> str | None:
    return None if shape.task == "classification" else 'predicts classes, the data has none; use "linear"'


def _image_of_lenet(shape: DataShape, options: Options) -> str | None:
    _, height, width = shape.input
    if min(height, width) < 28:
        return f"needs images of at least 28×28, these are {height}×{width} (see the data's image_size)"
    return None


ARCHITECTURES.register(
    ArchitectureEntry(
        name="linear",
        help="One affine map from the flattened input to the outputs",
        target="tdl_tui.models.linear:Linear",
        source="Legendre 1805",
    )
)
ARCHITECTURES.register(
    ArchitectureEntry(
        name="softmax_regression",
        help="Multinomial logistic regression: one affine map, then softmax",
        target="tdl_tui.models.linear:Linear",
        source="McFadden 1973",
        refuse=_classification_only,
    )
)
ARCHITECTURES.register(
    ArchitectureEntry(
        name="mlp",
        help="Fully connected layers with an activation between them",
        target="tdl_tui.models.mlp:MLP",
        options=(
            Option("widths", (128, 64), "hidden units of each layer, from the input on", low=1, high=65536),
            Option("activation", "relu", "the function between layers", choices=ACTIVATIONS),
            Option("norm", "none", "normalisation before each activation", choices=("none", "batch", "layer")),
            Option("dropout", 0.0, "share of hidden units dropped in training", low=0, high=0.95),
        ),
        source="Rumelhart, Hinton & Williams 1986",
        tiny={"widths": (16,)},
    )
)
ARCHITECTURES.register(
    ArchitectureEntry(
        name="lenet5",
        help="Two convolutions with pooling, then three dense layers; for images of 28×28 or larger",
        target="tdl_tui.models.lenet:LeNet5",
        options=(
            Option("activation", "tanh", "tanh as in 1998, or relu", choices=("tanh", "relu")),
            Option("pooling", "average", "average as in 1998, or max", choices=("average", "max")),
        ),
        source="LeCun et al. 1998",
        kinds=("image",),
        refuse=_image_of_lenet,
    )
)
_RECURRENT = (
    Option("hidden_size", 128, "units of the hidden state", low=1, high=8192),
    Option("layers", 1, "stacked recurrent layers", low=1, high=16),
)
ARCHITECTURES.register(
    ArchitectureEntry(
        name="rnn",
        help="Elman network, h_t = tanh(W_hh h_{t-1} + W_xh x_t); images are read row by row",
        target="tdl_tui.models.recurrent:RNN",
        options=_RECURRENT,
        source="Elman 1990",
        kinds=("sequence", "image"),
        tiny={"hidden_size": 16},
    )
)
ARCHITECTURES.register(
    ArchitectureEntry(
        name="lstm",
        help="Long short-term memory with input, forget and output gates; images are read row by row",
        target="tdl_tui.models.recurrent:LSTM",
        options=_RECURRENT,
        source="Hochreiter & Schmidhuber 1997; Gers et al. 2000",
        kinds=("sequence", "image"),
        tiny={"hidden_size": 16},
    )
)
