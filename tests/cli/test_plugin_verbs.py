"""Plugins on the command line: listed, trained to the end, told when they are wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Tdl

from tdl_tui.plugins.known import PLUGINS, VARIABLE

PROGRAM = (sys.executable, "-c", "from tdl_tui.cli import main; main()")


@pytest.fixture
def paths(documented_plugins: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Path]]:
    """The documented plugins. Nothing of them is known before or after."""
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setattr(PLUGINS, "here", False)
    yield documented_plugins
    PLUGINS.clear()


def test_plugins_are_trained_from_the_command_line_to_the_end(
    documented_plugins: dict[str, Path], tmp_path: Path
) -> None:
    paths = documented_plugins
    environment = {**os.environ, "TDL_HOME": str(tmp_path / "home"), VARIABLE: str(paths["waves"])}
    arguments = ["train", "--plugin", "two_paths.py", "--dataset", "waves", "--model", "two_paths", "--json"]
    done = subprocess.run(
        [*PROGRAM, *arguments, "--set", "model.options.activation=tanh", "--device", "cpu"],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ended = json.loads(done.stdout)
    assert ended["state"] == "finished"
    assert ended["test"]["accuracy"] > 0.8
    shown = subprocess.run([*PROGRAM, "show", "last", "--json"], env=environment, capture_output=True, check=True)
    assert sorted(json.loads(shown.stdout)["experiment"]["plugins"]) == sorted(map(str, paths.values()))


def test_they_are_listed_with_where_they_are_from(
    tdl: Tdl, paths: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    networks, data = str(paths["two_paths"]), str(paths["waves"])
    (model,) = tdl("models", "two_paths", "--plugin", networks, "--json").document
    assert model["plugin"] == networks
    assert [option["name"] for option in model["options"]] == ["width", "activation"]
    assert f"from {networks}" in tdl("models", "two_paths").out  # once named, it stays named in this process
    monkeypatch.setenv(VARIABLE, data)
    (dataset,) = tdl("datasets", "waves", "--json").document
    assert (dataset["plugin"], dataset["input"], dataset["examples"]) == (data, [24, 1], 400)
    assert "plugin" not in tdl("models", "mlp", "--json").document[0]
    dry = tdl("--plugin", networks, "train", "--dataset", "waves", "--model", "two_paths", "--dry-run", "--json")
    assert dry.document["experiment"]["plugins"] == [data, networks]
    wrong = tdl("train", "--dataset", "waves", "--set", "data.options.steps=2", "--dry-run")
    assert (wrong.status, wrong.err) == (2, "tdl: data.options.steps: must be 4 to 1000, got 2\n")


def test_a_summary_of_one_is_told(tdl: Tdl, paths: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("summary", "--plugin", str(paths["two_paths"]), "--model", "two_paths", "--dataset", "iris", "--json")
    assert tdl(*arguments).document["parameters"] == 4 * 32 + 32 + 32 * 3 + 3 + 4 * 3 + 3
    source = paths["two_paths"].read_text()
    paths["two_paths"].write_text(source.replace("self.skip(flat)", "self.skipped(flat)"))
    monkeypatch.setenv(VARIABLE, "")
    result = tdl(*arguments)
    line = next(n for n, text in enumerate(source.splitlines(), 1) if "self.skip(flat)" in text)
    assert (result.status, result.err.count("\n")) == (1, 1)
    assert result.err.startswith(f"tdl: plugin {paths['two_paths']}, line {line}: AttributeError: ")


def test_a_wrong_one_ends_with_2_and_one_line_and_its_traceback_is_kept(
    tdl: Tdl, home: Path, paths: dict[str, Path]
) -> None:
    path = paths["two_paths"]
    path.write_text("from tdl_tui.registry import ARCHITECTURES\n\nARCHITECTURES.registre()\n")
    result = tdl("train", "--plugin", str(path))
    assert (result.status, result.out, result.err.count("\n")) == (2, "", 1)
    assert result.err.startswith(f"tdl: plugin {path}, line 3: AttributeError: ")
    assert result.err.endswith(f"; the details are in {home / 'tdl.log'}\n")
    assert "ARCHITECTURES.registre()" in (home / "tdl.log").read_text()


def test_one_that_is_not_there_ends_with_2(tdl: Tdl, home: Path, paths: dict[str, Path], tmp_path: Path) -> None:
    result = tdl("models", "--plugin", str(tmp_path / "none.py"))
    assert (result.status, result.out) == (2, "")
    assert result.err == f"tdl: plugin {tmp_path / 'none.py'}: cannot be read: No such file or directory\n"
    assert not home.exists()


def test_one_that_an_installed_package_brings_is_only_complained_of(
    tdl: Tdl, paths: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = tmp_path / "site" / "broken-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[tdl.plugins]\nbroken = no_such_module_at_all\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    result = tdl("models", "mlp", "--json")
    assert result.status == 0
    assert result.document[0]["name"] == "mlp"
    assert result.err.startswith("tdl: plugin no_such_module_at_all: ModuleNotFoundError: ")
