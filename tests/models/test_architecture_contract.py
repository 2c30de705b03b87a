"""The one contract that every architecture in the registry keeps."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tdl_tui.models.build import Refused, build
from tdl_tui.registry import ARCHITECTURES, ArchitectureEntry, DataShape, Option, Value

LETTERS = ("a", "b", "c", "d")
NODES, NODE_FEATURES = 8, 5
SHAPES = {
    "colour image": DataShape("classification", "image", (3, 32, 36), 4),
    "image": DataShape("classification", "image", (1, 28, 28), 4),
    "larger image": DataShape("classification", "image", (3, 64, 64), 4),
    "sequence": DataShape("classification", "sequence", (12, 3), 4),
    "tagged sequence": DataShape("classification", "sequence", (12, 3), 4, steps=12),
    "table": DataShape("classification", "table", (6,), 4),
    "written table": DataShape("classification", "table", (6,), 4, steps=5),
    "regression table": DataShape("regression", "table", (6,), 2),
    "text": DataShape("classification", "text", (12,), 4, LETTERS),
    "continued text": DataShape("classification", "text", (12,), 4, LETTERS, steps=12),
    "graph": DataShape("classification", "graph", (1,), 4, graph=(NODES, NODE_FEATURES)),
}
ENTRIES = list(ARCHITECTURES)
SMALL = 1_000_000
"""With fewer parameters the tiny configuration is run and trained; what is larger stays on the meta device."""


def taken(entry: ArchitectureEntry) -> list[DataShape]:
    """The shapes above that the architecture takes, with its defaults."""
    return [shape for shape in SHAPES.values() if entry.refusal(shape, entry.defaults()) is None]


def classified(entry: ArchitectureEntry) -> list[DataShape]:
    """The first of those shapes with classes, and the first of every other kind, with a target at every step or not."""
    first: dict[tuple[str, bool], DataShape] = {}
    for shape in taken(entry):
        if shape.task == "classification":
            first.setdefault((shape.kind, shape.steps > 0), shape)
    return list(first.values())


def on_meta(entry: ArchitectureEntry, shape: DataShape, options: Mapping[str, Value]) -> nn.Module:
    with torch.device("meta"):
        return build(entry.name, shape, options)


def made(entry: ArchitectureEntry, shape: DataShape, **options: Value) -> nn.Module:
    """The tiny member, that has seen what belongs to its data."""
    return introduced(build(entry.name, shape, {**entry.tiny, **options}), shape)


def tiny(entry: ArchitectureEntry, shape: DataShape, **options: Value) -> nn.Module:
    torch.manual_seed(0)
    return made(entry, shape, **options)


def introduced(model: nn.Module, shape: DataShape) -> nn.Module:
    """Eight nodes in four pairs of a class each; a node's features tell its pair."""
    see = getattr(model, "see", None)
    if callable(see):
        pairs = torch.arange(NODES) % 4
        see(
            {
                "adjacency": (pairs[:, None] == pairs).float().fill_diagonal_(0),
                "features": functional.one_hot(pairs, NODE_FEATURES).float(),
            }
        )
    return model


def inputs_of(shape: DataShape, count: int) -> Tensor:
    if shape.kind == "text":
        return torch.randint(len(shape.classes), (count, *shape.input))
    if shape.kind == "graph":
        return torch.arange(count)[:, None] % NODES
    return torch.randn(count, *shape.input)


def outputs_of(shape: DataShape, count: int) -> tuple[int, ...]:
    return (count, shape.outputs, shape.steps) if shape.steps else (count, shape.outputs)


def separable(shape: DataShape) -> tuple[Tensor, Tensor]:
    """Eight examples, two a class, each class with its own random pattern; a text goes through the letters from the
    class's own on, and so do the targets of the steps."""
    classes = torch.arange(4).repeat(2)
    targets = (classes[:, None] + 1 + torch.arange(shape.steps)) % 4 if shape.steps else classes
    if shape.kind == "graph":
        return torch.arange(NODES)[:, None], targets
    if shape.kind == "text":
        return (classes[:, None] + torch.arange(shape.input[0])) % 4, targets
    generator = torch.Generator().manual_seed(1)
    patterns = torch.randn(4, *shape.input, generator=generator)
    noise = torch.randn(8, *shape.input, generator=generator)
    return patterns.repeat(2, *(1 for _ in shape.input)) + 0.1 * noise, targets


def wrong_values(option: Option) -> list[object]:
    """Values next to the option's range, and of other types."""
    wrong: list[object] = [None, {}]
    if option.choices:
        return [*wrong, "no such choice", 1]
    number = 1 if isinstance(option.default, (int, tuple)) else 1.0
    if option.low is not None:
        wrong.append(option.low - number)
    if option.high is not None:
        wrong.append(option.high + number)
    if isinstance(option.default, tuple):
        return [*wrong, *([value] for value in wrong[2:]), "text"]
    return wrong if isinstance(option.default, bool) else [*wrong, "text", float("nan"), float("inf")]


def is_small(entry: ArchitectureEntry) -> bool:
    model = on_meta(entry, taken(entry)[0], entry.tiny)
    return sum(parameter.numel() for parameter in model.parameters()) < SMALL


RUN = [entry for entry in ENTRIES if is_small(entry)]
every = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
small = pytest.mark.parametrize("entry", RUN, ids=lambda entry: entry.name)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Networks this small have no work for more, and threads that wait take the processor from others."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_each_family_has_a_member_that_is_run() -> None:
    assert {entry.target.partition(":")[0] for entry in RUN} == {entry.target.partition(":")[0] for entry in ENTRIES}


