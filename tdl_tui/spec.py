"""What a person chose: one `Experiment`, checked whole, read from and written to TOML. Imports no torch.

Missing values are filled at once, so that an experiment, once made, says everything: from the dataset's recipe, from
the data's task (the loss), from the entries' options, from the defaults below.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import tomli_w
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, ValidationError
from pydantic.fields import FieldInfo

from tdl_tui.data_name import data_name
from tdl_tui.plugins import faults
from tdl_tui.plugins.known import PLUGINS, canonical
from tdl_tui.registry import (
    ARCHITECTURES,
    DATASETS,
    LOSSES,
    MANY,
    OPTIMIZERS,
    SCHEDULES,
    DatasetEntry,
    DataShape,
    Entry,
    Option,
    Registry,
    Undescribable,
    UnknownName,
    Value,
    nearest,
    parse_value,
    shown,
)
from tdl_tui.sizes import PartSizes, part_sizes


@dataclass(frozen=True)
class Problem:
    """One thing wrong: the TOML path ("optimizer.lr"; "" for the whole) and what would be right."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class SpecError(ValueError):
    """What is wrong with an experiment, every fault at once."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


class Section(BaseModel):
    """A part of the experiment. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, validate_default=False)


def _title(name: str) -> str:
    """Raises ValueError for a name that a line of a table could not show, or that means another run."""
    name = name.strip()
    if not name.isprintable():
        raise ValueError("must be printable text on one line")
    if name == "last":
        raise ValueError('must be another name: "last" is the newest run')
    return name


Options = dict[str, Value]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Share = Annotated[Number, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=MANY, strict=True)]
Positive = Annotated[int, Field(ge=1, le=MANY, strict=True)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1, strict=True)]
Title = Annotated[str, Field(max_length=200), AfterValidator(_title)]


class Data(Section):
    dataset: str = Field("digits", description="what to learn from; see tdl datasets")
    batch_size: Count = Field(64, description="examples a step; 0: the whole training part")
    split: tuple[Share, Share, Share] = Field((0.8, 0.1, 0.1), description="shares of training, validation and test")
    split_seed: Seed = Field(0, description="decides which example goes where, apart from seed")
    normalize: StrictBool = Field(True, description="zero mean and unit deviation, fitted on the training part")
    storage: Literal["auto", "memory", "stream"] = Field(
        "auto", description="hold the examples on the device, or stream them; auto decides by size"
    )
    loader_workers: Annotated[int, Field(ge=0, le=64, strict=True)] = Field(
        2, description="processes that load examples when streaming"
    )
    options: Options = Field(default_factory=dict)


class Model(Section):
    architecture: str = Field("mlp", description="the network; see tdl models")
    freeze: str = Field("", description="layers that are not trained, by name: conv1, stage*; empty: none")
    options: Options = Field(default_factory=dict)


class Objective(Section):
    loss: str = Field("cross_entropy", description="what is minimised")
    l1_penalty: Annotated[Number, Field(ge=0)] = Field(
        0.0, description="what is minimised grows by so much times the sum of all |weights|; train/loss leaves it out"
    )
    options: Options = Field(default_factory=dict)


class Optimizer(Section):
    name: str = Field("adam", description="how a gradient becomes an update")
    lr: Annotated[Number, Field(gt=0)] = Field(1e-3, description="learning rate")
    weight_decay: Annotated[Number, Field(ge=0)] = Field(0.0, description="pull of the weights towards zero")
    options: Options = Field(default_factory=dict)


class Schedule(Section):
    name: str = Field("constant", description="how the learning rate changes")
    warmup_steps: Count = Field(0, description="steps of linear rise to the learning rate at the start")
    options: Options = Field(default_factory=dict)


class EarlyStopping(Section):
    monitor: str = Field("val/loss", description="the per-validation series that decides which weights are best")
    patience: Count = Field(0, description="validations without improvement before the end; 0: never")
    restore_best: StrictBool = Field(True, description="end with the best weights, not the last")


