"""The tree of runs and their forks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tdl_tui.runs.family import DEEPEST, branches, in_families
from tdl_tui.runs.records import Parent, State, Summary


def run(name: str, parent: str = "") -> Summary:
    origin = Parent(parent, parent, 1, "last.pt") if parent else None
    return Summary(name, name, State.FINISHED, 0.0, 0.0, parent=origin)


def drawn(*runs: Summary) -> list[str]:
    ordered = in_families(runs)
    return [f"{branch} {one.id}".strip() for one, branch in zip(ordered, branches(ordered), strict=True)]


def test_forks_stand_below_what_they_were_forked_from() -> None:
    assert drawn(run("e", "b"), run("d"), run("c", "a"), run("b", "a"), run("a")) == [
        "a",
        "├─ b",
        "│ └─ e",
        "└─ c",
        "d",
    ]


def test_a_fork_whose_parent_is_not_there_is_the_head_of_its_own() -> None:
    assert drawn(run("c", "b"), run("b", "gone"), run("a")) == ["b", "└─ c", "a"]


def test_runs_that_would_be_their_own_forebears_are_shown_all_the_same() -> None:
    assert sorted(one.id for one in in_families([run("a", "b"), run("b", "a"), run("c", "c")])) == ["a", "b", "c"]


def test_what_lies_deep_is_not_drawn_ever_further_to_the_right() -> None:
    chain = [run("r0"), *(run(f"r{n}", f"r{n - 1}") for n in range(1, 12))]
    assert max(map(len, branches(in_families(chain)))) == 2 * DEEPEST


NAMES = "abcdefgh"
TREES = st.lists(st.sampled_from([*NAMES, ""]), min_size=len(NAMES), max_size=len(NAMES)).flatmap(
    lambda parents: st.permutations([run(name, parent) for name, parent in zip(NAMES, parents, strict=True)])
)


@given(TREES)
def test_every_run_once_each_below_its_parent_and_families_unbroken(runs: list[Summary]) -> None:
    ordered = in_families(runs)
    assert sorted(one.id for one in ordered) == sorted(NAMES)
    at = {one.id: place for place, one in enumerate(ordered)}
    drawn = branches(ordered)
    for one, branch in zip(ordered, drawn, strict=True):
        if not branch:
            continue
        assert one.parent is not None
        above = at[one.parent.run]
        assert above < at[one.id]
        assert all(drawn[between] for between in range(above + 1, at[one.id]))  # nobody else's head between them


@given(st.permutations([run(name) for name in NAMES]))
def test_runs_that_are_no_forks_keep_their_order(runs: list[Summary]) -> None:
    assert in_families(runs) == runs
    assert branches(runs) == [""] * len(runs)
