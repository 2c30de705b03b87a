"""The architectures' entries: names, options, what they refuse. Imports no torch; each family is one file beside."""

from __future__ import annotations

from itertools import pairwise
from math import comb, prod

from tdl_tui.registry import ARCHITECTURES, ArchitectureEntry, DataShape, Option, Options

from .sizes import stages, windows, written

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
_WIDTH = Option("width", 1.0, "share of the published channels in every layer", low=0, high=4, above=True)
_DROPOUT = Option("dropout", 0.5, "share of units dropped in training before the dense layers", low=0, high=0.95)
_PRETRAINED = Option("pretrained", False, "start from weights trained on ImageNet, all but the head's")


def _too_small(shape: DataShape, least: int, else_: str = "") -> str | None:
    _, *sides = shape.input
    if min(sides) >= least:
        return None
    return f"needs images of at least {least}×{least}, these are {written(sides)} (see the data's image_size{else_})"


def _unlike_published(shape: DataShape, options: Options) -> str | None:
    """Why the published weights do not fit, where they are asked for."""
    if not options["pretrained"]:
        return None
    if options["width"] != 1:
        return "has pretrained weights for the published channels: set width to 1, or turn pretrained off"
    if options.get("stem") == "small":
        return "has pretrained weights for the stem of ImageNet: set stem to imagenet, or turn pretrained off"
    if shape.input[0] not in (1, 3):
        return f"has pretrained weights for grey and colour images, these have {shape.input[0]} channels"
    return None


def _published(name: str, least: int, help: str, target: str, source: str, *options: Option, tiny: Options) -> None:
    """Registers a network that torchvision publishes weights for, for images with sides of `least` at least.

    With a choice of stem, the small one takes images of 5×5.
    """

    def refuse(shape: DataShape, options: Options) -> str | None:
        if "stem" not in options:
            return _too_small(shape, least) or _unlike_published(shape, options)
        small = options["stem"] == "small"
        too_small = _too_small(shape, 5) if small else _too_small(shape, least, ", or set stem to small")
        return too_small or _unlike_published(shape, options)

    ARCHITECTURES.register(
        ArchitectureEntry(
            name=name,
            help=help,
            target=f"tdl_tui.models.{target}",
            options=(*options, _WIDTH, _PRETRAINED),
            source=source,
            kinds=("image",),
            refuse=refuse,
            tiny=tiny,
        )
    )


def _stack_shrinks(shape: DataShape, options: Options) -> str | None:
    channels, kernel, stride, padding, every = (
        options[name] for name in ("channels", "kernel", "stride", "padding", "pool_every")
    )
    assert isinstance(channels, tuple)
    assert isinstance(kernel, int) and isinstance(stride, int) and isinstance(padding, int) and isinstance(every, int)
    if padding >= kernel:
        return f"would see nothing but zeros at the border: padding must be below the kernel of {kernel}"
    _, height, width = shape.input
    every = 0 if options["pooling"] == "none" else every
    for number, stage in enumerate(stages((height, width), len(channels), kernel, stride, padding, every), start=1):
        if min(stage.convolved) < 1:
            return (
                f"shrinks to nothing: at convolution {number} the kernel of {kernel} does not fit what is left,"
                f" {written(stage.reached)}; pad more, pool less, or leave out a convolution"
            )
    return None


def _sequence_runs_out(shape: DataShape, options: Options) -> str | None:
    layers = options["layers"]
    assert isinstance(layers, int)
    steps = shape.input[0]
    for number in range(1, layers + 1):
        if steps < 3:
            return f"has nothing left to halve at layer {number} of {layers}, {shape.input[0]} steps are too few for it"
        steps = windows(steps, 5 if number == 1 else 3, stride=2, padding=1)
    return None


def _six_n_plus_two(shape: DataShape, options: Options) -> str | None:
    depth = options["depth"]
    assert isinstance(depth, int)
    if depth % 6 != 2:
        below = (depth - 2) // 6 * 6 + 2
        return f"has 6n+2 layers (20, 32, 44, 56, 110, …), depth cannot be {depth}; nearest: {below} and {below + 6}"
    return _too_small(shape, 3)


