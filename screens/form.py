"""The form of an experiment, without a widget: fields, what was typed into them, what is wrong. Imports no torch.

A form holds only what a person said. Everything else follows: a dataset's recipe, an entry's options and the general
defaults move along when another dataset, architecture or optimizer is chosen, and what was typed into the options of
one entry is there again when it is chosen again.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from tdl_tui import spec
from tdl_tui.plugins import faults
from tdl_tui.plugins.known import PLUGINS
from tdl_tui.registry import (
    ARCHITECTURES,
    LOSSES,
    ArchitectureEntry,
    DatasetEntry,
    DataShape,
    Entry,
    Option,
    Registry,
    Undescribable,
    UnknownName,
    Value,
    parse_value,
    shown,
)

if TYPE_CHECKING:
    from tdl_tui.worker.origin import Origin

# heading, the sections under it
GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Data", ("data",)),
    ("Architecture", ("model",)),
    ("Objective", ("objective",)),
    ("Optimizer", ("optimizer",)),
    ("Schedule", ("schedule",)),
    ("Training", ("training",)),
    ("Early stopping", ("training.early_stopping",)),
    ("Telemetry", ("telemetry",)),
    ("Run", ("",)),
)
READING = "is being read …"
_NAMED = {section: (key, registry) for section, key, registry in spec.NAMED}


@dataclass(frozen=True, slots=True)
class Field:
    """One line of the form. `path` is the TOML path; `owner` the entry whose option it is, "" for a general one."""

    path: str
    option: Option
    group: str
    owner: str = ""

    @property
    def label(self) -> str:
        named = self.option.name == "name" and bool(self.path.partition(".")[2])
        return self.group.lower() if named else self.option.name.replace("_", " ")

    @property
    def nested(self) -> bool:
        """Whether it stands below the field that names its owner."""
        return bool(self.owner) and self.path.startswith(("data.", "model."))

    @property
    def names(self) -> Registry[Any] | None:
        """The registry whose entries this field chooses from, if it does."""
        section, _, key = self.path.rpartition(".")
        named = _NAMED.get(section)
        return named[1] if named and named[0] == key else None

    @property
    def choices(self) -> tuple[str, ...]:
        """The texts to choose from; empty for a field that is typed."""
        if isinstance(self.option.default, bool):
            return ("false", "true")
        return self.option.choices

    @property
    def typed(self) -> bool:
        return not self.choices

    @property
    def key(self) -> tuple[str, str]:
        """Apart for the options of different entries, though their paths be the same."""
        return self.path, self.owner


def text_of(value: Value) -> str:
    """A value as it stands in a form, and as `parse` reads it back: bare words, numbers, "[128, 64]"."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(text_of, value))}]"
    if isinstance(value, float):
        short = f"{value:g}"
        exact = short if float(short) == value else repr(value)
        return exact.replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")
    return value if isinstance(value, str) else shown(value)


def parse(option: Option, text: str) -> Value:
    """What a person typed, as the option's type; blanks around it do not count, and a list needs no brackets.

    Raises ValueError saying what is right.
    """
    text = text.strip()
    if isinstance(option.default, tuple) and not text.startswith("["):
        text = f"[{', '.join(text.replace(',', ' ').split())}]"
    elif isinstance(option.default, (int, float)) and not isinstance(option.default, bool):
        text = _number(text)
    return option.parse(text)


def _number(text: str) -> str:
    """Numbers that TOML does not take as they are: ".5", "5.", "+007"."""
    try:
        int(text, 10)
        return str(int(text, 10))
    except ValueError:
        pass
    try:
        return repr(float(text))
    except ValueError:
        return text


