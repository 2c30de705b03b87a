"""Every dataset, architecture, loss, optimizer and schedule by name, with its options. Imports no torch.

An entry says what a person may choose and where the code is; the code is imported when it is first built. Entries
stand in catalogs (`models/catalog.py`, `data/catalog.py`, `training/catalog.py`), which are read on first use.
Forms, `tdl models`, `tdl datasets`, `--set` and every error about an option come from here.
"""

from __future__ import annotations

import difflib
import importlib
import json
import math
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

Value = bool | int | float | str | tuple[int, ...] | tuple[float, ...]
Options = Mapping[str, Value]
Task = Literal["classification", "regression"]


class UnknownName(ValueError):
    """A name that is not in a registry. The message suggests the nearest one."""


class Undescribable(ValueError):
    """Data whose shape cannot be told, as a file is not there or not what it should be. The message is one line for
    people, about the value of `option`."""

    def __init__(self, option: str, message: str) -> None:
        super().__init__(message)
        self.option = option


@dataclass(frozen=True, slots=True)
class Option:
    """One choice a person has: its type is its default's type.

    `low` and `high` are inclusive; with `above` the low end itself is excluded. They bound each number of a tuple.
    A tuple has as many numbers as a person likes, at least one; with `fixed`, as many as the default. With `path` a
    text that is not empty names a file or folder, and is made absolute: a run goes on from any folder.
    """

    name: str
    default: Value
    help: str
    low: float | None = None
    high: float | None = None
    above: bool = False
    choices: tuple[str, ...] = ()
    fixed: bool = False
    path: bool = False

    @property
    def kind(self) -> str:
        """What a value must be, in words: "a whole number", "one of relu, tanh", …"""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if not isinstance(self.default, tuple):
            return _KINDS[type(self.default)]
        count = f"{len(self.default)} " if self.fixed else ""
        return f"{count}{'numbers' if self._item is float else 'whole numbers'} in brackets"

    @property
    def range(self) -> str:
        """The allowed range in words, empty if there is none: "above 0", "1 to 8", "at least 1"."""
        high = None if self.high == MANY else self.high
        if self.low is None:
            return "" if high is None else f"at most {_number(high)}"
        if self.above:
            below = "" if high is None else f", at most {_number(high)}"
            return f"above {_number(self.low)}{below}"
        if high is None:
            return f"at least {_number(self.low)}"
        return f"{_number(self.low)} to {_number(high)}"

    @property
    def wanted(self) -> str:
        """Kind and range in words: "a whole number at least 1", "numbers in brackets, each 0 to 1"."""
        if self.choices or not self.range:
            return self.kind
        return f"{self.kind}{', each' if isinstance(self.default, tuple) else ''} {self.range}"

    @property
    def _item(self) -> type[int] | type[float]:
        """What each number of a tuple is."""
        numbers = self.default if isinstance(self.default, tuple) else ()
        return float if any(isinstance(number, float) for number in numbers) else int

    def check(self, value: object) -> Value:
        """The value, converted to this option's type. Raises ValueError, saying what would be right."""
        converted = self._convert(value)
        if converted is None:
            raise ValueError(f"must be {self.wanted}, got {shown(value)}")
        if self.choices and converted not in self.choices:
            raise ValueError(f"must be {self.kind}, got {shown(value)}{_perhaps(str(value), self.choices)}")
        for number in converted if isinstance(converted, tuple) else (converted,):
            if isinstance(number, (int, float)) and not isinstance(number, bool) and not self._within(number):
                must = "must each be" if isinstance(converted, tuple) else "must be"
                within = f"at most {MANY}" if self.high == MANY < number else self.range or "finite"
                raise ValueError(f"{must} {within}, got {shown(value)}")
        return converted

    def parse(self, text: str) -> Value:
        """Reads what a person typed (TOML, or bare words for a string). Raises ValueError as `check` does."""
        value = parse_value(text)
        return self.check(text if isinstance(self.default, str) and not isinstance(value, str) else value)

    def _convert(self, value: object) -> Value | None:
        default = self.default
        if isinstance(default, tuple):
            if not isinstance(value, (list, tuple)):
                return None
            if len(value) != len(default) if self.fixed else not value:
                return None
            numbers = [number for item in value if (number := _as_number(item, self._item)) is not None]
            return tuple(numbers) if len(numbers) == len(value) else None
        if isinstance(default, str) and self.path and isinstance(value, str) and value:
            return str(Path(value).expanduser().absolute())
        if isinstance(default, (bool, str)):
            return value if isinstance(value, type(default)) else None
        return _as_number(value, type(default))

    def _within(self, number: float) -> bool:
        if abs(number) >= 2**63 if isinstance(number, int) else not math.isfinite(number):
            return False
        if self.low is not None and (number <= self.low if self.above else number < self.low):
            return False
        return self.high is None or number <= self.high


