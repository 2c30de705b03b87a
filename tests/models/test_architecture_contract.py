"""The one contract that every architecture in the registry keeps."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from tdl_tui.models.build import Refused, build
from tdl_tui.registry import ARCHITECTURES, ArchitectureEntry, DataShape, Option, Value

SHAPES = {
    "image": DataShape("classification", "image", (1, 28, 28), 4),
    "colour image": DataShape("classification", "image", (3, 32, 36), 4),
    "sequence": DataShape("classification", "sequence", (12, 3), 4),
    "table": DataShape("classification", "table", (6,), 4),
    "regression table": DataShape("regression", "table", (6,), 2),
}
ENTRIES = list(ARCHITECTURES)


def taken(entry: ArchitectureEntry) -> list[DataShape]:
    """The shapes above that the architecture takes, with its defaults."""
    return [shape for shape in SHAPES.values() if entry.refusal(shape, entry.defaults()) is None]


def tiny(entry: ArchitectureEntry, shape: DataShape, **options: Value) -> nn.Module:
    torch.manual_seed(0)
    return build(entry.name, shape, {**entry.tiny, **options})


def separable(shape: DataShape) -> tuple[Tensor, Tensor]:
    """Eight examples, two a class, each class with its own random pattern."""
    generator = torch.Generator().manual_seed(1)
    patterns = torch.randn(4, *shape.input, generator=generator)
    noise = torch.randn(8, *shape.input, generator=generator)
    return patterns.repeat(2, *(1 for _ in shape.input)) + 0.1 * noise, torch.arange(4).repeat(2)


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


pytestmark = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)


def test_forward_gives_one_row_of_outputs_an_example(entry: ArchitectureEntry) -> None:
    for shape in taken(entry):
        model = tiny(entry, shape)
        for count in (1, 5):
            outputs = model.eval()(torch.randn(count, *shape.input))
            assert outputs.shape == (count, shape.outputs)
            assert outputs.dtype == torch.float32


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


def test_builds_on_the_meta_device_with_every_choice(entry: ArchitectureEntry) -> None:
    choices = [{option.name: choice} for option in entry.options for choice in option.choices]
    plain: list[Mapping[str, Value]] = [{}, entry.tiny]
    for options in [*plain, *choices]:
        with torch.device("meta"):
            model = build(entry.name, taken(entry)[0], options)
        assert all(tensor.is_meta for tensor in (*model.parameters(), *model.buffers()))


def test_every_parameter_gets_a_gradient(entry: ArchitectureEntry) -> None:
    shape = taken(entry)[0]
    for options in [{}, *({option.name: choice} for option in entry.options for choice in option.choices)]:
        model = tiny(entry, shape, **options)
        functional.cross_entropy(model(separable(shape)[0]), separable(shape)[1]).backward()
        without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
        assert not without
        assert any(bool(p.grad.any()) for p in model.parameters() if p.grad is not None)


def test_learns_eight_separable_examples(entry: ArchitectureEntry) -> None:
    shape = taken(entry)[0]
    model, (inputs, targets) = tiny(entry, shape), separable(shape)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(200):
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        if loss.item() < 0.05:
            break
    assert model.eval()(inputs).argmax(1).equal(targets)


def test_same_seed_gives_the_same_weights_and_state_goes_from_one_to_another(entry: ArchitectureEntry) -> None:
    shape = taken(entry)[0]
    inputs, _ = separable(shape)
    first, second = tiny(entry, shape).eval(), tiny(entry, shape).eval()
    assert first(inputs).equal(second(inputs))
    other = build(entry.name, shape, entry.tiny).eval()  # drawn after the others: different weights
    assert not other(inputs).equal(first(inputs))
    other.load_state_dict(first.state_dict())
    assert other(inputs).equal(first(inputs))


def test_saved_state_loads_from_a_file(entry: ArchitectureEntry, tmp_path: Path) -> None:
    shape = taken(entry)[0]
    model, other = tiny(entry, shape).eval(), build(entry.name, shape, entry.tiny).eval()
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    assert other(separable(shape)[0]).equal(model(separable(shape)[0]))


def test_options_outside_their_range_are_refused_in_one_line(entry: ArchitectureEntry) -> None:
    for option in entry.options:
        for value in wrong_values(option):
            with pytest.raises(Refused, match=f"^{entry.name}: {option.name} must (each )?be .+$") as refused:
                build(entry.name, taken(entry)[0], {option.name: value})  # type: ignore[dict-item]  # that is the test
            assert "\n" not in str(refused.value)
    with pytest.raises(Refused, match='has no option "nonsense"'):
        build(entry.name, taken(entry)[0], {"nonsense": 1})


def test_says_what_it_is_and_where_it_is_from(entry: ArchitectureEntry) -> None:
    factory = entry.load()
    docstring = inspect.getdoc(factory) or ""
    assert re.search(r"\b(18|19|20)\d\d\b", docstring), "the docstring names its source with the year"
    assert "(N, " in docstring, "the docstring says what goes in and what comes out"
    assert inspect.getdoc(sys.modules[factory.__module__])
    assert entry.help


def test_layers_have_readable_names(entry: ArchitectureEntry) -> None:
    model = tiny(entry, taken(entry)[0])
    names = [name for name, layer in model.named_modules() if list(layer.parameters(recurse=False))]
    assert names[-1] == "head"
    assert all(re.fullmatch(r"[a-z_]+[a-z0-9_.]*", name) for name in names), names


def test_works_on_inputs_that_are_not_contiguous(entry: ArchitectureEntry) -> None:
    for shape in taken(entry):
        model = tiny(entry, shape).eval()
        inputs = torch.randn(3, *shape.input)
        strided = torch.stack([inputs, inputs], dim=-1)[..., 0]
        formats = [strided] if shape.kind != "image" else [strided, inputs.to(memory_format=torch.channels_last)]
        for same in formats:
            torch.testing.assert_close(model(same), model(inputs))