class Training(Section):
    epochs: Positive = Field(20, description="passes over the training part")
    device: Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")] = Field(
        "auto", description="auto, cpu, cuda, cuda:1, … or mps"
    )
    threads: Annotated[int, Field(ge=0, le=1024, strict=True)] = Field(
        0, description="CPU threads; 0: chosen at the start by what is free, then kept"
    )
    precision: Literal["fp32", "bf16"] = Field("fp32", description="bf16: autocast to bfloat16")
    compile: StrictBool = Field(False, description="torch.compile; slow to start, seldom faster on a CPU")
    accumulation: Positive = Field(
        1, description="parts in which a batch goes through the model; their gradients add up to the batch's"
    )
    gradient_clip_norm: Annotated[Number, Field(ge=0)] = Field(0.0, description="largest gradient norm; 0: no clipping")
    gradient_clip_value: Annotated[Number, Field(ge=0)] = Field(
        0.0, description="largest number in a gradient, either way; 0: no clipping"
    )
    ema_decay: Annotated[Number, Field(ge=0, le=0.999999)] = Field(
        0.0,
        description="validate, test and keep an average of the weights, of which each step keeps this share; 0: none",
    )
    checkpoint_seconds: Annotated[Number, Field(gt=0)] = Field(60.0, description="time between checkpoints")
    stop_on_nonfinite: StrictBool = Field(True, description="end as failed when the loss is NaN or infinite")
    early_stopping: EarlyStopping = Field(default_factory=EarlyStopping)


class Telemetry(Section):
    budget: Share = Field(0.01, description="share of the time that looking inside may cost; 0: nothing is looked at")
    probes: Annotated[int, Field(ge=0, le=64, strict=True)] = Field(
        16, description="held-out examples whose outputs are followed"
    )
    grid_intensity: Annotated[Number, Field(ge=0, le=10_000)] = Field(
        0.0, description="grams of CO₂ a kWh of your electricity gives off; 0: not known, then no CO₂ is shown"
    )


class Experiment(Section):
    """Everything a training needs, complete. Make one with `experiment()` or `read()`, which say what is wrong."""

    name: Title = Field("", description="what to call the run; empty: from data and architecture")
    seed: Seed = Field(0, description="decides initial weights, order and dropout")
    plugins: tuple[str, ...] = Field((), description="files or modules that its architecture or data set is from")
    data: Data = Field(default_factory=Data)
    model: Model = Field(default_factory=Model)
    objective: Objective = Field(default_factory=Objective)
    optimizer: Optimizer = Field(default_factory=Optimizer)
    schedule: Schedule = Field(default_factory=Schedule)
    training: Training = Field(default_factory=Training)
    telemetry: Telemetry = Field(default_factory=Telemetry)

    @property
    def shape(self) -> DataShape:
        """The shape of the data, with its options."""
        return DATASETS[self.data.dataset].describe(self.data.options)

    @property
    def part_sizes(self) -> PartSizes:
        """How many examples are for training, validation and the test. Raises ValueError where they are too few."""
        shape = self.shape
        return part_sizes(shape.examples, self.data.split, shape.fixed_test, shape.fixed_train)

    @property
    def title(self) -> str:
        """The name, or "architecture on data" where none was given."""
        return self.name or f"{self.model.architecture} on {data_name(self.data.model_dump())}"

    def document(self) -> dict[str, Any]:
        """The experiment as nested plain values, as TOML and JSON take them."""
        document: dict[str, Any] = _plain(self.model_dump())
        return document

    def toml(self) -> str:
        """The experiment as TOML, every value said."""
        return toml(self.document())


# section, the key that names the entry, the registry
NAMED: tuple[tuple[str, str, Registry[Any]], ...] = (
    ("data", "dataset", DATASETS),
    ("model", "architecture", ARCHITECTURES),
    ("objective", "loss", LOSSES),
    ("optimizer", "name", OPTIMIZERS),
    ("schedule", "name", SCHEDULES),
)
REGISTRIES = {section: registry for section, _, registry in NAMED}
SECTIONS: dict[str, type[Section]] = {
    "data": Data,
    "model": Model,
    "objective": Objective,
    "optimizer": Optimizer,
    "schedule": Schedule,
    "training": Training,
    "training.early_stopping": EarlyStopping,
    "telemetry": Telemetry,
}
DEFAULT_LOSS = {"classification": "cross_entropy", "regression": "mse"}