MANY = 10**9
"""A bound that only keeps counts sane: said to those alone who go beyond it."""
LONGEST = 80  # characters of a wrong value that an error repeats
_KINDS: dict[type, str] = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def _as_number(value: object, number: type[int] | type[float]) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if number is int:
        return int(value) if isinstance(value, int) or value.is_integer() else None
    try:
        return float(value)
    except OverflowError:  # of a whole number beyond what a float can hold
        return math.inf


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else f"{value:g}"


def shown(value: object) -> str:
    """A value as a person would type it in TOML, on one line, shortened where it is long."""
    text = _shown(value, 2)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _shown(value: object, depth: int) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        quoted = json.dumps(value[:LONGEST], ensure_ascii=False)
        return "".join(letter if letter.isprintable() else f"\\U{ord(letter):08x}" for letter in quoted)
    if isinstance(value, (list, tuple)):
        items = (_shown(item, depth - 1) for item in value[:LONGEST])
        return f"[{', '.join(items) if depth else '…'}]"
    if isinstance(value, Mapping):
        return "a section"
    if isinstance(value, int) and abs(value) >= 10**LONGEST:
        return "a huge number"
    return str(value)


def parse_value(text: str) -> Any:
    """A TOML value, or the text itself where it is none: `3e-4`, `true`, `[64, 32]`, `relu`."""
    try:
        document = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):  # also of a number or a nesting too big for Python's own limits
        return text
    return document["value"] if len(document) == 1 else text


def nearest(name: str, names: Iterator[str] | list[str] | tuple[str, ...]) -> str | None:
    """The one of `names` that is most like `name`, or None where none is near."""
    return next(iter(difflib.get_close_matches(name.lower(), list(names), n=1, cutoff=0.5)), None)


def _perhaps(name: str, names: tuple[str, ...] | list[str]) -> str:
    near = nearest(name, names)
    return f' (nearest: "{near}")' if near else ""


Kind = Literal["image", "sequence", "table", "text", "graph"]


@dataclass(frozen=True)
class DataShape:
    """What a dataset offers to an architecture, known before anything is loaded.

    `input` is one example's shape without the batch: (channels, height, width) for an "image", (steps, features) for
    a "sequence", (features,) for a "table". For a "text" it is (steps,): numbers of tokens, int64, whose names are
    `classes`. For a "graph" it is (1,): the number of a node, int64, of `graph` = (nodes, features of each); what
    belongs to the graph as a whole is in `Dataset.context`.
    `outputs` is the number of classes, or of regression targets. With `steps` above 0 every one of so many steps has a
    target of its own (tagging, the next token): targets are (N, steps), and a network's outputs (N, outputs, steps).
    Of `examples`, the first `fixed_train` are the set's own training part and the last `fixed_test` its own test
    part; with a training part of its own, what lies between is for validation.
    """

    task: Task
    kind: Kind
    input: tuple[int, ...]
    outputs: int
    classes: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    examples: int = 0
    fixed_test: int = 0
    fixed_train: int = 0
    steps: int = 0
    graph: tuple[int, int] = (0, 0)


_SAID: dict[Kind, str] = {
    "image": "images",
    "sequence": "sequences",
    "table": "tables",
    "text": "text",
    "graph": "a graph",
}


def _accepts_all(shape: DataShape, options: Options) -> str | None:
    return None


@dataclass(frozen=True)
class Entry:
    """A name in a registry. `target` is "module:attribute", imported by `load`, or the class or function itself.

    `plugin` says where an entry is from that is not ours: a file's path or a module's name.
    """

    name: str
    help: str
    target: str | Callable[..., Any]
    options: tuple[Option, ...] = ()
    source: str = ""
    plugin: str = field(default="", kw_only=True)

    def load(self) -> Any:
        """The code behind the entry."""
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        return getattr(importlib.import_module(module), attribute)

    def defaults(self) -> dict[str, Value]:
        return {option.name: option.default for option in self.options}


@dataclass(frozen=True)
class DatasetEntry(Entry):
    """`describe(options)` gives the shape without loading the data; of data that are a person's `own`, in a file or
    folder that the options name, it reads what it has to, and raises Undescribable where that is not as it should be;
    `takes_time(options)` says whether that would be noticed. `target(options, folder)` loads them.

    `recipe` maps TOML paths to values that suit this dataset better than the general defaults; what a person says
    goes before it. `missing(options)` says in one line what has to be put where when the data is not on this
    machine and would have to be fetched; None when it is here.
    """

    describe: Callable[[Options], DataShape] = field(kw_only=True)
    recipe: Mapping[str, Value] = field(default_factory=dict, kw_only=True)
    missing: Callable[[Options], str | None] = field(default=lambda options: None, kw_only=True)
    own: bool = field(default=False, kw_only=True)
    takes_time: Callable[[Options], bool] = field(default=lambda options: False, kw_only=True)


