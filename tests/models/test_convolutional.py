"""What the convolutional families promise: published figures, torchvision's layers and weights, sizes that fit."""

from __future__ import annotations

import itertools
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from tdl_tui import torchvision_import
from tdl_tui.models.build import Refused, build
from tdl_tui.models.cnn import CNN
from tdl_tui.models.resnet import ZeroChannels
from tdl_tui.registry import ARCHITECTURES, DataShape, Value
from tdl_tui.training.summary import LayerSummary, summarize

IMAGENET = DataShape("classification", "image", (3, 224, 224), 1000)
PUBLISHED = [
    *("alexnet", "vgg11", "vgg13", "vgg16", "vgg19", "googlenet"),
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
]
LEAST = {"alexnet": 63, "vgg11": 32, "googlenet": 15, "resnet18": 17, "resnet_cifar": 3}


def images(side: int, channels: int = 3) -> DataShape:
    return DataShape("classification", "image", (channels, side, side), 7)


def on_meta(name: str, shape: DataShape, **options: Value) -> nn.Module:
    with torch.device("meta"):
        return build(name, shape, options)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture(scope="module")
def torchvision_models() -> Any:
    return torchvision_import.models()


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("alexnet", 61_100_840), ("vgg16", 138_357_544), ("googlenet", 6_624_904), ("resnet50", 25_557_032)],
)
def test_published_parameters(name: str, parameters: int) -> None:
    assert summarize(on_meta(name, IMAGENET), IMAGENET.input).parameters == parameters


@pytest.mark.parametrize(("name", "side"), [("alexnet", 195), ("vgg16", 212), ("resnet18", 435)])
def test_published_receptive_fields(name: str, side: int) -> None:
    """Of the last layer with a window (Araujo, Norris & Sim 2019)."""
    assert summarize(on_meta(name, IMAGENET), IMAGENET.input).receptive_field == side


def test_products_of_resnet18() -> None:
    assert round(summarize(on_meta("resnet18", IMAGENET), IMAGENET.input).macs / 1e9, 3) == 1.814


def windowed(layers: tuple[LayerSummary, ...]) -> list[tuple[object, ...]]:
    """All of the layers but their names, without those that some write as functions."""
    kinds = ("Conv2d", "BatchNorm2d", "Linear", "MaxPool2d", "AdaptiveAvgPool2d")
    return [
        (layer.kind, layer.input_shape, layer.output_shape, layer.parameters, layer.macs, layer.receptive_field)
        for layer in layers
        if layer.kind in kinds
    ]


@pytest.mark.parametrize("name", [*PUBLISHED, "vgg16_bn"])
def test_layers_are_torchvisions(torchvision_models: Any, name: str) -> None:
    plain = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):
        theirs = getattr(torchvision_models, name)(**plain)
    family, _, norm = name.partition("_")
    ours = on_meta(family, IMAGENET, **({"norm": "batch"} if norm else {}))
    for shape in (IMAGENET.input, (3, 75, 90)):
        assert windowed(summarize(ours, shape).layers) == windowed(summarize(theirs, shape).layers)


@pytest.mark.parametrize(("name", "least"), LEAST.items())
def test_images_too_small_are_refused_and_no_others(name: str, least: int) -> None:
    assert on_meta(name, images(least)).eval()(torch.empty(2, 3, least, least, device="meta")).shape == (2, 7)
    said = (
        rf"^{name} needs images of at least {least}×{least}, these are {least - 1}×{least - 1} \(see .*image_size.*\)$"
    )
    with pytest.raises(Refused, match=said):
        build(name, images(least - 1))


@pytest.mark.parametrize("name", ["alexnet", "vgg11", "googlenet"])
def test_torchvision_cannot_take_smaller_ones_either(torchvision_models: Any, name: str) -> None:
    plain = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):
        theirs = getattr(torchvision_models, name)(**plain).eval()
    side = LEAST[name]
    theirs(torch.empty(1, 3, side, side, device="meta"))
    with pytest.raises(RuntimeError):
        theirs(torch.empty(1, 3, side - 1, side - 1, device="meta"))


def test_small_stem_keeps_small_images_whole() -> None:
    with pytest.raises(Refused, match=r"17×17, these are 8×8 .*set stem to small"):
        build("resnet18", images(8))
    model = on_meta("resnet18", images(32), stem="small")
    shapes = {layer.name: layer.output_shape for layer in summarize(model, (3, 32, 32)).layers}
    assert shapes["stage1.block2.conv2"] == (64, 32, 32)
    assert shapes["stage4.block2.conv2"] == (512, 4, 4)
    assert on_meta("resnet18", images(8), stem="small")