def experiment(document: Mapping[str, Any]) -> Experiment:
    """The experiment that a nested document describes, completed. Raises SpecError with every fault found."""
    problems = list(_unknown_keys(document))
    if problems:
        raise SpecError(problems)
    draft = _plain(document)
    _use_plugins(draft)
    shape = None
    for section, dataset in _entries(draft, ["data"], problems):
        for path, value in recipe(dataset, _said_name(draft, "optimizer")).items():
            setdefault(draft, path, value)
        _complete_options(draft, section, dataset, problems)
        if not problems:
            with _plugins_faults("data.dataset", problems):
                try:
                    shape = dataset.describe(draft["data"]["options"])
                    setdefault(draft, "objective.loss", DEFAULT_LOSS[shape.task])
                except Undescribable as error:
                    problems.append(Problem(f"data.options.{error.option}", str(error)))
        _need_plugin(draft, dataset)
    for section, entry in _entries(draft, [section for section, _, _ in NAMED[1:]], problems):
        _complete_options(draft, section, entry, problems)
        _need_plugin(draft, entry)
    if shape and not problems:
        _fits_together(draft, shape, problems)
    try:
        made = Experiment.model_validate(draft)
    except ValidationError as error:
        told = {problem.path for problem in problems}
        problems += (problem for problem in _problems_of(error) if problem.path not in told)
        raise SpecError(problems) from None
    if not problems:
        problems += _crosscheck(made)
    if problems:
        raise SpecError(problems)
    return made


def with_values(made: Experiment, values: Mapping[str, Any]) -> Experiment:
    """The experiment with other values, by TOML path, of what asks nothing anew of its data: no name of an entry, and
    no option of data. Raises SpecError."""
    draft = made.document()
    for path, value in values.items():
        assign(draft, path, value)
    problems: list[Problem] = []
    for section, entry in _entries(draft, ["model", "objective", "optimizer", "schedule"], problems):
        _complete_options(draft, section, entry, problems)
    try:
        changed = Experiment.model_validate(draft)
    except ValidationError as error:
        raise SpecError([*problems, *_problems_of(error)]) from None
    if problems := [*problems, *_needs_gradients(changed)]:
        raise SpecError(problems)
    return changed


def recipe(dataset: DatasetEntry, optimizer: str | None) -> dict[str, Value]:
    """What suits the data and the optimizer better than the general defaults, by TOML path.

    The optimizer that a person named goes before the dataset, whose recipe was tried with another; None: nobody named
    one. A name that does not exist adds nothing.
    """
    name = optimizer or dataset.recipe.get("optimizer.name")
    own = OPTIMIZERS[name].recipe if isinstance(name, str) and name in OPTIMIZERS.names() else {}
    return {**dataset.recipe, **own} if optimizer else {**own, **dataset.recipe}


def _said_name(draft: Mapping[str, Any], section: str) -> str | None:
    table = draft.get(section)
    name = table.get("name") if isinstance(table, Mapping) else None
    return name if isinstance(name, str) else None


def _use_plugins(draft: dict[str, Any]) -> None:
    """Makes the plugins' names known. Those that the experiment needs are listed anew. Raises SpecError."""
    listed = draft.pop("plugins", [])
    if not isinstance(listed, list) or not all(isinstance(plugin, str) for plugin in listed):
        raise SpecError([Problem("plugins", f"must be files in brackets, got {shown(listed)}")])
    try:
        PLUGINS.use(listed)
    except faults.PluginError as error:
        raise SpecError([Problem("", str(error))]) from error


def _need_plugin(draft: dict[str, Any], entry: Entry) -> None:
    if entry.plugin and entry.plugin not in draft.setdefault("plugins", []):
        draft["plugins"].append(entry.plugin)


@contextmanager
def _plugins_faults(path: str, problems: list[Problem]) -> Iterator[None]:
    """What goes wrong in a plugin's code is a problem of the experiment; what goes wrong in ours is raised."""
    try:
        yield
    except Exception as error:
        line = faults.fault(error)
        if line is None:
            raise
        problems.append(Problem(path, line))


