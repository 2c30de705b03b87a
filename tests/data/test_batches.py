"""Batches: the right examples in an order that (seed, epoch) decide, from any step, whatever holds them."""

from __future__ import annotations

import itertools
import multiprocessing
import signal
from collections.abc import Callable, Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tdl_tui.data import storage
from tdl_tui.data.batches import Batches, MemoryBatches, batch_lengths, epoch_order
from tdl_tui.data.dataset import DataError, Dataset
from tdl_tui.data.normalization import fit
from tdl_tui.data.splits import Splits, split
from tdl_tui.data.streaming import StreamBatches
from tdl_tui.registry import DataShape

CPU = torch.device("cpu")
EXAMPLES = 1003
Make = Callable[..., Batches]


def dataset_of(kind: str) -> Dataset:
    random = torch.Generator().manual_seed(0)
    if kind == "image":
        inputs = torch.randint(0, 256, (EXAMPLES, 3, 9, 7), generator=random).to(torch.uint8)
        shape = DataShape("classification", "image", (3, 9, 7), 10, examples=EXAMPLES)
        return Dataset(inputs, torch.arange(EXAMPLES) % 10, shape)
    if kind == "sequence":
        shape = DataShape("classification", "sequence", (12, 2), 10, examples=EXAMPLES)
        return Dataset(torch.randn(EXAMPLES, 12, 2, generator=random), torch.arange(EXAMPLES) % 10, shape)
    if kind == "text":
        tokens = torch.randint(0, 30, (EXAMPLES, 9), generator=random)
        shape = DataShape("classification", "text", (8,), 30, examples=EXAMPLES, steps=8)
        return Dataset(tokens[:, :-1], tokens[:, 1:], shape)
    shape = DataShape("regression", "table", (5,), 2, examples=EXAMPLES)
    targets = torch.randn(EXAMPLES, 2, generator=random) * 30
    return Dataset(torch.randn(EXAMPLES, 5, generator=random), targets, shape)


def memory(
    dataset: Dataset, splits: Splits, *, batch_size: int = 64, seed: int = 0, channels_last: bool = False
) -> Batches:
    normalization = fit(dataset, splits.train)
    return MemoryBatches(
        dataset, splits, normalization, batch_size=batch_size, seed=seed, device=CPU, channels_last=channels_last
    )


def stream(dataset: Dataset, splits: Splits, *, workers: int = 0, channels_last: bool = False) -> StreamBatches:
    normalization = fit(dataset, splits.train)
    return StreamBatches(
        dataset,
        splits,
        normalization,
        batch_size=64,
        seed=0,
        device=CPU,
        workers=workers,
        channels_last=channels_last,
    )


def divided(dataset: Dataset) -> Splits:
    return split(dataset, (0.8, 0.1, 0.1), 0)


def same(one: Iterator[tuple[Tensor, Tensor]], two: Iterator[tuple[Tensor, Tensor]]) -> bool:
    """Equal to the last bit, batch for batch."""
    pairs = zip(one, two, strict=True)
    return all(torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in pairs)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("kind", ["image", "sequence", "table", "text"])
def test_batches_are_the_normalised_examples_in_the_epochs_order(kind: str, channels_last: bool) -> None:
    dataset = dataset_of(kind)
    splits, normalization = divided(dataset), fit(dataset, divided(dataset).train)
    batches = memory(dataset, splits, channels_last=channels_last)
    order = splits.train[epoch_order(len(splits.train), 0, 3)]
    done = 0
    for inputs, targets in batches.epoch(3):
        indices = order[done : done + len(targets)]
        torch.testing.assert_close(inputs, normalization.apply(dataset.inputs[indices]))
        torch.testing.assert_close(targets, normalization.targets(dataset.targets[indices]))
        if kind == "image":
            layout = torch.channels_last if channels_last else torch.contiguous_format
            assert inputs.is_contiguous(memory_format=layout)
        done += len(targets)
    assert done == len(order) == batches.sizes["train"]


@pytest.mark.parametrize("kind", ["image", "sequence", "table", "text"])
def test_an_epoch_goes_on_from_any_step_to_the_last_bit(kind: str) -> None:
    dataset = dataset_of(kind)
    batches = memory(dataset, divided(dataset))
    whole = list(batches.epoch(2))
    assert len(whole) == batches.steps_per_epoch
    for start in range(len(whole) + 1):
        assert same(iter(whole[start:]), batches.epoch(2, start))