@pytest.mark.parametrize(("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_residual_networks_for_cifar_have_the_papers_sizes(depth: int, millions: float) -> None:
    model = on_meta("resnet_cifar", DataShape("classification", "image", (3, 32, 32), 10), depth=depth)
    assert round(count(model) / 1e6, 2 if millions < 1 else 1) == millions
    convolutions = sum(isinstance(layer, (nn.Conv2d, nn.Linear)) for layer in model.modules())
    assert convolutions == depth  # none of them in a shortcut


def test_residual_networks_for_cifar_have_six_n_plus_two_layers() -> None:
    with pytest.raises(Refused, match=r"6n\+2 layers .*cannot be 51; nearest: 50 and 56"):
        build("resnet_cifar", images(32), {"depth": 51})


def test_shortcut_of_zeros_keeps_every_second_place() -> None:
    x = torch.randn(2, 3, 5, 6)
    longer = ZeroChannels(3, 8, 2)(x)
    assert longer.shape == functional.conv2d(x, torch.zeros(8, 3, 3, 3), stride=2, padding=1).shape
    assert longer[:, :3].equal(x[:, :, ::2, ::2])
    assert not longer[:, 3:].any()


def test_cnn1d_is_the_network_of_mnist1d() -> None:
    shape = DataShape("classification", "sequence", (40, 1), 10)
    model = build("cnn1d", shape)
    assert count(model) == 5210
    x = torch.randn(4, 40, 1)
    w1, b1, w2, b2, w3, b3, w, b = model.parameters()
    hidden = functional.conv1d(x[:, :, 0][:, None], w1, b1, stride=2, padding=1).relu()
    hidden = functional.conv1d(hidden, w2, b2, stride=2, padding=1).relu()
    hidden = functional.conv1d(hidden, w3, b3, stride=2, padding=1).relu()
    torch.testing.assert_close(model(x), hidden.flatten(1) @ w.T + b)


@given(st.integers(1, 40), st.integers(1, 8))
def test_cnn1d_refuses_what_has_nothing_left_to_halve(steps: int, layers: int) -> None:
    shape, options = DataShape("classification", "sequence", (steps, 2), 7), {"channels": 4, "layers": layers}
    reason = ARCHITECTURES["cnn1d"].refusal(shape, {"activation": "relu", **options})
    lengths = [steps]
    for number in range(layers):
        x, kernel = torch.empty(1, 1, lengths[-1], device="meta"), 3 if number else 5
        if lengths[-1] < 3:
            break
        lengths.append(functional.conv1d(x, torch.empty(1, 1, kernel, device="meta"), stride=2, padding=1).shape[-1])
    assert (reason is None) == (len(lengths) == layers + 1)
    if reason is None:
        assert on_meta("cnn1d", shape, **options)(torch.empty(3, steps, 2, device="meta")).shape == (3, 7)


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.fixed_dictionaries(
        {
            "channels": st.lists(st.integers(1, 5), min_size=1, max_size=5).map(tuple),
            "kernel": st.integers(1, 9),
            "stride": st.integers(1, 3),
            "padding": st.integers(-1, 4),
            "pooling": st.sampled_from(["none", "max", "average"]),
            "pool_every": st.integers(1, 3),
            "norm": st.sampled_from(["none", "batch"]),
            "dense": st.lists(st.integers(0, 6), min_size=1, max_size=2).map(tuple),
        }
    ),
)
def test_cnn_is_refused_where_torch_could_not_run_it(sides: tuple[int, int], options: dict[str, Any]) -> None:
    shape = DataShape("classification", "image", (2, *sides), 7)
    complete = {"activation": "relu", **options}
    refused = ARCHITECTURES["cnn"].refusal(shape, complete)
    if refused and "border" in refused:
        assert options["padding"] >= options["kernel"]
        return
    with torch.device("meta"):
        try:
            outputs = CNN(shape, **complete).eval()(torch.empty(3, 2, *sides))
        except (RuntimeError, ZeroDivisionError):
            outputs = None
    assert (outputs is None) == (refused is not None)
    if outputs is not None:
        assert outputs.shape == (3, 7)


def test_cnn_says_where_nothing_is_left() -> None:
    options: dict[str, Value] = {"channels": (4, 4, 4), "kernel": 3, "padding": 0}
    with pytest.raises(Refused, match="at convolution 3 the kernel of 3 does not fit what is left, 1×1"):
        build("cnn", images(12), options)


def test_cnn_is_the_plain_stack_of_its_layers() -> None:
    torch.manual_seed(0)
    options: dict[str, Value] = {"channels": (4, 5, 6), "pooling": "average", "pool_every": 2, "dense": (9, 8)}
    ours = build("cnn", images(9), {**options, "activation": "tanh", "kernel": 5, "norm": "batch"})
    convolutions = [
        (nn.Conv2d(a, b, 5, padding=2, bias=False), nn.BatchNorm2d(b), nn.Tanh())
        for a, b in itertools.pairwise((3, 4, 5, 6))
    ]
    plain = nn.Sequential(
        *(*convolutions[0], *convolutions[1], nn.AvgPool2d(2), *convolutions[2], nn.Flatten()),
        *(nn.Linear(6 * 4 * 4, 9), nn.Tanh(), nn.Linear(9, 8), nn.Tanh(), nn.Linear(8, 7)),
    )
    plain.load_state_dict(dict(zip(plain.state_dict(), ours.state_dict().values(), strict=True)))
    x = torch.randn(5, 3, 9, 9)
    torch.testing.assert_close(ours(x), plain(x))


@pytest.fixture
def weights_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where torchvision looks for weights before it fetches them; there is no network."""

    def nowhere(*args: Any, **kwargs: Any) -> Any:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", nowhere)
    monkeypatch.setattr("torch.hub.urlopen", nowhere)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def saved(models: Any, name: str, folder: Path, **options: Any) -> nn.Module:
    """torchvision's model with weights of its own, in evaluation, and its file where the published one would be."""
    torch.manual_seed(3)
    theirs: nn.Module = getattr(models, name)(**options)
    for layer in theirs.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.running_mean, std=0.1)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
    url = models.get_model_weights(name).DEFAULT.url
    torch.save(theirs.state_dict(), folder / url.rpartition("/")[2])
    return theirs.eval()