def toml(document: Mapping[str, Any]) -> str:
    """A document as TOML, each array of numbers on its line."""

    def on_a_line(array: re.Match[str]) -> str:
        return f"[{' '.join(array[1].split()).rstrip(',')}]"

    return re.sub(r"\[\n((?:    [^\"\n]*,\n)+)\]", on_a_line, tomli_w.dumps(document))


LARGEST_FILE = 1 << 20
_LONG_KEY = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){50}""")


def read(path: Path) -> dict[str, Any]:
    """The document in a TOML file. Raises SpecError naming the file, and line and column of a fault."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
        if len(content) > LARGEST_FILE:
            raise ValueError(f"larger than {LARGEST_FILE:,} bytes")
        text = content.decode("utf-8-sig")
        if _LONG_KEY.search(text):  # tomllib takes memory by the square of their number
            raise ValueError("a key of more than 50 parts")
        return _beside(path, tomllib.loads(text.replace("\r\n", "\n").replace("\r", "\n")))
    except tomllib.TOMLDecodeError as error:
        fault = f"not valid TOML: {error}"
    except UnicodeDecodeError as error:
        fault = f"not UTF-8 text (byte {error.start})"
    except ValueError as error:  # of a whole number beyond Python's limit of digits
        fault = f"not valid TOML: {error}"
    except RecursionError:
        fault = "nested too deeply"
    except OSError as error:
        fault = f"cannot be read: {error.strerror}"
    raise SpecError([Problem(str(path), fault)])


def _beside(path: Path, document: dict[str, Any]) -> dict[str, Any]:
    """The document, its plugins' files seen from its own folder."""
    plugins = document.get("plugins")
    if isinstance(plugins, list) and all(isinstance(plugin, str) for plugin in plugins):
        document["plugins"] = [canonical(plugin, path.parent) for plugin in plugins]
    return document


def assign(document: MutableMapping[str, Any], path: str, value: Any) -> None:
    """Sets the value at a dotted path, making the tables on the way."""
    *tables, key = path.split(".")
    for table in tables:
        document = document.setdefault(table, {})
        if not isinstance(document, MutableMapping):
            raise SpecError([Problem(path, f"{table} is a value, not a section")])
    document[key] = value


def assign_text(document: MutableMapping[str, Any], assignment: str) -> None:
    """Carries out one `--set path=value`. Raises SpecError where there is no "="."""
    path, equals, text = assignment.partition("=")
    if not equals or not path.strip():
        raise SpecError([Problem("", f"--set takes path=value, got {shown(assignment)}")])
    path, text = path.strip(), text.strip()
    value = parse_value(text)
    assign(document, path, text if path == "name" and not isinstance(value, str) else value)


def setdefault(document: MutableMapping[str, Any], path: str, value: Any) -> None:
    """Sets the value at a dotted path unless there is one."""
    *tables, key = path.split(".")
    for table in tables:
        document = document.setdefault(table, {})
        if not isinstance(document, MutableMapping):
            return  # a wrong type is reported where the document is validated
    document.setdefault(key, value)


def section_options(path: str) -> tuple[Option, ...]:
    """A section's own scalar fields as options, for forms and help; names and option tables are left out."""
    section = SECTIONS[path] if path else Experiment
    names = {key for name, key, _ in NAMED if name == path}
    return tuple(
        _option(name, field)
        for name, field in section.model_fields.items()
        if name not in names and name not in ("options", "plugins") and not _is_section(field)
    )


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, Section)


def _option(name: str, field: FieldInfo) -> Option:
    def bound(*keys: str) -> float | None:
        found = (getattr(m, key, None) for m in _metadata(field) for key in keys)
        return next((value for value in found if value is not None), None)

    choices = get_args(field.annotation) if getattr(field.annotation, "__origin__", None) is Literal else ()
    return Option(
        name,
        field.default,
        field.description or "",
        low=bound("ge", "gt"),
        high=bound("le"),
        above=bound("gt") is not None,
        choices=choices,
        fixed=isinstance(field.default, tuple),
    )


def _metadata(field: FieldInfo) -> Iterator[Any]:
    yield from field.metadata
    for argument in get_args(field.annotation):
        for metadata in getattr(argument, "__metadata__", ()):
            yield from getattr(metadata, "metadata", (metadata,))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, (list, tuple)) else value


