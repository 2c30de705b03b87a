"""The wheel holds every package and file, and works where nothing else of the project is."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOPS = {"tdl_tui": ROOT / "tdl_tui", "tdl_tui.screens": ROOT / "screens", "tdl_tui.models": ROOT / "models"}


def packages_in_the_tree() -> set[str]:
    return {
        ".".join([name, *init.parent.relative_to(top).parts])
        for name, top in TOPS.items()
        for init in top.rglob("__init__.py")
        if not any(part.is_symlink() for part in init.relative_to(top).parents if part != Path())
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(folder),
        str(ROOT),
    ]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return next(folder.glob("*.whl"))


def test_every_package_is_named() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    linked = {"tdl_tui.screens", "tdl_tui.models"}
    in_tree = {
        name for name in packages_in_the_tree() if name in linked or not (TOPS["tdl_tui"] / name[8:]).is_symlink()
    }
    assert set(project["tool"]["setuptools"]["packages"]) == in_tree


def test_wheel_holds_every_module_and_style_sheet(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    for name, top in TOPS.items():
        folder = name.replace(".", "/")
        for path in [*top.rglob("*.py"), *top.rglob("*.tcss"), *top.rglob("py.typed")]:
            assert f"{folder}/{path.relative_to(top)}" in inside


def test_wheel_works_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    venv.create(environment, with_pip=False)
    python = environment / "bin" / "python"
    site = Path(
        subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
    )
    zipfile.ZipFile(wheel).extractall(site)
    # The dependencies are borrowed; a .pth adds the folder without reading the .pth files in it, so the checkout
    # that is installed there stays unseen.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    script = (
        "import tdl_tui.cli, tdl_tui.screens.app, tdl_tui.models.mlp, pathlib;"
        "print(pathlib.Path(tdl_tui.screens.app.__file__).resolve())"
    )
    shown = subprocess.run([python, "-c", script], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert Path(shown.stdout.strip()).is_relative_to(environment.resolve())
    listed = subprocess.run(
        [python, "-c", "from tdl_tui.cli import main; main()", "models", "--json"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert '"mlp"' in listed.stdout
