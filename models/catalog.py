"""The architectures' entries: names, options, what they refuse. Imports no torch; each family is one file beside."""

from __future__ import annotations

from itertools import pairwise
from math import comb, prod

from tdl_tui.registry import ARCHITECTURES, ArchitectureEntry, DataShape, Option, Options

ACTIVATIONS = ("identity", "relu", "leaky_relu", "gelu", "silu", "sigmoid", "tanh", "softplus")
INITIALISATIONS = ("default", "xavier", "kaiming", "orthogonal", "small_normal")
MOST_TERMS = 100_000  # of a polynomial


def _classification_only(shape: DataShape, options: Options) -> str | None:
    return None if shape.task == "classification" else 'predicts classes, the data has none; use "linear"'


def _image_of_lenet(shape: DataShape, options: Options) -> str | None:
    _, height, width = shape.input
    if min(height, width) < 28:
        return f"needs images of at least 28×28, these are {height}×{width} (see the data's image_size)"
    return None


def _equal_widths_to_add(shape: DataShape, options: Options) -> str | None:
    widths = options["widths"]
    assert isinstance(widths, tuple)
    if options["residual"] and not any(a == b for a, b in pairwise((prod(shape.input), *widths))):
        return "adds nothing with residual: repeat a width, a layer adds what it takes where both are as wide"
    return None


def _not_too_many_terms(shape: DataShape, options: Options) -> str | None:
    inputs, degree = prod(shape.input), options["degree"]
    assert isinstance(degree, int)
    terms = comb(inputs + degree, degree) - 1 if options["cross"] else inputs * degree
    if terms > MOST_TERMS:
        return (
            f"would have {terms:,} terms of {inputs:,} inputs, at most {MOST_TERMS:,}: lower degree, or leave out cross"
        )
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
        name="polynomial",
        help="One affine map of each input's powers, up to a degree",
        target="tdl_tui.models.polynomial:Polynomial",
        options=(
            Option("degree", 3, "the highest power", low=1, high=20),
            Option("cross", False, "products of different inputs too"),
        ),
        source="Gergonne 1815",
        refuse=_not_too_many_terms,
        tiny={"degree": 2},
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
            Option("residual", False, "a layer as wide as what it takes adds that to what it gives"),
            Option("init", "default", "how weights are drawn; default is torch's own", choices=INITIALISATIONS),
        ),
        source="Rumelhart, Hinton & Williams 1986",
        refuse=_equal_widths_to_add,
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
_CELLS = (
    Option("hidden_size", 128, "units of the hidden state", low=1, high=8192),
    Option("layers", 1, "stacked recurrent layers", low=1, high=16),
)
_DROPPED = Option("dropout", 0.0, "share of a layer's outputs dropped on the way to the next", low=0, high=0.95)
_RECURRENT = (
    *_CELLS,
    Option("bidirectional", False, "a second network reads from the end"),
    _DROPPED,
    Option("readout", "last", "the answer is read from the last state, or from every step's", choices=("last", "all")),
    Option("embedding", 64, "numbers in the vector of each token; text alone has them", low=1, high=8192),
)


def _layers_to_drop_between(shape: DataShape, options: Options) -> str | None:
    if options["dropout"] and options["layers"] == 1:
        return "drops between layers, and has one: set dropout to 0 or layers to 2"
    return None


def _sequence_to_answer(shape: DataShape, options: Options) -> str | None:
    steps = shape.input[1 if shape.kind == "image" else 0]
    if shape.steps > steps:
        return f"answers at the {steps} steps that it reads, the data have targets at {shape.steps}"
    if shape.steps and shape.kind == "text" and options["bidirectional"]:
        return "would read the next token from the end: set bidirectional to false"
    if shape.steps and options["readout"] != "last":
        return 'answers at each step from that step\'s state: set readout to "last"'
    return _layers_to_drop_between(shape, options)


def _recurrent(name: str, help: str, source: str, *options: Option) -> None:
    ARCHITECTURES.register(
        ArchitectureEntry(
            name=name,
            help=f"{help}; images are read row by row",
            target=f"tdl_tui.models.recurrent:{name.upper()}",
            options=(*_RECURRENT, *options),
            source=source,
            kinds=("sequence", "image", "text"),
            each_step=True,
            refuse=_sequence_to_answer,
            tiny={"hidden_size": 16, "embedding": 8},
        )
    )


_recurrent(
    "rnn",
    "Elman network, h_t = tanh(W_hh h_{t-1} + W_xh x_t)",
    "Elman 1990; Le, Jaitly & Hinton 2015",
    Option("nonlinearity", "tanh", "what a state goes through", choices=("tanh", "relu")),
    Option("init", "default", "W_hh at the start: torch's default, or the identity", choices=("default", "identity")),
)
_recurrent(
    "gru",
    "Gated recurrent unit: a reset and an update gate, no cell apart from the state",
    "Cho et al. 2014",
)
_recurrent(
    "lstm",
    "Long short-term memory with input, forget and output gates",
    "Hochreiter & Schmidhuber 1997; Gers et al. 2000",
    Option("forget_bias", 0.0, "added to the forget gates' biases at the start; 1 keeps them open", low=-10, high=10),
)


def _steps_to_write(shape: DataShape, options: Options) -> str | None:
    if not shape.steps:
        return "writes a sequence, the data have one target an example"
    return _layers_to_drop_between(shape, options)


ARCHITECTURES.register(
    ArchitectureEntry(
        name="rnn_decoder",
        help="One vector in, a sequence out: the table's row becomes the first state, and is read at every step",
        target="tdl_tui.models.recurrent:Decoder",
        options=(Option("cell", "lstm", "the recurrent unit", choices=("lstm", "gru")), *_CELLS, _DROPPED),
        source="Cho et al. 2014",
        kinds=("table",),
        each_step=True,
        refuse=_steps_to_write,
        tiny={"hidden_size": 16},
    )
)
ARCHITECTURES.register(
    ArchitectureEntry(
        name="gcn",
        help="Graph convolutions: a node's features are mixed with its neighbours', by the weights of the edges",
        target="tdl_tui.models.gcn:GCN",
        options=(
            Option("widths", (16,), "features of a node behind each hidden convolution", low=1, high=65536),
            Option("activation", "relu", "the function between convolutions", choices=ACTIVATIONS),
            Option("dropout", 0.0, "share of features dropped in training before each convolution", low=0, high=0.95),
        ),
        source="Kipf & Welling 2017",
        kinds=("graph",),
        tiny={"widths": (8,)},
    )
)
