"""Plugins: read here and by the process that reads them for the interface, and what is said of a wrong one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tdl_tui.data.prepare import load
from tdl_tui.models.build import build
from tdl_tui.plugins.faults import PluginError
from tdl_tui.plugins.known import PLUGINS, Plugins, installed
from tdl_tui.registry import ARCHITECTURES, DATASETS, DataShape, Undescribable, UnknownName
from tdl_tui.runs import home as runs_home
from tdl_tui.runs.reader import RunReader
from tdl_tui.runs.records import State
from tdl_tui.spec import SpecError, experiment, read
from tdl_tui.training.control import CommandQueue
from tdl_tui.training.session import explain, run_training
from tdl_tui.worker import spare_process

Write = Callable[..., Path]

HEAD = "from tdl_tui.registry import *\nfrom torch import nn\n"
TABLE = DataShape("classification", "table", (4,), 3)


def network(body: str = "return self.head(inputs.flatten(1))", refuse: str = "return None", build: str = "") -> str:
    """A plugin with an architecture "mine". Its refuse stands on line 5, its build on 9, its forward on 12."""
    return f"""from math import prod
from torch import nn
from tdl_tui.registry import ARCHITECTURES, ArchitectureEntry
def refuse(shape, options):
    {refuse}
class Mine(nn.Module):
    def __init__(self, shape):
        super().__init__()
        {build or "pass"}
        self.head = nn.Linear(prod(shape.input), shape.outputs)
    def forward(self, inputs):
        {body}
ARCHITECTURES.register(ArchitectureEntry("mine", "a plugin's", Mine, refuse=refuse))
"""


def data(load: str = "return Dataset(torch.rand(30, 2), torch.arange(30) % 3, describe(options))", **more: str) -> str:
    """A plugin with a data set "dots". Its describe stands on line 5, its loader on 7."""
    describe = more.get(
        "describe", "return DataShape('classification', 'table', (2,), 3, tuple('abc'), ('x', 'y'), 30)"
    )
    return f"""import torch
from tdl_tui.data.dataset import Dataset
from tdl_tui.registry import *
def describe(options):
    {describe}
def load(options, folder, report=None):
    {load}
DATASETS.register(DatasetEntry("dots", "a plugin's", load, (Option("file", "", "a file"),), describe=describe))
"""


@pytest.fixture(params=[True, False], ids=["here", "interface"])
def plugins(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plugins]:
    """Plugins as a worker reads them, and as the interface does."""
    monkeypatch.setattr(PLUGINS, "here", request.param)
    yield PLUGINS
    PLUGINS.clear()


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Plugins]:
    monkeypatch.setattr(PLUGINS, "here", True)
    yield PLUGINS
    PLUGINS.clear()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def save(source: str, name: str = "mine.py") -> Path:
        path = tmp_path / name
        path.write_text(source)
        return path

    return save


# what a plugin brings


def test_the_documented_plugins_are_there_with_their_options(
    plugins: Plugins, documented_plugins: dict[str, Path], tmp_path: Path
) -> None:
    paths = documented_plugins
    assert list(paths) == ["two_paths", "waves"]
    plugins.use(map(str, paths.values()))
    entry = ARCHITECTURES["two_paths"]
    assert entry.plugin == str(paths["two_paths"])
    assert [(option.name, option.default, option.range) for option in entry.options] == [
        ("width", 32, "1 to 4096"),
        ("activation", "relu", ""),
    ]
    assert entry.kinds == ARCHITECTURES["mlp"].kinds
    waves = DATASETS["waves"]
    assert waves.recipe == {"training.epochs": 30, "optimizer.lr": 1e-2}
    assert waves.missing(waves.defaults()) is None
    shape = waves.describe({"steps": 10, "noise": 0.0})
    assert shape == DataShape("classification", "sequence", (10, 1), 2, ("sine", "square"), ("value",), examples=400)
    made = experiment({"data": {"dataset": "waves"}, "model": {"architecture": "two_paths"}})
    assert set(made.plugins) == {str(path) for path in paths.values()}
    assert made.training.epochs == 30
    assert experiment(tomllib.loads(made.toml())) == made
    module = build("two_paths", made.shape, made.model.options)
    assert [name for name, _ in module.named_children()] == ["hidden", "skip", "head"]
    assert module(torch.rand(5, *made.shape.input)).shape == (5, 2)
    loaded = load(made, tmp_path)
    assert (loaded.inputs.shape, loaded.targets.dtype) == ((400, 24, 1), torch.int64)


INTERFACE = """
import json, sys
from tdl_tui.plugins.known import PLUGINS
from tdl_tui.registry import ARCHITECTURES
from tdl_tui.screens.form import Form
PLUGINS.use(sys.argv[1:])
form = Form({"data": {"dataset": "waves"}, "model": {"architecture": "two_paths"}})
made = form.experiment()
print(json.dumps([made.shape.input, list(made.plugins), form.command_line(), [name for name in
      ("torch", "numpy") if name in sys.modules]]))