ARCHITECTURES.register(
    ArchitectureEntry(
        name="cnn",
        help="A free stack of convolutions with pooling, then dense layers",
        target="tdl_tui.models.cnn:CNN",
        options=(
            Option("channels", (32, 64), "channels of each convolution, from the input on", low=1, high=8192),
            Option("kernel", 3, "side of each convolution's window", low=1, high=31),
            Option("stride", 1, "places from one window to the next", low=1, high=8),
            Option("padding", -1, "zeros on each edge; -1: half the kernel, which keeps the size", low=-1, high=30),
            Option("pooling", "max", "how 2×2 places become one", choices=("none", "max", "average")),
            Option("pool_every", 1, "convolutions before each pooling; none where a side is 1", low=1, high=16),
            Option("activation", "relu", "the function after each layer", choices=ACTIVATIONS),
            Option("norm", "none", "normalisation before each activation", choices=("none", "batch")),
            Option("dense", (128,), "units of each dense layer before the head; [0]: no such layer", low=0, high=65536),
        ),
        source="LeCun et al. 1989",
        kinds=("image",),
        refuse=_stack_shrinks,
        tiny={"channels": (8, 8), "dense": (16,)},
    )
)
ARCHITECTURES.register(
    ArchitectureEntry(
        name="cnn1d",
        help="Convolutions of stride 2 along the steps of a sequence, features as channels",
        target="tdl_tui.models.cnn:CNN1d",
        options=(
            Option("channels", 25, "channels of each convolution", low=1, high=8192),
            Option("layers", 3, "convolutions, the first 5 wide, the others 3", low=1, high=16),
            Option("activation", "relu", "the function after each convolution", choices=ACTIVATIONS),
        ),
        source="Greydanus & Kobak 2020",
        kinds=("sequence",),
        refuse=_sequence_runs_out,
    )
)
_published(
    "alexnet",
    63,
    "Five convolutions and three dense layers, ImageNet's winner of 2012",
    "alexnet:AlexNet",
    "Krizhevsky, Sutskever & Hinton 2012; Krizhevsky 2014",
    _DROPOUT,
    tiny={"width": 0.0625, "dropout": 0.0},
)
for _depth in (11, 13, 16, 19):
    _published(
        f"vgg{_depth}",
        32,
        f"{_depth - 3} convolutions of 3×3 in five blocks, and three dense layers",
        f"vgg:VGG{_depth}",
        "Simonyan & Zisserman 2015",
        Option("norm", "none", "normalisation behind each convolution", choices=("none", "batch")),
        _DROPOUT,
        tiny={"norm": "batch", "width": 0.0625, "dropout": 0.0} if _depth == 11 else {},
    )
_published(
    "googlenet",
    15,
    "Nine inception blocks: 1×1, 3×3, 5×5 and pooling side by side; no auxiliary heads",
    "googlenet:GoogLeNet",
    "Szegedy et al. 2015",
    Option("dropout", 0.2, "share of units dropped in training before the head", low=0, high=0.95),
    tiny={"width": 0.125, "dropout": 0.0},
)
_TINY_RESNETS: dict[int, Options] = {18: {"width": 0.125, "stem": "small"}, 50: {"width": 0.125}}
for _depth, _blocks in (
    (18, "8 basic"),
    (34, "16 basic"),
    (50, "16 bottleneck"),
    (101, "33 bottleneck"),
    (152, "50 bottleneck"),
):
    _published(
        f"resnet{_depth}",
        17,
        f"Residual network of {_depth} layers: {_blocks} blocks whose input is added to their output",
        f"resnet:ResNet{_depth}",
        "He et al. 2015",
        Option(
            "stem",
            "imagenet",
            "imagenet: 7×7 and pooling, a quarter of the side; small: 3×3, the whole side",
            choices=("imagenet", "small"),
        ),
        tiny=_TINY_RESNETS.get(_depth, {}),
    )
ARCHITECTURES.register(
    ArchitectureEntry(
        name="resnet_cifar",
        help="Slim residual network of 6n+2 layers for small images, shortcuts without parameters",
        target="tdl_tui.models.resnet:ResNetCIFAR",
        options=(Option("depth", 20, "layers with weights: 6n+2", low=8, high=1202),),
        source="He et al. 2015, section 4.2",
        kinds=("image",),
        refuse=_six_n_plus_two,
        tiny={"depth": 8},
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