def test_a_step_may_be_entered_in_the_middle_of_a_chunk() -> None:
    dataset = dataset_of("image")
    batches = memory(dataset, divided(dataset), batch_size=3)
    whole = list(batches.epoch(0))
    for start in (1, 100, len(whole) - 1):
        assert same(iter(whole[start:]), batches.epoch(0, start))


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 3000), st.integers(0, 2**80), st.integers(0, 10**9))
def test_the_order_is_a_permutation_that_only_seed_and_epoch_decide(examples: int, seed: int, epoch: int) -> None:
    first = epoch_order(examples, seed, epoch)
    torch.rand(3)
    assert torch.equal(first, epoch_order(examples, seed, epoch))
    assert first.sort().values.tolist() == list(range(examples))


def test_seeds_and_epochs_give_different_orders() -> None:
    orders = {tuple(epoch_order(50, seed, epoch).tolist()) for seed in range(20) for epoch in range(20)}
    assert len(orders) == 400


@given(st.integers(1, 2000), st.integers(1, 300))
def test_batch_lengths_cover_the_epoch(examples: int, batch_size: int) -> None:
    lengths = batch_lengths(examples, batch_size)
    assert sum(lengths) == examples
    assert set(lengths[:-1]) <= {batch_size}
    assert 1 <= lengths[-1] <= batch_size + 1


def test_loading_leaves_the_global_random_state_alone() -> None:
    dataset = dataset_of("table")
    state = torch.random.get_rng_state()
    for batches in (memory(dataset, divided(dataset)), stream(dataset, divided(dataset))):
        list(batches.epoch(0))
        list(batches.part("test"))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_parts_come_in_order_and_empty_ones_are_empty() -> None:
    dataset = dataset_of("sequence")
    splits = split(dataset, (0.9, 0.0, 0.1), 0)
    for batches in (memory(dataset, splits), stream(dataset, splits)):
        assert list(batches.part("validation")) == []
        targets = torch.cat([targets for _, targets in batches.part("test", 7)])
        assert torch.equal(targets, dataset.targets[splits.test])


@pytest.mark.parametrize("kind", ["image", "table", "text"])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("channels_last", [False, True])
def test_streamed_batches_are_those_held_in_memory(kind: str, workers: int, channels_last: bool) -> None:
    dataset = dataset_of(kind)
    splits = divided(dataset)
    held = memory(dataset, splits, channels_last=channels_last)
    streamed = stream(dataset, splits, workers=workers, channels_last=channels_last)
    try:
        next(streamed.epoch(9))  # left in the middle
        for mine, theirs in (
            (streamed.epoch(1, 5), held.epoch(1, 5)),
            (streamed.part("validation"), held.part("validation")),
            (streamed.epoch(2), held.epoch(2)),
        ):
            for (inputs, targets), (expected_inputs, expected_targets) in zip(mine, theirs, strict=True):
                torch.testing.assert_close(inputs, expected_inputs)
                assert torch.equal(targets, expected_targets)
                assert inputs.stride() == expected_inputs.stride()
    finally:
        streamed.close()


def test_storage_is_chosen_by_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, gpu = dataset_of("image"), torch.device("cuda:0")
    size = dataset.inputs.nbytes + dataset.targets.nbytes
    assert storage.bytes_on(dataset, gpu) == size
    monkeypatch.setattr(storage, "free_bytes", lambda device: 2 * size)
    assert storage.choose("auto", dataset, gpu) == "memory"
    monkeypatch.setattr(storage, "free_bytes", lambda device: 2 * size - 1)
    assert storage.choose("auto", dataset, gpu) == "stream"
    assert storage.choose("memory", dataset, gpu) == "memory"
    assert storage.choose("stream", dataset, CPU) == "stream"
    assert storage.free_bytes(CPU) > 0


def test_only_what_is_normalised_anew_takes_more_memory_on_a_cpu() -> None:
    for kind, factor in (("image", 0), ("text", 0), ("table", 1)):
        dataset = dataset_of(kind)
        assert storage.bytes_on(dataset, CPU) == factor * dataset.inputs.nbytes + dataset.targets.nbytes


def test_numbers_of_tokens_stay_what_they_are() -> None:
    dataset = dataset_of("text")
    splits = divided(dataset)
    for batches in (memory(dataset, splits), stream(dataset, splits)):
        inputs, targets = (torch.cat(tensors) for tensors in zip(*batches.part("test"), strict=True))
        assert inputs.dtype == targets.dtype == torch.int64
        assert torch.equal(inputs, dataset.inputs[splits.test])
        assert torch.equal(targets, dataset.targets[splits.test])


def test_a_process_that_has_died_is_said_to_have() -> None:
    batches = stream(dataset_of("table"), divided(dataset_of("table")), workers=2)
    before = signal.getsignal(signal.SIGCHLD)
    try:
        epoch = batches.epoch(0)
        next(epoch)
        multiprocessing.active_children()[0].kill()
        with pytest.raises(DataError, match="a process that reads data has died"):
            for number in itertools.count():
                list(batches.epoch(number) if number else epoch)
    finally:
        batches.close()
        signal.signal(signal.SIGCHLD, before)
