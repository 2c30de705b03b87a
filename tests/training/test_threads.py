from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tdl_tui.training import threads
from tdl_tui.training.threads import Threads, free


@pytest.fixture(autouse=True)
def same_number_afterwards() -> Iterator[None]:
    count = torch.get_num_threads()
    yield
    torch.set_num_threads(count)


@given(st.integers(1, 256), st.floats(0, 300))
def test_at_least_one_and_never_more_than_there_are(cores: int, others: float) -> None:
    assert 1 <= free(cores, others) <= cores


def test_what_others_use_is_left_to_them() -> None:
    assert free(2, 0.1) == 2
    assert free(2, 1.0) == 1
    assert free(8, 3.0) == 5


def test_a_number_that_was_given_is_kept_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "REVISE_SECONDS", 0.0)
    chosen = Threads(1)
    monkeypatch.setattr(chosen._load, "others", lambda: 0.0)
    monkeypatch.setattr(chosen, "_cores", 8)
    assert (chosen.count, torch.get_num_threads()) == (1, 1)
    assert not chosen.revise()
    assert torch.get_num_threads() == 1


def test_it_is_chosen_by_what_is_free_and_revised(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = [3.0]
    monkeypatch.setattr(threads, "REVISE_SECONDS", 0.0)
    monkeypatch.setattr(threads, "cores", lambda: 4)
    monkeypatch.setattr(threads, "running_others", lambda: busy[0])
    monkeypatch.setattr(threads.Load, "others", lambda self: busy[0])
    chosen = Threads(0)
    assert (chosen.count, torch.get_num_threads()) == (1, 1)
    busy[0] = 2.0
    assert chosen.revise()
    assert (chosen.count, torch.get_num_threads()) == (2, 2)
    assert not chosen.revise()


def test_it_is_not_revised_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "cores", lambda: 4)
    monkeypatch.setattr(threads, "running_others", lambda: 0.0)
    chosen = Threads(0)
    monkeypatch.setattr(chosen._load, "others", lambda: 3.0)
    assert not chosen.revise()
    assert chosen.count == 4


def test_our_own_work_is_not_anothers() -> None:
    load = threads.Load()
    first = load._time
    spent = 0
    while threads.time.monotonic() - first < 0.3:
        spent += 1
    assert load.others() < threads.cores() + 0.5
    assert threads.running_others() >= 0
    assert threads.cores() >= 1