@small
def test_forward_gives_one_row_of_outputs_an_example(entry: ArchitectureEntry) -> None:
    for shape in taken(entry):
        model = tiny(entry, shape)
        for count in (1, 5):
            outputs = model.eval()(inputs_of(shape, count))
            assert outputs.shape == outputs_of(shape, count)
            assert outputs.dtype == torch.float32


@every
def test_gives_such_outputs_without_weights_too(entry: ArchitectureEntry) -> None:
    for shape in taken(entry):
        model = on_meta(entry, shape, {})
        outputs = model.eval()(inputs_of(shape, 3).to("meta"))
        assert outputs.shape == outputs_of(shape, 3)
        assert outputs.is_meta


@every
def test_takes_some_data_and_refuses_the_rest_with_a_reason(entry: ArchitectureEntry) -> None:
    assert taken(entry)
    for shape in SHAPES.values():
        reason = entry.refusal(shape, entry.defaults())
        if reason is None:
            continue
        assert reason
        assert "\n" not in reason
        with pytest.raises(Refused, match=re.escape(reason)):
            build(entry.name, shape)


@every
def test_builds_on_the_meta_device_with_every_choice(entry: ArchitectureEntry) -> None:
    choices = [{option.name: choice} for option in entry.options for choice in option.choices]
    plain: list[Mapping[str, Value]] = [{}, entry.tiny]
    for options in [*plain, *choices]:
        model = on_meta(entry, taken(entry)[0], options)
        assert all(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))


@small
def test_every_parameter_gets_a_gradient(entry: ArchitectureEntry) -> None:
    shape = taken(entry)[0]
    for options in [{}, *({option.name: choice} for option in entry.options for choice in option.choices)]:
        if entry.refusal(shape, {**entry.defaults(), **entry.tiny, **options}):
            continue
        model = tiny(entry, shape, **options)
        functional.cross_entropy(model(separable(shape)[0]), separable(shape)[1]).backward()
        without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
        assert not without
        assert any(bool(p.grad.any()) for p in model.parameters() if p.grad is not None)


@small
def test_learns_eight_separable_examples(entry: ArchitectureEntry) -> None:
    for shape in classified(entry):
        model, (inputs, targets) = tiny(entry, shape), separable(shape)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(200):
            optimizer.zero_grad()
            loss = functional.cross_entropy(model.train()(inputs), targets)
            loss.backward()
            optimizer.step()
            if loss.item() < 0.05 and model.eval()(inputs).argmax(1).equal(targets):
                break
        assert model.eval()(inputs).argmax(1).equal(targets), shape


@small
def test_same_seed_gives_the_same_weights_and_state_goes_from_one_to_another(entry: ArchitectureEntry) -> None:
    shape = taken(entry)[0]
    inputs, _ = separable(shape)
    first, second = tiny(entry, shape).eval(), tiny(entry, shape).eval()
    assert first(inputs).equal(second(inputs))
    other = made(entry, shape).eval()  # drawn after the others: different weights
    assert not other(inputs).equal(first(inputs))
    other.load_state_dict(first.state_dict())
    assert other(inputs).equal(first(inputs))


@small
def test_saved_state_loads_from_a_file(entry: ArchitectureEntry, tmp_path: Path) -> None:
    shape = taken(entry)[0]
    model, other = tiny(entry, shape).eval(), made(entry, shape).eval()
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    assert other(separable(shape)[0]).equal(model(separable(shape)[0]))


@every
def test_options_outside_their_range_are_refused_in_one_line(entry: ArchitectureEntry) -> None:
    for option in entry.options:
        for value in wrong_values(option):
            with pytest.raises(Refused, match=f"^{entry.name}: {option.name} must (each )?be .+$") as refused:
                build(entry.name, taken(entry)[0], {option.name: value})  # type: ignore[dict-item]  # that is the test
            assert "\n" not in str(refused.value)
    with pytest.raises(Refused, match='has no option "nonsense"'):
        build(entry.name, taken(entry)[0], {"nonsense": 1})


@every
def test_says_what_it_is_and_where_it_is_from(entry: ArchitectureEntry) -> None:
    factory = entry.load()
    docstring = inspect.getdoc(factory) or ""
    assert re.search(r"\b(18|19|20)\d\d\b", docstring), "the docstring names its source with the year"
    assert "(N, " in docstring, "the docstring says what goes in and what comes out"
    assert inspect.getdoc(sys.modules[factory.__module__])
    assert entry.help


@every
def test_layers_have_readable_names(entry: ArchitectureEntry) -> None:
    model = on_meta(entry, taken(entry)[0], entry.tiny)
    names = [name for name, layer in model.named_modules() if list(layer.parameters(recurse=False))]
    assert names[-1] == "head"
    assert all(re.fullmatch(r"[a-z_]+[a-z0-9_.]*", name) for name in names), names


@small
def test_works_on_inputs_that_are_not_contiguous(entry: ArchitectureEntry) -> None:
    for shape in taken(entry):
        model = tiny(entry, shape).eval()
        inputs = inputs_of(shape, 3)
        strided = torch.stack([inputs, inputs], dim=-1)[..., 0]
        formats = [strided] if shape.kind != "image" else [strided, inputs.to(memory_format=torch.channels_last)]
        for same in formats:
            torch.testing.assert_close(model(same), model(inputs))
