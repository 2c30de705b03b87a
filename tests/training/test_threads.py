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


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ({1: 0.001, 2: 0.001, 4: 0.001, 6: 0.002}, 1),  # no use: one is enough
        ({1: 0.004, 2: 0.002, 4: 0.00205, 6: 0.003}, 2),
        ({1: 0.006, 2: 0.003, 4: 0.002, 6: 0.001}, 6),
        ({1: 0.3, 2: 0.2, 4: 0.1, 6: 0.1}, 6),  # long steps fill every core, and are not tried
    ],
)
def test_no_more_threads_than_help(seconds: dict[int, float], chosen: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "cores", lambda: 6)
    monkeypatch.setattr(threads, "running_others", lambda: 0.0)
    monkeypatch.setattr(threads, "_timed", lambda step: seconds[torch.get_num_threads()])
    monkeypatch.setattr(threads, "REVISE_SECONDS", 0.0)
    found = Threads(0)
    found.try_out(lambda: None)
    assert (found.count, torch.get_num_threads()) == (chosen, chosen)
    monkeypatch.setattr(found._load, "others", lambda: 0.0)
    assert not found.revise()  # what did not help does not come back


def test_a_given_number_is_not_tried() -> None:
    def step() -> None:
        raise AssertionError("not to be called")

    Threads(2).try_out(step)
    assert torch.get_num_threads() == 2
