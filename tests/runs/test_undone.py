"""Which events a roll back has undone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tdl_tui.runs.records import Event
from tdl_tui.runs.undone import holding, undone


def event(number: int, step: int, **data: object) -> Event:
    return Event(number, 0.0, step, "command" if data else "state", "", dict(data))


def test_what_came_after_the_step_gone_back_to_is_undone() -> None:
    events = [
        event(1, 0),
        event(2, 400),
        event(3, 900),
        event(4, 400, verb="rollback"),
        event(5, 700),
        event(6, 100, verb="rollback", refused=True),
    ]
    assert undone(events) == {3}
    assert [one.id for one in holding(events)] == [1, 2, 4, 5, 6]


def test_an_earlier_roll_back_is_undone_by_one_that_goes_farther_back() -> None:
    events = [event(1, 50), event(2, 900), event(3, 400, verb="rollback"), event(4, 500), event(5, 60, verb="rollback")]
    assert undone(events) == {2, 3, 4}


def test_of_the_step_itself_a_change_of_a_value_that_the_checkpoint_has_not_heard_is_undone() -> None:
    events = [
        event(1, 400, verb="set", command="in it"),
        event(2, 400, verb="checkpoint", command="kept"),
        event(3, 400, verb="set", command="after it"),
        event(4, 900, verb="set", command="later"),
        event(5, 400, verb="rollback", heard=["in it"]),
        event(6, 400, verb="set", command="since"),
    ]
    assert undone(events) == {3, 4}
    further = [*events, event(7, 400, verb="rollback", heard=["in it", "after it"])]
    assert undone(further) == {4, 6}  # to another checkpoint of the same step
    silent = [event(1, 400, verb="set", command="one"), event(2, 400, verb="rollback")]
    assert undone(silent) == set()  # of a roll back that does not say what was heard


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=20))
def test_the_steps_of_what_holds_never_go_back(made: list[tuple[int, bool]]) -> None:
    events: list[Event] = []
    reached = 0
    for number, (by, back) in enumerate(made):
        reached = max(0, reached - by) if back else reached + by
        events.append(event(number, reached, **({"verb": "rollback"} if back else {})))
    steps = [one.step for one in holding(events)]
    assert steps == sorted(steps)