def before_head(model: nn.Module, x: Tensor) -> Tensor:
    """What reaches the head."""
    seen: list[Tensor] = []
    head = dict(model.named_modules()).get("head") or model.fc
    assert isinstance(head, nn.Module)
    handle = head.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    model(x)
    handle.remove()
    return seen[0]


def test_pretrained_is_torchvisions_network_with_another_head(torchvision_models: Any, weights_folder: Path) -> None:
    theirs = saved(torchvision_models, "resnet18", weights_folder)
    ours = build("resnet18", images(40), {"pretrained": True}).eval()
    x = torch.randn(2, 3, 40, 40)
    torch.testing.assert_close(before_head(ours, x), before_head(theirs, x))
    assert ours(x).shape == (2, 7)


def test_pretrained_takes_a_grey_picture_for_three_equal_channels(
    torchvision_models: Any, weights_folder: Path
) -> None:
    theirs = saved(torchvision_models, "resnet18", weights_folder)
    ours = build("resnet18", images(40, channels=1), {"pretrained": True}).eval()
    x = torch.randn(2, 1, 40, 40)
    torch.testing.assert_close(before_head(ours, x), before_head(theirs, x.expand(2, 3, 40, 40)), rtol=1e-4, atol=1e-4)


def test_pretrained_googlenet_takes_standard_inputs(torchvision_models: Any, weights_folder: Path) -> None:
    theirs = saved(torchvision_models, "googlenet", weights_folder, init_weights=False, aux_logits=True)
    theirs.transform_input = True  # type: ignore[assignment]  # as torchvision sets it for its weights
    ours = build("googlenet", images(64), {"pretrained": True}).eval()
    x = torch.randn(2, 3, 64, 64)
    first: dict[nn.Module, Tensor] = {}
    for layer in (ours.get_submodule("stem1"), theirs.get_submodule("conv1")):
        layer.register_forward_hook(lambda layer, inputs, outputs: first.__setitem__(layer, outputs))
    ours(x), theirs(x)
    inside = (slice(None), slice(None), slice(2, -2), slice(2, -2))  # away from the border's zeros
    torch.testing.assert_close(first[ours.get_submodule("stem1")][inside], first[theirs.get_submodule("conv1")][inside])
    taken = ours.state_dict()["inception5b.three.wide.conv.weight"]
    assert taken.equal(theirs.state_dict()["inception5b.branch2.1.conv.weight"])


def test_weights_that_cannot_be_fetched_are_one_line(torchvision_models: Any, weights_folder: Path) -> None:
    said = (
        r"^resnet18: the pretrained weights could not be downloaded \(.*no route to host.*\); "
        rf"put https://\S+/resnet18-\w+\.pth into {weights_folder} or turn pretrained off$"
    )
    with pytest.raises(Refused, match=said):
        build("resnet18", images(40), {"pretrained": True})


def not_weights(path: Path) -> None:
    path.write_bytes(b"not weights")


def anothers_weights(path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, path)


@pytest.mark.parametrize("write", [not_weights, anothers_weights])
def test_a_file_without_its_weights_is_one_line(
    torchvision_models: Any, weights_folder: Path, write: Callable[[Path], None]
) -> None:
    file = weights_folder / torchvision_models.ResNet18_Weights.DEFAULT.url.rpartition("/")[2]
    write(file)
    with pytest.raises(
        Refused, match=rf"^resnet18: {file} does not hold its weights \(.*\); remove it or turn .* off$"
    ):
        build("resnet18", images(40), {"pretrained": True})


def test_nothing_is_fetched_for_the_meta_device(weights_folder: Path) -> None:
    assert on_meta("resnet18", images(40), pretrained=True)


@pytest.mark.parametrize(
    ("shape", "options", "reason"),
    [
        (images(64), {"width": 0.5}, "set width to 1"),
        (images(64), {"stem": "small"}, "set stem to imagenet"),
        (images(64, channels=2), {}, "grey and colour images, these have 2 channels"),
    ],
)
def test_pretrained_is_refused_for_what_it_does_not_fit(shape: DataShape, options: Any, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        on_meta("resnet18", shape, pretrained=True, **options)
