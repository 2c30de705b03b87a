"""What is new from one look to the next, and how a series is kept in few numbers."""

from __future__ import annotations

from math import isnan, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdl_tui.diagnosis.evidence import STRETCHES, TAIL, Recorded
from tdl_tui.diagnosis.told import Told, told
from tdl_tui.diagnosis.watch import PATIENCE, REPEATS, News, Watch
from tdl_tui.runs.records import Diagnosis, Event


def diagnosis(rule: str = "stalls", step: int = 10, severity: Any = "caution") -> Diagnosis:
    return Diagnosis(rule, rule, severity, "seen 1", "means", ("try",), {"optimizer.lr": 0.1}, step)


def event(new: News, number: int = 1) -> Event:
    data = {**new.data, "tries": list(new.data["tries"])}  # as it comes back from a run
    return Event(number, 0.0, new.step, "diagnosis", new.text, data)


def looks(watch: Watch, found: list[Diagnosis], steps: range) -> list[News]:
    return [new for step in steps for new in watch.look(found, step)]


def test_a_diagnosis_is_said_once_while_it_lasts_and_once_when_it_has_gone() -> None:
    watch = Watch()
    (begins,) = looks(watch, [diagnosis()], range(10, 20))
    assert (begins.step, begins.over, begins.text) == (10, False, "stalls: seen 1")
    assert watch.held == [diagnosis()]
    (ends,) = looks(watch, [], range(20, 40))
    assert (ends.step, ends.over, ends.text) == (20 + PATIENCE - 1, True, "stalls: over")
    assert watch.held == []


def test_a_silence_that_is_short_is_none() -> None:
    watch = Watch()
    watch.look([diagnosis()], 10)
    assert looks(watch, [], range(11, 10 + PATIENCE)) == []
    assert watch.look([diagnosis(step=20)], 20) == []
    assert watch.held == [diagnosis()]


def test_what_comes_and_goes_is_said_a_few_times() -> None:
    watch, said = Watch(), []
    for start in range(0, 1000, 20):
        said += looks(watch, [diagnosis(step=start)], range(start, start + 10))
        said += looks(watch, [], range(start + 10, start + 20))
    assert [new.over for new in said] == [False, True] * REPEATS


def test_the_worst_that_holds_comes_first() -> None:
    watch = Watch()
    watch.look([diagnosis("a", severity="note"), diagnosis("b"), diagnosis("c", severity="bad"), diagnosis("d")], 1)
    assert [held.rule for held in watch.held] == ["c", "b", "d", "a"]


def test_a_resume_from_before_a_diagnosis_says_it_no_second_time() -> None:
    whole = Watch()
    (begins,) = whole.look([diagnosis(step=500)], 500)
    resumed = Watch(whole.held, [event(begins)])
    assert looks(resumed, [], range(400, 500)) == []  # not over: it has not come yet
    assert resumed.look([diagnosis(step=500)], 500) == []
    assert [held.step for held in resumed.held] == [500]


def test_nor_does_one_that_was_over_by_then() -> None:
    whole = Watch()
    said = [*looks(whole, [diagnosis(step=500)], range(500, 510)), *looks(whole, [], range(510, 520))]
    assert [new.over for new in said] == [False, True] and not whole.held
    resumed = Watch([], [event(new) for new in said])
    again = [*looks(resumed, [], range(400, 500)), *looks(resumed, [diagnosis(step=500)], range(500, 510))]
    again += looks(resumed, [], range(510, 520))
    assert again == [] and not resumed.held
    assert len(looks(resumed, [diagnosis(step=900)], range(900, 910))) == 1  # another time


def test_after_a_change_what_was_said_is_over_and_is_said_anew() -> None:
    watch = Watch()
    watch.look([diagnosis(step=10)], 10)
    assert watch.look([], 20, {"oscillates": 19}) == []  # another rule's change
    (ends,) = watch.look([], 21, {"stalls": 20})
    assert (ends.step, ends.over, ends.text) == (21, True, "stalls: looked at afresh, after the change")
    assert watch.held == []
    (again,) = watch.look([diagnosis(step=60)], 60, {"stalls": 20})
    assert not again.over and watch.held == [diagnosis(step=60)]


def test_each_change_gives_a_rule_its_say_anew() -> None:
    watch, said = Watch(), []
    for change in range(0, 100 * (REPEATS + 2), 100):
        said += watch.look([diagnosis(step=change + 50)], change + 50, {"stalls": change})
    assert sum(not new.over for new in said) == REPEATS + 2


def test_a_roll_back_takes_with_it_what_was_said_of_the_steps_it_undoes() -> None:
    watch = Watch()
    watch.look([diagnosis("early", 10)], 10)
    watch.look([diagnosis("early", 10), diagnosis("late", 50)], 50)
    watch.go_back(30)
    assert [held.rule for held in watch.held] == ["early"]
    assert [new.step for new in watch.look([diagnosis("early", 10), diagnosis("late", 45)], 45)] == [45]


def test_what_is_told_of_a_run() -> None:
    watch = Watch()
    said = [*looks(watch, [diagnosis("past", 3)], range(3, 6)), *looks(watch, [], range(6, 20))]
    said += watch.look([diagnosis("now", 30)], 30)
    events = [event(new, number) for number, new in enumerate(said, 1)]
    strange = Event(9, 0.0, 31, "diagnosis", "of somebody else's", {"rule": 7})
    listed = told(watch.held, [*events, strange, Event(10, 0.0, 32, "best", "better", {})])
    assert [(one.diagnosis.rule, one.until) for one in listed] == [("now", None), ("past", 6 + PATIENCE - 1)]
    assert listed[1] == Told(diagnosis("past", 3), 6 + PATIENCE - 1)
    back = Event(11, 0.0, 2, "command", "rolled back", {"verb": "rollback"})
    assert [one.diagnosis.rule for one in told([], [*events, back])] == []


@given(blocks=st.lists(st.integers(1, 700), min_size=1, max_size=12), stride=st.integers(1, 3))
def test_a_course_keeps_the_mean_however_it_was_recorded(blocks: list[int], stride: int) -> None:
    recorded, step = Recorded(), 1
    values = [float(n * n % 101) for n in range(sum(blocks))]
    at = 0
    for block in blocks:
        recorded.extend(step, stride, values[at : at + block])
        at, step = at + block, step + block * stride
    course = recorded.course()
    assert len(course.stretches) <= 2 * STRETCHES
    assert [value for _, value in course.tail] == values[-TAIL:]
    assert course.stretches[0].first == 1 and course.stretches[-1].last == step - stride
    if stride == 1:
        assert course.mean(1, step) == pytest.approx(sum(values) / len(values))


def test_what_is_not_finite_is_noticed_in_its_stretch() -> None:
    recorded = Recorded()
    recorded.extend(1, 1, [1.0] * 100 + [nan] + [1.0] * 2000)
    course = recorded.course()
    assert sum(isnan(stretch.mean) for stretch in course.stretches) == 1
    assert not isnan(course.newest)


@given(length=st.integers(1, 2000), kept=st.integers(0, 2000))
def test_going_back_forgets_what_came_after(length: int, kept: int) -> None:
    recorded = Recorded()
    recorded.extend(1, 1, [1.0] * length)
    recorded.drop_after(kept)
    course = recorded.course()
    assert all(stretch.last <= kept for stretch in course.stretches)
    assert all(step <= kept for step, _ in course.tail)
    recorded.extend(kept + 1, 1, [5.0] * 10)
    assert recorded.course().mean(kept + 1, kept + 10) == 5.0