"""


def test_the_interface_knows_them_without_torch(documented_plugins: dict[str, Path]) -> None:
    paths = [str(path) for path in documented_plugins.values()]
    done = subprocess.run([sys.executable, "-c", INTERFACE, *paths], capture_output=True, text=True, check=True)
    shape, needed, command, heavy = json.loads(done.stdout)
    assert (shape, sorted(needed), heavy) == ([24, 1], sorted(paths), [])
    assert all(f"--plugin {path}" in command for path in paths)


def test_a_file_that_has_changed_is_read_anew(plugins: Plugins, write: Write) -> None:
    path = write(network())
    plugins.use([str(path)])
    assert plugins.known([str(path)])
    path.write_text(network().replace('"mine"', '"yours"'))
    assert not plugins.known([str(path)])
    plugins.use([str(path)])
    assert "yours" in ARCHITECTURES.names()
    assert "mine" not in ARCHITECTURES.names()


def test_an_experiment_lists_the_plugins_that_it_needs(here: Plugins, write: Write, tmp_path: Path) -> None:
    path = str(write(network()))
    write(data(), "dots.py")
    assert experiment({"plugins": [path]}).plugins == ()
    assert experiment({"plugins": [path], "model": {"architecture": "mine"}}).plugins == (path,)
    spec = tmp_path / "spec.toml"
    spec.write_text('plugins = ["dots.py"]\n[data]\ndataset = "dots"\n')
    made = experiment(read(spec))
    assert made.plugins == (str(tmp_path / "dots.py"),)
    with pytest.raises(SpecError, match=r"plugins: must be files in brackets, got 3"):
        experiment({"plugins": 3})
    with pytest.raises(SpecError, match=r"^plugin /nowhere/x\.py: cannot be read: No such file or directory$"):
        experiment({"plugins": ["/nowhere/x.py"]})


def test_what_stands_beside_a_plugin_can_be_imported(here: Plugins, write: Write) -> None:
    write("WIDTH = 7", "beside_the_plugin.py")
    here.use([str(write("from beside_the_plugin import WIDTH\n" + network(build="self.width = WIDTH")))])
    assert build("mine", TABLE).width == 7


def test_a_module_of_an_installed_package_is_a_plugin(
    here: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    package = site / "somebodys_networks"
    about = site / "somebodys-1.0.dist-info"
    package.mkdir(parents=True)
    about.mkdir()
    (package / "__init__.py").write_text("")
    (package / "mine.py").write_text(network(body="return unknown"))
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: somebodys\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[tdl.plugins]\nmine = somebodys_networks.mine\n")
    monkeypatch.syspath_prepend(str(site))
    assert installed() == ("somebodys_networks.mine",)
    here.use(installed())
    assert ARCHITECTURES["mine"].plugin == "somebodys_networks.mine"
    with pytest.raises(NameError) as error:
        build("mine", TABLE)(torch.rand(2, 4))
    where = f"plugin {package / 'mine.py'}, line 12"
    assert explain(error.value) == f"{where}: NameError: name 'unknown' is not defined"


# what is wrong with one


REGISTER = 'ARCHITECTURES.register(ArchitectureEntry("mine", "help", nn.Linear'
WRONG = {
    "syntax": ("import torch\ndef (\n", 2, "SyntaxError: invalid syntax"),
    "name": (HEAD + "x = undefined\n", 3, "NameError: name 'undefined' is not defined"),
    "import": (HEAD + "import no_such_library\n", 3, "ModuleNotFoundError: No module named 'no_such_library'"),
    "exit": (HEAD + "raise SystemExit('enough')\n", 3, "SystemExit: enough"),
    "default": (
        HEAD + f'{REGISTER}, (Option("n", 0, "", low=1),)))\n',
        3,
        "'n': its default must be at least 1",
    ),
    "choice": (HEAD + f'{REGISTER}, (Option("n", "a", "", choices=("b",)),)))\n', 3, "must be one of b"),
    "type": (HEAD + f'{REGISTER}, (Option("n", None, ""),)))\n', 3, "a default is true or false, a number, text or"),
    "argument": (HEAD + f'{REGISTER}, (Option("n", 1, "", lowest=1),)))\n', 3, "keyword argument 'lowest'"),
    "no option": (HEAD + f'{REGISTER}, ("n",)))\n', 3, "TypeError: mine: options are Option(…), got a str"),
    "option twice": (HEAD + f'{REGISTER}, (Option("n", 1, ""), Option("n", 2, ""))))\n', 3, "'n' is there twice"),
    "option name": (HEAD + f'{REGISTER}, (Option("n m", 1, ""),)))\n', 3, "'n m': a name is letters, digits and _"),
    "taken": (HEAD + f"{REGISTER.replace('mine', 'mlp')}))\n", 3, "architecture 'mlp' is registered twice: the name"),
    "own name": (HEAD + f"{REGISTER.replace('mine', 'my net')}))\n", 3, "got 'my net'"),
    "target": (HEAD + 'ARCHITECTURES.register(ArchitectureEntry("mine", "help", 3))\n', 3, "target is a class, a"),
    "registry": (
        HEAD + f"DATASETS{REGISTER.removeprefix('ARCHITECTURES')}))\n",
        3,
        "takes a DatasetEntry here",
    ),
    "sort": (HEAD + "SCHEDULES.register(3)\n", 3, "a plugin registers architectures and datasets, not a schedule"),
}


@pytest.mark.parametrize(("source", "line", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_plugin_is_told_with_its_line_and_leaves_nothing(
    here: Plugins, write: Write, source: str, line: int, words: str
) -> None:
    path = write(source)
    before = ARCHITECTURES.names()
    with pytest.raises(PluginError) as error:
        here.use([str(path)])
    assert str(error.value).startswith(f"plugin {path}, line {line}: ")
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert "Traceback" in error.value.details
    assert ARCHITECTURES.names() == before
    assert not here.known([str(path)])


def test_the_interface_is_told_the_same(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PLUGINS, "here", False)
    try:
        for source, line, words in WRONG.values():
            path = write("print('not an answer')\n" + source)
            with pytest.raises(PluginError) as error:
                PLUGINS.use([str(path)])
            assert str(error.value).startswith(f"plugin {path}, line {line + 1}: ")
            assert words in str(error.value)
        PLUGINS.use([str(write(network(refuse="return shape.nothing"), "fine.py"))])
        with pytest.raises(PluginError, match=r"fine\.py, line 5: AttributeError: .*'nothing'"):
            ARCHITECTURES["mine"].refuse(TABLE, {})
        with pytest.raises(SpecError, match=r"^model\.architecture: plugin .*fine\.py, line 5: AttributeError"):
            experiment({"model": {"architecture": "mine"}})
        dead = write("import os\nos._exit(3)")
        with pytest.raises(PluginError, match=f"^plugin {dead}: the process that executes it ended without an answer$"):
            PLUGINS.use([str(dead)])
        with pytest.raises(PluginError, match=r"line 5: AttributeError"):  # by a new process, which has read it again
            ARCHITECTURES["mine"].refuse(DataShape("regression", "table", (2,), 1), {})
        PLUGINS.use([str(write(data(describe="return 3"), "dots.py"))])
        with pytest.raises(PluginError, match=r"dots\.py, line 4: dots describes itself by int, not by a DataShape"):
            DATASETS["dots"].describe({"file": ""})
        refusing = "raise Undescribable('file', 'is not there')"
        PLUGINS.use([str(write(data(describe=refusing), "dots.py"))])
        with pytest.raises(Undescribable, match=r"^is not there$"):
            DATASETS["dots"].describe({"file": ""})
        with pytest.raises(SpecError, match=r"^data\.options\.file: is not there$"):
            experiment({"data": {"dataset": "dots"}})
    finally:
        PLUGINS.clear()


def test_a_plugin_that_registers_nothing_or_is_not_there_is_told(here: Plugins, write: Write) -> None:
    empty = write("import torch\n")
    with pytest.raises(PluginError, match=f"^plugin {empty}: registers nothing; "):
        here.use([str(empty)])
    with pytest.raises(PluginError, match=r"^plugin no_such_module: ModuleNotFoundError: "):
        here.use(["no_such_module"])
    path = write(network())
    here.use([str(path)])
    path.unlink()
    with pytest.raises(PluginError, match=f"^plugin {path}: cannot be read: No such file or directory$"):
        here.use([str(path)])
    with pytest.raises(UnknownName):
        ARCHITECTURES["mine"]


def test_two_plugins_cannot_have_the_same_name(here: Plugins, write: Write) -> None:
    one, two = write(network()), write(network(), "second.py")
    here.use([str(one)])
    with pytest.raises(PluginError, match=f"^plugin {two}, line 13: ValueError: architecture 'mine'"):
        here.use([str(two)])
    assert ARCHITECTURES["mine"].plugin == str(one)


def test_a_plugin_need_not_be_there_a_second_time(plugins: Plugins, write: Write) -> None:
    path = write(network())
    plugins.use([str(path), str(path)])
    plugins.use([f"{path.parent}/./{path.name}"])
    assert ARCHITECTURES["mine"].plugin == str(path)


# faults while it trains


def trained(home: Path, document: dict[str, Any]) -> tuple[State, str]:
    """The state and message of a run of that document, trained here."""
    whole = {"training": {"epochs": 2, "device": "cpu", "threads": 1}, **document}
    made = experiment(whole)
    run = runs_home.create(home, made.document(), title=made.title)
    try:
        state = run_training(run.folder, CommandQueue())
        with RunReader(run.folder) as reader:
            return state, reader.summary().message
    finally:
        os.close(run.lock_fd)


RAISE = "raise RuntimeError('first line\\nsecond line')"
BROKEN = {
    "build": (network(build=RAISE), 9, "RuntimeError: first line"),
    "forward": (network(body=RAISE), 12, "RuntimeError: first line"),
    "in torch": (network(body="return self.head(inputs[:, :3])"), 12, "RuntimeError: mat1 and mat2 shapes"),
    "outputs": (network(body="return inputs.flatten(1)"), 11, "mine gives outputs (64, 64), they must be (64, 10)"),
    "none": (network(body="return None"), 11, "mine gives NoneType, not a tensor (64, 10)"),
    "module": (network().replace(", Mine,", ", refuse_not := lambda shape: 3,"), 13, "not as a torch.nn.Module"),
    "load": (data(RAISE), 7, "RuntimeError: first line"),
    "no data": (data("return None"), 6, "dots loads NoneType, not a Dataset"),
    "fewer": (
        data("return Dataset(torch.rand(20, 2), torch.arange(20) % 3, describe(options))"),
        6,
        "dots loads inputs 20×2, and describes 30×2",
    ),
    "dtype": (
        data("return Dataset(torch.rand(30, 2), torch.rand(30), describe(options))"),
        6,
        "dots loads targets of torch.float32, they must be torch.int64",
    ),
    "class": (
        data("return Dataset(torch.rand(30, 2), torch.arange(30) % 4, describe(options))"),
        6,
        "dots loads targets that are not all 0 to 2, the numbers of its 3 classes",
    ),
}


@pytest.mark.parametrize(("source", "line", "words"), BROKEN.values(), ids=BROKEN)
def test_a_run_fails_for_a_fault_of_the_plugin_with_its_line(
    here: Plugins,
    write: Write,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    source: str,
    line: int,
    words: str,
) -> None:
    path = write(source)
    chosen = {"data": {"dataset": "dots"}} if "dots" in source else {"model": {"architecture": "mine"}}
    state, message = trained(tmp_path / "home", {"plugins": [str(path)], **chosen})
    assert state is State.FAILED
    assert message.startswith(f"plugin {path}, line {line}: ")
    assert words in message
    assert "\n" not in message
    assert "Traceback" in capsys.readouterr().err  # the worker's log


def test_a_plugin_that_is_gone_when_a_run_is_resumed_is_told(here: Plugins, write: Write, tmp_path: Path) -> None:
    path = write(network())
    made = experiment({"plugins": [str(path)], "model": {"architecture": "mine"}})
    run = runs_home.create(tmp_path / "home", made.document(), title=made.title)
    os.close(run.lock_fd)
    path.unlink()
    assert run_training(run.folder, CommandQueue()) is State.FAILED
    with RunReader(run.folder) as reader:
        summary = reader.summary()
    assert summary.message == f"plugin {path}: cannot be read: No such file or directory"
    assert summary.pid == os.getpid()  # so that whoever resumed it hears of it


def test_a_run_of_plugins_finishes(here: Plugins, documented_plugins: dict[str, Path], tmp_path: Path) -> None:
    paths = [str(path) for path in documented_plugins.values()]
    document = {"plugins": paths, "data": {"dataset": "waves"}, "model": {"architecture": "two_paths"}}
    assert trained(tmp_path / "home", document) == (State.FINISHED, "")


def test_the_spare_answers_about_plugins(here: Plugins, write: Write, tmp_path: Path) -> None:
    path = str(write(network()))
    asked = {"ask": "summary", "experiment": {"plugins": [path], "model": {"architecture": "mine"}}}
    assert spare_process.answer(asked, tmp_path)["answer"]["parameters"] == 650
    Path(path).write_text(network(body="return inputs.nothing"))
    line = spare_process.answer(asked, tmp_path)["error"]
    assert line.startswith(f"plugin {path}, line 12: AttributeError: ")


def test_a_network_that_needs_values_is_trained(here: Plugins, write: Write, tmp_path: Path) -> None:
    path = write(network(body="return self.head(inputs.flatten(1)) + (1 if inputs.sum().item() > 0 else 0)"))
    document = {"plugins": [str(path)], "model": {"architecture": "mine"}}
    assert trained(tmp_path / "home", document) == (State.FINISHED, "")