def _known_paths() -> Iterator[str]:
    yield from ("name", "seed", "plugins")
    for path, section in SECTIONS.items():
        yield path
        yield from (f"{path}.{name}" for name, field in section.model_fields.items() if not _is_section(field))


def _unknown_keys(document: Mapping[str, Any]) -> Iterator[Problem]:
    known = tuple(_known_paths())

    def walk(table: Mapping[str, Any], prefix: str) -> Iterator[Problem]:
        for key, value in table.items():
            path = f"{prefix}{key}"
            if path not in known or "." in key:
                yield Problem(path, f"unknown key{_nearest_path(path, known, document)}")
            elif path in SECTIONS and not isinstance(value, Mapping):
                name = next((f'; nearest: "{path}.{name}"' for section, name, _ in NAMED if section == path), "")
                yield Problem(path, f"must be a section, got {shown(value)}{name}")
            elif path in SECTIONS:
                yield from walk(value, f"{path}.")

    yield from walk(document, "")


def _nearest_path(path: str, known: tuple[str, ...], document: Mapping[str, Any]) -> str:
    """The hint that names the nearest path, options of every entry included.

    The same last key is nearest, then one that looks like it; among those, one in the same section goes first, and
    one that the chosen entries have before one that others have.
    """
    section, _, key = path.rpartition(".")
    candidates = [(p, "") for p in known] + list(_option_paths(document))

    def hint(candidates: list[tuple[str, str]]) -> str | None:
        leaves: dict[str, tuple[str, str]] = {}
        for candidate, owner in candidates:
            leaves.setdefault(candidate.rpartition(".")[2], (candidate, owner))
        if (leaf := nearest(key, tuple(leaves))) is None:
            return None
        candidate, owner = leaves[leaf]
        return f'; nearest: "{candidate}"{owner}'

    def within(prefix: str) -> list[tuple[str, str]]:
        return [pair for pair in candidates if prefix and pair[0].startswith(f"{prefix}.")]

    same = [pair for pair in candidates if pair[0].rpartition(".")[2] == key]
    near_section = nearest(section, tuple(SECTIONS)) or ""
    return hint(within(section)) or hint(same) or hint(within(near_section)) or hint(candidates) or ""