class Form:
    """What a person chose so far. Made empty, or from the document of an experiment; never invalid to have."""

    def __init__(self, document: Mapping[str, Any] | None = None) -> None:
        self._said: dict[tuple[str, str], str] = {}
        self.unread: Callable[[], None] | None = None
        """Reads the chosen data, which takes a while; until then they count as wrong. None: they are read."""
        self.left_out: list[str] = []
        self.plugins_problem = ""
        self._fill(document or {})
        self._update()

    # -- what there is

    @property
    def fields(self) -> tuple[Field, ...]:
        """Every field, in order; which there are depends on the entries chosen."""
        return self._fields

    def field(self, path: str) -> Field | None:
        return next((field for field in self._fields if field.path == path), None)

    @property
    def wrong(self) -> Mapping[str, str]:
        """What would be right, by the path of each field that is wrong. "" is the experiment as a whole."""
        return self._wrong

    @property
    def first_wrong(self) -> Field | None:
        return next((field for field in self._fields if field.path in self._wrong), None)

    def text(self, field: Field) -> str:
        """What stands in the field: what was typed, else the default."""
        said = self._said.get(field.key)
        return text_of(self.default(field)) if said is None else said

    def value(self, field: Field) -> Value | None:
        """The field's value; None where what was typed is not one."""
        return self._values.get(field.path)

    def default(self, field: Field) -> Value:
        """What the field has when nobody says anything: by recipe, by task, or in general."""
        return self._defaults[field.path]

    def changed(self, field: Field) -> bool:
        return field.key in self._said

    @property
    def dataset(self) -> str:
        return str(self._names.get("data", ""))

    @property
    def architecture(self) -> str:
        return str(self._names.get("model", ""))

    @property
    def shape(self) -> DataShape | None:
        """The shape of the chosen data, None while no such dataset is chosen."""
        return self._shape

    @property
    def help(self) -> dict[str, str]:
        """The chosen entries' own line of help, by the path of the field that chooses them."""
        return {f"{s}.{_NAMED[s][0]}": entry.help for s, entry in self._entries.items()}

    def entry(self, section: str) -> Entry | None:
        """The entry chosen in a section ("objective"); None while there is none by that name."""
        return self._entries.get(section)

    def options(self, section: str) -> dict[str, Value]:
        """The chosen entry's options; the default where what was said is wrong."""
        entry = self._entries.get(section)
        return self._options(section, entry) if entry else {}

    def refused(self, field: Field) -> dict[str, str]:
        """Why choices of this field cannot be taken with the data as chosen, by choice."""
        if self._shape is None:
            return {}
        if field.names is ARCHITECTURES:
            return {
                entry.name: reason
                for entry in ARCHITECTURES
                if (reason := _refusal(entry, self._shape, self._options("model", entry)))
            }
        if field.names is LOSSES:
            task = self._shape.task
            return {entry.name: f"is not for {task}" for entry in LOSSES if task not in entry.tasks}
        return {}

    # -- what a person does

    def set(self, field: Field, text: str) -> None:
        """Takes what was typed or chosen. A text that says the default counts as nothing said."""
        self._said[field.key] = text
        try:
            if parse(field.option, text) == self.default(field):
                del self._said[field.key]
        except ValueError:
            pass
        self._update()

    def reset(self, field: Field) -> None:
        self._said.pop(field.key, None)
        self._update()

    def look_again(self) -> None:
        """There are other names to choose from, since a plugin was read; or data that were `unread` are not."""
        self._update()

    def cycle(self, field: Field, by: int) -> None:
        """Takes the next (1) or the one before (-1) of the choices that can be taken, around the end."""
        text, refused = self.text(field), self.refused(field)
        choices = [choice for choice in field.choices if choice not in refused or choice == text]
        at = choices.index(text) if text in choices else -max(by, 0)
        self.set(field, choices[(at + by) % len(choices)])

    # -- what comes out

    def document(self) -> dict[str, Any]:
        """The experiment as a document, every value said; what is wrong is left out."""
        document: dict[str, Any] = {}
        if plugins := self._plugins():
            document["plugins"] = plugins
        for path, value in self._values.items():
            spec.assign(document, path, list(value) if isinstance(value, tuple) else value)
        return document

    def experiment(self) -> spec.Experiment:
        """The experiment. Raises spec.SpecError when something is wrong."""
        if self._wrong:
            raise spec.SpecError(spec.Problem(path, message) for path, message in self._wrong.items())
        return spec.experiment(self.document())

    def command(self, origin: Origin | None = None) -> list[str]:
        """The words of the `tdl train` that gives the same experiment, only what differs from the defaults; with an
        `origin` those of the `tdl fork`, only what differs from what it has."""
        if origin is None:
            words, before = ["tdl", "train", "--dataset", self.dataset, "--model", self.architecture], self._defaults
        else:
            words = ["tdl", "fork", origin.folder.name, "--from", origin.checkpoint.short]
            before = self._defaults | dict(self._kept_of(origin.document))
        for field in self._fields:
            value = self._values.get(field.path)
            if value is None or value == before[field.path]:
                continue
            match field.path:
                case "data.dataset" | "model.architecture" if origin is None:
                    pass
                case "name":
                    words += ["--name", str(value)]
                case "seed" if origin is None:
                    words += ["--seed", text_of(value)]
                case "training.device" if origin is None:
                    words += ["--device", str(value)]
                case path:
                    words += ["--set", f"{path}={_set_text(value)}"]
        for plugin in self._plugins():
            if origin is None or plugin not in origin.document.get("plugins", ()):
                words += ["--plugin", plugin]
        return words

    def command_line(self, origin: Origin | None = None) -> str:
        """`command` as it is typed into a shell."""
        return shlex.join(self.command(origin))

    # -- inside

    def _kept_of(self, document: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
        """What a document says of the fields, without the options of entries that are no longer chosen."""
        said = dict(_leaves(document))
        for field in self._fields:
            section, _, option = field.path.partition(".options.")
            name = f"{section}.{_NAMED[section][0]}" if option else ""
            if field.path in said and (not option or said.get(name) == self._values.get(name)):
                value = said[field.path]
                yield field.path, tuple(value) if isinstance(value, list) else value

    def _plugins(self) -> list[str]:
        return list(dict.fromkeys(entry.plugin for entry in self._entries.values() if entry.plugin))

    def _fill(self, document: Mapping[str, Any]) -> None:
        """Takes a document's values as if they had been typed; names first, since the other fields follow them."""
        leaves = dict(_leaves(document))
        plugins = leaves.pop("plugins", [])
        try:
            PLUGINS.use(plugins)
        except faults.PluginError as error:
            self.plugins_problem = str(error)
        names = [f"{section}.{key}" for section, (key, _) in _NAMED.items()]
        for path in names:
            if path in leaves:
                self._said[path, ""] = _as_typed(leaves[path])
        self._update()
        fields = {field.path: field for field in self._fields}
        for path, value in leaves.items():
            if path not in fields:
                self.left_out.append(path)
            else:
                field = fields[path]
                self._said[field.key] = _as_typed(value)
                try:
                    if field.option.check(value) == self.default(field):
                        del self._said[field.key]
                except ValueError:
                    pass
                if path.startswith("data.options."):
                    self._update()  # the data's shape decides what suits it

    def _update(self) -> None:
        self._names: dict[str, str] = {}
        self._entries: dict[str, Entry] = {}
        self._values: dict[str, Value] = {}
        self._defaults: dict[str, Value] = {}
        self._wrong: dict[str, str] = {}
        self._shape: DataShape | None = None
        self._recipe: Mapping[str, Value] = {}
        self.unread = None
        self._fields = tuple(self._find_fields())
        for field in self._fields:
            try:
                self._values[field.path] = parse(field.option, self.text(field))
            except ValueError as error:
                self._wrong[field.path] = str(error)
        if self.unread is not None:
            return
        try:
            spec.experiment(self.document())
        except spec.SpecError as error:
            for problem in error.problems:
                self._wrong.setdefault(self._place(problem.path), problem.message)

    def _place(self, path: str) -> str:
        """The path of the field that a problem belongs to, "" where there is none."""
        paths = {field.path for field in self._fields}
        while path and path not in paths:
            path = path.rpartition(".")[0]
        return path

    def _find_fields(self) -> Iterator[Field]:
        for group, sections in GROUPS:
            for section in sections:
                entry = list(self._entry_fields(group, section)) if section in _NAMED else []
                own = [
                    self._with_default(Field(path, self._narrowed(path, option), group))
                    for option in spec.section_options(section)
                    for path in (f"{section}.{option.name}" if section else option.name,)
                ]
                if section in ("optimizer", "schedule"):  # the learning rate before the moments' decay
                    yield from [*entry[:1], *own, *entry[1:]]
                else:
                    yield from [*entry, *own]

    def _entry_fields(self, group: str, section: str) -> Iterator[Field]:
        """The field that names the entry, and the entry's options."""
        key, registry = _NAMED[section]
        path = f"{section}.{key}"
        model_field = spec.SECTIONS[section].model_fields[key]
        default = model_field.default
        if section == "objective" and self._shape is not None:
            default = spec.DEFAULT_LOSS[self._shape.task]
        option = Option(key, default, model_field.description or "", choices=registry.names())
        field = self._with_default(Field(path, option, group))
        name = self._names[section] = self.text(field)
        yield field
        try:
            entry = registry[name]
        except UnknownName as error:
            self._wrong[path] = str(error)
            return
        self._entries[section] = entry
        if isinstance(entry, DatasetEntry):
            self._recipe = spec.recipe(entry, self._said.get(("optimizer.name", "")))
            self._describe(entry)
        for choice in entry.options:
            yield self._with_default(Field(f"{section}.options.{choice.name}", choice, group, entry.name))

    def _describe(self, dataset: DatasetEntry) -> None:
        """Finds the data's shape; where it cannot be told, the field that says why is marked."""
        options = self._options("data", dataset)
        if dataset.takes_time(options):
            place = next(option.name for option in dataset.options if option.path and options[option.name])
            self._wrong[f"data.options.{place}"] = READING
            self.unread = partial(self._read, dataset, options)
            return
        try:
            self._shape = dataset.describe(options)
        except Undescribable as error:
            self._wrong[f"data.options.{error.option}"] = str(error)
        except Exception as error:
            line = faults.fault(error)
            if line is None:
                raise
            self._wrong["data.dataset"] = line

    def _read(self, dataset: DatasetEntry, options: Mapping[str, Value]) -> None:
        with suppress(Undescribable):  # it is remembered, and said by `_describe`
            dataset.describe(options)

    def _with_default(self, field: Field) -> Field:
        self._defaults[field.path] = field.option.check(self._recipe.get(field.path, field.option.default))
        return field

    def _narrowed(self, path: str, option: Option) -> Option:
        """A text field of which only some values make sense with the data becomes a choice."""
        if path == "training.early_stopping.monitor" and self._shape is not None:
            metric = "accuracy" if self._shape.task == "classification" else "r2"
            return replace(option, choices=("val/loss", f"val/{metric}"))
        return option

    def _options(self, section: str, entry: Entry) -> dict[str, Value]:
        """An entry's options as said, whether it is the chosen one or not; defaults where nothing valid was said."""
        options = entry.defaults()
        for option in entry.options:
            path = f"{section}.options.{option.name}"
            try:
                if (text := self._said.get((path, entry.name))) is not None:
                    options[option.name] = parse(option, text)
                elif path in self._recipe:
                    options[option.name] = option.check(self._recipe[path])
            except ValueError:
                continue  # marked at its own field
        return options


def _refusal(entry: ArchitectureEntry, shape: DataShape, options: Mapping[str, Value]) -> str | None:
    """Why an architecture does not take such data; what goes wrong in a plugin's answer is such a reason too."""
    try:
        return entry.refusal(shape, options)
    except Exception as error:
        line = faults.fault(error)
        if line is None:
            raise
        return line


def _leaves(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _as_typed(value: Any) -> str:
    if isinstance(value, list):
        value = tuple(value)
    return text_of(value) if isinstance(value, (bool, int, float, str, tuple)) else shown(value)


def _set_text(value: Value) -> str:
    """A value behind `--set path=`, so that it is read back as it is: text that looks like TOML is quoted."""
    text = text_of(value)
    if isinstance(value, str) and (parse_value(text.strip()) != value or not text):
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return text
