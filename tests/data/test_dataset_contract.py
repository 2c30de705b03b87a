"""One contract for every dataset that needs no files from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tdl_tui.data.dataset import Dataset
from tdl_tui.data.files import FILES
from tdl_tui.data.prepare import Prepared, prepare
from tdl_tui.registry import DATASETS
from tdl_tui.spec import experiment

HERE = tuple(entry.name for entry in DATASETS if entry.name not in FILES and not entry.missing(entry.defaults()))
MEASURED = tuple(  # those whose inputs are amounts that a recipe does not keep as they are
    entry.name
    for entry in DATASETS
    if entry.name in HERE
    and entry.describe(entry.defaults()).kind not in ("text", "graph")
    and entry.recipe.get("data.normalize", True)
)
CPU = torch.device("cpu")


def ready(name: str, home: Path, **data: object) -> Prepared:
    return prepare(experiment({"data": {"dataset": name, **data}}), home, CPU)


@pytest.mark.parametrize("name", HERE)
def test_what_is_loaded_is_what_was_described(name: str, tmp_path: Path) -> None:
    entry = DATASETS[name]
    dataset: Dataset = entry.load()(entry.defaults(), tmp_path)
    shape = entry.describe(entry.defaults())
    assert dataset.shape == shape
    assert dataset.inputs.shape == (shape.examples, *shape.input)
    assert dataset.fixed_test == shape.fixed_test
    dtypes = {"image": torch.uint8, "text": torch.int64, "graph": torch.int64}
    assert dataset.inputs.dtype == dtypes.get(shape.kind, torch.float32)
    if shape.task == "classification":
        assert dataset.targets.dtype == torch.int64
        assert dataset.targets.shape == ((shape.examples, shape.steps) if shape.steps else (shape.examples,))
        assert len(shape.classes) == shape.outputs
        named = torch.cat(
            [dataset.targets.flatten(), dataset.inputs.flatten() if shape.kind == "text" else torch.empty(0)]
        )
        assert named.unique().tolist() == list(range(shape.outputs))
    else:
        assert dataset.targets.dtype == torch.float32
        assert dataset.targets.shape == (shape.examples, shape.outputs)
    if shape.kind == "table":
        assert len(shape.features) == shape.input[0]
    if shape.kind == "graph":
        nodes, features = shape.graph
        assert dataset.inputs.flatten().sort().values.tolist() == list(range(nodes))
        assert {name: tuple(tensor.shape) for name, tensor in dataset.context.items()} == {
            "adjacency": (nodes, nodes),
            "features": (nodes, features),
        }
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", MEASURED)
def test_training_inputs_have_mean_0_and_deviation_1(name: str, tmp_path: Path) -> None:
    prepared = ready(name, tmp_path)
    inputs = torch.cat([inputs for inputs, _ in prepared.batches.epoch(0)])
    if prepared.shape.kind == "image":
        flat = inputs.transpose(0, 1).flatten(1).T
    else:
        flat = inputs.reshape(-1, prepared.shape.input[-1])
    torch.testing.assert_close(flat.mean(0), torch.zeros(flat.shape[1]), atol=1e-4, rtol=0)
    torch.testing.assert_close(flat.std(0, correction=0), torch.ones(flat.shape[1]), atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", HERE)
def test_probes_are_held_out_and_cover_the_classes(name: str, tmp_path: Path) -> None:
    prepared = ready(name, tmp_path)
    indices = [probe.index for probe in prepared.probes]
    held_out = prepared.splits.validation if len(prepared.splits.validation) else prepared.splits.test
    assert len(set(indices)) == len(indices) == min(16, len(held_out))
    assert set(indices) <= set(held_out.tolist())
    assert prepared.probe_inputs.shape == (len(indices), *prepared.shape.input)
    if prepared.shape.task == "classification":
        targets = prepared.probe_targets[:, -1] if prepared.shape.steps else prepared.probe_targets
        counts = torch.bincount(targets, minlength=prepared.shape.outputs)
        dataset: Dataset = DATASETS[name].load()(DATASETS[name].defaults(), tmp_path)
        available = torch.bincount(dataset.targets[held_out].reshape(len(held_out), -1)[:, -1], minlength=len(counts))
        assert (counts >= available.clamp(max=int(counts.max()) - 1)).all()
    again = [probe.index for probe in ready(name, tmp_path).probes]
    assert again == indices


@pytest.mark.parametrize("name", HERE)
def test_probes_are_recorded_before_normalisation(name: str, tmp_path: Path) -> None:
    prepared = ready(name, tmp_path)
    dataset: Dataset = DATASETS[name].load()(DATASETS[name].defaults(), tmp_path)
    for probe in prepared.probes:
        raw = dataset.inputs[probe.index].to(torch.float64)
        raw = raw / 255 if probe.kind == "image" else raw
        assert probe.shape == prepared.shape.input
        assert torch.allclose(torch.tensor(probe.input, dtype=torch.float64), raw.flatten(), atol=1e-4)
        assert probe.target == dataset.targets[probe.index].flatten()[-1].item()


def test_probes_come_from_the_test_part_where_nothing_else_is_held_out(tmp_path: Path) -> None:
    prepared = ready("iris", tmp_path, split=[0.8, 0.0, 0.2])
    assert {probe.index for probe in prepared.probes} <= set(prepared.splits.test.tolist())
    assert not ready("iris", tmp_path, split=[1.0, 0.0, 0.0]).probes


def test_splits_are_kept_in_a_file(tmp_path: Path) -> None:
    chosen = experiment({"data": {"dataset": "iris"}})
    kept = tmp_path / "splits.npz"
    first = prepare(chosen, tmp_path, CPU, splits_file=kept).splits
    other = experiment({"data": {"dataset": "iris", "split_seed": 1}})
    again = prepare(other, tmp_path, CPU, splits_file=kept).splits
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(first, again, strict=True))