@dataclass(frozen=True)
class ArchitectureEntry(Entry):
    """`target(shape, **options)` is a torch.nn.Module.

    It takes the data of `kinds`; with `each_step` it can answer at every step (`DataShape.steps`). `refuse(shape,
    options)` says why it cannot take such data although it is of the right kind; ask `refusal`, which knows all three.
    `tiny` overrides options to make the smallest useful member, for tests that train.
    """

    kinds: tuple[Kind, ...] = field(default=("image", "sequence", "table"), kw_only=True)
    each_step: bool = field(default=False, kw_only=True)
    refuse: Callable[[DataShape, Options], str | None] = field(default=_accepts_all, kw_only=True)
    tiny: Options = field(default_factory=dict, kw_only=True)

    def refusal(self, shape: DataShape, options: Options) -> str | None:
        """Why it cannot take data of that shape, in one line that goes on after its name; None where it can."""
        if shape.kind not in self.kinds:
            wanted = " or ".join(_SAID[kind] for kind in self.kinds)
            return f"needs {wanted}, the data are {_SAID[shape.kind]}"
        if shape.steps and not self.each_step:
            return "answers once, the data have a target at every step: a recurrent network answers at each"
        return self.refuse(shape, options)


@dataclass(frozen=True)
class LossEntry(Entry):
    """`target(**options)` is a callable (outputs, targets) -> scalar mean over the batch.

    `formula` is one line of plain text. `curve(options)` is the loss of one example as a function of one number, for
    drawing, and `axis` says which number that is: "margin", "error", "probability of the target", …
    """

    tasks: tuple[Task, ...] = field(kw_only=True)
    formula: str = field(kw_only=True)
    axis: str = field(kw_only=True)
    curve: Callable[[Options], Callable[[float], float]] = field(kw_only=True)


@dataclass(frozen=True)
class OptimizerEntry(Entry):
    """`target(parameters, lr, weight_decay, **options)` is a torch.optim.Optimizer.

    With `closure` its step takes a function that computes the loss anew and returns it (torch.optim.LBFGS); without
    `gradients` that function computes no gradient, and the model may have `most_parameters` at most. One that is
    `full_batch` takes the whole training part at each step. `recipe` maps TOML paths to values that suit it better
    than the general defaults; see `spec.recipe`.
    """

    closure: bool = field(default=False, kw_only=True)
    gradients: bool = field(default=True, kw_only=True)
    most_parameters: int = field(default=0, kw_only=True)
    full_batch: bool = field(default=False, kw_only=True)
    recipe: Mapping[str, Value] = field(default_factory=dict, kw_only=True)


@dataclass(frozen=True)
class ScheduleEntry(Entry):
    """`target(total_steps, **options)` is a function step (from 1) -> factor on the learning rate.

    With `observes` that function has a method `observe(value)` too, called with the monitored value at each
    validation, and `state()` and `restore(state)` for checkpoints.
    """

    observes: bool = field(default=False, kw_only=True)


E = TypeVar("E", bound=Entry)

ADOPT: ContextVar[Callable[[Registry[Any], Any], Any] | None] = ContextVar("adopt", default=None)
"""While a plugin is executed: checks what it registers, and marks it as the plugin's own."""


class Registry(Generic[E]):
    """Entries of one sort, by name. `catalog` is the module whose import registers them."""

    def __init__(self, noun: str, catalog: str) -> None:
        self.noun = noun
        self._catalog = catalog
        self._entries: dict[str, E] = {}

    def register(self, entry: E) -> E:
        """Adds an entry. Raises ValueError when the name is taken."""
        if adopt := ADOPT.get():
            entry = adopt(self, entry)
        if entry.name in self._entries:
            raise ValueError(f"{self.noun} {entry.name!r} is registered twice: the name is taken")
        self._entries[entry.name] = entry
        return entry

    def remove(self, name: str) -> None:
        """Takes an entry away again."""
        del self._entries[name]

    def __getitem__(self, name: str) -> E:
        entries = self._filled()
        if name not in entries:
            names = list(entries)
            near = _perhaps(name, names)
            raise UnknownName(f'no {self.noun} "{name}"{near or "; there are: " + ", ".join(names)}')
        return entries[name]

    def __iter__(self) -> Iterator[E]:
        return iter(tuple(self._filled().values()))  # of now: a plugin may be read meanwhile, by another thread

    def __len__(self) -> int:
        return len(self._filled())

    def names(self) -> tuple[str, ...]:
        return tuple(self._filled())

    def _filled(self) -> dict[str, E]:
        importlib.import_module(self._catalog)
        return self._entries


DATASETS: Registry[DatasetEntry] = Registry("dataset", "tdl_tui.data.catalog")
ARCHITECTURES: Registry[ArchitectureEntry] = Registry("architecture", "tdl_tui.models.catalog")
LOSSES: Registry[LossEntry] = Registry("loss", "tdl_tui.training.catalog")
OPTIMIZERS: Registry[OptimizerEntry] = Registry("optimizer", "tdl_tui.training.catalog")
SCHEDULES: Registry[ScheduleEntry] = Registry("schedule", "tdl_tui.training.catalog")
