"""Options: what a person may choose, what is refused, and in which words."""

from __future__ import annotations

import math
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tdl_tui.registry import (
    ARCHITECTURES,
    DATASETS,
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    Entry,
    Option,
    Registry,
    UnknownName,
    nearest,
    parse_value,
    shown,
)

ENTRIES: list[Entry] = [
    entry for registry in (DATASETS, ARCHITECTURES, LOSSES, OPTIMIZERS, SCHEDULES) for entry in registry
]
OPTIONS = [pytest.param(option, id=f"{entry.name}.{option.name}") for entry in ENTRIES for option in entry.options]

WHOLE = Option("whole", 3, "", low=1, high=8)
OPEN = Option("open", 1e-3, "", low=0, above=True)
FLAG = Option("flag", False, "")
TEXT = Option("text", "plain", "")
CHOICE = Option("choice", "relu", "", choices=("relu", "tanh"))
WIDTHS = Option("widths", (8, 4), "", low=1)
BETAS = Option("betas", (0.9, 0.999), "", low=0, high=1, fixed=True)


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        (WHOLE, 1, 1),
        (WHOLE, 8.0, 8),
        (OPEN, 1, 1.0),
        (FLAG, True, True),
        (TEXT, "", ""),
        (CHOICE, "tanh", "tanh"),
        (WIDTHS, [5], (5,)),
        (WIDTHS, (1, 2, 3), (1, 2, 3)),
        (BETAS, [0, 1], (0.0, 1.0)),
    ],
)
def test_a_right_value_is_taken_in_the_options_own_type(option: Option, value: object, expected: object) -> None:
    checked = option.check(value)
    assert checked == expected
    assert type(checked) is type(option.default)
    if isinstance(checked, tuple):
        assert {type(number) for number in checked} == {type(number) for number in option.default}


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        (WHOLE, 0, "must be 1 to 8, got 0"),
        (WHOLE, 9, "must be 1 to 8, got 9"),
        (WHOLE, 1.5, "must be a whole number 1 to 8, got 1.5"),
        (WHOLE, True, "must be a whole number 1 to 8, got true"),
        (WHOLE, "3", 'must be a whole number 1 to 8, got "3"'),
        (WHOLE, None, "must be a whole number 1 to 8"),
        (WHOLE, math.inf, "must be a whole number 1 to 8, got inf"),
        (WHOLE, 10**400, "got a huge number"),
        (OPEN, 0, "must be above 0, got 0"),
        (OPEN, math.nan, "must be above 0, got nan"),
        (OPEN, math.inf, "must be above 0, got inf"),
        (OPEN, 10**400, "must be above 0, got a huge number"),
        (FLAG, 1, "must be true or false, got 1"),
        (FLAG, "true", 'must be true or false, got "true"'),
        (TEXT, 5, "must be text, got 5"),
        (CHOICE, "than", 'must be one of relu, tanh, got "than" (nearest: "tanh")'),
        (CHOICE, True, "must be one of relu, tanh, got true"),
        (WIDTHS, [], "must be whole numbers in brackets, each at least 1, got []"),
        (WIDTHS, [1, 0], "must each be at least 1, got [1, 0]"),
        (WIDTHS, [True], "must be whole numbers in brackets, each at least 1, got [true]"),
        (WIDTHS, 8, "must be whole numbers in brackets, each at least 1, got 8"),
        (WIDTHS, {"a": 1}, "got a section"),
        (BETAS, [0.9], "must be 2 numbers in brackets, each 0 to 1, got [0.9]"),
        (BETAS, [0.9, math.nan], "must each be 0 to 1"),
    ],
)
def test_a_wrong_value_is_refused_saying_what_would_be_right(option: Option, value: object, words: str) -> None:
    with pytest.raises(ValueError, match=r"must") as refusal:
        option.check(value)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("option", OPTIONS)
def test_every_default_is_a_right_value_and_has_a_line_of_help(option: Option) -> None:
    assert option.check(option.default) == option.default
    assert option.help
    assert "\n" not in option.help
    assert option.parse(shown(option.default)) == option.default


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: f"{type(entry).__name__}-{entry.name}")
def test_every_entry_says_what_it_is(entry: Entry) -> None:
    assert entry.help
    assert entry.target.startswith("tdl_tui.")
    assert len({option.name for option in entry.options}) == len(entry.options)


scalars = st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(max_size=30))


@given(st.one_of(scalars, st.lists(scalars, max_size=4)))
def test_what_is_shown_reads_back_as_typed(value: object) -> None:
    text = shown(value)
    assert "\n" not in text
    if not text.endswith("…") and "…" not in text:
        assert tomllib.loads(f"value = {text}")["value"] == value


@given(st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20))
def test_no_value_makes_checking_fail_otherwise_than_by_refusing(value: object) -> None:
    for option in (WHOLE, OPEN, FLAG, TEXT, CHOICE, WIDTHS, BETAS):
        try:
            checked = option.check(value)
        except ValueError as refusal:
            assert str(refusal).startswith("must")
        else:
            assert option.check(checked) == checked


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3e-4", 3e-4),
        ("true", True),
        ("[64, 32]", [64, 32]),
        ("relu", "relu"),
        ('"relu"', "relu"),
        ("", ""),
        ("1\nother = 2", "1\nother = 2"),
        ("9" * 5000, "9" * 5000),
        ("[" * 9000, "[" * 9000),
    ],
)
def test_typed_text_is_toml_or_else_itself(text: str, value: object) -> None:
    assert parse_value(text) == value


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UnknownName, match='no optimizer "adm" \\(nearest: "adam"\\)'):
        OPTIMIZERS["adm"]
    with pytest.raises(UnknownName, match=r"there are: .*sgd"):
        OPTIMIZERS["qqqqq"]
    assert nearest("Momentun", ["lr", "momentum"]) == "momentum"
    assert nearest("qqqqq", ["lr", "momentum"]) is None


def test_a_name_is_registered_once() -> None:
    registry: Registry[Entry] = Registry("thing", "tdl_tui.registry")
    entry = Entry("a", "help", "tdl_tui.registry:Entry")
    registry.register(entry)
    with pytest.raises(ValueError, match="registered twice"):
        registry.register(entry)
    assert registry["a"].load() is Entry
    assert registry.names() == ("a",)
    assert len(registry) == 1