def _option_paths(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The paths of every entry's options, the chosen entries' first, each with whose it is unless that is chosen."""
    chosen = dict(_entries(document, [section for section, _, _ in NAMED], []))
    for section, entry in chosen.items():
        yield from ((f"{section}.options.{option.name}", "") for option in entry.options)
    for section, _, registry in NAMED:
        for entry in registry:
            yield from ((f"{section}.options.{option.name}", f" (of {entry.name})") for option in entry.options)


def _entries(
    document: Mapping[str, Any], sections: Iterable[str], problems: list[Problem]
) -> Iterator[tuple[str, Any]]:
    """The entries that the document names, or that stand where it names none, by section."""
    for section, key, registry in NAMED:
        table = document.get(section, {})
        if section not in sections or not isinstance(table, Mapping):
            continue
        name = table.get(key, SECTIONS[section].model_fields[key].default)
        try:
            yield section, registry[name] if isinstance(name, str) else _not_a_name(registry, name)
        except UnknownName as error:
            problems.append(Problem(f"{section}.{key}", str(error)))


def _not_a_name(registry: Registry[Any], name: object) -> Any:
    raise UnknownName(f"must be a {registry.noun}'s name, got {shown(name)}")


def _complete_options(draft: dict[str, Any], section: str, entry: Entry, problems: list[Problem]) -> None:
    table = draft.setdefault(section, {})
    given = table.get("options", {})
    if not isinstance(given, Mapping):
        problems.append(Problem(f"{section}.options", f"must be a section, got {shown(given)}"))
        return
    known = {option.name: option for option in entry.options}
    complete: dict[str, Value] = entry.defaults()
    for name, value in given.items():
        path = f"{section}.options.{name}"
        if name not in known:
            hint = _nearest_option(name, tuple(known), REGISTRIES[section])
            problems.append(Problem(path, f"{entry.name} has no such option{hint}"))
            continue
        try:
            complete[name] = known[name].check(value)
        except ValueError as error:
            problems.append(Problem(path, str(error)))
    table["options"] = complete


def _nearest_option(name: str, known: tuple[str, ...], registry: Registry[Any]) -> str:
    if near := nearest(name, known):
        return f'; nearest: "{near}"'
    there = f"; it has {', '.join(known)}" if known else ""
    owned = {option.name: entry.name for entry in reversed(tuple(registry)) for option in entry.options}
    near = nearest(name, tuple(owned))
    return f"{there}; {owned[near]} has {near}" if near else there


def _fits_together(draft: Mapping[str, Any], shape: DataShape, problems: list[Problem]) -> None:
    model = draft["model"]
    architecture = ARCHITECTURES[model.get("architecture", Model.model_fields["architecture"].default)]
    with _plugins_faults("model.architecture", problems):
        if reason := architecture.refusal(shape, model["options"]):
            problems.append(Problem("model.architecture", f"{architecture.name} {reason}"))
    loss = draft["objective"]["loss"]
    if isinstance(loss, str) and loss in LOSSES.names() and shape.task not in LOSSES[loss].tasks:
        right = ", ".join(entry.name for entry in LOSSES if shape.task in entry.tasks)
        problems.append(Problem("objective.loss", f"{loss} is not for {shape.task}; there is {right}"))


def _crosscheck(made: Experiment) -> Iterator[Problem]:
    if abs(sum(made.data.split) - 1) > 1e-6 or made.data.split[0] <= 0:
        yield Problem("data.split", f"must be three shares that add up to 1, got {shown(made.data.split)}")
    if OPTIMIZERS[made.optimizer.name].full_batch and made.data.batch_size:
        what = f"must be 0 for {made.optimizer.name}, which takes the whole training part at each step"
        yield Problem("data.batch_size", f"{what}; sgd takes batches; got {made.data.batch_size}")
    if 0 < made.data.batch_size < made.training.accumulation:
        within = f"must be at most data.batch_size, {made.data.batch_size}"
        yield Problem("training.accumulation", f"{within}, got {made.training.accumulation}")
    yield from _needs_gradients(made)
    shape = made.shape
    held_out = shape.examples > shape.fixed_train + shape.fixed_test if shape.fixed_train else made.data.split[1] > 0
    if SCHEDULES[made.schedule.name].observes and not held_out:
        yield Problem("schedule.name", f"{made.schedule.name} needs a validation part (data.split)")
    metric = "accuracy" if made.shape.task == "classification" else "r2"
    series = ("val/loss", f"val/{metric}")
    if made.training.early_stopping.monitor not in series:
        yield Problem(
            "training.early_stopping.monitor",
            f"must be one of {', '.join(series)}, got {shown(made.training.early_stopping.monitor)}",
        )


def _needs_gradients(made: Experiment) -> Iterator[Problem]:
    entry = OPTIMIZERS[made.optimizer.name]
    if not entry.gradients:
        for name, nothing in (("accumulation", 1), ("gradient_clip_norm", 0.0), ("gradient_clip_value", 0.0)):
            if getattr(made.training, name) != nothing:
                yield Problem(f"training.{name}", f"{entry.name} computes no gradient: must be {nothing:g}")


def _problems_of(error: ValidationError) -> Iterator[Problem]:
    for fault in error.errors():
        path = ".".join(str(part) for part in fault["loc"] if not isinstance(part, int))
        yield Problem(path, _in_words(path, fault))


def _in_words(path: str, fault: Mapping[str, Any]) -> str:
    section, _, name = path.rpartition(".")
    known = section_options(section) if section in SECTIONS or not section else ()
    option = next((option for option in known if option.name == name), None)
    got = f", got {shown(fault['input'])}"
    if fault["type"] == "value_error":
        return f"{fault['ctx']['error']}{got}"
    if fault["type"] == "string_too_long":
        return f"must be at most {fault['ctx']['max_length']} characters, got {len(fault['input'])}"
    if option is None:
        return f"{fault['msg'].lower()}{got}"
    if name == "device":
        return f"must be auto, cpu, mps, cuda or cuda:N{got}"
    if fault["type"] == "less_than_equal" and option.high == MANY:
        return f"must be {option.kind} at most {MANY}{got}"
    return f"must be {option.wanted}{got}"
